"""Who may open a store folder: one process at a time.

The engine locks a file of its own in the folder, ``LOCK``; a file can be deleted, and then a second
engine would make a new one and write beside the first. So on systems that can lock a folder itself
(Linux, macOS), this is locked too: it cannot be taken away from under its owner.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from astermind_lab.errors import StoreError

__all__ = ["FolderBusy", "FolderLock", "is_held"]


class FolderBusy(StoreError):
    """Another process, or this one, holds the folder."""


class FolderLock:
    """Holds a folder until it is released or the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Take it; raises FolderBusy, and OSError if the folder cannot be opened."""
        self._descriptor = _lock(folder)

    def release(self) -> None:
        """Let go; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether some process holds the folder now; False where folders cannot be locked."""
    try:
        FolderLock(folder).release()
    except FolderBusy:
        return True
    except OSError:
        return False
    return False


def _lock(folder: Path) -> int | None:
    if os.name != "posix":
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderBusy(f"{folder} is held by another process") from None
    except OSError:  # a file system that knows no such locks: the engine's own has to do
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return None
    return descriptor
