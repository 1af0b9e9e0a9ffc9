"""One connection, many threads, and how it ends."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.errors import StoreError
from astermind_lab.persistence import NewModelVersion, Store
from tests.persistence.processes import finish, start

SLOW = "FOR $i IN 0..20000 { LET $x = string::repeat('x', 50) }; RETURN 'done'"

END = """if True:
    import sys
    from astermind_lab.persistence import Store
    store = Store.open(sys.argv[1])
    store.datasets.add("d", [("text", "label")])
    if sys.argv[2] == "closed":
        store.close()
    if sys.argv[2] == "busy":
        import threading
        ask = lambda: store._connection.run("FOR $i IN 0..20000 { LET $x = $i * 2 }")
        threading.Thread(target=ask, daemon=True).start()
"""


def test_a_slow_query_holds_up_no_other_thread() -> None:
    with Store.open("mem://") as store, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store._connection.run, SLOW)
        turns = 0
        while not slow.done():
            turns += 1
        assert slow.result()[-1] == "done"
        # Had the engine kept Python's lock, this thread would have come round a few times only.
        assert turns > 1_000


def test_threads_read_while_others_write() -> None:
    with Store.open("mem://") as store:
        store._connection.run("UPSERT workflows:counter SET n = 0")

        def work(number: int) -> int:
            if number % 2:
                return int(store._connection.first("RETURN $n", n=number))
            store._connection.run("UPDATE workflows:counter SET n += 1")
            return number

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(200))) == list(range(200))
        assert store._connection.first("SELECT VALUE n FROM workflows:counter") == [100]


def test_closing_lets_running_queries_finish() -> None:
    store = Store.open("mem://")
    asked = threading.Event()

    def slow() -> str:
        asked.set()
        return str(store._connection.run(SLOW)[-1])

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(slow)
        asked.wait()
        store.close()
        try:
            assert answer.result() == "done"
        except StoreError as problem:  # closed before the query had begun
            assert "closed" in str(problem)


def test_a_closed_store_says_so() -> None:
    store = Store.open("mem://")
    store.close()
    store.close()
    assert repr(store) == "Store('mem://', closed)"
    for use in (store.models.latest, store.datasets.list, store.embeddings.collections):
        with pytest.raises(StoreError, match="mem:// is closed; open it again"):
            use()


def test_a_forgotten_store_gives_its_folder_back(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    store = Store.open(url)
    store.datasets.add("d", [("text", "label")])
    del store
    gc.collect()
    with Store.open(url) as again:
        assert again.datasets.get("d").size == 1


@pytest.mark.parametrize("ending", ["closed", "open", "busy"])
def test_programs_end_cleanly(tmp_path: Path, ending: str) -> None:
    for url in ("mem://", f"surrealkv://{tmp_path / 'store'}"):
        assert finish(start(END, url, ending)) == (0, "", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_open_its_own() -> None:
    with Store.open("mem://") as store:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                store.models.latest()
                said = "nothing"
            except StoreError as problem:
                said = str(problem)
            os.write(writing, said.encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert "before this process was forked" in os.read(reading, 1_000).decode()
        os.close(reading)
        os.close(writing)
        assert store.models.latest() == []


def test_the_order_of_versions_does_not_follow_the_clock(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    for year, name in ((2030, "z"), (2020, "a"), (2025, "m")):
        with Store.open(url, clock=FixedClock(datetime(year, 1, 1, tzinfo=UTC))) as store:
            added = store.models.add(NewModelVersion("m", name, "elm-ridge", ["a"], 1), b"w")
            assert added.created_at.year == year
            assert store.models.get("m").version == name
    with Store.open(url) as store:
        assert [one.version for one in store.models.versions("m")] == ["m", "a", "z"]


def test_a_folder_is_opened_anew_when_its_log_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astermind_lab.persistence.connection.LOG_BYTES", 200_000)
    monkeypatch.setattr("astermind_lab.persistence.connection._LOOK_SECONDS", 0.0)
    rows = [("text " * 40, "label")] * 400
    with Store.open(f"surrealkv://{tmp_path / 'store'}") as store, ThreadPoolExecutor(5) as pool:
        with store.feed.watch("datasets") as watch:
            reading = pool.submit(lambda: watch.read(60)[0].data["dataset_id"])
            added = list(pool.map(lambda n: store.datasets.add(f"d{n}", rows).size, range(24)))
            assert added == [400] * 24 and reading.result()[0].startswith("d")
        assert store._connection.links_made > 2
        assert store._connection.target.log_bytes < 2_000_000
        assert all(len(list(store.datasets.examples(f"d{n}"))) == 400 for n in range(24))


def test_a_folder_that_could_not_be_opened_anew_is_opened_by_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("text " * 40, "label")] * 400
    with Store.open(f"surrealkv://{tmp_path / 'store'}") as store:
        store.datasets.add("kept", rows)
        with monkeypatch.context() as broken:
            broken.setattr("astermind_lab.persistence.connection.LOG_BYTES", 0)
            broken.setattr("astermind_lab.persistence.connection._LOOK_SECONDS", 0.0)
            broken.setattr("astermind_lab.persistence.connection.enter", _refuse)
            for _ in range(2):
                with pytest.raises(StoreError, match="no such luck"):
                    store.datasets.add("refused", rows)
        assert len(list(store.datasets.examples("kept"))) == 400
        assert [one.dataset_id for one in store.datasets.list()] == ["kept"]


async def _refuse(_access: object) -> None:
    raise StoreError("no such luck")
