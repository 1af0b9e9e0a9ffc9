"""The recorder: what it took is in the database in the end, once, whatever came between."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.core.tally import Features
from astermind_lab.errors import InvalidInput, StoreError, StoreUnavailable
from astermind_lab.lab import Lab
from astermind_lab.monitoring import flusher as flushing
from astermind_lab.monitoring.flusher import left_behind
from astermind_lab.monitoring.recorder import Recorder, RecorderOptions, spool_root
from astermind_lab.monitoring.spool import (
    FRAME_BYTES,
    Fsync,
    Spool,
    SpoolFull,
    record_length,
    segments,
)
from astermind_lab.persistence import Feedback, Prediction, Store
from astermind_lab.persistence.engine import EngineOptions, ensure_engine
from astermind_lab.settings import Monitoring, Settings
from tests.lab.data import EXAMPLES, SMALL
from tests.monitoring.unsteady import SOON, Unsteady, abandon, catch_up
from tests.persistence.counting import NOON, agree, miscounted, some
from tests.persistence.processes import IDLE_SECONDS, Server, finish, kill, output, start

KINDS = ["mem", "surrealkv", "local"]


class Home:
    """A store, the folder of its spools, and recorders that end with the test."""

    def __init__(self, store: Store, root: Path) -> None:
        self.store = store
        self.way = Unsteady(store)
        self.root = root
        self.recorders: list[Recorder] = []

    def recorder(self, **options: Any) -> Recorder:
        made = Recorder(self.store, self.root, RecorderOptions(**options))
        self.recorders.append(made)
        return made

    def together(self, what: Callable[[], object]) -> None:
        """Everything that is recorded meanwhile waits, and then goes in one batch."""
        self.way.hang.clear()
        what()
        self.way.hang.set()

    def crash(self, recorder: Recorder) -> None:
        """As if the process had been killed: nothing is flushed, the lock is free."""
        self.recorders.remove(recorder)
        abandon(recorder)

    def rows(self, model_id: str = "m") -> list[Prediction]:
        return list(self.store.predictions.window(model_id))

    @property
    def set_aside(self) -> list[dict[str, Any]]:
        path = self.root / "refused.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


def opened(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if kind == "mem":
        return Store.open("mem://")
    if kind == "surrealkv":
        return Store.open(f"surrealkv://{tmp_path / 'store'}")
    server: Server = request.getfixturevalue("server")
    return Store.open(f"local://{server.place.data_dir}", database=uuid.uuid4().hex)


def at_home(store: Store, root: Path) -> Iterator[Home]:
    with store:
        home = Home(store, root)
        yield home
        home.way.hang.set()
        for recorder in home.recorders:
            abandon(recorder)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A store in memory, whose spools outlive their recorders all the same."""
    yield from at_home(Store.open("mem://"), tmp_path / "spools")


