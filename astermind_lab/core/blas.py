"""One BLAS thread at a time, where we run our own threads over blocks of rows.

Two cores shared by BLAS threads and ours wait for each other: a Cholesky factor of 1,000 columns
takes 20 ms on one thread and up to a second on two that other work keeps interrupting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

__all__ = ["WORKERS", "single_threaded"]

WORKERS = 2
"""Threads of ours for work on blocks of rows."""

_lock = Lock()
_inside = 0
_restore = None


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - its BLAS must be loaded to be found

    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep BLAS to one thread; may be entered from several threads at once."""
    global _inside, _restore
    with _lock:
        if _inside == 0:
            _restore = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _restore is not None:
                _restore.restore_original_limits()
                _restore = None
