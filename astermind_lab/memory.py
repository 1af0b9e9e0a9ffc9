"""How much memory this process has, and giving back what is free (where the system allows)."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

__all__ = ["give_memory_back", "memory_bytes"]


def memory_bytes() -> int:
    """Bytes of memory that are resident (Linux); 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_memory_back() -> None:
    """Let the C library return to the system what is free; of no effect without glibc."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
