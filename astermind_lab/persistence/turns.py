"""Turns of kinds that must not meet: of one kind any number run together, of two never.

Writers and readers of the change feed are such kinds. The engine gives a transaction its place in
the feed a moment before others can see it: while two write, the later place may show up first, and
a reader that goes on from there misses the other. So the feed is read while nothing is being
written. Turns are taken in the order in which they were asked for, so nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from enum import Enum

__all__ = ["Turn", "Turns", "turn_of"]

_READS_FEED = re.compile(r"\bSHOW\s+CHANGES\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\b(?:ALTER|BEGIN|CREATE|DEFINE|DELETE|INSERT|REBUILD|RELATE|REMOVE|UPDATE|UPSERT)\b"
    r"|\b(?:fn|ml|mod|api|silo)::",
    re.IGNORECASE,
)


class Turn(Enum):
    """What a query does that others have to wait for."""

    WRITING = "writing"
    READING_FEED = "reading the feed"


def turn_of(statements: str) -> Turn | None:
    """The turn that a query needs; a word inside a string counts too, which does no harm."""
    if _READS_FEED.search(statements):
        return Turn.READING_FEED
    return Turn.WRITING if _WRITES.search(statements) else None


class Turns:
    """Any number of turns of one kind at a time; on one event loop."""

    def __init__(self) -> None:
        self._kind: Enum | None = None
        self._running = 0
        self._queue: deque[tuple[Enum, asyncio.Future[None]]] = deque()

    def take(self, kind: Enum | None) -> AbstractAsyncContextManager[None]:
        """Wait for a turn and hold it; None needs none."""
        return nullcontext() if kind is None else self._held(kind)

    @asynccontextmanager
    async def _held(self, kind: Enum) -> AsyncIterator[None]:
        if self._queue or not self._fits(kind):
            await self._wait(kind)
        else:
            self._begin(kind)
        try:
            yield
        finally:
            self._end()

    async def _wait(self, kind: Enum) -> None:
        admitted = asyncio.get_running_loop().create_future()
        self._queue.append((kind, admitted))
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.cancelled():
                self._admit()
            else:
                self._end()
            raise

    def _fits(self, kind: Enum) -> bool:
        return not self._running or self._kind is kind

    def _begin(self, kind: Enum) -> None:
        self._kind = kind
        self._running += 1

    def _end(self) -> None:
        self._running -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in those at the head of the queue who may run now."""
        while self._queue:
            kind, admitted = self._queue[0]
            if not admitted.cancelled():
                if not self._fits(kind):
                    return
                self._begin(kind)
                admitted.set_result(None)
            self._queue.popleft()
