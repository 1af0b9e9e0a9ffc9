"""Which rows build the hidden layer, which judge it, and which only enter the sums.

The *layer* part builds the vocabulary and the coordinates; it is cut into folds, so that a row's
own coordinates can come from discriminants that have not seen it. The *judged* part, a fifth of
the rows, never touches the layer: given the layer, its rows are like new texts, and leave-one-out
over them is without bias. All *others*, beyond ``LAYER_ROWS`` or
``LAYER_CHARACTERS``, only enter the sums.

Little data is judged by all of its rows. Below ``FEW`` rows, discriminants would rest on next to
nothing and cross-fitting would turn a rare class against itself; there the layer uses no labels.

Source: Chernozhukov et al. 2018 (sample splitting, cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.config import LAYER_CHARACTERS, LAYER_ROWS

__all__ = ["FEW", "MOST_JUDGED", "Parts", "deal", "every", "sample"]

Numbers = NDArray[np.intp]

FEW = 400
JUDGED_SHARE = 0.2
LEAST_JUDGED, MOST_JUDGED = 200, 4000


@dataclass(frozen=True)
class Parts:
    """Row numbers, ascending: the folds of the layer part, the judged part, and the others."""

    folds: list[Numbers]
    judged: Numbers
    others: Numbers

    @property
    def layer(self) -> Numbers:
        """The rows of the layer part, fold after fold."""
        return np.concatenate(self.folds)


def deal(y: Numbers, rng: np.random.Generator, *, judge: bool, characters: int = 0) -> Parts:
    """Deal the rows by chance, each part getting its share of every class.

    y : (n,) class numbers     judge : keep a judged part back, if there are rows enough
    characters : length of all texts together
    """
    count = min(int(JUDGED_SHARE * len(y)), MOST_JUDGED) if judge else 0
    judged = every(y, count if count >= LEAST_JUDGED else 0, rng)
    layer = np.setdiff1d(np.arange(len(y)), judged)
    others = layer[:0]
    most = min(LAYER_ROWS, LAYER_CHARACTERS * len(y) // max(characters, 1))
    if len(layer) > max(most, FEW):
        chosen = layer[every(y[layer], max(most, FEW), rng)]
        layer, others = chosen, np.setdiff1d(layer, chosen)
    if len(layer) < FEW:
        return Parts([layer], judged, others)
    # two folds are enough where judged rows tell the truth; four make a better layer
    folds = 2 if len(judged) else 4
    order = layer[np.lexsort((rng.random(len(layer)), y[layer]))]
    return Parts([np.sort(order[start::folds]) for start in range(folds)], judged, others)


def every(y: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    """``count`` positions at even distances among the rows sorted by class, ascending."""
    if not count:
        return np.array([], np.intp)
    order = np.lexsort((rng.random(len(y)), y))
    places = (np.arange(count) + rng.random()) * (len(y) / count)
    return np.sort(order[places.astype(np.intp)])


def sample(rows: Numbers, most: int, rng: np.random.Generator) -> Numbers:
    """At most ``most`` of the rows, by chance, ascending."""
    return np.sort(rng.permutation(rows)[:most])
