"""Trouble between a recorder and its database, made on purpose."""

from __future__ import annotations

import threading
import time
from typing import Any

from astermind_lab.errors import StoreError, StoreUnavailable
from astermind_lab.monitoring.recorder import Recorder
from astermind_lab.persistence import Store
from astermind_lab.persistence.spooled import SpooledWrites

SOON = 20.0  # seconds, by which whatever is waited for has come


class Unsteady:
    """A store's way in, as it is, away, failing, hanging, or refusing some payloads."""

    def __init__(self, store: Store) -> None:
        """The next recorder of the store gets this."""
        known: SpooledWrites | Unsteady = store.spooled
        self.spooled = known.spooled if isinstance(known, Unsteady) else known
        self.away = self.dies = self.fails = False
        self.refused: bytes | None = None
        self.stored: dict[tuple[str, int], int] = {}  # spool and place → payloads, in their order
        self.hang = threading.Event()
        self.hang.set()
        self.reached, self.died = threading.Event(), threading.Event()
        store.spooled = self  # type: ignore[assignment]

    def take_in(self, spool: str, start: int, end: int, payloads: list[bytes]) -> None:
        self.reached.set()
        assert self.hang.wait(SOON)
        self._check()
        if self.refused is not None and any(self.refused in payload for payload in payloads):
            raise StoreError("refused, for the test")
        self.spooled.take_in(spool, start, end, payloads)
        self.stored.setdefault((spool, start), len(payloads))
        if self.dies:  # it is done, but nobody is left to take note of it
            self.away = True
            self.died.set()
            raise StoreUnavailable("the program was killed, for the test")

    def position(self, spool: str) -> int:
        self._check()
        return self.spooled.position(spool)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("away, for the test")
        if self.fails:
            raise StoreError("the disk is full, for the test")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.spooled, name)


def catch_up(recorder: Recorder) -> None:
    """Flush, also where an attempt is under way that began while the database was away."""
    deadline = time.monotonic() + SOON
    while True:
        try:
            return recorder.flush()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise


def abandon(recorder: Recorder) -> None:
    """As if its process had been killed: nothing is flushed, the lock is free."""
    flusher = recorder._flusher
    flusher._closed.set()
    flusher._wake.set()
    flusher._dirty.set()
    for thread in flusher._threads:
        thread.join(SOON)
        assert not thread.is_alive()
    flusher._lock.release()
