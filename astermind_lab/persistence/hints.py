"""When it is worth looking at the change feed.

In process every write of this process is a hint. On the local engine and on servers it is a
notification of a live query; they come on a socket of their own, so that a large answer on the
other one does not hold them up. When that socket breaks, another one is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import weakref
from concurrent.futures import CancelledError
from typing import Any

from astermind_lab.errors import StoreError
from astermind_lab.persistence.access import enter, leave
from astermind_lab.persistence.connection import Connection

__all__ = ["Hints", "LiveHints", "hints_for"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_FAREWELL_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Hints:
    """Hints from the writes of this process."""

    mode = "writes"

    def __init__(self, connection: Connection) -> None:
        self._hinted = threading.Event()
        connection.written.append(self._hinted.set)

    @property
    def healthy(self) -> bool:
        """Whether hints can be relied on at present."""
        return True

    def attend(self, table: str) -> None:
        """Give hints of this table, too."""

    def ignore(self, table: str) -> None:
        """Give no more hints of this table."""

    def wait(self, seconds: float) -> bool:
        """Wait for a hint; False if none came in time."""
        came = self._hinted.wait(seconds)
        self._hinted.clear()
        return came

    def close(self) -> None:
        """End the wait, and give no more hints."""
        self._hinted.set()


class LiveHints(Hints):
    """Hints from live queries."""

    mode = "live"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = weakref.proxy(connection)
        self._access = connection.access
        self._tables: set[str] = set()
        self._changed = asyncio.Event()
        self._ready: dict[str, threading.Event] = {}
        self._listening = False
        self._ended = threading.Event()
        self._task = connection.thread.spawn(self._listen())

    @property
    def healthy(self) -> bool:
        return self._listening

    def attend(self, table: str) -> None:
        """Give hints of this table, too; returns when they come, or after a moment."""
        ready = self._ready.setdefault(table, threading.Event())
        self._change(self._tables.add, table)
        ready.wait(_LONGEST_PAUSE)

    def ignore(self, table: str) -> None:
        self._ready.pop(table, None)
        self._change(self._tables.discard, table)

    def close(self) -> None:
        self._task.cancel()
        super().close()
        self._ended.wait(_FAREWELL_SECONDS)

    def _change(self, change: Any, table: str) -> None:
        def on_loop() -> None:
            change(table)
            self._changed.set()

        with contextlib.suppress(CancelledError, ReferenceError):
            self._connection.thread.call(on_loop)

    async def _listen(self) -> None:
        """Keep a socket with a live query for each table, for ever."""
        try:
            await self._keep_listening()
        finally:
            self._ended.set()

    async def _keep_listening(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                client = await enter(self._access)
            except StoreError:
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
                continue
            pause = _FIRST_PAUSE
            try:
                await self._attend_all(client)
            except Exception as problem:
                _log.info("notifications broke off: %s", problem)
            finally:
                self._listening = False
                self._hinted.set()
                with contextlib.suppress(Exception):
                    await leave(client)
            await asyncio.sleep(pause)

    async def _attend_all(self, client: Any) -> None:
        """Serve until the socket breaks, which ends one of the tasks with an error."""
        attended: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_until_broken(client))
            while True:
                self._changed.clear()
                for table in self._tables - attended.keys():
                    key = await client.live(table)
                    notifications = await client.subscribe_live(key)
                    attended[table] = tasks.create_task(self._pass_on(notifications))
                    attended[table].set_name(str(key))
                    if table in self._ready:
                        self._ready[table].set()
                for table in attended.keys() - self._tables:
                    task = attended.pop(table)
                    task.cancel()
                    await client.kill(task.get_name())
                self._listening = True
                self._hinted.set()
                await self._changed.wait()

    async def _pass_on(self, notifications: Any) -> None:
        async for _ in notifications:
            self._hinted.set()
        raise ConnectionError("the live query ended")


def hints_for(connection: Connection) -> Hints:
    """The hints that fit the store."""
    return LiveHints(connection) if connection.target.is_server else Hints(connection)


async def _until_broken(client: Any) -> None:
    await asyncio.wait([client.recv_task])
    raise ConnectionError("the connection was lost")