@pytest.fixture(params=KINDS)
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    yield from at_home(opened(request.param, request, tmp_path), tmp_path / "spools")


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again at once."""
    monkeypatch.setattr(flushing, "_PAUSES", (0.001, 0.01))


def one(text: str = "text", key: str | None = None, **fields: Any) -> Prediction:
    known: dict[str, Any] = {
        "model_id": "m",
        "version": None,
        "input": text,
        "prediction": "a",
        "confidence": 0.75,
        "ground_truth": None,
        "latency_ms": 1.5,
        "timestamp": NOON,
        "key": key,
    }
    return Prediction(**(known | fields))


def said(truth: str, name: str | None = None, key: str | None = None) -> Feedback:
    return Feedback("m", truth, NOON, name, key)


def texts(rows: Sequence[Prediction]) -> Counter[str | None]:
    return Counter(row.input for row in rows)


def numbered(count: int) -> Counter[str | None]:
    return Counter(str(n) for n in range(count))


# There and back


def test_what_was_recorded_is_there_after_a_flush(any_home: Home) -> None:
    rng = random.Random(5)
    given = [replace(some(rng), input=f"text {n}", metadata={"n": [n, None]}) for n in range(60)]
    with_key = replace(given[0], key="k", input=None, input_hash="ab" * 16)
    given.append(with_key)
    recorder = any_home.recorder()
    names = recorder.record(given[:40]) + recorder.record(given[40:])
    recorder.flush()
    assert (recorder.waiting, recorder.problem) == (0, None)
    found = {row.record_id: row for row in any_home.rows()}
    assert len(set(names)) == len(names) == len(found)
    for name, row in zip(names, given, strict=True):
        assert found[name] == replace(row, record_id=name)
    assert agree(any_home.store) and not miscounted(any_home.store)
    recorder.close()
    assert left_behind(any_home.root) == []


def test_a_record_that_is_refused_takes_none_with_it(home: Home) -> None:
    recorder = home.recorder()
    with pytest.raises(InvalidInput, match=r"^confidence: .* \(row 1; nothing was logged\)"):
        recorder.record([one(), one(confidence=2.0)])
    with pytest.raises(InvalidInput, match="ground_truth"):
        recorder.give_feedback(said("", key="k"))
    for name in ("predictions:7", f'predictions:["m", {2**63}, 1, "w"]'):
        with pytest.raises(InvalidInput, match="prediction_id"):
            recorder.give_feedback(said("a", name=name))
    recorder.flush()
    assert home.rows() == [] and recorder.waiting == 0


def test_without_a_flush_it_comes_a_moment_later(home: Home) -> None:
    recorder = home.recorder()
    recorder.record([one()])
    assert home.way.reached.wait(SOON)
    recorder.flush()
    assert len(home.rows()) == 1


def test_what_comes_at_once_goes_together(home: Home) -> None:
    recorder = home.recorder()

    def record() -> None:
        for n in range(3_300):
            recorder.record([one(str(n))])

    home.together(record)
    recorder.flush()
    batches = list(home.way.stored.values())
    assert max(batches) == flushing.BATCH_RECORDS and len(batches) <= 5
    assert texts(home.rows()) == numbered(3_300)


def test_many_threads_record_and_flush(any_home: Home) -> None:
    recorder = any_home.recorder(fsync=Fsync.OS)

    def work(worker: int) -> list[str]:
        names = []
        for n in range(40):
            names += recorder.record([one(f"{worker} {n}", timestamp=NOON + timedelta(hours=n))])
            if n % 10 == worker:
                recorder.flush()
                mine = any_home.store.predictions.find(names[-1])
                assert mine is not None and mine.input == f"{worker} {n}"
        return names

    with ThreadPoolExecutor(8) as pool:
        names = [name for some in pool.map(work, range(8)) for name in some]
    recorder.flush()
    assert Counter(names) == Counter(str(row.record_id) for row in any_home.rows())
    assert not miscounted(any_home.store)


def test_a_flush_comes_back_while_others_record_without_pause(home: Home) -> None:
    recorder = home.recorder(fsync=Fsync.OS)
    stop = threading.Event()

    def record() -> int:
        count = 0
        while not stop.is_set():
            recorder.record([one()] * 20)
            count += 20
            while recorder.waiting > 5_000 and not stop.is_set():
                stop.wait(0.001)
        return count

    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(record) for _ in range(2)]
        try:
            for _ in range(3):
                recorder.flush(SOON)
        finally:
            stop.set()
        count = sum(ended.result(SOON) for ended in busy)
    recorder.flush()
    assert home.store.predictions.count("m") == count


def test_two_recorders_beside_each_other_leave_each_other_alone(any_home: Home) -> None:
    first, second = any_home.recorder(), any_home.recorder()
    for n in range(20):
        (first, second)[n % 2].record([one(str(n))])
        (second, first)[n % 2].flush()
    first.close()
    second.close()
    assert texts(any_home.rows()) == numbered(20)


def test_the_database_keeps_no_place_in_spools_that_are_done_with(home: Home) -> None:
    for n in range(3):
        recorder = home.recorder()
        recorder.record([one(str(n))])
        (home.crash if n == 1 else Recorder.close)(recorder)
    recorder = home.recorder()
    recorder.flush()
    recorder.close()
    query = home.store._connection.first
    assert [place.get("gone") for place in query("SELECT * FROM _spools")] == [True] * 3
    query("UPDATE _spools SET touched = time::now() - 2d")
    home.store.spooled.forget([])
    assert query("SELECT * FROM _spools") == []


# The database away


def running(server: Server) -> tuple[str, int]:
    """Address and number of its engine, which is started if it does not run."""
    status = ensure_engine(server.place, EngineOptions(idle_seconds=IDLE_SECONDS))
    return status["url"], status["pid"]


def test_while_the_database_is_away_records_wait_and_flush_says_how_many(any_home: Home) -> None:
    recorder = any_home.recorder()
    any_home.way.away = True
    for n in range(3):
        recorder.record([one(str(n))])
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"^3 predictions are safe in .*: away, for"):
            recorder.flush()
    assert (recorder.waiting, recorder.problem) == (3, "away, for the test")
    any_home.way.away = False
    catch_up(recorder)
    assert (recorder.waiting, recorder.problem) == (0, None)
    assert texts(any_home.rows()) == numbered(3)


def test_an_engine_that_was_killed_gets_it_all_in_the_end(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        with server.open("lab", patience=0.2) as store:
            recorder = Recorder(store, tmp_path / "spools", RecorderOptions())
            recorder.record([one("0")])
            recorder.flush()
            server.stop()
            recorder.record([one("1")])
            with pytest.raises(StoreUnavailable, match="1 predictions are safe"):
                recorder.flush()
            recorder.record([one("2")])
            recorder.close(timeout=5)
        server.url, server.pid = running(server)
        with server.open("lab") as store:
            recorder = Recorder(store, tmp_path / "spools", RecorderOptions())
            recorder.flush()
            assert texts(list(store.predictions.window("m"))) == numbered(3)
            assert agree(store)
            recorder.close()
    finally:
        server.stop()


def test_a_local_engine_that_was_killed_is_started_again(shared: Home, server: Server) -> None:
    recorder = shared.recorder()
    for n in range(3):
        recorder.record([one(str(n))])
        if n < 2:
            kill(running(server)[1])
    recorder.flush()
    server.url, server.pid = running(server)
    assert texts(shared.rows()) == numbered(3)


def test_what_a_closed_recorder_could_not_store_the_next_one_brings(
    any_home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = any_home.recorder()
    recorder.record([one("0")])
    recorder.flush()
    any_home.way.away = True
    recorder.record([one("1"), one("2")])
    recorder.close(timeout=5)
    assert "2 predictions are safe in" in caplog.text and "The next program" in caplog.text
    assert len(left_behind(any_home.root)) == 1
    any_home.way.away = False
    following = any_home.recorder()
    following.record([one("3")])
    following.flush()
    assert texts(any_home.rows()) == numbered(4)
    assert left_behind(any_home.root) == [following._spool.folder]
    assert agree(any_home.store)


def test_a_database_that_fails_at_everything_refuses_nobody(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = home.recorder()
    home.way.fails = True
    recorder.record([one("0"), one("1")])
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="the disk is full, for the test"):
            recorder.flush()
    home.way.fails = False
    catch_up(recorder)
    assert texts(home.rows()) == numbered(2)
    assert home.set_aside == [] and "refused a prediction" not in caplog.text


def test_a_store_that_was_closed_first_refuses_nobody(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    store = Store.open(url)
    recorder = Recorder(store, tmp_path / "spools", RecorderOptions())
    store.close()
    recorder.record([one("0")])
    with pytest.raises(StoreUnavailable, match="closed"):
        recorder.flush()
    recorder.close(timeout=5)
    assert not (tmp_path / "spools" / "refused.jsonl").exists()
    with Store.open(url) as store:
        recorder = Recorder(store, tmp_path / "spools", RecorderOptions())
        recorder.flush()
        assert texts(list(store.predictions.window("m"))) == numbered(1)
        recorder.close()


def test_a_database_that_hangs_holds_nobody_up_for_longer_than_told(home: Home) -> None:
    recorder = home.recorder()
    home.way.hang.clear()
    recorder.record([one("0")])
    assert home.way.reached.wait(SOON)
    with pytest.raises(StoreUnavailable, match=r"1 predictions .*: it took too long"):
        recorder.flush(timeout=0.01)
    recorder.close(timeout=0.01)
    home.way.hang.set()
    following = home.recorder()
    following.flush()
    recorder._flusher._threads[0].join(SOON)
    assert texts(home.rows()) == numbered(1)
    assert home.set_aside == [] and agree(home.store)


def test_after_close_nothing_is_taken_that_could_be_lost(home: Home) -> None:
    recorder = home.recorder()
    recorder.record([one("0")])
    recorder.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        recorder.record([one("1")])
    with pytest.raises(StoreUnavailable, match="closed"):
        recorder.give_feedback(said("a", key="k"))
    assert texts(home.rows()) == numbered(1)


def test_whoever_records_during_a_close_is_told_or_heard(home: Home) -> None:
    for _ in range(20):
        recorder = home.recorder(fsync=Fsync.OS)
        before = home.store.predictions.count("m")
        ready = threading.Event()

        def record(recorder: Recorder = recorder, ready: threading.Event = ready) -> int:
            count = 0
            try:
                while True:
                    recorder.record([one()])
                    count += 1
                    ready.set()
            except StoreError:
                return count

        with ThreadPoolExecutor(2) as pool:
            busy = [pool.submit(record) for _ in range(2)]
            assert ready.wait(SOON)
            recorder.close()
            count = sum(ended.result(SOON) for ended in busy)
        assert home.store.predictions.count("m") == before + count


# Left behind


def test_what_a_killed_program_left_is_brought_once(any_home: Home) -> None:
    any_home.way.away = True
    for life in range(3):
        recorder = any_home.recorder()
        recorder.record([one(str(2 * life)), one(str(2 * life + 1))])
        any_home.crash(recorder)
    any_home.way.away = False
    for _ in range(2):
        recorder = any_home.recorder()
        recorder.flush()
        assert texts(any_home.rows()) == numbered(6)
        recorder.close()
    assert left_behind(any_home.root) == []
    assert agree(any_home.store)


def test_killed_between_the_commit_and_its_own_note_of_it(any_home: Home) -> None:
    recorder = any_home.recorder()
    any_home.way.dies = True
    any_home.together(lambda: [recorder.record([one(str(n))]) for n in range(5)])
    with pytest.raises(StoreUnavailable):
        recorder.flush()
    assert any_home.way.died.is_set()
    recorder.record([one("5", key="k")])
    recorder.give_feedback(said("b", key="k"))
    any_home.crash(recorder)
    assert texts(any_home.rows()) <= numbered(5)
    any_home.way.away = any_home.way.dies = False
    following = any_home.recorder()
    following.flush()
    assert texts(any_home.rows()) == numbered(6)
    assert [row.ground_truth for row in any_home.rows() if row.key] == ["b"]
    assert agree(any_home.store)


def test_several_take_over_at_once(any_home: Home) -> None:
    any_home.way.away = True
    for life in range(8):
        recorder = any_home.recorder()
        recorder.record([one(str(5 * life + n)) for n in range(5)])
        any_home.crash(recorder)
    any_home.way.away = False
    with ThreadPoolExecutor(4) as pool:
        recorders = list(pool.map(lambda _: any_home.recorder(), range(4)))
        list(pool.map(Recorder.flush, recorders))
        recorders[0].flush()
    assert texts(any_home.rows()) == numbered(40)
    for recorder in recorders:
        recorder.close()
    assert left_behind(any_home.root) == [] and any_home.set_aside == []
    assert agree(any_home.store)


def test_who_finds_a_batch_stored_further_goes_on_from_there(home: Home) -> None:
    """As an old program does whose spool was taken over while it hung."""
    recorder = home.recorder()
    home.together(lambda: [recorder.record([one(str(n))]) for n in range(4)])
    recorder.flush()
    recorder.close()
    payloads = home.store.spooled.pack([one(str(n)) for n in range(4)])[1]
    way = home.store.spooled
    way.take_in("s/1", 0, 50, payloads[:2])
    way.take_in("s/1", 50, 90, payloads[2:3])
    way.take_in("s/1", 0, 50, payloads[:2])
    way.take_in("s/1", 50, 90, payloads[2:3])
    with pytest.raises(StoreError, match="read up to 90"):
        way.take_in("s/1", 50, 120, payloads[2:])
    assert way.position("s/1") == 90
    assert home.store.predictions.count("m") == 7


def test_a_torn_tail_is_left_out_and_the_rest_comes(home: Home) -> None:
    home.way.away = True
    recorder = home.recorder()
    recorder.record([one("0"), one("1"), one("torn")])
    home.crash(recorder)
    [segment] = recorder._spool.folder.glob("*.spool")
    content = segment.read_bytes()
    segment.write_bytes(content[: content.index(b"torn") + 2])
    home.way.away = False
    home.recorder().flush()
    assert texts(home.rows()) == numbered(2)


def test_folders_that_are_no_spools_harm_nobody(home: Home) -> None:
    (home.root / "empty").mkdir(parents=True)
    (home.root / ".draft").mkdir()
    (home.root / "strange").mkdir()
    (home.root / "strange" / "00000001.spool").write_bytes(b"\xff" * 100)
    (home.root / "file").write_bytes(b"")
    recorder = home.recorder()
    recorder.record([one("0")])
    recorder.flush()
    assert texts(home.rows()) == numbered(1)
    assert (home.root / ".draft").exists() and (home.root / "file").exists()


# Processes

LOG = """if True:
    import os, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from astermind_lab.monitoring.recorder import Recorder, RecorderOptions
    from astermind_lab.persistence import Feedback, Prediction, Store
    url, database, root, life, inputs, ending = sys.argv[1:]
    store = Store.open(url, database=database)
    recorder = Recorder(store, Path(root), RecorderOptions(store_inputs=inputs))
    def row(text, key=None):
        return Prediction(
            "m", None, text, "a", 0.75, None, 1.5, datetime.now(UTC), key=key
        )
    print("ready", flush=True)
    sys.stdin.readline()
    if ending == "kill after commit":
        whole = store.spooled.take_in
        def take_in(*arguments):
            whole(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        store.spooled.take_in = take_in
    for n in range(30):
        recorder.record([row(f"{life} {n}"), row("shared", key=f"k{n}")])
        recorder.give_feedback(Feedback("m", "b", datetime.now(UTC), key=f"k{n}"))
    if ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    recorder.flush()
    recorder.close()
    store.close()
"""


@pytest.fixture
def shared(server: Server, tmp_path: Path) -> Iterator[Home]:
    """On the local engine, for several processes."""
    url = f"local://{server.place.data_dir}"
    yield from at_home(Store.open(url, database=tmp_path.name), tmp_path / "spools")


def programs(home: Home, *endings: str, inputs: str = "full") -> None:
    """Run them side by side, from the same moment on."""
    database = home.store._connection.access.database
    running = [
        start(LOG, home.store.url, database, str(home.root), str(life), inputs, ending)
        for life, ending in enumerate(endings)
    ]
    for program in running:
        assert output(program).readline() == "ready\n"
    for program in running:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    for program, ending in zip(running, endings, strict=True):
        code, _, errors = finish(program)
        assert code == (-signal.SIGKILL if "kill" in ending else 0), errors


def test_programs_side_by_side_some_of_them_killed(shared: Home) -> None:
    endings = ["", "kill", "kill after commit", ""]
    programs(shared, *endings)
    recorder = shared.recorder()
    recorder.flush()
    rows = shared.rows()
    own = texts([row for row in rows if row.key is None])
    complete = Counter(f"{life} {n}" for life in (0, 1, 3) for n in range(30))
    # The one that was killed after its first commit may not have recorded everything by then.
    early = [f"2 {n}" for n in range(30)]
    assert own - Counter(early) == complete
    found = [text for text in early if own[text]]
    assert found == early[: len(found)] and max(own.values()) == 1
    keyed = [row for row in rows if row.key is not None]
    assert Counter(row.key for row in keyed) == Counter(f"k{n}" for n in range(30))
    assert {row.ground_truth for row in keyed} == {"b"}
    assert agree(shared.store) and shared.set_aside == []
    assert left_behind(shared.root) == [recorder._spool.folder]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_neither_records_nor_harms_the_parent(home: Home) -> None:
    recorder = home.recorder()
    home.together(lambda: recorder.record([one("0")]))
    pid = os.fork()
    if not pid:  # in the child, where an exception must not come out
        code = 1
        try:
            recorder.record([one("child")])
        except StoreError:
            recorder.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    recorder.record([one("1")])
    other = home.recorder()
    other.flush()
    recorder.flush()
    assert texts(home.rows()) == numbered(2)
    assert recorder._spool.folder.exists(), "it still belongs to its parent"


def test_a_program_in_memory_leaves_no_folder_behind(tmp_path: Path) -> None:
    code = """if True:
        import sys, tempfile
        from datetime import UTC, datetime
        tempfile.tempdir = sys.argv[1]
        from astermind_lab.lab import Lab
        lab = Lab.open("mem://")
        lab.log_prediction("m", "text", "a", 0.5)
        if sys.argv[2]:
            lab.close()
    """
    for ending in ("close", ""):
        exit_code, _, errors = finish(start(code, str(tmp_path), ending))
        assert exit_code == 0, errors
        assert list(tmp_path.iterdir()) == []


# Refused


def test_a_refused_record_is_set_aside_and_the_others_arrive(
    any_home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    any_home.way.refused = b"poison"
    recorder = any_home.recorder()

    def record() -> None:
        recorder.record([one("0"), one("poison", metadata={"é": 1}), one("1")])
        recorder.give_feedback(said("poison", key="k"))
        recorder.record([one("2", key="k")])

    any_home.together(record)
    recorder.flush()
    assert texts(any_home.rows()) == numbered(3)
    first, second = any_home.set_aside
    assert (first["input"], first["metadata"]) == ("poison", {"é": 1})
    assert (second["ground_truth"], second["key"]) == ("poison", "k")
    assert "refused a prediction" in caplog.text and "refused, for the test" in caplog.text
    path = any_home.root / "refused.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    recorder.close()
    assert len(any_home.set_aside) == 2 and agree(any_home.store)


def test_what_cannot_be_counted_is_set_aside_and_the_others_arrive(home: Home) -> None:
    """Two lengths of features that claim the same map: no sum of them can be had."""
    recorder = home.recorder()
    recorder.record([one("0", features=Features("map", b"12"))])
    recorder.flush()
    recorder.record([one("1", features=Features("map", b"123"))])
    recorder.record([one("2", features=Features("map", b"34"))])
    recorder.flush()
    assert texts(home.rows()) == Counter(["0", "2"])
    assert [row["input"] for row in home.set_aside] == ["1"]
    assert agree(home.store)


def test_a_refused_record_of_a_program_that_is_no_more(home: Home) -> None:
    home.way.away = True
    recorder = home.recorder()
    recorder.record([one("0"), one("poison"), one("1")])
    home.crash(recorder)
    home.way.away, home.way.refused = False, b"poison"
    home.recorder().flush()
    assert texts(home.rows()) == numbered(2)
    assert len(home.set_aside) == 1


# Inputs


SECRET = "a secret that is nobody's business"


@pytest.mark.parametrize("inputs", ["hash", "none"])
def test_texts_that_are_not_to_be_kept_are_nowhere(tmp_path: Path, inputs: Any) -> None:
    folder = tmp_path / "store"
    with Store.open(f"surrealkv://{folder}") as store:
        for home in at_home(store, folder / "spool"):
            recorder = home.recorder(store_inputs=inputs)

            def record(recorder: Recorder = recorder) -> None:
                recorder.record([one(SECRET), one(SECRET), one("other")])
                assert SECRET.encode() not in whole_folder(folder)

            home.together(record)
            recorder.flush()
            hashes = [row.input_hash for row in home.rows()]
            assert {row.input for row in home.rows()} == {None}
            assert len(set(hashes)) == (2 if inputs == "hash" else 1)
            assert inputs == "none" or all(found and len(found) == 32 for found in hashes)
    assert SECRET.encode() not in whole_folder(folder)


def whole_folder(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_full_keeps_the_texts_so_that_the_test_before_means_something(home: Home) -> None:
    recorder = home.recorder()
    home.way.away = True
    recorder.record([one(SECRET)])
    assert SECRET.encode() in whole_folder(home.root)


def test_a_text_has_the_same_hash_in_every_program_of_a_database_and_in_no_other(
    shared: Home, home: Home
) -> None:
    programs(shared, "", "", inputs="hash")
    recorder = shared.recorder(store_inputs="hash")
    recorder.record([one("shared"), one("0 7")])
    recorder.flush()
    by_hash = Counter(row.input_hash for row in shared.rows())
    assert sorted(by_hash.values())[-2:] == [2, 31]
    elsewhere = home.recorder(store_inputs="hash")
    elsewhere.record([one("shared")])
    elsewhere.flush()
    assert home.rows()[0].input_hash not in by_hash


# Keys


def test_the_same_key_counts_once(any_home: Home) -> None:
    recorder = any_home.recorder()
    any_home.together(lambda: [recorder.record([one("0", key="k")]) for _ in range(3)])
    recorder.flush()
    recorder.record([one("later", key="k"), one("1", key="l")])
    recorder.flush()
    recorder.record([one("0", key="k", model_id="other")])
    recorder.flush()
    assert texts(any_home.rows()) == numbered(2)
    assert len(any_home.rows("other")) == 1
    assert agree(any_home.store) and agree(any_home.store, model_id="other")


def test_feedback_on_a_key_that_came_twice_in_one_batch(any_home: Home) -> None:
    recorder = any_home.recorder()

    def record() -> None:
        recorder.record([one("0", key="k")])
        recorder.record([one("again", key="k")])
        recorder.give_feedback(said("b", key="k"))

    any_home.together(record)
    recorder.flush()
    [row] = any_home.rows()
    assert (row.input, row.ground_truth) == ("0", "b")
    assert agree(any_home.store)


def test_feedback_on_a_key_that_another_takes_at_the_last_moment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look and our write somebody logs the key: the truth is for his prediction."""
    look = home.store.feedback._find
    first = one("0", key="k")

    def find(items: Any) -> Any:
        found = look(items)
        if not home.store.predictions.count("m"):
            home.store.predictions.add_many([first])
        return found

    monkeypatch.setattr(home.store.feedback, "_find", find)
    recorder = home.recorder()

    def record() -> None:
        recorder.record([one("again", key="k")])
        recorder.give_feedback(said("b", key="k"))

    home.together(record)
    recorder.flush()
    [row] = home.rows()
    assert (row.input, row.ground_truth) == ("0", "b")
    assert agree(home.store)


def test_a_thousand_keys_that_are_all_taken(home: Home) -> None:
    recorder = home.recorder()
    rows = [one(str(n), key=f"k{n}") for n in range(1_000)]
    for _ in range(2):
        recorder.record(rows)
        recorder.record([one("x", key="k3")])
        recorder.flush()
    assert texts(home.rows()) == numbered(1_000)
    assert agree(home.store)


# Feedback


def truths(home: Home) -> dict[str | None, str | None]:
    return {row.input: row.ground_truth for row in home.rows()}


def lines(home: Home) -> list[dict[str, Any]]:
    """The table of feedback, the oldest first."""
    found: list[dict[str, Any]] = home.store._connection.first("SELECT * FROM feedback ORDER BY id")
    return found


def waiting(home: Home) -> int:
    return len(home.store._connection.first("SELECT VALUE id FROM _waiting"))


def test_feedback_by_id_and_by_key(any_home: Home) -> None:
    recorder = any_home.recorder()
    [name] = recorder.record([one("0")])
    recorder.record([one("1", key="k"), one("2")])
    recorder.flush()
    recorder.give_feedback(said("b", name=name))
    recorder.give_feedback(said("c", key="k"))
    recorder.flush()
    assert truths(any_home) == {"0": "b", "1": "c", "2": None}
    assert {line["ground_truth"]: line.get("previous") for line in lines(any_home)} == {
        "b": None,
        "c": None,
    }
    assert agree(any_home.store) and waiting(any_home) == 0


def test_the_later_word_counts(any_home: Home) -> None:
    recorder = any_home.recorder()
    [name] = recorder.record([one("0", key="k")])
    for truth in ("b", "c"):
        recorder.give_feedback(said(truth, name=name))
        recorder.flush()
    any_home.together(lambda: [recorder.give_feedback(said(t, key="k")) for t in "abcd"])
    recorder.flush()
    assert truths(any_home) == {"0": "d"}
    recorder.give_feedback(said("d", key="k"))
    recorder.flush()
    assert [line.get("previous") for line in lines(any_home)][:2] == [None, "b"]
    assert agree(any_home.store)


@pytest.mark.parametrize("by", ["id", "key"])
def test_feedback_that_comes_first_waits(any_home: Home, by: str) -> None:
    """Two programs: that of the prediction cannot reach the database, that of the feedback can."""
    slow, quick = any_home.recorder(), any_home.recorder()
    any_home.way.hang.clear()
    any_home.way.reached.clear()
    [name] = slow.record([one("0", key="k")])
    assert any_home.way.reached.wait(SOON)
    feedback = said("b", name=name) if by == "id" else said("b", key="k")
    assert any_home.store.feedback.give([feedback]) == [False]
    assert waiting(any_home) == 1
    any_home.way.hang.set()
    slow.flush()
    quick.flush()
    assert truths(any_home) == {"0": "b"}
    assert waiting(any_home) == 0 and len(lines(any_home)) == 1
    assert agree(any_home.store)


def test_feedback_before_its_prediction_in_one_batch(any_home: Home) -> None:
    recorder = any_home.recorder()

    def record() -> None:
        recorder.give_feedback(said("b", key="k"))
        recorder.record([one("0", key="k")])

    any_home.together(record)
    recorder.flush()
    assert truths(any_home) == {"0": "b"}
    assert agree(any_home.store) and waiting(any_home) == 0


def test_of_early_words_the_last_counts(any_home: Home) -> None:
    recorder = any_home.recorder()
    for truth in "bcd":
        recorder.give_feedback(said(truth, key="k"))
        recorder.flush()
    recorder.record([one("0", key="k", ground_truth="a")])
    recorder.flush()
    assert truths(any_home) == {"0": "d"}
    assert agree(any_home.store)


def test_an_early_word_does_not_come_back_over_a_later_one(home: Home) -> None:
    """Whoever should have applied it was killed before he could."""
    home.store.feedback.give([said("b", key="k")])
    row = home.store.predictions.prepare([one("0", key="k")])
    home.store.predictions.store(row)
    assert truths(home) == {"0": None} and waiting(home) == 1
    home.store.feedback.give([said("c", key="k")])
    assert truths(home) == {"0": "c"} and waiting(home) == 0
    home.store.feedback.sweep()
    assert truths(home) == {"0": "c"}


def test_feedback_that_a_killed_program_should_have_applied(home: Home) -> None:
    home.store.feedback.give([said("c", key="other")])  # its first look is behind it
    recorder = home.recorder()
    home.way.dies = True
    home.together(lambda: recorder.record([one("0", key="k")]))
    with pytest.raises(StoreUnavailable):
        recorder.flush()
    home.crash(recorder)
    came = {"since": datetime.now(UTC), **vars(said("b", key="k"))}
    home.store._connection.first("CREATE _waiting:['m', 'key', 'k'] CONTENT $came", came=came)
    home.way.away = home.way.dies = False
    home.recorder().flush()
    assert truths(home) == {"0": "b"} and waiting(home) == 1


def test_a_word_that_comes_while_an_early_one_is_applied_is_not_lost(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.store.feedback.give([said("b", key="k")])
    home.store.predictions.store(home.store.predictions.prepare([one("0", key="k")]))
    look = home.store.feedback._find
    spoken = []

    def find(items: Any) -> Any:
        found = look(items)
        if not spoken:
            spoken.append("c")
            home.store._connection.first("UPDATE _waiting SET ground_truth = 'c'")
        return found

    monkeypatch.setattr(home.store.feedback, "_find", find)
    home.store.feedback.sweep()
    assert truths(home) == {"0": "c"} and waiting(home) == 0
    assert [line["ground_truth"] for line in lines(home)] == ["c"]


def test_feedback_on_unknown_things_holds_up_nothing(home: Home) -> None:
    recorder = home.recorder()
    unknown = [said("b", key=f"unknown {n}") for n in range(1_200)]
    home.together(lambda: [recorder.give_feedback(item) for item in unknown])
    recorder.give_feedback(said("c", key="zz"))
    recorder.flush()
    recorder.record([one("0", key="zz"), one("1")])
    recorder.flush()
    assert truths(home) == {"0": "c", "1": None}
    assert waiting(home) == 1_200
    home.store.predictions.store(home.store.predictions.prepare([one("2", key="unknown 999")]))
    assert home.store.feedback.sweep() == 1
    assert truths(home)["2"] == "b" and waiting(home) == 1_199
    assert agree(home.store)


def test_feedback_is_given_up_after_a_week_and_no_sooner(caplog: pytest.LogCaptureFixture) -> None:
    clock = FixedClock(NOON)
    with Store.open("mem://", clock=clock) as store:
        store.feedback.give([said("b", key="k"), said("c", key="l")])
        clock.advance(timedelta(days=6, hours=23))
        store.predictions.store(store.predictions.prepare([one("0", key="k")]))
        assert store.feedback.sweep() == 1
        assert [row.ground_truth for row in store.predictions.window("m")] == ["b"]
        clock.advance(timedelta(hours=2))
        assert store.feedback.sweep() == 0
        assert "gave up 1 " in caplog.text
        assert store._connection.first("SELECT * FROM _waiting") == []


def test_feedback_that_was_long_on_its_way_has_its_week_all_the_same(home: Home) -> None:
    """As when the spool of the feedback is found again before that of the prediction."""
    home.store.feedback.give([replace(said("b", key="k"), timestamp=NOON - timedelta(days=900))])
    recorder = home.recorder()
    recorder.record([one("0", key="k")])
    recorder.flush()
    assert truths(home) == {"0": "b"}


def test_an_id_may_be_written_with_other_spaces(home: Home) -> None:
    recorder = home.recorder()
    [name] = recorder.record([one("0")])
    recorder.give_feedback(said("b", name=name.replace(" ", "")))
    recorder.flush()
    assert truths(home) == {"0": "b"} and waiting(home) == 0


def test_feedback_on_what_was_deleted_waits(any_home: Home) -> None:
    recorder = any_home.recorder()
    [name] = recorder.record([one("0")])
    recorder.flush()
    assert any_home.store.predictions.delete("m") == 1
    recorder.give_feedback(said("b", name=name))
    recorder.flush()
    assert any_home.rows() == [] and waiting(any_home) == 1 and agree(any_home.store)


def test_feedback_while_another_deletes(any_home: Home) -> None:
    recorder = any_home.recorder()
    moments = [NOON + timedelta(minutes=n) for n in range(60)]
    names = recorder.record([one(str(n), timestamp=at) for n, at in enumerate(moments)])
    recorder.flush()

    def say() -> None:
        for name in names:
            recorder.give_feedback(said("b", name=name))
            if name in names[::7]:
                recorder.flush()
        recorder.flush()

    def delete() -> None:
        for at in moments[::2]:
            any_home.store.predictions.delete("m", at, at + timedelta(seconds=59))

    with ThreadPoolExecutor(2) as pool:
        for work in [pool.submit(say), pool.submit(delete)]:
            work.result(60)
    assert truths(any_home) == {str(n): "b" for n in range(1, 60, 2)}
    assert not miscounted(any_home.store)


# Times


def test_times_of_every_kind_are_kept(any_home: Home) -> None:
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        NOON + timedelta(days=1),
        NOON,
        NOON - timedelta(microseconds=1),
        NOON,
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 3, 0, tzinfo=UTC).astimezone(),
    ]
    recorder = any_home.recorder()
    for n, at in enumerate(moments):
        recorder.record([one(str(n), timestamp=at)])
        if n % 2:
            recorder.flush()
    recorder.flush()
    rows = any_home.rows()
    assert [row.timestamp for row in rows] == sorted(moments)
    assert texts(rows) == numbered(len(moments))
    assert agree(any_home.store) and not miscounted(any_home.store)


