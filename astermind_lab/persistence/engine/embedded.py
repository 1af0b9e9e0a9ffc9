"""The embedded database, shared by many sessions.

Each session has its own namespace, database and identity, as on a server. A new one is anonymous:
the engine itself refuses it everything until it has signed in as a user of the database.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from surrealdb import escape_identifier
from surrealdb.data.cbor import decode, encode
from surrealdb_embedded import AsyncEmbeddedDB

from astermind_lab.persistence.clock_jumps import note_clock_jump
from astermind_lab.persistence.turns import Turn, Turns, turn_of

__all__ = ["Embedded", "Refused"]

# Requests other than query that may write.
_WRITERS = frozenset(
    {
        *("create", "insert", "insert_relation", "update", "upsert", "merge", "patch", "delete"),
        *("relate", "run", "import"),
    }
)


class Refused(Exception):
    """The engine's own words of refusal."""


class Embedded:
    """The engine that owns the folder.

    written : called after each request that may have changed something
    """

    def __init__(self, url: str) -> None:
        self._db = AsyncEmbeddedDB(url)
        self._turns = Turns()
        self.written: Callable[[], None] = lambda: None

    async def open(self, username: str, password: str) -> None:
        """Open the folder, and see to it that the user can sign in with that password.

        username, password : words of our own making, of letters and digits
        """
        await self._db.connect()
        if not await self._can_sign_in(username, password):
            if not (username.isalnum() and password.isalnum()):
                raise ValueError("user name and password are made of letters and digits")
            # DEFINE takes no parameters.
            await self.ask(
                f"DEFINE USER OVERWRITE {username} ON ROOT PASSWORD '{password}' ROLES OWNER"
            )

    async def note_clock_jumps(self) -> int:
        """See in every database whether the clock was set back; how many stamps are to come."""
        found = 0
        [root] = await self.ask("INFO FOR ROOT")
        for namespace in map(escape_identifier, root["namespaces"]):
            _, inside = await self.ask(f"USE NS {namespace}; INFO FOR NS")
            for database in map(escape_identifier, inside["databases"]):
                place = f"USE NS {namespace} DB {database}; "

                async def ask(
                    statements: str, bound: dict[str, Any], place: str = place
                ) -> list[Any]:
                    return (await self.ask(place + statements, **bound))[1:]

                found += await note_clock_jump(ask)
        return found

    async def close(self) -> None:
        """Close the folder; nobody may ask any more."""
        await self._db.close()

    async def attach(self) -> uuid.UUID:
        """A new session, anonymous."""
        session = uuid.uuid4()
        await self._request("attach", [], session)
        return session

    async def detach(self, session: uuid.UUID) -> None:
        """End a session."""
        await self._request("detach", [], session)

    async def execute(self, frame: bytes, method: str, text: str) -> bytes:
        """Answer a request, in its turn. ``text`` : the statements of a query, else empty."""
        kind = turn_of(text) if text else Turn.WRITING if method in _WRITERS else None
        async with self._turns.take(kind):
            answer: bytes = await self._db.execute(frame)
        if kind is Turn.WRITING:
            self.written()
        return answer

    async def ask(
        self, statements: str, /, *, session: uuid.UUID | None = None, **bound: Any
    ) -> list[Any]:
        """The result of each statement; without a session as the owner. Raises Refused."""
        async with self._turns.take(turn_of(statements)):
            reply = await self._request("query", [statements, bound], session)
        failed = [entry for entry in reply if entry["status"] != "OK"]
        if failed:
            raise Refused(str(failed[0]["result"]))
        return [entry["result"] for entry in reply]

    async def _can_sign_in(self, username: str, password: str) -> bool:
        session = await self.attach()
        try:
            await self._request("signin", [{"user": username, "pass": password}], session)
        except Refused:
            return False
        finally:
            await self.detach(session)
        return True

    async def _request(self, method: str, params: list[Any], session: uuid.UUID | None) -> Any:
        message: dict[str, Any] = {"id": "0", "method": method, "params": params}
        if session is not None:
            message["session"] = session
        reply = decode(await self._db.execute(encode(message)))
        if reply.get("error") is not None:
            raise Refused(str(reply["error"].get("message", reply["error"])))
        return reply.get("result")
