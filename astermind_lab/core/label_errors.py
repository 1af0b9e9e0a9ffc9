"""Labels that are improbable by what a model says that has not seen them.

Every example of a ridge model has an exact leave-one-out score: of a row that helped to make the
hidden layer, its coordinates come from discriminants that have not seen its label; of any other,
the layer never saw it. A text that is no example of the model is simply predicted.

Source: Northcutt, Jiang & Chuang 2021 (confident learning: improbable labels by out-of-sample
predictions, thresholds per class); Allen 1974, Rifkin & Lippert 2007 (leave-one-out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.classifier import TextClassifier, check_examples
from astermind_lab.core.features import blocks
from astermind_lab.core.ledger import Ledger, digest
from astermind_lab.core.projections import signs_of
from astermind_lab.core.readout import left_out

__all__ = ["Unseen", "own_rows", "suspects", "suspicion", "unseen_scores", "usual_confidence"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

RIVAL = 0.25
"""What the best other class counts beside the label's own score; see ``benchmarks/teaching.py``."""


class Unseen(NamedTuple):
    """What is said of n examples by models without them.

    scores : (n, k) float64     labels : (n,) class numbers, -1 for a label the model does not know
    rows : (n,) the row of the ledger that was left out, -1 for what is no example of the model
    """

    scores: Array
    labels: Numbers
    rows: Numbers


def own_rows(
    ledger: Ledger, categories: Sequence[str], texts: Sequence[str], labels: Sequence[str]
) -> Numbers:
    """(n,) the row of the ledger that holds each example, each row once; -1 where there is none."""
    classes = {label: number for number, label in enumerate(categories)}
    pairs = [
        (digest(text), classes.get(label, -1)) for text, label in zip(texts, labels, strict=True)
    ]
    found = ledger.rows_of(pairs)
    return np.array([found[pair].pop() if found[pair] else -1 for pair in pairs], np.intp)


def unseen_scores(model: TextClassifier, texts: Sequence[str], labels: Sequence[str]) -> Unseen:
    """Scores of examples by models that have not seen them.

    Raises InvalidInput("texts" | "labels", …), or ("readout", …) for a margin model.
    """
    model._need_ridge()
    check_examples(texts, labels)
    rows = own_rows(model.ledger, model.categories, texts, labels)
    own, rest = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    scores = np.empty((len(texts), len(model.categories)))
    if len(rest):
        scores[rest] = model.scores([texts[i] for i in rest.tolist()])
    for part in blocks(len(own)):
        some = own[part]
        scores[some] = _left_out(model, rows[some], [texts[i] for i in some.tolist()])
    numbers = {label: number for number, label in enumerate(model.categories)}
    return Unseen(scores, np.array([numbers.get(label, -1) for label in labels], np.intp), rows)


@single_threaded()
def _left_out(model: TextClassifier, rows: Numbers, texts: Sequence[str]) -> Array:
    """Leave-one-out scores of rows of the ledger, whose texts these are."""
    hidden = model.layer.expand(model._steps(rows.tolist(), texts))
    labels = model.ledger.labels[rows].astype(np.intp)
    targets = signs_of(labels, len(model.categories))
    readout, weights = model.readout, model.class_weights[labels]
    return left_out(readout.scores(hidden), readout.leverages(hidden), targets, weights)


def suspicion(scores: Array, labels: Numbers) -> Array:
    """(n,) how improbable each label is, by the score of its class and the best other one.

    scores : (n, k) by models without the row     labels : (n,) class numbers, -1 for a label that
        has no score, which counts as -1
    """
    own, others = _apart(scores, labels)
    return np.asarray(RIVAL * others.max(1, initial=-1.0) - own)


def usual_confidence(probabilities: Array, labels: Numbers) -> Array:
    """(k,) the mean probability that the examples of each class have of being of it.

    A class without examples takes the mean over all examples.
    probabilities : (n, k) by models without the row     labels : (n,) class numbers, or -1
    """
    classes = probabilities.shape[1]
    known = labels >= 0
    counts = np.bincount(labels[known], minlength=classes)
    own = probabilities[known, labels[known]]
    sums, mean = np.bincount(labels[known], own, classes), own.mean() if len(own) else 1.0
    return np.asarray(np.divide(sums, counts, out=np.full(classes, mean), where=counts > 0))


def suspects(probabilities: Array, labels: Numbers, usual: Array) -> NDArray[np.bool_]:
    """(n,) whether another class is as probable as it usually is for its own examples.

    usual : (k,) of ``usual_confidence``; classes that came later are never suspected
    """
    best = probabilities.argmax(1)
    least = np.append(usual, np.full(probabilities.shape[1] - len(usual), np.inf))[best]
    return np.asarray((best != labels) & (probabilities.max(1) >= least))


def _apart(values: Array, labels: Numbers) -> tuple[Array, Array]:
    """The value of each row's label, -1 where it has none; and all values, -inf in its place."""
    known = np.flatnonzero(labels >= 0)
    own = np.full(len(values), -1.0)
    own[known] = values[known, labels[known]]
    others = values.copy()
    others[known, labels[known]] = -np.inf
    return own, others
