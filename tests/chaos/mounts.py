"""Small file systems in memory: disks that fill up, or cannot be written."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int, options: str = "rw") -> Iterator[None]:
    """Mount one on a folder; skips the test where that is not permitted."""
    made = _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,{options}", "tmpfs", str(folder))
    if made is not None:
        pytest.skip(f"NO SMALL DISK COULD BE MOUNTED, which takes root and mount(8): {made}")
    try:
        yield
    finally:
        gone = _run("umount", str(folder)) and _run("umount", "--lazy", str(folder))
        assert gone is None, gone


def _run(*command: str) -> str | None:
    """What went wrong; None if nothing did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    return None if done.returncode == 0 else done.stderr.strip()
