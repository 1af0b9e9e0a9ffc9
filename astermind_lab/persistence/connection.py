"""One open database, for many threads.

The SDK's client lives on an event loop in a thread of its own; callers hand it a query and wait.
The SDK's blocking client would do for ``ws://``, but in process it holds Python's global lock while
a query runs: one slow search would freeze every other thread, a server's event loop included.

Life cycle: ``Connection.open`` starts the thread, opens the engine or socket, signs in and chooses
the namespace and database; ``run`` sends statements from any thread; ``close`` lets running
queries finish and stops the thread. A connection nobody closed is closed when it is collected or
the program ends. One socket serves all threads: its requests do not wait for one another.

When the socket breaks, whoever notices first opens a new one (and starts the local engine anew, if
that is what is gone), with growing pauses, and all go on with it. What was under way is sent again.
That is safe for reads; for ``write``, whose statements may be done twice; for ``insert``, because
its ids were made here; and for ``write_once``, whose outcome is kept in a receipt, written in the
same transaction.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from enum import Enum
from typing import Any

from surrealdb import RecordID
from surrealdb.errors import TransportError, TransportTimeoutError

from astermind_lab.errors import StoreError, StoreUnavailable
from astermind_lab.persistence.access import (
    Access,
    Credentials,
    SignInRefused,
    enter,
    leave,
    take_folder,
)
from astermind_lab.persistence.clock_jumps import Ask, note_clock_jump
from astermind_lab.persistence.engine import EngineFailed, EngineOptions
from astermind_lab.persistence.faults import (
    RecordTaken,
    WriteConflict,
    one_line,
    read_reply,
    translate,
)
from astermind_lab.persistence.folder_lock import FolderLock
from astermind_lab.persistence.loop_thread import LoopThread
from astermind_lab.persistence.target import LOG_BYTES, Target
from astermind_lab.persistence.turns import Turn, Turns, turn_of
from astermind_lab.persistence.values import check_id

__all__ = ["Connection", "Credentials"]

PATIENCE_SECONDS = 30.0
_RETRIES = 40
_MOST_BREAKS = 10
_LOOK_SECONDS = 0.25
_LONGEST_PAUSE = 0.1  # seconds
_FIRST_RECONNECT_PAUSE = 0.02
_LONGEST_RECONNECT_PAUSE = 1.0

_INSERT = """{{
    LET $stored = array::len((INSERT INTO {table} $rows RETURN VALUE 1));
    IF $stored != $expected {{ THROW 'the engine stored ' + <string> $stored + ' rows' }};
}}"""

_ONCE = """{{
    LET $done = (SELECT VALUE outcome FROM ONLY $receipt);
    IF $done != NONE {{ RETURN $done.value }};
    LET $outcome = {expression};
    CREATE $receipt SET outcome = {{ value: $outcome }}, at = time::now() RETURN NONE;
    DELETE $settled RETURN NONE;
    RETURN $outcome;
}}"""
_SETTLE = "DELETE $settled RETURN NONE; DELETE _receipts WHERE at < time::now() - 1d RETURN NONE"


class _Door(Enum):
    OPEN = "open"
    SHUT = "shut"


class _Link:
    """A client, and the socket on which it signed in; the SDK may open another by itself."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._socket = getattr(client, "socket", None)

    @property
    def broken(self) -> bool:
        if self._socket is None:
            return False
        return self.client.socket is not self._socket or self.client.recv_task.done()


class _Broken(Exception):
    """The request met a broken connection; it may have been carried out all the same."""


