"""Accuracy without truths: is it inside its interval, and is there a warning where it is not?

Per set a classifier is trained on 35 % of the rows. Of the others, some are the baseline, whose
truths are given, and others a window, whose truths are kept back:

    same        drawn at random, as the baseline: both assumptions hold
    labels      labels as frequent as Dirichlet(1) makes them: label shift holds
    cut         the second half of each text is missing: neither needs to hold
    typos       12 % of the letters are others: neither needs to hold
    oos         a fifth of the rows have no label that is known (clinc150)
    stream      huffpost: trained on the first fifth, then the next rows, then windows to the end

``inside`` is the share of windows whose true accuracy lies inside the 95 % interval of the figure
shown; ``warned`` of those with a warning about it; ``either`` of those with one or both.
``alarmed`` leaves out the warning that only says that the answers are spread otherwise.
``confidence`` and ``label shift`` are the shares inside the interval of each estimate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from _common import data_folder, data_sets, parser, read, save, table

from astermind_lab.core import TextClassifier
from astermind_lab.core.tally import Observation, Tally
from astermind_lab.monitoring.label_free import CHANGED, estimate_accuracy

STREAM = "huffpost_stream"
SIZES = ((300, 200), (1000, 200), (1000, 500), (2000, 1000))
MOST = 9000  # rows to draw from
Integers = np.ndarray[Any, np.dtype[np.intp]]
Window = tuple[Tally, Tally, float]


class Answers(NamedTuple):
    truth: np.ndarray[Any, Any]
    said: np.ndarray[Any, Any]
    confidence: np.ndarray[Any, Any]

    def tally(self, rows: Integers, known: bool) -> Tally:
        return Tally.of(
            Observation(str(t) if known else None, str(s), float(c), None, 0)
            for t, s, c in zip(
                self.truth[rows], self.said[rows], self.confidence[rows], strict=True
            )
        )

    def accuracy(self, rows: Integers) -> float:
        return float(np.mean(self.truth[rows] == self.said[rows]))


def answers(model: TextClassifier, texts: list[str], labels: list[str]) -> Answers:
    proba = model.predict_proba(texts)
    return Answers(np.array(labels), np.array(model.categories)[proba.argmax(1)], proba.max(1))


def cut(text: str, chance: np.random.Generator) -> str:
    words = text.split()
    return " ".join(words[: max(1, len(words) // 2)])


def typos(text: str, chance: np.random.Generator) -> str:
    hit = chance.random(len(text)) < 0.12
    others = chance.integers(97, 123, len(text))
    return "".join(
        chr(o) if h and c != " " else c for c, h, o in zip(text, hit, others, strict=True)
    )


def kinds(name: str) -> dict[str, Answers]:
    """The answers to the rows kept back from training, as they are and damaged."""
    chance = np.random.default_rng(1)
    (texts, labels), (more, others) = read(name, "train"), read(name, "test")
    texts, labels = texts + more, labels + others
    order = chance.permutation(len(texts))
    split = len(texts) * 35 // 100
    model = TextClassifier.fit(
        [texts[i] for i in order[:split]], [labels[i] for i in order[:split]]
    )
    kept = order[split : split + MOST]
    rest, truth = [texts[i] for i in kept], [labels[i] for i in kept]
    found = {"same": answers(model, rest, truth)}
    damages: tuple[Callable[[str, np.random.Generator], str], ...] = (cut, typos)
    for damage in damages:
        found[damage.__name__] = answers(model, [damage(t, chance) for t in rest], truth)
    unknown = data_folder() / name / "oos_test.jsonl"
    if unknown.exists():
        lines = unknown.read_text(encoding="utf-8").splitlines()
        outside = [json.loads(line)["text"] for line in lines]
        found["oos"] = answers(model, outside, ["oos"] * len(outside))
    return found


def drawn(found: dict[str, Answers], kind: str, n: int, m: int, times: int) -> Iterator[Window]:
    """Baselines of n rows and windows of m, without a row in common."""
    chance = np.random.default_rng((n, m))
    plain = found["same"]
    for _ in range(times):
        order = chance.permutation(len(plain.truth))
        baseline, rest = plain.tally(order[:n], True), order[n:]
        window = found[kind if kind not in ("labels", "oos") else "same"]
        rows = rest[:m]
        if kind == "labels":
            rows = relabelled(plain.truth, rest, m, chance)
        if kind == "oos":
            outside = chance.permutation(len(found["oos"].truth))[: m // 5]
            rows = rest[: m - len(outside)]
            current = window.tally(rows, False)
            current.add(found["oos"].tally(outside, False))
            yield baseline, current, window.accuracy(rows) * len(rows) / m
            continue
        yield baseline, window.tally(rows, False), window.accuracy(rows)


def relabelled(
    truth: np.ndarray[Any, Any], rows: Integers, m: int, chance: np.random.Generator
) -> Integers:
    """About m of the rows, with labels as frequent as Dirichlet(1) makes them."""
    labels = np.unique(truth)
    wanted = chance.multinomial(m, chance.dirichlet(np.ones(len(labels))))
    return np.concatenate(
        [rows[truth[rows] == label][:n] for label, n in zip(labels, wanted, strict=True)]
    )


def streamed(found: Answers, n: int, m: int) -> Iterator[Window]:
    rows = np.arange(len(found.truth))
    baseline = found.tally(rows[:n], True)
    for start in range(n, len(rows) - m + 1, m):
        window = rows[start : start + m]
        yield baseline, found.tally(window, False), found.accuracy(window)


def measure(windows: Iterator[Window]) -> dict[str, Any]:
    truths, inside, warned, widths, times = [], [], [], [], []
    confidence, label_shift, alarmed = [], [], []
    for baseline, current, truth in windows:
        start = time.perf_counter()
        found = estimate_accuracy(baseline, current)
        times.append((time.perf_counter() - start) * 1e3)
        assert found.low is not None and found.high is not None
        assert found.confidence is not None and found.label_shift is not None
        truths.append(truth)
        inside.append(found.low <= truth <= found.high)
        warned.append(bool(found.warnings))
        alarmed.append(bool({*found.warnings} - {CHANGED}))
        widths.append(found.high - found.low)
        confidence.append(found.confidence.low <= truth <= found.confidence.high)
        label_shift.append(found.label_shift.low <= truth <= found.label_shift.high)
    return {
        "windows": len(truths),
        "accuracy": float(np.mean(truths)),
        "inside": float(np.mean(inside)),
        "warned": float(np.mean(warned)),
        "alarmed": float(np.mean(alarmed)),
        "either": float(np.mean(np.array(inside) | np.array(warned))),
        "width": float(np.mean(widths)),
        "confidence": float(np.mean(confidence)),
        "label shift": float(np.mean(label_shift)),
        "ms": float(np.median(times)),
    }


def main() -> None:
    args = parser(__doc__).parse_args()
    sizes, times = (SIZES[2:3], 10) if args.quick else (SIZES, 60)
    sets = data_sets(args.sets)[: 2 if args.quick else None]
    rows: list[dict[str, Any]] = []
    for name in sets:
        found = kinds(name)
        for kind in ("same", "labels", *(k for k in found if k != "same")):
            for n, m in sizes:
                if n + m <= len(found["same"].truth):
                    row = {"set": name, "window": kind, "baseline": n, "rows": m}
                    rows.append(row | measure(drawn(found, kind, n, m, times)))
    if (data_folder() / STREAM / "stream.jsonl").exists() and (
        not args.sets or STREAM in args.sets
    ):
        texts, labels = read(STREAM, "stream")
        split = len(texts) // 5
        model = TextClassifier.fit(texts[:split], labels[:split])
        stream = answers(model, texts[split:], labels[split:])
        for n, m in sizes:
            row = {"set": "huffpost", "window": "stream", "baseline": n, "rows": m}
            rows.append(row | measure(streamed(stream, n, m)))
    if not rows:
        print("no data sets found; set ASTERMIND_BENCH_DATA to a folder that holds them")
        return
    print(table(rows))
    save("label_free", rows, args.quick)


if __name__ == "__main__":
    main()
