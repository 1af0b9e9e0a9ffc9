"""Keeping the engine small and sound: it is opened anew when it has grown, or met a full disk.

The embedded engine keeps all that was written since it was opened in memory, beside its write-ahead
log, and every block that was read. It sizes both from the machine, gigabytes on a large one, and
the package has no way to set them. Closing flushes them: a tenth of a second for a hundred
megabytes. It also keeps the log short, and with it the start after a kill.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from astermind_lab.memory import give_memory_back, memory_bytes
from astermind_lab.persistence.engine.embedded import Embedded
from astermind_lab.persistence.engine.live import LiveQueries
from astermind_lab.persistence.target import LOG_BYTES, Target

__all__ = ["Upkeep"]

MEMORY_BYTES = 448 * 1024 * 1024
_LOOK_SECONDS = 0.25
_TRIM_SECONDS = 2.0
_PATIENCE_SECONDS = 0.2
_MUCH = 2  # so many times the log, and it is opened anew whoever has to wait
_AGAIN_SECONDS = 0.5
_CLOCK_SECONDS = 1.0  # less is caught up with before anybody notices
_SET_BACK = 75  # the exit code EX_TEMPFAIL: try again
_REST_SECONDS = 15.0  # between two openings for the sake of memory that was read into

_log = logging.getLogger(__name__)


class Upkeep:
    """Looks at the log and the memory of an engine, for as long as it runs."""

    def __init__(
        self, engine: Embedded, live: LiveQueries, target: Target, leave: Callable[[str], None]
    ) -> None:
        """leave : ends the process, with a reason, if the database cannot be opened again."""
        self._engine = engine
        self._live = live
        self._target = target
        self._leave = leave
        self._opened = self._trimmed = time.monotonic()
        self._offset = time.time() - time.monotonic()

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._watch_clock()
            try:
                if (self._engine.torn or await self._is_large()) and self._target.has_room:
                    await self._reopen()
            except Exception as problem:
                _log.exception("the database could not be opened again")
                self._leave(f"the database could not be opened again: {problem}")
                return

    async def _is_large(self) -> bool:
        if self._target.log_bytes > LOG_BYTES:
            return True
        now = time.monotonic()
        if memory_bytes() < MEMORY_BYTES or now - self._trimmed < _TRIM_SECONDS:
            return False
        self._trimmed = now
        await asyncio.to_thread(give_memory_back)
        return memory_bytes() > MEMORY_BYTES and now - self._opened > _REST_SECONDS

    def _watch_clock(self) -> None:
        """End at once where the clock was set back: the engine would spin until it has caught up.

        The next one notes it when it opens the database, and goes on.
        """
        offset = time.time() - time.monotonic()
        if offset < self._offset - _CLOCK_SECONDS:
            _log.error("the clock was set back by %.1f s; starting anew", self._offset - offset)
            logging.shutdown()
            os._exit(_SET_BACK)
        self._offset = offset

    async def _reopen(self) -> None:
        start = time.monotonic()
        must = self._target.log_bytes > _MUCH * LOG_BYTES
        try:
            jumped = await self._engine.reopen(None if must else _PATIENCE_SECONDS)
        except TimeoutError:  # a long question is being answered: nobody is to wait behind it
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        if jumped:
            _log.warning("the clock of this machine was set back since the last change")
            await self._live.read_clock_jumps()
        self._opened = time.monotonic()
        _log.info("opened anew, in %.2f s", self._opened - start)
