"""How fast the local engine is: to start, to write, to tell others, and with a million rows.

    python benchmarks/engine.py [--quick] [--million] [--rounds N] [--only PART ...]

Prints a table, each figure beside its goal, and writes results/engine.json. ``--million`` adds a
log of a million predictions: memory, disk, queries, restarts. ``--rounds`` runs the other parts
several times and takes the median of each figure. ``--only`` runs some parts and writes no file.
Where Node is installed, an engine with live queries of its own is measured too, the tests' one.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # for the tests, which know the native engine

from _common import save  # noqa: E402
from _subscriber import subscribers  # noqa: E402

from astermind_lab.persistence import Prediction, Store  # noqa: E402
from astermind_lab.persistence.engine import (  # noqa: E402
    USERNAME,
    EngineOptions,
    Place,
    ensure_engine,
    stop_engine,
)
from tests.persistence.native_server import NativeServer, why_not  # noqa: E402

OPTIONS = EngineOptions(idle_seconds=900.0)
MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)
APART = timedelta(seconds=2.592)  # a million of them are thirty days
ROWS_A_CALL = 1_500
MEBI = 1024 * 1024
MARKS = (0, 100_000, 250_000, 500_000, 1_000_000)

OPEN_LAB = """
import sys, time
start = time.perf_counter()
from astermind_lab import Lab
with Lab.open("local://" + sys.argv[1]):
    print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``goal`` is "≤ 2" or "≥ 0.8", or empty."""

    what: str
    value: float
    unit: str
    goal: str = ""

    @property
    def met(self) -> bool | None:
        """None where there is no goal."""
        if not self.goal:
            return None
        limit = float(self.goal[2:])
        return self.value <= limit if self.goal.startswith("≤") else self.value >= limit


def seconds(work: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def point(values: Sequence[float], percent: int) -> float:
    """The value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, percent * len(ordered) // 100)]


def row(place: int, **metadata: int) -> Prediction:
    """A row of the prediction log."""
    return Prediction(
        model_id="m",
        version="v1",
        input=f"please tell me what the weather will be like in town {place}",
        prediction=f"intent {place % 20}",
        confidence=0.8,
        ground_truth=None if place % 3 else f"intent {place % 19}",
        latency_ms=0.3,
        timestamp=MORNING + place * APART,
        metadata=metadata,
    )


@contextmanager
def engine(folder: Path) -> Iterator[Place]:
    """A local engine with a data folder of its own, gone afterwards."""
    place = Place(folder)
    ensure_engine(place, OPTIONS)
    try:
        yield place
    finally:
        stop_engine(place)


def opened(place: Place) -> Store:
    return Store.open(f"local://{place.data_dir}", engine=OPTIONS)


def process_of(place: Place) -> int:
    return int(ensure_engine(place, OPTIONS)["pid"])


def kill(place: Place) -> None:
    os.kill(process_of(place), signal.SIGKILL)


# Starting


def starting(folder: Path, quick: bool) -> Iterator[Figure]:
    """From nothing to an open lab, and back after the engine was killed."""
    empty, whole, inside, again = [], [], [], []
    for turn in range(3 if quick else 9):
        place = Place(folder / f"engine-{turn}")
        empty.append(seconds(ensure_engine, place, OPTIONS))
        stop_engine(place)
        place = Place(folder / f"lab-{turn}")
        try:
            start = time.perf_counter()
            inside.append(open_elsewhere(place))
            whole.append(time.perf_counter() - start)
            again.append(open_elsewhere(place))
        finally:
            stop_engine(place)
    middle = statistics.median
    yield Figure("engine, empty folder, median", middle(empty), "s", "≤ 1")
    yield Figure("… slowest", max(empty), "s")
    yield Figure("fresh process, no engine yet: import, Lab.open(), median", middle(inside), "s")
    yield Figure("… with the start and end of the interpreter", middle(whole), "s")
    yield Figure("fresh process, engine runs: import, Lab.open(), median", middle(again), "s")
    yield from killed(folder / "killed", 3 if quick else 10)


