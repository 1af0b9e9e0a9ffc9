"""``ELMClassifier``: the classical Extreme Learning Machine over numeric arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from astermind_lab.core import ElmConfig
from astermind_lab.core.blas import single_threaded
from astermind_lab.core.calibration import Calibration
from astermind_lab.core.features import blocks
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments
from astermind_lab.errors import InsufficientData, shown
from astermind_lab.estimate import Estimate
from astermind_lab.sklearn.inputs import (
    Classes,
    class_weights,
    config_of,
    grown_classes,
    numbers_of,
    weights_of,
)
from astermind_lab.sklearn.judging import Judged, Verdict, judge, judges_of
from astermind_lab.sklearn.layer import NumericLayer

__all__ = ["ELMClassifier"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

LEAST_UNITS, MOST_UNITS = 32, 1024


class ELMClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An Extreme Learning Machine: standardised inputs, a fixed hidden layer, a ridge readout.

    hidden_units : 1 … 8192; None: as many as rows, from 32 to 1024
    activation : relu, leakyrelu, sigmoid, tanh, linear or gelu
    hidden : "random" weights, or "constrained": differences of training rows of two classes
    weight_init : distribution of random weights: normal, uniform, xavier or he
    dropout : 0 ≤ x < 1; share of the hidden weights that are zero from the start
    direct_link : does the readout see the inputs beside the hidden features?
    ridge : λ > 0; None: chosen by exact leave-one-out
    balance : 0 … 1; a class of n rows weighs n**-balance (1 is scikit-learn's "balanced")
    random_state : int, RandomState or None, as in scikit-learn

    After ``fit``: ``classes_``, ``accuracy_`` (an Estimate: leave-one-out accuracy with its
    interval), ``ridge_``, ``calibration_``, ``class_weight_`` (k,),
    ``layer_``, ``readout_``, ``n_features_in_``.

    >>> from sklearn.datasets import load_wine
    >>> model = ELMClassifier().fit(*load_wine(return_X_y=True))
    >>> model.accuracy_
    0.989 (0.960–0.997, n=178, leave-one-out)
    """

    classes_: Classes
    layer_: NumericLayer
    readout_: RidgeReadout
    class_weight_: Array
    ridge_: float
    calibration_: Calibration
    accuracy_: Estimate | None
    _listed: bool
    _judged: Judged
    _rng: np.random.Generator

    def __init__(
        self,
        hidden_units: int | None = None,
        *,
        activation: str = "relu",
        hidden: str = "random",
        weight_init: str = "normal",
        dropout: float = 0.0,
        direct_link: bool = True,
        ridge: float | None = None,
        balance: float = 0.0,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.activation = activation
        self.hidden = hidden
        self.weight_init = weight_init
        self.dropout = dropout
        self.direct_link = direct_link
        self.ridge = ridge
        self.balance = balance
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on (n, d) numbers, dense or sparse, and n labels of at least two classes.

        sample_weight : (n,) ≥ 0; a row of weight 2 counts as two rows, one of weight 0 as none
        Raises ValueError (InvalidInput for parameters, InsufficientData for a single class).
        """
        X, y, weights = self._checked(X, y, sample_weight, reset=True)
        return self._begin(X, y, weights, None)

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: Classes | Sequence[Any] | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn more rows, exactly as if they had been there from the start.

        The first call fixes standardisation, hidden layer and class weights, so its rows should
        be like those to come. λ, calibration and ``accuracy_`` follow the data.

        classes : all classes, at the first call; without it, new labels are welcome at any time
        """
        first = not hasattr(self, "readout_")
        X, y, weights = self._checked(X, y, sample_weight, reset=first)
        if first:
            return self._begin(X, y, weights, classes)
        listed = self.classes_ if classes is None and self._listed else classes
        self._widen(grown_classes(self.classes_, y, listed))
        numbers, judges = numbers_of(y, self.classes_), np.arange(len(y))
        return self._learn(X, numbers, weights, judges, self.readout_, self._judged)

    def decision_function(self, X: Any) -> Array:
        """(n, k) scores, +1 for a class and -1 against it; (n,) of the second of two classes."""
        scores = self._scores(X)
        return (scores[:, 1] - scores[:, 0]) / 2 if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> Array:
        """(n, k) float64 probabilities, columns in the order of ``classes_``."""
        scores = self._scores(X)
        return self.calibration_(scores)

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) the likeliest class of each row."""
        best = self._scores(X).argmax(1)
        return np.asarray(self.classes_[best])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _checked(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[Any, NDArray[Any], Array]:
        """Rows, labels and weights as arrays, without the rows of no weight."""
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, reset=reset)
        labels = np.asarray(y)
        if sample_weight is None:
            return X, labels, np.ones(len(labels))
        weights = weights_of(sample_weight, len(labels))
        used = weights > 0
        return (X, labels, weights) if used.all() else (X[used], labels[used], weights[used])

    def _begin(
        self, X: Any, y: NDArray[Any], weights: Array, classes: Classes | Sequence[Any] | None
    ) -> Self:
        """Fix all that later rows leave alone, then learn these."""
        found = grown_classes(None, y, classes)
        if len(found) < 2:
            one = shown(found.tolist()[0])
            raise InsufficientData("y", f"holds one class only, {one}; two are needed")
        config = self._config(max(weights.sum(), len(weights)))
        numbers = numbers_of(y, found)
        rng = np.random.default_rng(config.seed)
        judges = judges_of(config, numbers, rng)
        builders = np.setdiff1d(np.arange(len(y)), judges) if len(judges) < len(y) else judges
        layer = NumericLayer.make(config, X, numbers, weights, builders, self.direct_link, rng)
        self.classes_, self._listed = found, classes is not None
        self.layer_, self._rng = layer, rng
        self.class_weight_ = class_weights(numbers, weights, len(found), config.balance)
        readout = RidgeReadout.empty(layer.width, len(found))
        return self._learn(X, numbers, weights, judges, readout, Judged.none(X.shape[1]))

    def _config(self, rows: float) -> ElmConfig:
        names = ("hidden_units", "activation", "hidden", "weight_init", "dropout", "balance")
        given = {name: getattr(self, name) for name in (*names, "ridge")}
        if self.hidden_units is None:
            given["hidden_units"] = round(min(max(rows, LEAST_UNITS), MOST_UNITS))
        return config_of(given, self.random_state)

    def _widen(self, classes: NDArray[Any]) -> None:
        """Make room for classes of which there is no row yet."""
        if len(classes) == len(self.classes_):
            return
        places = numbers_of(self.classes_, classes)
        old, moments = self.readout_, np.zeros((self.layer_.width, len(classes)))
        moments[:, places] = old.moments
        class_weight = np.ones(len(classes))
        class_weight[places] = self.class_weight_
        self.readout_ = RidgeReadout(old.scatter, moments, old.ridge)
        self.class_weight_ = class_weight
        self._judged = replace(self._judged, labels=places[self._judged.labels])
        self.classes_ = classes

    def _learn(
        self,
        X: Any,
        numbers: Numbers,
        weights: Array,
        judges: Numbers,
        readout: RidgeReadout,
        judged: Judged,
    ) -> Self:
        """Add rows to the sums, those numbered in ``judges`` to the judged ones, and solve."""
        lots = self._rng.random(len(judges))
        welcome = judged.welcome(lots)
        judges, lots = judges[welcome], lots[welcome]
        with single_threaded():
            points = self.layer_.standardised(X[judges])
            judged = judged.plus(points, numbers[judges], weights[judges], lots)
            readout = readout.plus(self._sums(X, numbers, weights))
            verdict = self._verdict(readout, judged)
            readout = readout.with_ridge(verdict.ridge)
            readout.beta  # noqa: B018 - solved now, not at the first prediction
        self.ridge_, self.calibration_, self.accuracy_ = verdict
        self.readout_, self._judged = readout, judged
        return self

    def _verdict(self, readout: RidgeReadout, judged: Judged) -> Verdict:
        rows = self.layer_.expand(judged.points)
        ridge = None if self.ridge is None else float(self.ridge)
        return judge(readout, rows, judged.labels, judged.weights, self.class_weight_, ridge)

    def _sums(self, X: Any, numbers: Numbers, weights: Array) -> RidgeReadout:
        layer, weights = self.layer_, weights * self.class_weight_[numbers]
        sums = RidgeReadout.empty(layer.width, len(self.classes_))
        for part in blocks(len(numbers)):
            rows = layer.expand(layer.standardised(X[part]))
            sums.accumulate(*scatter_and_moments(rows, numbers[part], weights[part], sums.classes))
        return sums

    def _scores(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        layer, beta = self.layer_, self.readout_.beta
        scores = np.empty((X.shape[0], beta.shape[1]))
        for part in blocks(len(scores)):
            scores[part] = layer.expand(layer.standardised(X[part])) @ beta
        return scores
