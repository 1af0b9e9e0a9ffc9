"""What both estimators do with parameters, labels and weights before the core sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state
from sklearn.utils.multiclass import check_classification_targets

from astermind_lab.core import ElmConfig
from astermind_lab.errors import InvalidInput, shown

__all__ = ["Classes", "class_weights", "config_of", "grown_classes", "numbers_of", "weights_of"]

Array = NDArray[np.float64]
Classes = NDArray[Any]


def config_of(parameters: Mapping[str, object], random_state: object) -> ElmConfig:
    """The core's configuration of an estimator; None leaves a key to the preset.

    NumPy numbers, which parameter grids are full of, count as Python's.
    Raises InvalidInput("config", …).
    """
    given: dict[str, object] = {"seed": _seed(random_state)}
    for name, value in parameters.items():
        if value is not None:
            given[name] = value.item() if isinstance(value, np.generic) else value
    return ElmConfig.parse(given)


def _seed(random_state: object) -> int:
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def grown_classes(
    known: Classes | None, y: Classes, listed: Classes | Sequence[Any] | None
) -> Classes:
    """The sorted classes after labels ``y``, those ``known`` before among them.

    known : classes of an estimator that may meet new ones, None before the first fit
    listed : if given, all classes there will ever be
    Raises InvalidInput("y", …) for a label that is not listed.
    """
    _check_labels(y)
    given = None if listed is None else np.unique(np.asarray(listed))
    for others in (given, known):
        if others is not None and _is_text(others) != _is_text(y):
            raise InvalidInput("y", "mixes text and numbers with the labels known before")
    if given is None:
        return np.unique(y) if known is None else _joined(known, y)
    if known is not None and not np.array_equal(known, given):
        raise InvalidInput(
            "classes",
            f"{shown(given.tolist())} differ from those of the first fit, {shown(known.tolist())}",
        )
    strange = np.setdiff1d(y, given)
    if len(strange):
        raise InvalidInput(
            "y",
            f"label {shown(strange.tolist()[0])} is not among the classes {shown(given.tolist())}",
        )
    return given


def _check_labels(y: Classes) -> None:
    if y.dtype == object and isinstance(y[0], str):  # scikit-learn takes the rest for text, too
        for place, label in enumerate(y):
            if not isinstance(label, str):
                raise InvalidInput("y", f"item {place} is not text as others are: {shown(label)}")
    check_classification_targets(y)


def _joined(known: Classes, y: Classes) -> Classes:
    """The classes of both, of the type of those known before."""
    joined = np.union1d(known, y)
    if _is_text(known):
        return joined
    same = joined.astype(known.dtype)
    if not np.array_equal(same, joined):
        raise InvalidInput("y", f"has labels of {y.dtype}, those known before are {known.dtype}")
    return same


def numbers_of(y: Classes, classes: Classes) -> NDArray[np.intp]:
    """(n,) positions of the labels among the sorted classes."""
    return np.searchsorted(classes, y)


def weights_of(sample_weight: ArrayLike, rows: int) -> Array:
    """(n,) float64 sample weights; raises ValueError unless they are ≥ 0 and not all 0."""
    weights: Array = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (rows,):
        raise InvalidInput("sample_weight", f"has shape {weights.shape}, but there are {rows} rows")
    if (weights < 0).any():
        raise InvalidInput("sample_weight", "must not be negative")
    if not weights.any():
        raise InvalidInput("sample_weight", "the weight of every row is zero")
    return weights


def class_weights(numbers: NDArray[np.intp], weights: Array, classes: int, balance: float) -> Array:
    """(k,) a class of n rows weighs n**-balance; 1 in the mean over rows, and without any."""
    counts = np.bincount(numbers, weights, classes)
    own = np.where(counts > 0, counts, 1) ** -balance
    return np.where(counts > 0, own * counts.sum() / (own @ counts), 1.0)


def _is_text(labels: Classes) -> bool:
    return labels.dtype.kind in "UOST"
