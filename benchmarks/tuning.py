"""How quickly the interactive objects answer: a setting of ``tune``, a text of ``explore``.

Tuning: 5,000 rows, what reading them takes once, then moves of one slider, median of five.
Explaining: the words and the training rows behind an answer, for 10,000 rows (held ready, as
``explore`` does) and for 100,000 (laid anew for every text, as ``explain_prediction`` does).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import data_sets, milliseconds, parser, read, save, seconds, table

from astermind_lab import Lab
from astermind_lab.core import TextClassifier
from astermind_lab.core.influence import TrainingRows
from astermind_lab.lab.tuning import Tuning

MOVES = (0.1, 0.3, 0.5, 0.7, 0.9)


def processor_ms(work: Callable[[], object]) -> float:
    """Processor time of all threads, which other programs on the machine do not change."""
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def moves(tuning: Tuning) -> dict[str, float]:
    """Median ms of a move of each slider, at 1,024 units."""

    def median(change: str, values: tuple[object, ...]) -> float:
        return milliseconds(lambda value: tuning.set(**{change: value}), values)["p50"]

    tuning.set(units=1023)
    return {
        "1,024 units cpu ms": processor_ms(lambda: tuning.set(units=1024)),
        "512 units ms": median("units", (512, 511, 512, 511, 512)),
        "2,048 units ms": median("units", (2048, 2047, 2046)),
        "1,024 units ms": median("units", (1024, 1023, 1022, 1023, 1024)),
        "activation ms": median("activation", ("tanh", "relu", "gelu", "sigmoid", "relu")),
        "balance ms": median("balance", MOVES),
        "λ ms": median("ridge", tuple(tuning.best * move for move in MOVES)),
    }


def tuned(lab: Lab, name: str) -> dict[str, Any]:
    texts, labels = read(name, "train")
    pairs = list(zip(texts, labels, strict=True))
    tuning = lab.tune(examples=pairs)
    return {
        "set": name,
        "labels": len(set(labels)),
        "rows": tuning.rows,
        "judged": tuning.judged,
        "read once ms": tuning.prepared_ms,
        **moves(tuning),
    }


def explained(lab: Lab, name: str) -> dict[str, Any]:
    texts, labels = read(name, "train")
    new, _ = read(name, "test")
    pairs = list(zip(texts, labels, strict=True))[:10_000]
    lab.train_classifier(name, pairs)
    exploring = lab.explore(name, examples=pairs)
    ask = milliseconds(exploring.ask, new[:100])
    model = lab.find(name).classifier
    return {
        "set": name,
        "labels": len(set(labels)),
        "rows": len(pairs),
        "prepare ms": exploring.prepared_ms,
        "ask p50 ms": ask["p50"],
        "ask p95 ms": ask["p95"],
        **many(model, texts, new),
    }


def many(model: TextClassifier, texts: list[str], new: list[str]) -> dict[str, float]:
    """The rows repeated up to 100,000; the coordinates of a row cost the same to lay each time."""
    numbers = np.arange(100_000) % model.n_examples
    rows = TrainingRows.of(model, numbers, texts.__getitem__)
    return {"100,000 rows ms": 1e3 * seconds(lambda: rows.influence(model, new[0], 0), 3)}


def main() -> None:
    args = parser(__doc__).parse_args()
    names = [n for n in data_sets(args.sets) if args.sets or len(read(n, "train")[0]) >= 5_000]
    if args.quick:
        names = names[:1]
    rows: list[dict[str, Any]] = []
    for measure in (tuned, explained):
        with Lab.open("mem://") as lab:
            found = [measure(lab, name) for name in names]
        if found:
            print(table(found), "\n")
        rows += found
    save("tuning", rows, args.quick)


if __name__ == "__main__":
    main()
