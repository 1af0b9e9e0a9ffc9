"""How fast the store is: models, data sets, predictions and embeddings, in memory and in a folder.

    python benchmarks/storage.py [--quick] [--million]

Prints a table and writes results/storage.json. ``--million`` adds a data set of a million examples
in a folder, with the memory it takes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from _common import save

from astermind_lab.persistence import EmbeddingItem, NewModelVersion, Prediction, Store

WEIGHTS_BYTES = 12 * 1024 * 1024
MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    store: str
    what: str
    value: float
    unit: str


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def milliseconds(work: Callable[[int], object], times: int) -> tuple[float, float]:
    """Median and 95th percentile of ``times`` calls."""
    taken = sorted(seconds(lambda turn=turn: work(turn)) * 1e3 for turn in range(times))
    return statistics.median(taken), taken[int(0.95 * (times - 1))]


def examples(n: int) -> Iterator[tuple[str, str]]:
    for place in range(n):
        yield (
            f"please tell me what the weather will be like in town {place}",
            f"intent {place % 20}",
        )


def models(store: Store) -> Iterator[tuple[str, float, str]]:
    weights = os.urandom(WEIGHTS_BYTES)

    def add(turn: int) -> None:
        labels = [f"intent {place}" for place in range(20)]
        store.models.add(NewModelVersion("m", f"v{turn}", "elm-ridge", labels, 10_000), weights)

    yield "model of 12 MB, store, median", milliseconds(add, 5)[0] / 1e3, "s"
    yield (
        "model of 12 MB, load and check, median",
        milliseconds(lambda turn: store.models.weights("m", f"v{turn}"), 5)[0] / 1e3,
        "s",
    )
    yield (
        "latest version of a model, median",
        milliseconds(lambda _: store.models.get("m"), 50)[0],
        "ms",
    )


def datasets(store: Store, n: int) -> Iterator[tuple[str, float, str]]:
    yield (
        f"{n:,} examples, store",
        n / seconds(lambda: store.datasets.add("d", examples(n))),
        "rows/s",
    )
    read = seconds(lambda: sum(1 for _ in store.datasets.examples("d")))
    yield f"{n:,} examples, read", n / read, "rows/s"
    page = milliseconds(lambda _: list(store.datasets.examples("d", offset=n - 100)), 20)[0]
    yield "the last 100 of them, median", page, "ms"


def logged(place: int) -> Prediction:
    return Prediction(
        model_id="m",
        version="v1",
        input=f"please tell me what the weather will be like in town {place}",
        prediction=f"intent {place % 20}",
        confidence=0.8,
        ground_truth=None if place % 3 else f"intent {place % 19}",
        latency_ms=0.3,
        timestamp=MORNING + timedelta(milliseconds=37 * place),
    )


def predictions(store: Store, n: int) -> Iterator[tuple[str, float, str]]:
    rows = [logged(place) for place in range(n)]
    bulk = seconds(lambda: store.predictions.add_many(rows))
    yield f"{n:,} predictions, log together", n / bulk, "rows/s"
    median, high = milliseconds(lambda turn: store.predictions.add_many([logged(n + turn)]), 200)
    yield "one prediction, log, median", median, "ms"
    yield "one prediction, log, 95 %", high, "ms"
    yield f"{n:,} predictions, count", 1e3 * seconds(lambda: store.predictions.count("m")), "ms"
    yield "… confusion matrix", 1e3 * seconds(lambda: store.tallies.window("m")), "ms"
    hour = (
        MORNING + timedelta(seconds=0.037 * n / 2),
        MORNING + timedelta(seconds=0.037 * n / 2 + 60),
    )
    yield (
        "… confusion matrix of one minute of them, median",
        milliseconds(lambda _: store.tallies.window("m", *hour), 20)[0],
        "ms",
    )
    read = seconds(lambda: sum(1 for _ in store.predictions.window("m")))
    yield "… read in time order", n / read, "rows/s"


def embeddings(store: Store, n: int, dimension: int) -> Iterator[tuple[str, float, str]]:
    rng = np.random.default_rng(dimension)
    vectors = rng.standard_normal((n, dimension)).astype(np.float32).astype(np.float64)
    queries = rng.standard_normal((30, dimension))
    name = f"c{dimension}"
    items = [
        EmbeddingItem(
            f"i{place}", f"text {place}", vectors[place], {"g": place % 4, "rare": place % 500}
        )
        for place in range(n)
    ]

    def add() -> None:
        for start in range(0, n, 2_000):
            store.embeddings.add(name, items[start : start + 2_000])

    what = f"{n:,} vectors of {dimension}"
    yield f"{what}, store", n / seconds(add), "rows/s"
    found: list[list[str]] = []

    def search(turn: int) -> None:
        found.append([hit.item_id for hit in store.embeddings.search(name, queries[turn])])

    yield f"{what}, ten nearest, median", milliseconds(search, len(queries))[0], "ms"
    near = np.argsort(
        -(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ queries.T, axis=0
    )
    right = [
        len({f"i{row}" for row in near[:10, turn]} & set(ids)) / 10
        for turn, ids in enumerate(found)
    ]
    yield "… of the true ten", statistics.mean(right), "share"
    for label, filters in (("a quarter match", {"g": 1}), ("1 in 500 match", {"rare": 7})):
        taken = milliseconds(
            lambda turn, f=filters: store.embeddings.search(name, queries[turn], filters=f), 8
        )
        yield f"… with a filter that {label.replace(' match', '')} pass, median", taken[0], "ms"


def million(folder: Path) -> Iterator[Figure]:
    """A data set of a million examples, in a process whose memory is its own."""
    import resource

    with Store.open(f"surrealkv://{folder}") as store:
        for what, value, unit in datasets(store, 1_000_000):
            yield Figure("surrealkv", what, value, unit)
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes
    yield Figure("surrealkv", "highest memory of the process", peak / 1e6, "MB")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    yield Figure("surrealkv", "1,000,000 examples on disk", size / 1e6, "MB")


def measured(store_name: str, url: str, quick: bool) -> Iterator[Figure]:
    rows, vectors = (5_000, 1_000) if quick else (100_000, 5_000)
    start = time.perf_counter()
    with Store.open(url) as store:
        yield Figure(store_name, "open an empty store", 1e3 * (time.perf_counter() - start), "ms")
        for lines in (
            models(store),
            datasets(store, rows),
            predictions(store, rows),
            embeddings(store, vectors, 256),
            embeddings(store, vectors, 1_024),
        ):
            for what, value, unit in lines:
                yield Figure(store_name, what, value, unit)


def show(figure: Figure) -> None:
    digits = 0 if figure.value >= 100 else 1 if figure.value >= 10 else 3
    print(
        f"{figure.store:10} {figure.what:55} {figure.value:>10,.{digits}f} {figure.unit}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small run, for a first look")
    parser.add_argument("--million", action="store_true", help="add a data set of a million rows")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        if options.million:  # first, while the process has no memory of other work
            runs.append(million(Path(folder) / "million"))
        runs.append(measured("surrealkv", f"surrealkv://{folder}/store", options.quick))
        runs.append(measured("mem", "mem://", options.quick))
        for run in runs:
            for figure in run:
                show(figure)
                figures.append(figure)
    save("storage", [asdict(figure) for figure in figures], options.quick)


if __name__ == "__main__":
    main()