def test_a_clock_that_was_set_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Two programs in turn, the second with an earlier date: as if the clock had been set back."""
    url, root = f"surrealkv://{tmp_path / 'store'}", tmp_path / "spools"
    names: list[str] = []
    for life, date in enumerate([NOON, NOON - timedelta(days=400), NOON]):
        clock = FixedClock(date)
        with Store.open(url, clock=clock) as store:
            recorder = Recorder(store, root, RecorderOptions())
            given = [one(f"{life} {n}", timestamp=clock.now()) for n in range(10)]
            names += recorder.record([*given, one("shared", key="k", timestamp=clock.now())])
            recorder.give_feedback(Feedback("m", "b", clock.now(), names[-2]))
            if life == 1:
                abandon(recorder)
            else:
                recorder.flush()
                recorder.close()
    with Store.open(url, clock=FixedClock(NOON - timedelta(days=800))) as store:
        recorder = Recorder(store, root, RecorderOptions())
        recorder.flush()
        rows = list(store.predictions.window("m"))
        assert len(rows) == 31 and len(set(names)) == 33
        assert {row.record_id for row in rows} <= set(names)
        assert sum(row.ground_truth == "b" for row in rows) == 3
        assert agree(store)
        recorder.close()


# The lab


def lab_settings(tmp_path: Path, **monitoring: Any) -> Settings:
    return Settings(data_dir=tmp_path / "data", monitoring=Monitoring(**monitoring))


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0), (1.0, 1)])
def test_the_sample_rate(tmp_path: Path, rate: float, share: int) -> None:
    settings = lab_settings(tmp_path, log_predictions=True, sample_rate=rate)
    with Lab.open("mem://", settings=settings) as lab:
        lab.train_classifier("m", EXAMPLES, SMALL)
        for _ in range(30):
            lab.predict("m", "rain")
        lab.predict_many("m", ["rain", "soup"])
        lab.predict("m", "rain", ground_truth="weather")
        lab.predict("m", "rain", log_prediction=True)
        lab.predict("m", "rain", log_prediction=False)
        lab.flush()
        assert lab.store.predictions.count("m") == 32 * share + 2


def test_the_sample_is_taken_by_chance(tmp_path: Path) -> None:
    settings = lab_settings(tmp_path, log_predictions=True, sample_rate=0.5)
    with Lab.open("mem://", settings=settings) as lab:
        lab.chance = random.Random(1)
        lab.train_classifier("m", EXAMPLES, SMALL)
        for _ in range(100):
            lab.predict("m", "rain")
        lab.flush()
        assert 35 <= lab.store.predictions.count("m") <= 65


USERS = """
DEFINE NAMESPACE IF NOT EXISTS shared; USE NS shared;
DEFINE DATABASE IF NOT EXISTS recorded; USE DB recorded;
DEFINE USER OVERWRITE dora ON DATABASE PASSWORD 'd' ROLES OWNER;
DEFINE USER OVERWRITE vera ON DATABASE PASSWORD 'v' ROLES VIEWER;
"""


def test_a_user_who_may_only_read_is_refused(server: Server, tmp_path: Path) -> None:
    with server.open("users") as root:
        root._connection.run(USERS)
    known: dict[str, Any] = {
        "namespace": "shared",
        "database": "recorded",
        "settings": lab_settings(tmp_path),
    }
    with Lab.open(server.url, username="dora", password="d", **known) as lab:
        name = lab.log_prediction("m", "text", "a", 0.5).record_id
        lab.flush()
    with Lab.open(server.url, username="vera", password="v", **known) as lab:
        with pytest.raises(StoreUnavailable, match="EDITOR or OWNER"):
            lab.log_prediction("m", "text", "a", 0.5)
        with pytest.raises(StoreUnavailable, match="EDITOR or OWNER"):
            lab.record_feedback("a", prediction_id=name)
        assert lab.store.predictions.count("m") == 1
    [root] = (tmp_path / "data" / "spool").iterdir()
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("kind", ["surrealkv", "local"])
def test_the_next_lab_brings_home_what_the_last_one_left(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind == "surrealkv":
        place: dict[str, Any] = {"url": f"surrealkv://{tmp_path / 'store'}"}
    else:
        server: Server = request.getfixturevalue("server")
        place = {"url": f"local://{server.place.data_dir}", "database": uuid.uuid4().hex}
    place["settings"] = lab_settings(tmp_path)
    with Lab.open(**place) as lab:
        Unsteady(lab.store).away = True
        name = lab.log_prediction("m", "0", "a", 0.5, timestamp=NOON.isoformat()).record_id
        told = lab.record_feedback("b", prediction_id=name)
        assert told.status == "spooled"
        root = spool_root(lab.store, lab.settings.data_dir)
        assert root is not None and len(left_behind(root)) == 1
        recorder = lab.recorder
        abandon(recorder)
        lab._recorder = None
    with Lab.open(**place) as lab:
        lab.flush()
        [row] = lab.store.predictions.window("m")
        assert (row.record_id, row.input, row.ground_truth) == (name, "0", "b")
    assert left_behind(root) == []


def test_no_room_in_the_spool_is_a_warning_of_predict_and_an_error_of_the_log(
    tmp_path: Path,
) -> None:
    with Lab.open("mem://", settings=lab_settings(tmp_path)) as lab:
        lab.train_classifier("m", EXAMPLES, SMALL)
        way = Unsteady(lab.store)
        way.away = True
        lab.predict("m", "rain", log_prediction=True)
        spool = lab.recorder._spool
        spool.most_bytes = 0
        spool._segments[0].size = spool._segments[0].end  # it is full
        answer = lab.predict("m", "rain", ground_truth="weather")
        assert answer.category == "weather" and answer.prediction_id is None
        assert "not logged: 1 predictions wait" in answer.warnings[0]
        many = lab.predict_many("m", ["rain", "soup"], log_prediction=True)
        assert many.categories == ["weather", "food"] and many.logged == 0
        assert "2 predictions were not logged" in many.warnings[0]
        with pytest.raises(SpoolFull, match=r"monitoring\.spool_limit"):
            lab.log_prediction("m", "text", "a", 0.5)
        with pytest.raises(SpoolFull, match=r"monitoring\.spool_limit"):
            lab.record_feedback("weather", model_id="m", key="k")
        way.away = False
        lab.flush()
        spool.most_bytes = 1 << 30
        assert lab.predict("m", "rain", log_prediction=True).prediction_id is not None
        lab.flush()
        assert lab.store.predictions.count("m") == 2


def test_a_lab_that_only_reads_makes_no_spool(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Lab.open(url, settings=lab_settings(tmp_path)) as lab:
        lab.flush()
        assert lab._recorder is None
    assert not (tmp_path / "store" / "spool").exists()


def test_what_is_recorded_is_not_shown_in_the_log(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    home.way.away = True
    recorder = home.recorder()
    recorder.record([one(SECRET)])
    with pytest.raises(StoreUnavailable):
        recorder.flush()
    assert SECRET not in caplog.text


def test_what_follows_a_damaged_record_is_kept(tmp_path: Path) -> None:
    """A power cut, or a bad disk, in the middle of a file that a program has left."""
    url = f"surrealkv://{tmp_path / 'store'}"
    chance = random.Random(1)
    rows = [replace(some(chance), input=f"input {number}") for number in range(3)]
    with Store.open(url) as store:
        _, payloads = store.spooled.pack(rows)
    folder = tmp_path / "store" / "spool" / "left"
    spool = Spool(folder)
    spool.append(payloads)
    spool.close()
    [segment] = segments(folder)
    data = bytearray(segment.read_bytes())
    data[record_length(payloads[0]) + FRAME_BYTES + 3] ^= 1
    segment.write_bytes(data)
    with Store.open(url) as store:
        recorder = Recorder(store, folder.parent, RecorderOptions())
        recorder.flush()
        assert [row.input for row in store.predictions.window("m")] == ["input 0"]
        recorder.close()
    [kept] = folder.parent.glob("damaged-left-*")
    assert kept.read_bytes() == bytes(data) and not folder.exists()
