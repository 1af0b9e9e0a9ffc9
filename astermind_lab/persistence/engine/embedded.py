"""The embedded database, shared by many sessions.

Each session has its own namespace, database and identity, as on a server. A new one is anonymous:
the engine itself refuses it everything until it has signed in as a user of the database.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from surrealdb import escape_identifier
from surrealdb.data.cbor import decode, encode
from surrealdb_embedded import AsyncEmbeddedDB

from astermind_lab.memory import give_memory_back
from astermind_lab.persistence.clock_jumps import note_clock_jump
from astermind_lab.persistence.engine.frames import Request
from astermind_lab.persistence.opening import open_client
from astermind_lab.persistence.target import Target
from astermind_lab.persistence.turns import Turn, Turns, turn_of

__all__ = ["Embedded", "Refused"]

# Requests other than query that may write.
_WRITERS = frozenset(
    {
        *("create", "insert", "insert_relation", "update", "upsert", "merge", "patch", "delete"),
        *("relate", "run", "import"),
    }
)

_SIGN_IN = frozenset({"signin", "authenticate", "signup"})
_REMEMBERED = _SIGN_IN | {"use", "let", "unset", "invalidate", "reset"}

_TORN = b"WAL error"
_ROOM_SECONDS = 1.0
_NO_ROOM = (
    "no space is left on the disk, and nothing was written; "
    "make room, and writing goes on by itself"
)

_log = logging.getLogger(__name__)


class Refused(Exception):
    """The engine's own words of refusal."""


class _Door(Enum):
    OPEN = "open"
    SHUT = "shut"


@dataclass
class _Session:
    """What a session is made of, so that it can be made again.

    identity : the request by which it signed in     place : namespace and database
    """

    identity: tuple[str, list[Any]] | None = None
    place: list[Any] | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    def remember(self, method: str, params: list[Any]) -> None:
        """Note a request that was carried out."""
        if method in _SIGN_IN:
            self.identity = method, params
        elif method == "use":
            self.place = params
        elif method == "let":
            self.variables[params[0]] = params[1]
        elif method == "unset":
            self.variables.pop(params[0], None)
        else:  # invalidate or reset
            self.identity = None


