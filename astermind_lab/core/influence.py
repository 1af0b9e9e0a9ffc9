"""Which training rows an answer rests on, exactly.

A ridge readout is a linear smoother: the score of class c for a text with the hidden row x is
``Σᵢ wᵢ (xᵀ (A + λD)⁻¹ hᵢ) tᵢ``, over all training rows i with weight w, hidden row h and target
t = +1 if the row is of class c, else -1. A row's term is what it contributes; the terms add up to
the score and nothing is left over.

Source: Hastie, Tibshirani & Friedman 2009, 5.4 (linear smoothers); Cook 1977 (influence).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from astermind_lab.core.blas import WORKERS, single_threaded
from astermind_lab.core.classifier import TextClassifier
from astermind_lab.core.coordinates import cut
from astermind_lab.core.features import blocks
from astermind_lab.core.ledger import Ledger

__all__ = ["TrainingRows", "matched"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

_BLOCK = 256  # hidden rows of one block stay in the processor's cache
_MOST_KEPT = 1 << 28  # bytes of hidden rows
_CLASS_SALT = np.uint64(0x9E3779B97F4A7C15)


def matched(ledger: Ledger, keys: NDArray[np.uint64], labels: Numbers) -> Numbers:
    """Where each example of a ledger stands among texts: (n,) places, -1 for not there.

    keys : (m,) digests of the texts     labels : (m,) their class numbers, -1 for an unknown one
    Equal examples are matched one to one; an example that is there under another label only, as
    after relabelling, is matched by its text.
    """
    mine = ledger.texts ^ (ledger.labels.astype(np.uint64) + np.uint64(1)) * _CLASS_SALT
    theirs = keys ^ (labels + 1).astype(np.uint64) * _CLASS_SALT
    places = _one_to_one(mine, theirs)
    rest = np.flatnonzero(places < 0)
    places[rest] = _one_to_one(ledger.texts[rest], keys)
    return places


def _one_to_one(mine: NDArray[np.uint64], theirs: NDArray[np.uint64]) -> Numbers:
    """For each key a place among theirs that holds it and is taken once; -1 for none left."""
    order, other = np.argsort(mine, kind="stable"), np.argsort(theirs, kind="stable")
    mine, theirs = mine[order], theirs[other]
    nth = np.arange(len(mine)) - np.searchsorted(mine, mine)
    at = np.searchsorted(theirs, mine) + nth
    found = at < np.searchsorted(theirs, mine, side="right")
    places = np.full(len(mine), -1, np.intp)
    places[order[found]] = other[at[found]]
    return places


@dataclass(frozen=True)
class TrainingRows:
    """Examples of a model as they entered its sums, ready to be compared with any text.

    rows : (n,) their numbers in the ledger     steps : (n, c) int16 coordinates
    labels : (n,) class numbers     weights : (n,) float64     lengths : (n,) of the hidden features
    hidden : (n, p) float64 if it was asked for and is small enough
    """

    rows: Numbers
    steps: NDArray[np.int16]
    labels: Numbers
    weights: Array
    lengths: Array
    hidden: Array | None

    @classmethod
    def of(
        cls,
        model: TextClassifier,
        rows: Numbers,
        text_of: Callable[[int], str],
        *,
        keep: bool = False,
    ) -> TrainingRows:
        """Some examples of a model with a ridge readout.

        rows : (n,) numbers in the ledger
        text_of : the text of a row; called for those of which the ledger keeps no coordinates
        keep : hold the hidden rows in memory, for many questions
        """
        ledger, layer = model.ledger, model.layer
        places = ledger.places[rows]
        steps = np.zeros((len(rows), layer.coordinates.width), np.int16)
        steps[places >= 0] = ledger.coordinates[places[places >= 0]]
        fresh = np.flatnonzero(places < 0)
        if len(fresh):
            texts = [text_of(row) for row in rows[fresh].tolist()]
            steps[fresh] = layer.coordinates(cut(texts, model.config.max_length))[0]
        labels = ledger.labels[rows].astype(np.intp)
        units = len(layer.hidden.bias)
        kept = keep and 8 * len(rows) * layer.width <= _MOST_KEPT
        hidden = np.empty((len(rows), layer.width)) if kept else None
        lengths = np.empty(len(rows))

        def measure(part: slice) -> None:
            block = layer.expand(steps[part])
            features = block[:, -units:]
            lengths[part] = np.sqrt(np.einsum("ij,ij->i", features, features))
            if hidden is not None:
                hidden[part] = block

        _over_blocks(measure, len(rows))
        return cls(rows, steps, labels, model.class_weights[labels], lengths, hidden)

    def influence(self, model: TextClassifier, text: str, number: int) -> tuple[Array, Array]:
        """What each row contributes to the score of a class for a text, and how near it is.

        model : the one the rows are of, unchanged since     number : of the class
        Returns (n,) contributions, whose sum over all examples is the score; (n,) cosines of the
        hidden features.
        """
        units = len(model.layer.hidden.bias)
        steps, _ = model.layer.coordinates(cut([text], model.config.max_length))
        row = model.layer.expand(steps)[0]
        looks = np.zeros((len(row), 2))
        with single_threaded():
            factor = model.readout.factor()
            looks[:, 0] = sl.cho_solve((factor, True), row, check_finite=False)
        looks[-units:, 1] = row[-units:] / max(float(np.linalg.norm(row[-units:])), 1e-300)
        seen = np.empty((len(self.rows), 2))

        def look(part: slice) -> None:
            kept = self.hidden
            block = model.layer.expand(self.steps[part]) if kept is None else kept[part]
            seen[part] = block @ looks

        _over_blocks(look, len(self.rows))
        signs = np.where(self.labels == number, 1.0, -1.0)
        return signs * self.weights * seen[:, 0], seen[:, 1] / np.maximum(self.lengths, 1e-300)


@single_threaded()
def _over_blocks(work: Callable[[slice], None], count: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, blocks(count, _BLOCK)))
