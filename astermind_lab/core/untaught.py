"""A classifier made of unlabelled texts alone, and its λ chosen as labels come.

The hidden layer lies over principal coordinates of the texts, which use no labels, so leave-one-out
of every labelled row is that of a new text. A few hundred axes are enough for a few hundred labels,
and keep changes quick. From ``FEW`` labels on, training anew gives a better layer.

λ stays the same between the moments at which it is chosen anew, and every change is exact under it.

Source: Deerwester et al. 1990 (latent semantic analysis); Allen 1974, Rifkin & Lippert 2007.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.calibration import Calibration
from astermind_lab.core.classifier import Layer, TextClassifier, check_strings
from astermind_lab.core.config import LAYER_CHARACTERS, ElmConfig
from astermind_lab.core.coordinates import cut, from_grid
from astermind_lab.core.drift_features import FeatureMap
from astermind_lab.core.hidden import HiddenLayer
from astermind_lab.core.ledger import Ledger
from astermind_lab.core.projections import principal, signs_of
from astermind_lab.core.readout import RidgeReadout, left_out
from astermind_lab.errors import InsufficientData, InvalidInput, shown

__all__ = ["AXES", "LAYER_TEXTS", "choose_again", "left_out_along", "untaught"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

LAYER_TEXTS, AXES = 2000, 200
FIRST_CHOICE = 10
"""λ is chosen at so many labels, and again whenever their number has doubled."""
LEAST_CALIBRATING = 20

_DRIFT_ROWS = 1000
_SHARES = 10.0 ** np.arange(-0.5, 2.1, 0.5)
"""The λ to choose from, as shares of the mean scatter of a hidden feature."""


def untaught(texts: Sequence[str], categories: Sequence[str], config: ElmConfig) -> TextClassifier:
    """See ``TextClassifier.untaught``."""
    check_strings("texts", texts)
    check_strings("categories", categories)
    if config.readout != "ridge":
        raise InvalidInput("config", 'a model to be taught needs readout "ridge"')
    if len(set(categories)) != len(categories):
        raise InvalidInput("categories", f"one is there twice: {shown(list(categories))}")
    different = list(dict.fromkeys(cut(texts, config.max_length)))
    if not different:
        raise InsufficientData("texts", "there is no text")
    rng = np.random.default_rng(config.seed)
    most = min(LAYER_TEXTS, LAYER_CHARACTERS * len(different) // max(sum(map(len, different)), 1))
    chosen = np.sort(rng.permutation(len(different))[: max(most, 1)])
    with single_threaded():
        coordinates, steps = principal([different[i] for i in chosen], AXES)
    points = from_grid(steps)
    hidden = HiddenLayer.make(config, points, np.zeros(len(points), np.intp), rng)
    drift = FeatureMap.learn(hidden(from_grid(steps[:_DRIFT_ROWS])))
    layer = Layer(coordinates, hidden, drift)
    ridge = config.ridge or FIRST_CHOICE * _spread(layer.expand(steps))
    nothing = np.zeros(0, np.int32)
    return TextClassifier(
        config=config,
        categories=tuple(categories),
        layer=layer,
        readout=RidgeReadout.empty(layer.width, len(categories), ridge),
        margin=None,
        calibration=Calibration(),
        class_weights=np.ones(len(categories)),
        ledger=Ledger(
            texts=np.zeros(0, np.uint64),
            labels=nothing,
            places=nothing,
            coordinates=np.zeros((0, coordinates.width), np.int16),
            judged=np.zeros(0, bool),
            seen=np.zeros(0, np.uint64),
            share=1.0,
        ),
        held_out=None,
    )


def _spread(rows: Array) -> float:
    """Mean variance of a feature; never 0, for texts that are all alike."""
    return float(max(rows[:, 1:].var(0).mean(), 1e-6 * (rows**2).mean(), 1e-12))


def choose_again(model: TextClassifier) -> None:
    """Choose λ, unless the configuration gives it, and the calibration, by leave-one-out.

    model : an untaught one that has examples of at least two categories by now, all of which have
        a say in λ; in the calibration those that are judged, if they are enough
    Everything is solved anew; the examples are few, so that the eigenvalues of their products give
    the whole path.
    """
    ledger = model.ledger
    rows = model.layer.expand(ledger.coordinates[ledger.places])
    labels = ledger.labels.astype(np.intp)
    weights, targets = model.class_weights[labels], signs_of(labels, len(model.categories))
    ridges = np.array([model.readout.ridge])
    if model.config.ridge is None:
        ridges = _SHARES * len(labels) * _spread(rows)
    path = left_out_along(rows, targets, weights, ridges)
    errors = [weights @ ((scores - targets) ** 2).sum(1) for scores in path]
    best = int(np.argmin(errors))
    if model.config.ridge is None:
        model.readout.set_ridge(float(ridges[best]))
    some = ledger.judged[ledger.places]
    if some.sum() < LEAST_CALIBRATING:
        some[:] = True
    model.calibration = Calibration.fit(path[best][some], labels[some])


@single_threaded()
def left_out_along(rows: Array, targets: Array, weights: Array, ridges: Array) -> list[Array]:
    """Leave-one-out scores of all rows of a model under each λ, by products of rows with rows.

    rows : (n, p) float64, first column 1     targets : (n, k) float64     weights : (n,) float64
    ridges : λ > 0
    Returns (n, k) float64 for each λ, equal to ``RidgeReadout.leave_one_out``.
    """
    root, total = np.sqrt(weights)[:, None], weights.sum()
    centred = root * (rows[:, 1:] - weights @ rows[:, 1:] / total)
    mean = weights @ targets / total
    values, vectors = np.linalg.eigh(centred @ centred.T)
    turned = vectors.T @ (root * (targets - mean))
    found = []
    for ridge in ridges.tolist():
        kept = np.maximum(values, 0) / (np.maximum(values, 0) + ridge)
        scores = mean + vectors @ (kept[:, None] * turned) / root
        leverages = 1 / total + vectors**2 @ kept / weights
        found.append(left_out(scores, leverages, targets, weights))
    return found
