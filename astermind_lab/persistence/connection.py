"""One open database, for many threads.

The SDK's client lives on an event loop in a thread of its own; callers hand it a query and wait.
The SDK's blocking client would do for ``ws://``, but in process it holds Python's global lock while
a query runs: one slow search would freeze every other thread, a server's event loop included.

Life cycle: ``Connection.open`` starts the thread, opens the engine or socket, signs in and chooses
the namespace and database; ``run`` sends statements from any thread; ``close`` lets running
queries finish and stops the thread. A connection nobody closed is closed when it is collected or
the program ends.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import nullcontext
from typing import Any

from surrealdb import AsyncSurreal, escape_identifier
from surrealdb.errors import TransportError

from astermind_lab.errors import InvalidInput, StoreError, StoreLocked, StoreUnavailable
from astermind_lab.persistence.faults import (
    WriteConflict,
    is_locked,
    one_line,
    read_reply,
    translate,
)
from astermind_lab.persistence.loop_thread import LoopThread
from astermind_lab.persistence.owner import describe_owner
from astermind_lab.persistence.target import Target
from astermind_lab.persistence.values import check_id

__all__ = ["Connection", "Credentials"]

_RETRIES = 40
_LONGEST_PAUSE = 0.1  # seconds

_INSERT = """{{
    LET $stored = array::len((INSERT INTO {table} $rows RETURN VALUE 1));
    IF $stored != $expected {{ THROW 'the engine stored ' + <string> $stored + ' rows' }};
}}"""


class Credentials:
    """A user name and password; both or neither, and never shown."""

    def __init__(self, username: str | None, password: str | None) -> None:
        if (username is None) != (password is None):
            missing = "username" if username is None else "password"
            raise InvalidInput(missing, "username and password are given together or not at all")
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, '…')"


class Connection:
    """A signed-in connection to one namespace and database; safe to use from many threads."""

    def __init__(self, target: Target, client: Any, thread: LoopThread) -> None:
        """Use ``Connection.open``."""
        self.target = target
        self._client = client
        self._thread = thread
        self._process = os.getpid()
        self._socket = getattr(client, "socket", None)
        self._turn = asyncio.Lock() if target.in_memory else nullcontext()
        self.read_only = False
        self._shut = weakref.finalize(self, _shut_down, client, thread, self._process)

    @classmethod
    def open(
        cls, target: Target, namespace: str, database: str, credentials: Credentials
    ) -> Connection:
        """Open, sign in and choose the database.

        Raises StoreLocked for a folder that another process holds, StoreUnavailable for a server
        that does not answer or refuses the sign-in, StoreError where the engine cannot open.
        """
        check_id("namespace", namespace)
        check_id("database", database)
        thread = LoopThread()
        try:
            client = thread.run(_enter(target, namespace, database, credentials))
        except BaseException:
            thread.stop()
            raise
        return cls(target, client, thread)

    def run(self, statements: str, /, **bound: Any) -> list[Any]:
        """Send SurrealQL with bound parameters; returns the result of each statement.

        Conflicting transactions are tried again: a conflict has changed nothing, and every text
        sent here is one statement, one transaction, or reads only. Raises StoreError.
        """
        self._check_usable()
        for attempt in range(_RETRIES):
            try:
                return read_reply(self._ask(statements, bound))
            except WriteConflict:
                time.sleep(random.uniform(0.0, min(_LONGEST_PAUSE, 0.002 * 2**attempt)))
        return read_reply(self._ask(statements, bound))

    def first(self, statements: str, /, **bound: Any) -> Any:
        """The result of the first statement."""
        return self.run(statements, **bound)[0]

    def write(self, statements: str, /, **bound: Any) -> Any:
        """Like ``first``, for statements that change something.

        Raises StoreUnavailable for a user who may only read: the server would answer such a write
        with success, and do nothing.
        """
        if self.read_only:
            raise StoreUnavailable(
                f"nothing was changed: the signed-in user may read {self.target.url}, but not "
                "write. Sign in as a user with the role EDITOR or OWNER"
            )
        return self.first(statements, **bound)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store all rows or none; raises StoreError if the engine drops one without an error."""
        self.write(_INSERT.format(table=table), rows=rows, expected=len(rows))

    def close(self) -> None:
        """Let running queries finish, then close; closing twice is no error."""
        if os.getpid() == self._process:
            self._shut()

    @property
    def closed(self) -> bool:
        return not self._shut.alive

    def _ask(self, statements: str, bound: dict[str, Any]) -> dict[str, Any]:
        try:
            reply = self._thread.run(self._query(statements, bound))
        except CancelledError:
            raise StoreError(f"the store {self.target.url} was closed") from None
        except Exception as problem:
            raise translate(problem) from None
        if self._socket is not None and self._client.socket is not self._socket:
            # The SDK opens a new socket by itself, but nobody is signed in on that one.
            raise StoreUnavailable(
                f"the connection to {self.target.url} was lost; open the store again"
            )
        return reply

    async def _query(self, statements: str, bound: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:  # side by side, the engine in memory loses updates now and then
            reply: dict[str, Any] = await self._client.query_raw(statements, bound)
            return reply

    def _check_usable(self) -> None:
        if self.closed:
            raise StoreError(f"the store {self.target.url} is closed; open it again")
        if os.getpid() != self._process:
            raise StoreError(
                f"the store {self.target.url} was opened before this process was forked; "
                "open it in each process"
            )


async def _enter(target: Target, namespace: str, database: str, credentials: Credentials) -> Any:
    try:
        client: Any = AsyncSurreal(target.engine_url, **_client_options(target))
        await client.connect()
    except Exception as problem:
        raise _cannot_open(target, problem) from None
    try:
        if target.is_server:
            await _sign_in(client, target, namespace, database, credentials)
            await _create_missing(client, namespace, database)
        await client.use(namespace, database)
    except BaseException as problem:
        await client.close()
        raise translate(problem) if isinstance(problem, Exception) else problem from None
    return client


def _client_options(target: Target) -> dict[str, Any]:
    """Answers in one piece: streamed ones need a newer server and bring nothing for our pages."""
    return {"streaming": False} if target.is_server else {}


def _cannot_open(target: Target, problem: Exception) -> StoreError:
    if target.folder is None:
        return StoreUnavailable(
            f"no SurrealDB answers at {target.url}: {one_line(str(problem))}. "
            "Is the server running, and the address right?"
        )
    if is_locked(problem):
        return StoreLocked(
            f"{target.folder} is in use by {describe_owner(target.folder)}. Close it there, "
            "name another folder, or share the data through a server (ws://HOST:PORT)"
        )
    return StoreError(f"the folder {target.folder} cannot be opened: {one_line(str(problem))}")


async def _sign_in(
    client: Any, target: Target, namespace: str, database: str, credentials: Credentials
) -> None:
    """Sign in as a user of the database, of the namespace or of the whole server."""
    if credentials.username is None:
        return
    user = {"username": credentials.username, "password": credentials.password}
    refusal = ""
    for scope in ({"namespace": namespace, "database": database}, {"namespace": namespace}, {}):
        try:
            await client.signin({**scope, **user})
        except Exception as problem:
            if isinstance(problem, TransportError):
                raise
            refusal = one_line(str(problem))
        else:
            return
    raise StoreUnavailable(
        f"{target.url} refused the sign-in of {credentials.username!r} as a user of database "
        f"{database!r}, of namespace {namespace!r} and of the server ({refusal}). "
        "Check username and password"
    )


async def _create_missing(client: Any, namespace: str, database: str) -> None:
    """Create the namespace and the database where the user may; others must find them there."""
    for statement in (
        f"DEFINE NAMESPACE IF NOT EXISTS {escape_identifier(namespace)}",
        f"USE NS {escape_identifier(namespace)}; "
        f"DEFINE DATABASE IF NOT EXISTS {escape_identifier(database)}",
    ):
        try:
            read_reply(await client.query_raw(statement, {}))
        except StoreError:
            continue


def _shut_down(client: Any, thread: LoopThread, process: int) -> None:
    if os.getpid() == process:  # a forked child has the object, but neither engine nor thread
        thread.stop(client.close())