def open_elsewhere(place: Place) -> float:
    """Import and open the lab in a process of its own; seconds."""
    command = [sys.executable, "-c", OPEN_LAB, str(place.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parent)
    return float(done.stdout)


def killed(folder: Path, rounds: int) -> Iterator[Figure]:
    back, told = [], []
    with engine(folder) as place, opened(place) as store, store.feed.watch("predictions") as watch:
        for turn in range(rounds):
            kill(place)
            start = time.perf_counter()
            store.predictions.add_many([row(turn)])
            back.append(time.perf_counter() - start)
            while not any(change.data["input"] == row(turn).input for change in watch.read(30.0)):
                pass
            told.append(time.perf_counter() - start)
    yield Figure("kill -9, next write done, median", statistics.median(back), "s", "≤ 2")
    yield Figure("… slowest", max(back), "s", "≤ 2")
    yield Figure("… until a watch has seen it, median", statistics.median(told), "s")


# Writing


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, Store]]:
    """The same store three ways: through the engine, in this process, native where it runs."""
    with ExitStack() as stack:
        found = {
            "engine": stack.enter_context(opened(stack.enter_context(engine(folder / "data")))),
            "in process": stack.enter_context(Store.open(f"surrealkv://{folder}/store")),
        }
        if why_not() is None:
            native = NativeServer(folder)
            stack.callback(native.stop)
            found["native"] = stack.enter_context(native.open("lab"))
        yield found


def writing(folder: Path, quick: bool) -> Iterator[Figure]:
    """One prediction a call; the stores take turns."""
    turns, calls = (4, 25) if quick else (24, 50)
    with stores(folder) as known:
        taken: dict[str, list[float]] = {name: [] for name in known}
        for turn in range(turns + 1):
            for name, store in known.items():
                rows = [row(place) for place in range(turn * calls, (turn + 1) * calls)]
                times = [seconds(store.predictions.add_many, [one]) * 1e3 for one in rows]
                taken[name] += times if turn else []  # the first turn warms up
    goals = {("engine", 50): "≤ 2", ("engine", 99): "≤ 10"}
    for name, times in taken.items():
        for percent in (50, 95, 99):
            what = f"one prediction, {name}, p{percent}"
            yield Figure(what, point(times, percent), "ms", goals.get((name, percent), ""))


def filling(folder: Path, quick: bool) -> Iterator[Figure]:
    """Calls of 1,500 rows; the stores take turns call by call."""
    calls = 4 if quick else 30
    with stores(folder) as known:
        taken: dict[str, list[float]] = {name: [] for name in known}
        for turn in range(calls + 2):
            rows = [row(turn * ROWS_A_CALL + n) for n in range(ROWS_A_CALL)]
            for name in known if turn % 2 else reversed(known):
                took = seconds(known[name].predictions.add_many, rows)
                taken[name] += [took] if turn > 1 else []  # the first two turns warm up
    for name, times in taken.items():
        rate = ROWS_A_CALL * calls / sum(times)
        yield Figure(f"{ROWS_A_CALL:,} rows a call, {name}", rate, "rows/s")
    ours, theirs = taken["engine"], taken["in process"]
    yield Figure("engine as a share of in process", sum(theirs) / sum(ours), "×", "≥ 0.8")
    pairs = [one / other for one, other in zip(theirs, ours, strict=True)]
    yield Figure("… median of the pairs of calls", statistics.median(pairs), "×")


# Telling


def telling(folder: Path, quick: bool) -> Iterator[Figure]:
    """From just before the write in this process to the subscriber in another one."""
    rows = 30 if quick else 200
    goals = {(1, 50): "≤ 10", (1, 95): "≤ 50", (50, 95): "≤ 200"}
    with engine(folder / "data") as place, opened(place) as store:
        url = str(ensure_engine(place, OPTIONS)["url"])
        sdk = {"url": url, "username": USERNAME, "password": place.secret()}
        yield from told(store, "SDK live", sdk, rows, goals)
        yield from told(store, "lab.watch", {"url": f"local://{place.data_dir}"}, rows, goals)
    if why_not() is None:
        native = NativeServer(folder)
        try:
            with native.open("lab") as store:
                sdk = {"url": native.url, "username": "root", "password": native.password}
                yield from told(store, "SDK live", sdk, rows, {}, "native, ")
        finally:
            native.stop()


