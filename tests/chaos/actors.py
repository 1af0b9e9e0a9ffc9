"""Programs that the tests of this folder start, and kill: writers, and a watcher.

Each keeps a ledger: a line after every call that was acknowledged, and after every change that was
seen. A kill loses no line that was written, and may cut the last one, which then does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from astermind_lab.persistence import NewModelVersion, Prediction, Store, Watch
from astermind_lab.persistence.engine import EngineOptions
from tests.persistence.processes import IDLE_SECONDS, start

STOP = "stop"  # the name of a file in the folder of the ledgers
WATCHED = ("predictions", "aliases")
DATASET_ROWS = 1_600  # more than one transaction holds
LARGE_REPEATS = 400_000  # of a name, some megabytes
_LARGE_BATCH = 500
_LOOK_SECONDS = 0.05
_TAIL_BYTES = 64 * 1024

_CODE = "import sys; from tests.chaos import actors; actors.ACTORS[sys.argv[1]](*sys.argv[2:])"


def act(role: str, url: str, ledger: Path) -> subprocess.Popen[str]:
    """Start a writer or the watcher; the folder of its ledger is where it looks for the stop."""
    return start(_CODE, role, url, str(ledger))


class Ledger:
    """Lines in a file; each is handed to the system at once."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, *entry: Any) -> None:
        os.write(self._file, b"\n" + json.dumps(entry).encode() + b"\n")


def read_ledger(path: Path) -> list[list[Any]]:
    """The whole lines of a ledger."""
    return list(_entries(path.read_bytes())) if path.exists() else []


def batch_size(number: int) -> int:
    """How many predictions the call of that number logs."""
    return _LARGE_BATCH if number % 100 == 99 else 1 + number % 10


def weights(version: str) -> bytes:
    """Of each fifth version so many that a kill can cut them in the middle of being written."""
    number = int(version.rpartition(" ")[2])
    return version.encode() * (LARGE_REPEATS if number % 5 == 4 else 10)


def examples(name: str) -> Iterator[tuple[str, str]]:
    """The rows of a data set."""
    for place in range(DATASET_ROWS):
        yield f"{name}: text {place}", "odd" if place % 2 else "even"


def open_store(url: str) -> Store:
    """The store, on an engine that ends by itself should a test forget it."""
    return Store.open(url, engine=EngineOptions(idle_seconds=IDLE_SECONDS))


def write_predictions(url: str, ledger: str) -> None:
    """Log predictions until told to stop."""

    def write(store: Store, name: str, number: int) -> list[str]:
        now = datetime.now(UTC)
        row = Prediction("m", None, f"{name} {number}", "p", 0.5, None, None, now)
        return store.predictions.add_many([row] * batch_size(number))

    _write(url, Path(ledger), write)


def write_models(url: str, ledger: str) -> None:
    """Store versions, and move an alias from each to the next, until told to stop."""

    def write(store: Store, name: str, number: int) -> list[str]:
        version = f"{name} {number}"
        store.models.add(NewModelVersion("m", version, "t", ["a"], 1), weights(version))
        store.models.set_alias("m", f"newest of {name}", version)
        return [version]

    _write(url, Path(ledger), write)


def write_datasets(url: str, ledger: str) -> None:
    """Store data sets until told to stop."""

    def write(store: Store, name: str, number: int) -> list[str]:
        dataset = f"{name} {number}"
        store.datasets.add(dataset, examples(dataset))
        return [dataset]

    _write(url, Path(ledger), write)


def watch(url: str, ledger: str) -> None:
    """Note each change that is seen, from the last one noted on, until told to stop."""
    folder, life = Path(ledger).parent, Path(ledger).name
    with open_store(url) as store:
        seen = {table: folder / f"seen {table}" for table in WATCHED}
        watches = [store.feed.watch(table, _last_cursor(seen[table])) for table in WATCHED]
        ledgers = {table: Ledger(path) for table, path in seen.items()}
        while not (folder / f"{STOP} watching").exists():
            for one in watches:
                _note_changes(one, ledgers[one.table], life)


def _note_changes(watched: Watch, ledger: Ledger, life: str) -> None:
    for change in watched.read(_LOOK_SECONDS):
        name = change.data.get("alias"), change.data.get("version")
        ledger.note(life, change.record_id, change.cursor, *name)


def _last_cursor(path: Path) -> str:
    """The newest cursor that an earlier watcher has written."""
    if not path.exists():
        return "start"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        entries = list(_entries(file.read()))
    return str(entries[-1][2]) if entries else "start"


def _write(url: str, ledger: Path, write: Callable[[Store, str, int], list[str]]) -> None:
    done = Ledger(ledger)
    with open_store(url) as store:
        for number in count():
            if (ledger.parent / STOP).exists():
                break
            done.note(number, write(store, ledger.name, number))


def _entries(lines: bytes) -> Iterator[list[Any]]:
    for line in lines.split(b"\n"):
        try:
            if isinstance(entry := json.loads(line), list):
                yield entry
        except ValueError:
            continue


ACTORS: dict[str, Callable[[str, str], None]] = {
    "predictions": write_predictions,
    "models": write_models,
    "datasets": write_datasets,
    "watcher": watch,
}
