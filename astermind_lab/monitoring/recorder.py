"""Recording predictions: to disk at once, to the database a moment later.

``record`` costs some twenty microseconds. What it has returned for survives the death of the
process; what survives a power cut, the setting ``monitoring.fsync`` says. While the database is
away predictions gather on disk, up to ``monitoring.spool_limit``, and are stored when it is back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock

from astermind_lab.errors import StoreError, StoreUnavailable
from astermind_lab.monitoring.flusher import Flusher
from astermind_lab.monitoring.spool import Fsync, Spool, SpoolFull

if TYPE_CHECKING:
    from astermind_lab.persistence import Feedback, Prediction, Store

__all__ = ["Recorder", "RecorderOptions", "spool_root"]

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class RecorderOptions:
    """How predictions are recorded.

    fsync : when a record is safe from a power cut     most_bytes : of disk while it waits
    store_inputs : full keeps the texts, hash only a keyed digest of each, none nothing
    """

    fsync: Fsync = Fsync.INTERVAL
    most_bytes: int = 1 << 30
    store_inputs: Literal["full", "hash", "none"] = "full"


class Recorder:
    """Records the predictions of one process; safe to use from many threads."""

    def __init__(self, store: Store, root: Path | None, options: RecorderOptions) -> None:
        """root : the folder of the spools of this database; None for one that ends with us.

        Raises StoreUnavailable for a user who may only read, SpoolFull without a place on disk.
        """
        if store.read_only:
            raise StoreUnavailable(
                f"nothing was logged: the signed-in user may read {store.url}, but not write. Sign "
                "in as a user with the role EDITOR or OWNER"
            )
        self._store = store
        self._options = options
        self._process = os.getpid()
        self._end: Callable[[], object] | None = None
        if root is None:
            try:
                root = Path(tempfile.mkdtemp(prefix="astermind-"))
            except OSError as problem:
                raise SpoolFull(f"no place for predictions on their way: {problem}") from None
            self._end = weakref.finalize(self, _remove, root, self._process)
        folder = root / uuid.uuid4().hex
        draft = folder.with_name(f".{folder.name}")
        self._spool = Spool(draft, fsync=options.fsync, most_bytes=options.most_bytes)
        lock = FileLock(draft / "lock")
        lock.acquire()
        self._spool.move(folder)
        self._flusher = Flusher(self._spool, lock, store.spooled)
        self._salt = store.salt() if options.store_inputs == "hash" else b""

    @property
    def waiting(self) -> int:
        """Predictions that are recorded and not in the database yet."""
        return self._spool.waiting

    @property
    def problem(self) -> str | None:
        """Why they do not get there at present; None if they do."""
        return self._flusher.problem

    def record(self, rows: Sequence[Prediction]) -> list[str]:
        """Record predictions, all or none; returns their record ids.

        Raises InvalidInput for a bad field, SpoolFull where there is no room on disk.
        """
        self._check_process()
        names, payloads = self._store.spooled.pack([self._redacted(row) for row in rows])
        self._spool.append(payloads)
        self._flusher.notify()
        return names

    def give_feedback(self, one: Feedback) -> None:
        """Record what turned out to be right. Raises InvalidInput, SpoolFull."""
        self._check_process()
        self._spool.append([self._store.spooled.pack_feedback(one)])
        self._flusher.notify()

    def start_flush(self) -> None:
        """See to it that a flush begins, and do not wait for it."""
        self._flusher.notify()

    def flush(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until all that was recorded so far is in the database; raises StoreUnavailable."""
        self._check_process()
        self._flusher.flush(timeout)

    def close(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Flush and stop; what cannot be stored now stays on disk for the next program."""
        if os.getpid() != self._process:  # the spool is the parent's
            return
        self._flusher.close(timeout)
        if self._end is not None:
            self._end()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                "the lab was opened before this process was forked; open it in each process"
            )

    def _redacted(self, row: Prediction) -> Prediction:
        if self._options.store_inputs == "full" or row.input is None:
            return row
        if self._options.store_inputs == "none":
            return replace(row, input=None)
        digest = hashlib.blake2b(row.input.encode(), key=self._salt, digest_size=16)
        return replace(row, input=None, input_hash=digest.hexdigest())


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def spool_root(store: Store, data_dir: Path) -> Path | None:
    """Where the spools of a store are, for every program that opens it on this machine.

    Inside it where it is a folder, beside a local engine, for a server in the data folder.
    """
    if store.folder is not None:
        return store.folder / "spool"
    if not store.shared:
        return None
    name = hashlib.blake2b(store.identity.encode(), digest_size=8).hexdigest()
    return (store.data_dir or data_dir) / "spool" / name