def told(
    store: Store,
    kind: str,
    where: dict[str, str],
    rows: int,
    goals: dict[tuple[int, int], str],
    prefix: str = "",
) -> Iterator[Figure]:
    for many, processes in ((1, 1), (10, 2), (50, 5)):
        with subscribers(kind, where, many, processes, rows) as received:
            wrote = []
            for place in range(rows):
                time.sleep(0.05)
                made = [row(place, sent=time.time_ns())]
                wrote.append(seconds(store.predictions.add_many, made) * 1e3)
            delays = received()
        for percent in (50, 95):
            what = f"{prefix}{kind}, {many} subscribers, p{percent}"
            yield Figure(what, point(delays, percent), "ms", goals.get((many, percent), ""))
        yield Figure(f"… until the writer has its answer, p50, {many}", point(wrote, 50), "ms")


# A million rows


def million(folder: Path, quick: bool) -> Iterator[Figure]:
    """Memory and disk as the log grows, at rest and after scans; queries; restarts."""
    share, rest = (50, 6) if quick else (1, 60)
    with engine(folder / "data") as place, opened(place) as store:
        done = 0
        for mark in (mark // share for mark in MARKS):
            taken = [seconds(store.predictions.add_many, rows) for rows in calls(done, mark)]
            if taken:
                rate = (mark - done) / sum(taken)
                yield Figure(f"rows {done:,} to {mark:,}", rate, "rows/s")
                yield Figure(f"… slowest call of {ROWS_A_CALL:,} rows", max(taken), "s")
            done = mark
            yield from sizes(place, f"{mark:,} rows")
        yield from rested(place, rest)
        yield from asked(store, done)
        yield from sizes(place, "at the end of three scans")
        yield from rested(place, rest)
        read = seconds(lambda: sum(1 for _ in store.predictions.window("m")))
        yield Figure("all read in time order", done / read, "rows/s")
        yield from beside(place, store, done)
        yield from rested(place, rest)
        yield from restarted(place, store, done)


def calls(start: int, end: int) -> Iterator[list[Prediction]]:
    for first in range(start, end, ROWS_A_CALL):
        yield [row(place) for place in range(first, min(end, first + ROWS_A_CALL))]


def sizes(place: Place, when: str) -> Iterator[Figure]:
    process = process_of(place)
    memory, highest = resident(process, "VmRSS"), resident(process, "VmHWM")
    if memory is not None and highest is not None:
        yield Figure(f"memory, {when}", memory, "MiB", "≤ 600")
        yield Figure("… highest since its start", highest, "MiB")
    files = [file for file in place.store.rglob("*") if file.is_file()]
    yield Figure(f"disk, {when}", sum(file.stat().st_size for file in files) / MEBI, "MiB")


def resident(process: int, which: str) -> float | None:
    """Memory of a process in MiB, where the system tells (Linux)."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{which}:"):
                return int(line.split()[1]) / 1024
    return None


def rested(place: Place, wait: int) -> Iterator[Figure]:
    """How memory moves while nobody asks for anything."""
    seen = []
    for _ in range(6):
        time.sleep(wait / 6)
        seen.append(resident(process_of(place), "VmRSS"))
    known = [memory for memory in seen if memory is not None]
    if known:
        yield Figure(f"memory after {wait} s at rest", known[-1], "MiB", "≤ 600")
        spread = max(known[3:]) - min(known[3:])
        yield Figure("… highest minus lowest in the second half", spread, "MiB")


def asked(store: Store, rows: int) -> Iterator[Figure]:
    noon = MORNING + rows // 2 * APART
    log = store.predictions
    for name, span in (("hour", timedelta(hours=1)), ("day", timedelta(days=1))):
        n = log.count("m", noon, noon + span)
        times = [seconds(log.counts, "m", noon, noon + span) * 1e3 for _ in range(10)]
        what = f"confusion matrix of one {name} ({n:,} rows), median"
        yield Figure(what, statistics.median(times), "ms")
    count = statistics.median(seconds(log.count, "m") for _ in range(3))
    yield Figure(f"count of {rows:,}, median", count, "s")
    for turn in range(3):
        took = seconds(log.counts, "m")
        yield Figure(f"confusion matrix of {rows:,}, scan {turn + 1}", took, "s")


def beside(place: Place, store: Store, rows: int) -> Iterator[Figure]:
    """Single writes while another client scans the log twice."""
    over = threading.Event()

    def scan() -> None:
        with opened(place) as other:
            for _ in range(2):
                other.predictions.counts("m")
        over.set()

    scanner = threading.Thread(target=scan)
    scanner.start()
    taken = []
    for turn in itertools.count(rows):
        taken.append(seconds(store.predictions.add_many, [row(turn)]) * 1e3)
        if over.wait(0.02):
            break
    scanner.join()
    for percent in (50, 95):
        what = f"one prediction while another client scans, p{percent}"
        yield Figure(what, point(taken, percent), "ms")
    yield Figure("… slowest", max(taken), "ms")


def restarted(place: Place, store: Store, rows: int) -> Iterator[Figure]:
    stopped, after_stop, after_kill, back = [], [], [], []
    for turn in range(3):
        stopped.append(seconds(stop_engine, place))
        after_stop.append(seconds(ensure_engine, place, OPTIONS))
        kill(place)
        after_kill.append(seconds(ensure_engine, place, OPTIONS))
        store.predictions.count("m", MORNING, MORNING)  # has the store connected again
        kill(place)
        back.append(seconds(store.predictions.add_many, [row(2 * rows + turn)]))
    yield Figure("stop, slowest of 3", max(stopped), "s")
    yield Figure("start after a stop, slowest of 3", max(after_stop), "s", "≤ 5")
    yield Figure("start after kill -9, slowest of 3", max(after_kill), "s", "≤ 5")
    yield Figure("kill -9, next write done, slowest of 3", max(back), "s", "≤ 2")
    yield from sizes(place, "after the restarts")


PARTS: dict[str, Callable[[Path, bool], Iterator[Figure]]] = {
    "starting": starting,
    "writing": writing,
    "filling": filling,
    "telling": telling,
    "million": million,
}


def measured(part: str, quick: bool) -> Iterator[Figure]:
    yield Figure("load average of the machine before", os.getloadavg()[0], "")
    with tempfile.TemporaryDirectory() as folder:
        yield from PARTS[part](Path(folder), quick)


def show(part: str, figures: Iterable[Figure]) -> list[Figure]:
    """Print the figures as they come."""
    found = []
    for one in figures:
        digits = 0 if one.value >= 1_000 else 1 if one.value >= 100 else 3
        goal = "" if one.met is None else f"  {one.goal} {'met' if one.met else 'MISSED'}"
        line = f"{part:9} {one.what:60} {one.value:>9,.{digits}f} {one.unit:6}{goal}"
        print(line.rstrip(), flush=True)
        found.append(one)
    return found


def middle(rounds: Sequence[Sequence[Figure]]) -> list[Figure]:
    """The median of each figure."""
    return [
        replace(same[0], value=statistics.median(one.value for one in same))
        for same in zip(*rounds, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small run, for a first look")
    parser.add_argument("--million", action="store_true", help="add a log of a million predictions")
    parser.add_argument("--rounds", type=int, default=1, help="take the median of so many")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="some parts")
    options = parser.parse_args()
    reason = why_not()
    if reason is not None:
        print(reason)
    rows = []
    for part in options.only or [name for name in PARTS if name != "million" or options.million]:
        times = 1 if part == "million" else options.rounds
        rounds = [show(part, measured(part, options.quick)) for _ in range(times)]
        if times > 1:
            print(f"\n{part}, median of {times}:")
            rounds = [show(part, middle(rounds))]
            print()
        rows += [{"part": part, **asdict(one), "met": one.met} for one in rounds[0]]
    if not options.only:
        save("engine", rows, options.quick)


if __name__ == "__main__":
    main()
