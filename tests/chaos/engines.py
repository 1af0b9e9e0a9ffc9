"""The engine processes of one data folder, which only the tests have started."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from astermind_lab.persistence.engine import Place
from tests.persistence.processes import kill

MODULE = b"astermind_lab.persistence.engine"
_END_SECONDS = 20.0


def engine_pids(place: Place) -> list[int]:
    """The engines of that folder that run, starting ones included."""
    mine = str(place.data_dir).encode()
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in sorted(numbers) if {MODULE, mine} <= set(_arguments(pid))]


def kill_engines(place: Place) -> None:
    """End all engines of that folder, at once."""
    pids = engine_pids(place)
    for pid in pids:
        kill(pid)
    for pid in pids:
        wait_until(lambda pid=pid: not has_files(pid), _END_SECONDS)  # type: ignore[misc]


def has_files(pid: int) -> bool:
    """Whether the process still holds its sockets and locks: a killed one does, for a moment."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        return state not in "ZX" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def wait_until(what: Callable[[], object], seconds: float, step: float = 0.02) -> bool:
    """Whether it came true in time; looks every ``step`` seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