class Embedded:
    """The engine that owns the folder.

    written : called after each request that may have changed something
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._sound = asyncio.Event()
        self._sound.set()
        self._db: Any = None
        self._door = Turns()
        self._turns = Turns()
        self._sessions: dict[uuid.UUID, _Session] = {}
        self.written: Callable[[], None] = lambda: None

    async def open(self, username: str, password: str) -> None:
        """Open the folder, and see to it that the user can sign in with that password.

        username, password : words of our own making, of letters and digits
        """
        await self._connect()
        if not await self._can_sign_in(username, password):
            if not (username.isalnum() and password.isalnum()):
                raise ValueError("user name and password are made of letters and digits")
            # DEFINE takes no parameters.
            await self.ask(
                f"DEFINE USER OVERWRITE {username} ON ROOT PASSWORD '{password}' ROLES OWNER"
            )
        if await self._note_clock_jumps():
            _log.warning("the clock of this machine was set back since the last change")

    async def close(self) -> None:
        """Close the folder; nobody may ask any more."""
        async with self._door.take(_Door.SHUT):
            with suppress(RuntimeError):  # stopped in the middle of opening anew
                await self._db.close()

    async def reopen(self, patience: float | None = None) -> int:
        """Close the folder and open it again, while all wait; sessions go on as they were.

        patience : for how many seconds requests that are under way are waited for, with all later
            ones behind them; then TimeoutError is raised, and nothing was done

        The embedded engine holds what was written since it was opened, and every block that was
        read, in memory without a bound that could be set. This gives it back. Returns how many
        stamps of the change feed are still to come, because the clock was set back meanwhile.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(patience):
                await stack.enter_async_context(self._door.take(_Door.SHUT))
            for session, state in self._sessions.items():
                if state.identity is not None:
                    state.place = await self._place_of(session) or state.place
            await self._db.close()
            await asyncio.to_thread(give_memory_back)
            await self._connect()
            self._sound.set()
            tokens: dict[bytes, str] = {}
            for session, state in self._sessions.items():
                await self._resume(session, state, tokens)
            return await self._note_clock_jumps()

    async def attach(self) -> uuid.UUID:
        """A new session, anonymous."""
        session = uuid.uuid4()
        async with self._door.take(_Door.OPEN):
            await self._request("attach", [], session)
            self._sessions[session] = _Session()
        return session

    async def detach(self, session: uuid.UUID) -> None:
        """End a session."""
        async with self._door.take(_Door.OPEN):
            del self._sessions[session]
            await self._request("detach", [], session)

    async def execute(self, request: Request, session: uuid.UUID) -> bytes:
        """Answer a request, in its turn."""
        kind = turn_of(request.text)
        if request.method in _WRITERS:
            kind = Turn.WRITING
        if kind is Turn.WRITING:
            await self._wait_for_room()
        async with self._door.take(_Door.OPEN), self._turns.take(kind):
            answer: bytes = await self._db.execute(request.for_session(session))
            if kind is Turn.WRITING and _TORN in answer:
                self._sound.clear()
            if request.method in _REMEMBERED and decode(answer).get("error") is None:
                self._sessions[session].remember(request.method, request.params)
        if kind is Turn.WRITING:
            self.written()
        return answer

    async def ask(
        self, statements: str, /, *, session: uuid.UUID | None = None, **bound: Any
    ) -> list[Any]:
        """The result of each statement; without a session as the owner. Raises Refused."""
        async with self._door.take(_Door.OPEN), self._turns.take(turn_of(statements)):
            return await self._query(statements, bound, session)

    async def _query(
        self, statements: str, bound: dict[str, Any], session: uuid.UUID | None = None
    ) -> list[Any]:
        reply = await self._request("query", [statements, bound], session)
        failed = [entry for entry in reply if entry["status"] != "OK"]
        if failed:
            raise Refused(str(failed[0]["result"]))
        return [entry["result"] for entry in reply]

    async def _note_clock_jumps(self) -> int:
        """See in every database whether the clock was set back; how many stamps are to come."""
        found = 0
        [root] = await self._query("INFO FOR ROOT", {})
        for namespace in map(escape_identifier, root["namespaces"]):
            _, inside = await self._query(f"USE NS {namespace}; INFO FOR NS", {})
            for database in map(escape_identifier, inside["databases"]):
                place = f"USE NS {namespace} DB {database}; "

                async def ask(
                    statements: str, bound: dict[str, Any], place: str = place
                ) -> list[Any]:
                    return (await self._query(place + statements, bound))[1:]

                found += await note_clock_jump(ask)
        return found

    @property
    def torn(self) -> bool:
        """Whether a write found no room on the disk.

        What is written behind it would be lost at the next kill, so writes are refused until the
        database has been opened anew.
        """
        return not self._sound.is_set()

    async def _wait_for_room(self) -> None:
        """Raises Refused if there is none, after a moment in which room may have been made."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sound.wait(), _ROOM_SECONDS)
        if self.torn:
            raise Refused(_NO_ROOM)

    async def _connect(self) -> None:
        self._db = await open_client(lambda: AsyncEmbeddedDB(self._target.engine_url), self._target)

    async def _place_of(self, session: uuid.UUID) -> list[Any] | None:
        try:
            [place] = await self._query("RETURN [session::ns(), session::db()]", {}, session)
        except Refused:  # its sign-in has expired
            return None
        return list(place)

    async def _resume(self, session: uuid.UUID, state: _Session, tokens: dict[bytes, str]) -> None:
        """Bring a session to where it was; a sign-in that is refused now leaves it anonymous."""
        await self._request("attach", [], session)
        try:
            if state.identity is not None:
                method, params = state.identity
                key = encode([method, params])
                if key in tokens:  # to check a password takes a while
                    await self._request("authenticate", [tokens[key]], session)
                else:
                    tokens[key] = str(await self._request(method, params, session) or params[0])
            if state.place is not None:
                await self._request("use", state.place, session)
            for name, value in state.variables.items():
                await self._request("let", [name, value], session)
        except Refused as problem:
            _log.warning("a session could not be resumed: %s", problem)

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
