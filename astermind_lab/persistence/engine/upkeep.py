"""Keeping the engine small: it is opened anew when it has taken much memory.

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
from pathlib import Path

from astermind_lab.persistence.engine.embedded import Embedded
from astermind_lab.persistence.engine.live import LiveQueries

__all__ = ["Upkeep"]

LOG_BYTES = 96 * 1024 * 1024
MEMORY_BYTES = 448 * 1024 * 1024
_LOOK_SECONDS = 0.25
_REST_SECONDS = 20.0  # between two times for the sake of memory that was read into

_log = logging.getLogger(__name__)


class Upkeep:
    """Looks at the log and the memory of an engine, for as long as it runs."""

    def __init__(
        self, engine: Embedded, live: LiveQueries, folder: Path, leave: Callable[[str], None]
    ) -> None:
        """leave : ends the process, with a reason, if the database cannot be opened again."""
        self._engine = engine
        self._live = live
        self._log_folder = folder / "wal"
        self._leave = leave
        self._rested = time.monotonic()

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self._is_large():
                    await self._reopen()
            except Exception as problem:
                _log.exception("the database could not be opened again")
                self._leave(f"the database could not be opened again: {problem}")
                return

    def _is_large(self) -> bool:
        if self._logged() > LOG_BYTES:
            return True
        rested = time.monotonic() - self._rested > _REST_SECONDS
        return rested and _memory() > MEMORY_BYTES

    async def _reopen(self) -> None:
        start = time.monotonic()
        if await self._engine.reopen():
            _log.warning("the clock of this machine was set back since the last change")
            await self._live.read_clock_jumps()
        self._rested = time.monotonic()
        _log.info("opened anew, in %.2f s", self._rested - start)

    def _logged(self) -> int:
        """Bytes in the write-ahead log."""
        total = 0
        try:
            with os.scandir(self._log_folder) as entries:
                for entry in entries:
                    total += entry.stat().st_size
        except OSError:  # a file that went meanwhile, or no log yet
            return total
        return total


def _memory() -> int:
    """Bytes of memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
