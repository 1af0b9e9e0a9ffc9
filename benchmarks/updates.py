"""What it costs to add, forget and relabel one example, and how far it is from a refit.

Also: the distance of leave-one-out scores from brute-force refits of the readout under the same
layer, and the time of training on 100,000 texts.
"""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
from _common import data_sets, milliseconds, parser, read, save, seconds, table

from astermind_lab.core import TextClassifier
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments

WORDS = 40


def invented(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of 40 words drawn by Zipf's law, a class leaning to words of its own."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array(["".join(rng.choice(list("etaoinshrdlu"), 6)) for _ in range(20_000)])
    texts, labels = [], []
    for _ in range(count):
        label = int(rng.integers(4))
        ranks = np.minimum(rng.zipf(1.3, WORDS), 5000) - 1
        own = rng.random(WORDS) < 0.25
        texts.append(" ".join(vocabulary[np.where(own, 5000 + 3000 * label + ranks % 3000, ranks)]))
        labels.append(f"class {label}")
    return texts, labels


def refit(model: TextClassifier, rows: np.ndarray, labels: np.ndarray) -> RidgeReadout:
    classes = len(model.categories)
    readout = RidgeReadout.empty(rows.shape[1], classes, model.readout.ridge)
    weights = model.class_weights[labels]
    readout.accumulate(*scatter_and_moments(rows, labels, weights, classes))
    return readout


def entered(model: TextClassifier, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hidden rows and class numbers of all examples, as they entered the sums."""
    steps = model._steps(range(len(texts)), texts)
    return model.layer.expand(steps), model.ledger.labels.astype(np.intp)


def updates(name: str) -> dict[str, Any]:
    texts, labels = read(name, "train")
    new, truth = read(name, "test")
    model = TextClassifier.fit(texts, labels)
    changed = model.copy()
    changed.add(new[:1], truth[:1])  # the first one inverts the scatter
    add = milliseconds(lambda i: changed.add([new[i]], [truth[i]]), range(1, 41))
    forget = milliseconds(lambda i: changed.forget([new[i]], [truth[i]]), range(1, 41))
    other = model.categories[0]
    relabel = milliseconds(lambda i: changed.relabel(texts[i], labels[i], other), range(40))

    rows, numbers = entered(changed, [*texts, new[0]])
    probe = rows[:200]
    distance = np.abs(refit(changed, rows, numbers).scores(probe) - changed.readout.scores(probe))

    scores, _ = model.leave_one_out()
    places = model.ledger.places
    marks = np.flatnonzero(model.ledger.judged)[:5]
    worst = 0.0
    rows, numbers = entered(model, texts)
    for position, mark in enumerate(marks):
        row = int(np.flatnonzero(places == mark)[0])
        rest = np.arange(len(texts)) != row
        left_out = refit(model, rows[rest], numbers[rest]).scores(rows[row][None])[0]
        worst = max(worst, float(np.abs(left_out - scores[position]).max()))
    return {
        "set": name,
        "units": model.config.hidden_units,
        "add p50 ms": add["p50"],
        "forget p50 ms": forget["p50"],
        "relabel p50 ms": relabel["p50"],
        "from a refit": f"{distance.max():.1e}",
        "leave-one-out from brute force": f"{worst:.1e}",
    }


def scale(count: int) -> dict[str, Any]:
    texts, labels = invented(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken = seconds(lambda: TextClassifier.fit(texts, labels))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"texts": count, "words each": WORDS, "fit s": taken, "peak MiB": peak, "before": before}


def main() -> None:
    args = parser(__doc__).parse_args()
    large = scale(10_000 if args.quick else 100_000)  # first, so that the peak is its own
    print(table([large]), "\n")
    rows = [updates(name) for name in data_sets(args.sets)[: 1 if args.quick else None]]
    if rows:
        print(table(rows))
    save("updates", [large, *rows], args.quick)


if __name__ == "__main__":
    main()