class Connection:
    """A signed-in connection to one namespace and database; safe to use from many threads.

    written : called after each write in this process; only for a store that no other one writes
    links_made : how often it was opened
    """

    def __init__(
        self, access: Access, client: Any, thread: LoopThread, lock: FolderLock | None
    ) -> None:
        """Use ``Connection.open``."""
        self.access = access
        self.target = access.target
        self.thread = thread
        self.read_only = False
        self.written: list[Callable[[], None]] = []
        self.links_made = 1
        self._process = os.getpid()
        self._links = [_Link(client)]  # one; in a list, so that the finalizer sees the newest
        self._mending = threading.Lock()
        self._alone = asyncio.Lock()
        self._turns = Turns()
        self._door = Turns()
        self._looked = 0.0
        self._lapsed = False  # closed, and could not be opened again
        self._settled: list[RecordID] = []
        self._shut = weakref.finalize(self, _shut_down, self._links, thread, lock, self._process)

    @classmethod
    def open(
        cls,
        target: Target,
        namespace: str,
        database: str,
        credentials: Credentials | None = None,
        *,
        engine: EngineOptions | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> Connection:
        """Open, sign in and choose the database.

        engine : how a local engine is started, if it has to be
        patience : for how many seconds a lost connection is opened again before callers are told
        Raises StoreLocked for a folder that another process holds, StoreUnavailable for a server
        that does not answer or refuses the sign-in, StoreError where the engine cannot open.
        """
        access = Access(
            target,
            check_id("namespace", namespace),
            check_id("database", database),
            credentials or Credentials(),
            engine or EngineOptions(),
            patience,
        )
        lock = take_folder(target)
        thread = LoopThread()
        try:
            client = _first_client(access, thread)
            if target.folder is not None:
                thread.run(note_clock_jump(_asking(client)))
        except BaseException:
            thread.stop()
            if lock is not None:
                lock.release()
            raise
        return cls(access, client, thread, lock)

    def run(self, statements: str, /, **bound: Any) -> list[Any]:
        """Send SurrealQL with bound parameters; returns the result of each statement.

        Conflicting transactions are tried again: a conflict has changed nothing, and every text
        sent here is one statement, one transaction, or reads only. Raises StoreError.
        """
        return self._answer(statements, bound)

    def first(self, statements: str, /, **bound: Any) -> Any:
        """The result of the first statement."""
        return self.run(statements, **bound)[0]

    def write(self, statements: str, /, **bound: Any) -> Any:
        """Like ``first``, for statements that change something, and may be done twice.

        Raises StoreUnavailable for a user who may only read: the server would answer such a write
        with success, and do nothing.
        """
        self._refuse_read_only()
        return self.first(statements, **bound)

    def write_once(self, expression: str, /, **bound: Any) -> Any:
        """The value of an expression that changes something; it is done once, whatever breaks.

        expression : a statement in parentheses or a block in braces, without RETURN inside
        """
        self._refuse_read_only()
        if not self.target.is_server:
            return self.first(f"RETURN {expression}", **bound)
        receipt = RecordID("_receipts", uuid.uuid4().hex)
        settled = self._settled[:]
        outcome = self.first(
            _ONCE.format(expression=expression), receipt=receipt, settled=settled, **bound
        )
        self._settled = [one for one in self._settled if one not in settled] + [receipt]
        return outcome

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store all rows or none, under ids that were made for them and for nothing else.

        Raises StoreError if the engine drops one without an error, or if an id is taken.
        """
        self._refuse_read_only()
        statements, bound = _INSERT.format(table=table), {"rows": rows, "expected": len(rows)}
        links: set[_Link] = set()
        try:
            self._answer(statements, bound, links)
        except RecordTaken:
            if len(links) < 2:
                raise
            # The connection broke, but the first attempt had been stored, rows and all.

    def close(self) -> None:
        """Let running queries finish, then close; closing twice is no error."""
        if os.getpid() != self._process:
            return
        if self._settled and not self.closed and not self._links[0].broken:
            with suppress(StoreError, _Broken):
                self._ask(self._links[0], _SETTLE, {"settled": self._settled})
        self._shut()

    @property
    def closed(self) -> bool:
        return not self._shut.alive

    def _answer(
        self, statements: str, bound: dict[str, Any], links: set[_Link] | None = None
    ) -> list[Any]:
        """The results, after as many attempts as it takes; ``links`` notes those that it took."""
        self._check_usable()
        attempt = breaks = 0
        while True:
            link = self._links[0]
            if links is not None:
                links.add(link)
            try:
                return read_reply(self._ask(link, statements, bound))
            except _Broken as problem:
                breaks += 1
                if breaks > _MOST_BREAKS:
                    raise StoreUnavailable(
                        f"the connection to {self.target.url} broke each time this was sent, "
                        f"{breaks} times: {problem}"
                    ) from None
                self._mend(link, problem)
                time.sleep(random.uniform(0.0, min(_LONGEST_RECONNECT_PAUSE, 0.002 * 2**breaks)))
            except WriteConflict:
                attempt += 1
                if attempt > _RETRIES:
                    raise
                time.sleep(random.uniform(0.0, min(_LONGEST_PAUSE, 0.002 * 2**attempt)))

    def _ask(self, link: _Link, statements: str, bound: dict[str, Any]) -> dict[str, Any]:
        """The raw reply; raises _Broken if the connection is, StoreError for all else."""
        try:
            reply = self.thread.run(self._query(link, statements, bound))
        except CancelledError:
            raise self._is_closed() from None
        except TransportTimeoutError as problem:
            raise StoreUnavailable(
                f"{self.target.url} did not answer in time: {one_line(str(problem))}"
            ) from None
        except (TransportError, OSError) as problem:
            if not self.target.is_server:
                raise translate(problem) from None
            raise _Broken(one_line(str(problem))) from None
        except _Broken:
            raise
        except Exception as problem:
            if link.broken:
                raise _Broken(one_line(str(problem))) from None
            raise translate(problem) from None
        if link.broken and reply.get("error") is not None:
            raise _Broken("the connection was lost")  # and the SDK's new one is not signed in
        return reply

    async def _query(self, link: _Link, statements: str, bound: dict[str, Any]) -> dict[str, Any]:
        if link.broken:
            raise _Broken("the connection was lost")
        if self.target.is_server:
            reply: dict[str, Any] = await link.client.query_raw(statements, bound)
            return reply
        kind = turn_of(statements)
        if kind is Turn.WRITING or self._lapsed:
            await self._renew_if_large()
        async with self._door.take(_Door.OPEN), self._turns.take(kind):
            client = self._links[0].client
            if self.target.in_memory:  # side by side, it loses updates now and then
                async with self._alone:
                    reply = await client.query_raw(statements, bound)
            else:
                reply = await client.query_raw(statements, bound)
        if kind is Turn.WRITING:
            for tell in self.written:
                tell()
        return reply

    async def _renew_if_large(self) -> None:
        """Open the folder anew when its log has grown: from a limit on, its writes would stall."""
        now = time.monotonic()
        if self.target.folder is None or (now - self._looked < _LOOK_SECONDS and not self._lapsed):
            return
        self._looked = now
        if not self._must_renew():
            return
        async with self._door.take(_Door.SHUT), self._alone:
            if not self._must_renew():  # somebody else has done it meanwhile
                return
            self._lapsed = True
            await leave(self._links[0].client)
            client = await enter(self.access)
            self._links[0] = _Link(client)
            self.links_made += 1
            self._lapsed = False
            await note_clock_jump(_asking(client))

    def _must_renew(self) -> bool:
        return self._lapsed or (self.target.log_bytes > LOG_BYTES and self.target.has_room)

    def _mend(self, link: _Link, problem: Exception) -> None:
        """See to it that there is another link; raises StoreUnavailable if none can be had."""
        with self._mending:
            if self._links[0] is not link:
                return
            patience = self.access.patience
            deadline = time.monotonic() + patience
            pause = _FIRST_RECONNECT_PAUSE
            while True:
                self._check_usable()
                try:
                    self._links[0] = _Link(self.thread.run(enter(self.access)))
                    self.links_made += 1
                except CancelledError:
                    raise self._is_closed() from None
                except SignInRefused:
                    raise
                except StoreUnavailable as again:
                    if time.monotonic() + pause > deadline:
                        raise StoreUnavailable(
                            f"the connection to {self.target.url} was lost ({problem}) and could "
                            f"not be had again within {patience:g} s: {again}"
                        ) from None
                else:
                    break
                time.sleep(random.uniform(0.5, 1.0) * pause)
                pause = min(_LONGEST_RECONNECT_PAUSE, 2 * pause)
        with suppress(Exception):
            self.thread.run(leave(link.client))

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise StoreUnavailable(
                f"nothing was changed: the signed-in user may read {self.target.url}, but not "
                "write. Sign in as a user with the role EDITOR or OWNER"
            )

    def _is_closed(self) -> StoreError:
        return StoreError(f"the store {self.target.url} is closed; open it again")

    def _check_usable(self) -> None:
        if self.closed:
            raise self._is_closed()
        if os.getpid() != self._process:
            raise StoreError(
                f"the store {self.target.url} was opened before this process was forked; "
                "open it in each process"
            )


def _first_client(access: Access, thread: LoopThread) -> Any:
    """A client; a local engine that ends while it comes in is no reason to give up."""
    deadline = time.monotonic() + access.patience
    while True:
        try:
            return thread.run(enter(access))
        except (SignInRefused, EngineFailed):
            raise
        except StoreUnavailable:
            if access.target.data_dir is None or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.5, 1.0) * _FIRST_RECONNECT_PAUSE)


def _asking(client: Any) -> Ask:
    """A way to ask a client that nobody else uses yet."""

    async def ask(statements: str, bound: dict[str, Any]) -> Sequence[Any]:
        return read_reply(await client.query_raw(statements, bound))

    return ask


def _shut_down(
    links: list[_Link], thread: LoopThread, lock: FolderLock | None, process: int
) -> None:
    if os.getpid() != process:  # a forked child has the object, but neither engine nor thread
        return
    thread.stop(leave(links[0].client))
    if lock is not None:
        lock.release()
