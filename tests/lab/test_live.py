"""Models in memory under many threads. Barriers and events order the threads; nothing sleeps."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from astermind_lab.errors import AlreadyExists
from astermind_lab.lab.live import LiveModel, LiveModels, RecentVersions
from astermind_lab.lab.locks import ReadWriteLock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 10


def model(model_id: str) -> LiveModel:
    classifier: Any = None
    return LiveModel(model_id, classifier, NOW)


def test_of_many_who_claim_an_id_one_gets_it() -> None:
    live = LiveModels()
    start = threading.Barrier(8)
    finish = threading.Barrier(8)

    def train(_: int) -> bool:
        start.wait(PATIENCE)
        try:
            with live.claim("m", overwrite=True):
                finish.wait(PATIENCE)
                return True
        except AlreadyExists:
            finish.wait(PATIENCE)
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(train, range(8))) == 1
    with live.claim("m", overwrite=False):
        pass


def test_a_model_in_memory_keeps_its_id_unless_overwritten() -> None:
    live = LiveModels()
    live.put(model("m"))
    with pytest.raises(AlreadyExists, match=r"model_id: .*overwrite=true"), live.claim("m", False):
        pass
    with live.claim("m", True):
        pass


def test_a_claim_ends_when_the_training_fails() -> None:
    live = LiveModels()
    with pytest.raises(ZeroDivisionError), live.claim("m", False):
        raise ZeroDivisionError
    with live.claim("m", False):
        pass


def test_the_first_model_put_if_absent_stays() -> None:
    live = LiveModels()
    first, second = model("m"), model("m")
    assert live.put_if_absent(first) is first
    assert live.put_if_absent(second) is first
    assert live.remove("m") is first
    assert live.remove("m") is None


def test_readers_run_together() -> None:
    lock = ReadWriteLock()
    together = threading.Barrier(4)

    def read(_: int) -> int:
        with lock.reading():
            return together.wait(PATIENCE)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(read, range(4))) == [0, 1, 2, 3]


def test_a_writer_is_alone_and_is_not_starved() -> None:
    lock = ReadWriteLock()
    inside = {"readers": 0, "writers": 0}
    wrong: list[dict[str, int]] = []
    guard = threading.Lock()

    def work(n: int) -> None:
        kind = "writers" if n % 5 == 0 else "readers"
        with lock.writing() if kind == "writers" else lock.reading():
            with guard:
                inside[kind] += 1
                if inside["writers"] > 1 or (inside["writers"] and inside["readers"]):
                    wrong.append(dict(inside))
            with guard:
                inside[kind] -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(500), timeout=PATIENCE))
    assert wrong == []


def test_a_version_is_loaded_once_by_many_and_the_oldest_is_dropped() -> None:
    recent = RecentVersions(size=2)
    loads: list[str] = []
    start = threading.Barrier(6)

    def load(name: str) -> LiveModel:
        loads.append(name)
        return model(name)

    def ask(_: int) -> LiveModel:
        start.wait(PATIENCE)
        return recent.get("m", "1", lambda: load("1"))

    with ThreadPoolExecutor(6) as pool:
        assert len(set(map(id, pool.map(ask, range(6))))) == 1
    assert loads == ["1"]
    for version in ("2", "1", "3", "1", "2"):
        recent.get("m", version, lambda version=version: load(version))  # type: ignore[misc]
    assert loads == ["1", "2", "3", "2"]


def test_a_load_that_fails_can_be_tried_again() -> None:
    recent = RecentVersions()

    def fail() -> LiveModel:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        recent.get("m", "1", fail)
    assert recent.get("m", "1", lambda: model("m")).model_id == "m"


def test_a_model_that_moved_on_is_not_marked_as_stored() -> None:
    live = model("m")
    live.mark_stored("v1", revision=0)
    assert (live.version, live.persisted) == ("v1", True)
    live.revision, live.version = 1, None
    live.mark_stored("v2", revision=0)
    assert not live.persisted


def test_a_writer_that_stops_waiting_lets_the_readers_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = ReadWriteLock()
    changed = lock._changed
    waits = changed.wait
    writer_waits, reader_waits = threading.Event(), threading.Event()

    def interrupted(predicate: object, timeout: float | None = None) -> bool:
        writer_waits.set()
        waits(PATIENCE)
        raise KeyboardInterrupt

    def wait(timeout: float | None = None) -> bool:
        reader_waits.set()
        return waits(PATIENCE)

    def write() -> None:
        with pytest.raises(KeyboardInterrupt), lock.writing():
            pass

    def read() -> None:
        with lock.reading():
            pass

    monkeypatch.setattr(changed, "wait_for", interrupted)
    monkeypatch.setattr(changed, "wait", wait)
    writer, reader = threading.Thread(target=write), threading.Thread(target=read, daemon=True)
    with lock.reading():
        writer.start()
        assert writer_waits.wait(PATIENCE)
        reader.start()
        assert reader_waits.wait(PATIENCE)
        with changed:
            changed.notify(1)  # the writer alone, which waited first
        writer.join(PATIENCE)
        reader.join(PATIENCE / 5)
        assert not reader.is_alive()
