"""From the spool into the database, in a thread of its own.

    record ──► spool on disk ──► flusher ──► database
                   │
                   └ of a process that ended before it was done: adopted by the next one

A spool belongs to the process that holds its lock. Spools whose lock is free were left behind; each
flusher looks for such of its own database when it starts, when somebody waits for it, and now and
then.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from astermind_lab.errors import StoreError, StoreUnavailable
from astermind_lab.monitoring.spool import (
    FRAME_BYTES,
    Batch,
    Fsync,
    Spool,
    next_batch,
    record_length,
    segments,
)

__all__ = ["Flusher", "TakesIn", "left_behind"]

BATCH_RECORDS, BATCH_BYTES = 3000, 4 << 20
LINGER_SECONDS = 0.1  # so long a record waits for others to go with it
_SYNC_SECONDS = 0.5
_LOOK_SECONDS = 60.0
_PAUSES = (0.1, 5.0)
_ATTEMPTS = 3  # of a batch that the database refuses, before it is taken apart
_SWITCH_SECONDS = 0.0005

_log = logging.getLogger(__name__)


class TakesIn(Protocol):
    """What the flusher asks of the database; see ``persistence.spooled``."""

    def take_in(self, spool: str, start: int, end: int, payloads: list[bytes]) -> None: ...
    def position(self, spool: str) -> int: ...
    def forget(self, spools: list[str]) -> None: ...
    def catch_up(self) -> None: ...


class Flusher:
    """Empties a spool, and those that were left behind beside it."""

    def __init__(self, spool: Spool, lock: FileLock, database: TakesIn) -> None:
        self._spool = spool
        self._lock = lock
        self._database = database
        self._news = threading.Condition()
        self._urgent = False
        self._closed = threading.Event()
        self._asked = self._looks = 0  # for what was left behind: looks asked for, and done
        self._looked = -_LOOK_SECONDS
        self._problem: str | None = None
        self._wake = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="astermind-flush", daemon=True)]
        if spool.fsync is Fsync.INTERVAL:
            sync = threading.Thread(target=self._keep_synced, name="astermind-sync", daemon=True)
            self._threads.append(sync)
        self._dirty = threading.Event()
        for thread in self._threads:
            thread.start()

    @property
    def problem(self) -> str | None:
        """Why records do not arrive at present; None if they do."""
        return self._problem

    def notify(self) -> None:
        """There are new records."""
        if not self._wake.is_set():
            self._wake.set()
        if not self._dirty.is_set():
            self._dirty.set()

    def flush(self, timeout: float) -> None:
        """Wait until all records of now are in the database, those left behind too.

        Raises StoreUnavailable if that cannot be had within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            self._asked += 1
            target, look = self._spool.appended, self._asked
            self._urgent = True
            self._problem = None
            self._wake.set()
            self._news.notify_all()
            while self._spool.taken < target or self._looks < look:
                left = deadline - time.monotonic()
                if self._closed.is_set() or left <= 0 or self._problem is not None:
                    raise StoreUnavailable(self._why_not(target))
                self._news.wait(left)

    def _why_not(self, target: int) -> str:
        folder = self._spool.folder
        if self._spool.taken >= target and self._problem is None:
            return f"what other programs left in {folder.parent} is still being stored"
        return (
            f"{self._spool.waiting:,} predictions are safe in {folder} but not in the database "
            f"yet: {self._problem or 'it took too long'}"
        )

    def close(self, timeout: float) -> None:
        """Flush and stop. What could not be stored stays on disk for the next program."""
        self._spool.seal()
        try:
            self.flush(timeout)
        except StoreUnavailable as problem:
            _log.warning("%s. The next program that opens this lab will store them", problem)
        with self._news:
            self._closed.set()
            self._news.notify_all()
        self._wake.set()
        self._dirty.set()
        for thread in self._threads:
            thread.join(timeout)
        with suppress(OSError):
            self._spool.sync()
        if not self._threads[0].is_alive():
            self._spool.close()
            with suppress(StoreError):
                self._forget_removed()
        self._lock.release()
        with suppress(OSError):
            if not segments(self._spool.folder):
                shutil.rmtree(self._spool.folder, ignore_errors=True)

    def _run(self) -> None:
        pause = _PAUSES[0]
        while not self._closed.is_set():
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            try:
                self._adopt()
                self._empty()
            except Exception as problem:  # whatever it is: nobody else empties this spool
                self._fail(problem)
                self._closed.wait(pause)
                pause = min(2 * pause, _PAUSES[1])
                self._wake.set()
            else:
                pause = _PAUSES[0]
                self._problem = None

    def _fail(self, problem: Exception) -> None:
        if self._problem is None and not self._closed.is_set():
            unknown = None if isinstance(problem, StoreError) else problem
            _log.warning("predictions wait on disk: %s", problem, exc_info=unknown)
        with self._news:
            self._problem = str(problem)
            self._news.notify_all()

    def _empty(self) -> None:
        """Store what there is, in batches as large as they come, until it is time for a look."""
        while not self._closed.is_set() and not self._must_look():
            with self._news:
                if not self._urgent and self._spool.waiting < BATCH_RECORDS:
                    self._news.wait(LINGER_SECONDS)
            batch = self._spool.peek(BATCH_RECORDS, BATCH_BYTES)
            if batch is None:
                break
            self._store(self._spool.folder, batch)
            with self._news:
                self._spool.done(batch)
                self._news.notify_all()
        else:
            self._wake.set()  # there may be more
            return
        self._forget_removed()
        with self._news:
            self._urgent = False
            self._news.notify_all()

    def _forget_removed(self) -> None:
        names = self._spool.take_removed()
        if names:
            self._database.forget([f"{self._spool.folder.name}/{name}" for name in names])

    def _store(self, folder: Path, batch: Batch) -> None:
        """Store a batch; what the database refuses again and again is set aside."""
        for attempt in range(_ATTEMPTS):
            try:
                self._take_in(folder.name, batch)
                return
            except StoreUnavailable:
                raise
            except Exception as problem:
                _log.info("attempt %d to store predictions failed: %s", attempt + 1, problem)
                self._closed.wait(_PAUSES[0])
        self._take_apart(folder, batch)

    def _take_in(self, spool: str, batch: Batch) -> None:
        name = f"{spool}/{batch.segment}"
        with _CONSIDERATE:
            self._database.take_in(name, batch.start, batch.end, list(batch.payloads))

    def _take_apart(self, folder: Path, batch: Batch) -> None:
        """Store the records of a batch one by one; what is refused goes into a file."""
        start = batch.start
        for payload in batch.payloads:
            end = start + record_length(payload)
            one = Batch(batch.segment, start, end, [payload])
            try:
                self._take_in(folder.name, one)
            except StoreUnavailable:
                raise
            except Exception as problem:
                self._take_in(folder.name, Batch(batch.segment, start, start, []))  # is it at all?
                _set_aside(folder.parent / "refused.jsonl", payload, problem)
                self._take_in(folder.name, Batch(batch.segment, start, end, []))
            start = end

    def _must_look(self) -> bool:
        return self._looks < self._asked or time.monotonic() - self._looked >= _LOOK_SECONDS

    def _adopt(self) -> None:
        """Store what processes left behind that are no more."""
        if not self._must_look():
            return
        asked = self._asked
        for folder in left_behind(self._spool.folder.parent):
            if folder == self._spool.folder:
                continue
            try:
                self._take_over(folder)
            except StoreUnavailable:
                raise
            except Exception as problem:
                _log.error("what was left in %s could not be stored: %s", folder, problem)
        self._looked = time.monotonic()
        with self._news:
            self._looks = asked
            self._news.notify_all()

    def _take_over(self, folder: Path) -> None:
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except (Timeout, OSError):  # it lives, or another has adopted it already
            return
        try:
            names = [path.name for path in segments(folder)]
            for name in names:
                self._read_out(folder, name)
                (folder / name).unlink(missing_ok=True)
            if names:
                _log.info("stored what a program had left in %s", folder)
                self._database.catch_up()
            self._database.forget([f"{folder.name}/{name}" for name in names])
        finally:
            lock.release()
        shutil.rmtree(folder, ignore_errors=True)

    def _read_out(self, folder: Path, name: str) -> None:
        start = self._database.position(f"{folder.name}/{name}")
        data = (folder / name).read_bytes()
        limits = {"most": BATCH_RECORDS, "most_bytes": BATCH_BYTES}
        while (batch := next_batch(name, data, start, **limits)).payloads:
            self._store(folder, batch)
            start = batch.end
        if any(data[start : start + FRAME_BYTES]):  # a record began here
            kept = folder.parent / f"damaged-{folder.name}-{name}"
            (folder / name).replace(kept)
            _log.error("%s is damaged from byte %d on; what follows was not stored", kept, start)

    def _keep_synced(self) -> None:
        while not self._closed.is_set():
            self._dirty.wait()
            if self._closed.wait(_SYNC_SECONDS):
                return
            self._dirty.clear()
            with suppress(OSError):  # a failing disk shows itself when the next segment is made
                self._spool.sync()


def left_behind(root: Path) -> list[Path]:
    """The spools in a folder, also those in use; names with a dot are still being made."""
    with suppress(OSError):
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return []


def _set_aside(path: Path, payload: bytes, problem: Exception) -> None:
    _log.error("the database refused a prediction, now in %s: %s", path, problem)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, payload[1:] + b"\n")
    finally:
        os.close(file)


class _Considerate:
    """While one of these threads works, others wait half a millisecond for it, not five."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before, _SWITCH_SECONDS))
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._before)


_CONSIDERATE = _Considerate()
