"""A full disk: writers are told so, and nothing that was acknowledged is lost.

What engine 3.2.4 does, found out here: a write that finds no room leaves a torn record in the
write-ahead log. The engine goes on behind it as soon as there is room again; but when it opens the
log the next time, it drops what follows the torn record. And to open such a log it needs room for a
copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from astermind_lab.errors import StoreError
from astermind_lab.persistence import NewModelVersion
from astermind_lab.persistence.engine import Place
from tests.chaos.actors import open_store
from tests.chaos.engines import kill_engines
from tests.chaos.mounts import small_disk
from tests.chaos.rows import after_a_kill, log, logged, url, whole

DISK_MEGABYTES, BALLAST_MEGABYTES = 48, 36
TEXT = 12_000  # characters, so that a small disk is soon full
MOST_WRITES = 1_000
REFUSALS = 5
MORE = 20


class FullDisk:
    """A store on a disk without room, what it has acknowledged, and the room it could be given."""

    def __init__(self, place: Place, ballast: Path) -> None:
        self.place = place
        self.ballast = ballast
        self.store = open_store(url(place))
        ballast.write_bytes(bytes(BALLAST_MEGABYTES * 2**20))
        self.acknowledged: list[int] = []
        self.refusals: list[str] = []
        self.fill()

    def fill(self) -> None:
        for number in range(MOST_WRITES):
            try:
                log(self.store, number, length=TEXT)
            except StoreError as problem:
                self.refusals.append(str(problem))
                if len(self.refusals) == REFUSALS:
                    return
            else:
                self.acknowledged.append(number)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[FullDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, DISK_MEGABYTES):
        place = Place(folder / "data")
        try:
            disk = FullDisk(place, folder / "ballast")
            yield disk
            disk.store.close()
        finally:
            kill_engines(place)


def test_a_full_disk_refuses_writes_and_keeps_what_there_was(full: FullDisk) -> None:
    assert len(full.acknowledged) > 100 and len(full.refusals) == REFUSALS
    assert all("space" in line.lower() for line in full.refusals)
    assert logged(full.store) == whole(full.acknowledged)
    with pytest.raises(StoreError, match=r"(?i)space"):
        full.store.models.add(NewModelVersion("m", "v1", "t", ["a"], 1), bytes(100_000))
    kill_engines(full.place)
    full.ballast.unlink()
    found = logged(full.store)
    # The first refused call may be there: its bytes were kept until there was room for them.
    assert found - whole(full.acknowledged) in (Counter(), whole([len(full.acknowledged)]))
    assert whole(full.acknowledged) <= found
    assert full.store.models.versions("m") == []


def test_what_is_acknowledged_after_a_full_disk_survives_a_kill(full: FullDisk) -> None:
    full.ballast.unlink()
    for number in range(10_000, 10_000 + MORE):
        log(full.store, number)
        full.acknowledged.append(number)
    assert whole(full.acknowledged) <= after_a_kill(full.place)


def test_an_engine_that_cannot_start_for_want_of_room_says_so(full: FullDisk) -> None:
    kill_engines(full.place)
    with pytest.raises(StoreError, match=r"(?i)space"):
        open_store(url(full.place))
