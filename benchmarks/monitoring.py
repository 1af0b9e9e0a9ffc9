"""What logging predictions costs, how many a second it takes, and how soon figures are there.

    python benchmarks/monitoring.py [--quick] [--minutes N] [--only PART ...]

Parts: predict (with and without logging, by turns), sustained (logging at 5,000 a second), figures
(metrics, confusion matrix, drift at 10,000 and at 1,000,000 predictions), exact (figures against
scikit-learn). All on the local engine.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from _common import save, table

from astermind_lab import Lab
from astermind_lab.core.tally import Features
from astermind_lab.persistence import Feedback, Prediction

MORNING = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = [f"label {n}" for n in range(20)]
WORDS = [f"word{n}" for n in range(3_000)]
TEXT = "please book me a flight to boston for tomorrow morning"
RATE = 5_000
Row = dict[str, Any]


def texts(n: int, chance: random.Random) -> list[tuple[str, str]]:
    """Labelled texts whose words depend on their label."""
    rows = []
    for number in range(n):
        label = number % len(LABELS)
        some = [WORDS[150 * label + chance.randrange(150)] for _ in range(5)]
        rows.append((" ".join(some + chance.choices(WORDS, k=5)), LABELS[label]))
    return rows


def quantiles(times: list[float]) -> Row:
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return {"p50 ms": p50 * 1e3, "p99 ms": p99 * 1e3}


def cost_on_predict(lab: Lab, quick: bool) -> Iterator[Row]:
    """The same texts with and without logging, one after the other, by turns."""
    chance = random.Random(0)
    rows = texts(4_000, chance)
    lab.train_classifier("bench", rows)
    asked = [text for text, _ in texts(1_000 if quick else 5_000, chance)]
    for text in asked[:200]:
        lab.predict("bench", text, log_prediction=True)
    times: dict[bool, list[float]] = {True: [], False: []}
    for number, text in enumerate(asked):
        for logged in (True, False) if number % 2 else (False, True):
            start = time.perf_counter()
            lab.predict("bench", text, log_prediction=logged)
            times[logged].append(time.perf_counter() - start)
    plain, logged = (np.array(times[kind]) for kind in (False, True))
    yield {"what": "predict, not logged", **quantiles(times[False])}
    yield {"what": "predict, logged", **quantiles(times[True])}
    difference = np.quantile(logged, [0.5, 0.99]) - np.quantile(plain, [0.5, 0.99])
    yield {
        "what": "cost of logging (goal p50 ≤ 0.3, p99 ≤ 5)",
        "p50 ms": difference[0] * 1e3,
        "p99 ms": difference[1] * 1e3,
    }


def exactness(lab: Lab, count: int) -> Iterator[Row]:
    """Figures against scikit-learn and NumPy, truths given late, some of them twice."""
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    chance = random.Random(3)
    given = chance.choices(LABELS, k=count)
    truths = [label if chance.random() < 0.8 else chance.choice(LABELS) for label in given]
    confidence = [chance.random() for _ in range(count)]
    latency = [chance.lognormvariate(0, 1) for _ in range(count)]
    rows = [
        Prediction(
            model_id="exact",
            version=None,
            input=None,
            prediction=given[i],
            confidence=confidence[i],
            ground_truth=truths[i] if i % 3 == 0 else LABELS[0] if i % 3 == 1 else None,
            latency_ms=latency[i],
            timestamp=MORNING + timedelta(seconds=chance.random() * 2e6),
        )
        for i in range(count)
    ]
    ids = lab.store.predictions.add_many(rows)
    late = [i for i in range(count) if i % 3 and i % 7]
    chance.shuffle(late)
    for first in range(0, len(late), 1_000):
        lab.store.feedback.give(
            [
                Feedback("exact", truths[i], MORNING, prediction_id=ids[i])
                for i in late[first : first + 1_000]
            ]
        )
    now = dict(enumerate(row.ground_truth for row in rows)) | {i: truths[i] for i in late}
    known = [i for i in range(count) if now[i] is not None]
    y, p = [now[i] for i in known], [given[i] for i in known]
    found = lab.get_model_metrics("exact").metrics
    assert found.accuracy and found.precision and found.recall and found.f1 and found.latency_ms
    gaps = [abs(found.accuracy.value - accuracy_score(y, p))]
    for kind in ("macro", "weighted"):
        expected = precision_recall_fscore_support(y, p, average=kind, zero_division=0)[:3]
        ours = (getattr(one, kind) for one in (found.precision, found.recall, found.f1))
        gaps += [abs(a - b) for a, b in zip(ours, expected, strict=True)]
    assert found.avg_confidence is not None and found.avg_latency_ms is not None
    gaps += [
        abs(found.avg_confidence - float(np.mean(confidence))),
        abs(found.avg_latency_ms - float(np.mean(latency))),
    ]
    yield {
        "what": f"{count:,} rows: largest difference (goal ≤ 1e-12)",
        "value": f"{max(gaps):.1e}",
    }
    quantile = np.quantile(latency, [0.5, 0.95, 0.99])
    ours = (found.latency_ms.p50, found.latency_ms.p95, found.latency_ms.p99)
    worst = max(abs(a / b - 1) for a, b in zip(ours, quantile, strict=True))
    yield {"what": "latency quantiles, largest (goal ≤ 0.01)", "value": f"{worst:.4f}"}
    matrix = lab.get_confusion_matrix("exact").confusion_matrix
    square = [[matrix.get(t, {}).get(q, 0) for q in LABELS] for t in LABELS]
    same = (np.array(square) == confusion_matrix(y, p, labels=LABELS)).all()
    yield {"what": "confusion matrix equal", "value": str(bool(same))}


def memory_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sustained(lab: Lab, minutes: float) -> Iterator[Row]:
    """``log_prediction`` as often as it takes for 5,000 a second."""
    count = int(RATE * 60 * minutes)
    chance = random.Random(1)
    drawn = [
        (chance.choice(LABELS), 0.3 + 0.7 * chance.random(), chance.choice([None, *LABELS]))
        for _ in range(1_000)
    ]
    times, memory, lag = np.empty(count), [], []
    start = time.perf_counter()
    for number in range(count):
        ahead = start + number / RATE - time.perf_counter()
        if ahead > 0.002:
            time.sleep(ahead)
        label, confidence, truth = drawn[number % 1_000]
        began = time.perf_counter()
        lab.log_prediction(
            "sustained", TEXT, label, confidence, ground_truth=truth, latency_ms=3 * confidence
        )
        times[number] = time.perf_counter() - began
        if number % (RATE * 5) == 0:
            memory.append(memory_mib())
            lag.append(lab.recorder.waiting)
    took = time.perf_counter() - start
    waiting = lab.recorder.waiting
    began = time.perf_counter()
    lab.flush()
    drained = time.perf_counter() - began
    stored = lab.get_model_metrics("sustained").metrics.total_predictions
    rows = lab.store.predictions.count("sustained")
    yield {"what": f"logged for {minutes:g} min, one process", **quantiles(times.tolist())}
    yield {"what": "predictions a second (goal ≥ 5,000)", "value": count / took}
    yield {
        "what": "not in the figures, not in the log (goal 0)",
        "value": count - min(stored, rows),
    }
    yield {"what": "counted twice (goal 0)", "value": max(stored, rows) - count}
    yield {"what": "waiting at the end", "value": waiting}
    yield {"what": "most waiting", "value": max(lag)}
    yield {"what": "seconds until all is stored (goal ≤ 10)", "value": drained}
    if len(memory) > 4:
        half = len(memory) // 2
        yield {"what": "memory, MiB, after a tenth", "value": memory[max(1, len(memory) // 10)]}
        yield {"what": "memory, MiB, half way", "value": memory[half]}
        yield {"what": "memory, MiB, at the end", "value": memory[-1]}


def fill(lab: Lab, model_id: str, count: int) -> None:
    """A day of predictions, whose labels and inputs change at noon."""
    chance, rng = random.Random(2), np.random.default_rng(2)
    apart = timedelta(days=1) / count
    for first in range(0, count, 15_000):
        n = min(15_000, count - first)
        late = first >= count // 2
        truth = chance.choices(LABELS[5:] if late else LABELS, k=n)
        wrong = chance.choices(LABELS, k=n)
        vectors = np.clip(np.rint(rng.normal(3.0 * late, 20, (n, 32))), -127, 127).astype(np.int8)
        lab.store.predictions.add_many(
            [
                Prediction(
                    model_id=model_id,
                    version="v1",
                    input=TEXT,
                    prediction=truth[i] if chance.random() < 0.9 else wrong[i],
                    confidence=chance.betavariate(8, 1),
                    ground_truth=truth[i] if i % 3 else None,
                    latency_ms=chance.lognormvariate(0, 0.5),
                    timestamp=MORNING + (first + i) * apart,
                    features=Features("bench", vectors[i].tobytes()),
                )
                for i in range(n)
            ]
        )


def figures(lab: Lab, sizes: tuple[int, ...]) -> Iterator[Row]:
    found: dict[str, list[float]] = {}
    for count in sizes:
        model_id = f"day of {count}"
        began = time.perf_counter()
        fill(lab, model_id, count)
        print(f"{count:,} filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        for what, work in questions(lab, model_id).items():
            work()
            times = []
            for _ in range(15):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
            found.setdefault(what, []).append(float(np.median(times)) * 1e3)
    for what, times in found.items():
        row: Row = {"what": what}
        row |= {f"{size:,} ms": value for size, value in zip(sizes, times, strict=True)}
        yield {**row, "ratio": times[-1] / times[0]}


def questions(lab: Lab, model_id: str) -> dict[str, Callable[[], object]]:
    noon, end = MORNING + timedelta(hours=12), MORNING + timedelta(days=1)
    first = {"start": MORNING, "end": noon - timedelta(microseconds=1)}
    ragged = {
        "start": MORNING + timedelta(hours=2, minutes=17, seconds=31.4),
        "end": end - timedelta(hours=3, minutes=5, seconds=12.9),
    }
    then = {**first, "start": ragged["start"]}
    now = {"start": noon + timedelta(minutes=3, seconds=7.7), "end": ragged["end"]}
    return {
        "metrics, everything": lambda: lab.get_model_metrics(model_id),
        "metrics, ragged window": lambda: lab.get_model_metrics(model_id, ragged),
        "confusion matrix, everything": lambda: lab.get_confusion_matrix(model_id),
        "confusion matrix, ragged window": lambda: lab.get_confusion_matrix(model_id, ragged),
        "drift, half days": lambda: lab.detect_drift(model_id, first, {"start": noon, "end": end}),
        "drift, ragged windows": lambda: lab.detect_drift(model_id, then, now),
        "accuracy without labels": lambda: lab.estimate_accuracy(model_id, then, now),
        "series by hour": lambda: lab.get_metric_series(
            model_id, {"start": MORNING, "end": end}, "hour"
        ),
    }


def main() -> None:
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    made.add_argument("--minutes", type=float, help="of sustained logging; 10, or 0.2 if quick")
    made.add_argument("--only", nargs="*", choices=["predict", "sustained", "exact", "figures"])
    args = made.parse_args()
    parts = args.only or ["predict", "sustained", "exact", "figures"]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, Lab.open(f"local://{Path(folder)}") as lab:
        if "predict" in parts:
            rows += show(cost_on_predict(lab, args.quick))
        if "sustained" in parts:
            minutes = args.minutes or (0.2 if args.quick else 10)
            rows += show(sustained(lab, minutes))
        if "exact" in parts:
            rows += show(exactness(lab, 10_000 if args.quick else 100_000))
        if "figures" in parts:
            rows += show(figures(lab, (10_000, 50_000 if args.quick else 1_000_000)))
    if not args.only:
        save("monitoring", rows, args.quick)


def show(rows: Iterator[Row]) -> list[Row]:
    """Print the rows as a table."""
    found = list(rows)
    heads = list(dict.fromkeys(head for row in found for head in row))
    print(table([{head: row.get(head) for head in heads} for row in found]), end="\n\n", flush=True)
    return found


if __name__ == "__main__":
    main()
