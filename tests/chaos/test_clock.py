"""A clock that is wrong and then put right: nothing is lost, and watchers miss nothing.

Stamps of the change feed are times of day. The clock of the engine alone is made wrong, by Debian's
libfaketime in its environment; clocks that only run forwards, which timers use, are left as they
are. Where the library is missing these tests are skipped, after CI has tried to install it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from astermind_lab.persistence import NewModelVersion, Prediction, Store, claims
from astermind_lab.persistence.engine import Place, stop_engine
from tests.chaos.actors import open_store
from tests.chaos.engines import has_files, kill_engines, wait_until
from tests.persistence.processes import finish, start

TRUE = "+0"
QUIET_SECONDS = 0.5
SOME = 5
CATCH_UP_SECONDS = 4

KILLED_WRITER = """if True:
    import os, signal, sys
    from tests.chaos.actors import open_store
    def rows():
        for place in range(2_000):
            yield f"text {place}", "x"
        os.kill(os.getpid(), signal.SIGKILL)
    open_store(sys.argv[1]).datasets.add("d", rows())
"""


@cache
def library() -> Path | None:
    """Debian's libfaketime for programs with threads."""

    def found() -> Path | None:
        return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

    if found() is None and os.environ.get("CI") == "true":
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "faketime"]):
            try:
                subprocess.run(command, capture_output=True, timeout=120, check=False)
            except (OSError, subprocess.TimeoutExpired):
                break
    return found()


class Clock:
    """The clock by which the engines of this test go; turned by writing to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.turn(TRUE)

    def turn(self, offset: str) -> None:
        self._file.write_text(offset)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    preload = library()
    if preload is None:
        pytest.skip("LIBFAKETIME IS MISSING, SO NO CLOCK CAN BE TURNED: apt-get install faketime")
    file = tmp_path / "clock"
    for name, value in {
        "LD_PRELOAD": str(preload),  # of engines that this process starts, not of this process
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return Clock(file)


@pytest.fixture
def opened(clock: Clock, place: Place) -> Iterator[Callable[[str], Store]]:
    """Ends the engine and opens the store on a new one whose clock is that much off."""
    stores: list[Store] = []

    def after(offset: str) -> Store:
        for store in stores:
            store.close()
        pid = stop_engine(place)
        assert pid is None or wait_until(lambda: not has_files(pid), 20)
        clock.turn(offset)
        stores.append(open_store(f"local://{place.data_dir}"))
        return stores[-1]

    yield after
    for store in stores:
        store.close()


def log(store: Store, *numbers: int) -> None:
    for number in numbers:
        now = datetime.now(UTC)
        row = Prediction("m", None, str(number), "p", 0.5, None, None, now)
        store.predictions.add_many([row])


def add_version(store: Store, name: str) -> None:
    store.models.add(NewModelVersion("m", name, "t", ["a"], 1), name.encode())


def logged(store: Store) -> list[int]:
    return sorted(int(row.input) for row in store.predictions.window("m"))


def seen(store: Store, since: str, expected: int) -> tuple[list[int], str]:
    """The changes after a cursor, one more if there are too many; and the last one's cursor."""
    found: list[Any] = []
    with store.feed.watch("predictions", since) as watch:
        while more := watch.read(5.0 if len(found) < expected else QUIET_SECONDS):
            found += more
        return [int(change.data["input"]) for change in found], watch.cursor


def engine_time(store: Store) -> datetime:
    now: datetime = store._connection.first("RETURN time::now()")
    return now


@pytest.mark.parametrize("offsets", [("+2h", TRUE), ("+2h", TRUE, "-2h"), (TRUE, "+2h")], ids=str)
def test_a_clock_that_jumps_between_two_runs_loses_nothing(
    opened: Callable[[str], Store], offsets: tuple[str, ...]
) -> None:
    written: list[int] = []
    cursors = {"start": 0}
    for run, offset in enumerate(offsets):
        store = opened(offset)
        numbers = range(len(written), len(written) + SOME)
        log(store, *numbers)
        add_version(store, f"v{run}")
        written += numbers
        for cursor, passed in list(cursors.items()):
            found, last = seen(store, cursor, len(written) - passed)
            assert found == written[passed:], f"{cursor} after {offset}"
            cursors[last] = len(written)
    assert logged(store) == written
    assert [one.version for one in store.models.versions("m")] == [
        f"v{run}" for run in reversed(range(len(offsets)))
    ]


def test_the_clock_of_the_engine_alone_is_turned(opened: Callable[[str], Store]) -> None:
    ahead = engine_time(opened("+2h")) - datetime.now(UTC)
    assert abs(ahead - timedelta(hours=2)) < timedelta(minutes=1)


def test_a_watcher_goes_on_while_the_engine_changes_to_another_clock(
    opened: Callable[[str], Store], clock: Clock, place: Place
) -> None:
    store = opened("+2h")
    with store.feed.watch("predictions") as watch:
        log(store, *range(SOME))
        clock.turn(TRUE)
        kill_engines(place)
        log(store, *range(SOME, 2 * SOME))
        found: list[int] = []
        while more := watch.read(5.0 if len(found) < 2 * SOME else QUIET_SECONDS):
            found += [int(change.data["input"]) for change in more]
    assert list(dict.fromkeys(found)) == list(range(2 * SOME))


def test_a_forward_jump_of_a_running_engine_is_nothing_special(
    opened: Callable[[str], Store], clock: Clock
) -> None:
    store = opened(TRUE)
    log(store, 0)
    clock.turn("+2h")
    log(store, 1)
    assert logged(store) == [0, 1]
    assert seen(store, "start", 2)[0] == [0, 1]


def test_a_running_engine_whose_clock_is_set_back_goes_on(
    opened: Callable[[str], Store], clock: Clock
) -> None:
    store = opened(f"+{CATCH_UP_SECONDS}s")
    log(store, 0)
    clock.turn(TRUE)
    began = time.monotonic()
    log(store, 1)
    took = time.monotonic() - began
    assert logged(store) == [0, 1]
    assert took < CATCH_UP_SECONDS / 2


def test_what_a_killed_writer_left_is_free_once_the_clock_is_put_right(
    opened: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE", "0s")
    store = opened("+2h")
    code, _, errors = finish(start(KILLED_WRITER, store.url))
    assert code == -9, errors
    store = opened(TRUE)
    assert store.datasets.add("d", [("text", "label")]).size == 1
