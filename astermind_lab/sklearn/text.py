"""``TextELMClassifier``: the lab's text classifier as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.coordinates import Encoder
from astermind_lab.errors import InvalidInput, shown
from astermind_lab.estimate import Estimate
from astermind_lab.sklearn.inputs import Classes, config_of, grown_classes, numbers_of

__all__ = ["TextELMClassifier"]

KEYS = (
    "preset",
    "readout",
    "hidden_units",
    "hidden",
    "activation",
    "weight_init",
    "ridge",
    "balance",
    "max_length",
    "dropout",
)


class TextELMClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An Extreme Learning Machine over texts; ``core.TextClassifier`` does the work.

    preset : "fast", "default" or "accurate"
    readout, hidden_units, hidden, activation, weight_init, ridge, balance, max_length, dropout :
        see ``ElmConfig``; None leaves the choice to the preset
    random_state : int, RandomState or None, as in scikit-learn; an int is the core's seed
    encoder : instead of hashed n-grams, any ``list[str] -> (n, c)`` numbers, for example
        sentence embeddings

    Texts are a list, an array or a pandas Series of strings; labels anything that scikit-learn
    takes for classes. After ``fit``: ``classes_``, ``model_`` (the TextClassifier, whose
    categories are the classes as text), ``accuracy_`` (an Estimate that says how it was obtained).

    >>> texts = ["good morning", "hello there", "good bye", "see you later"] * 5
    >>> model = TextELMClassifier("fast").fit(texts, [1, 1, 0, 0] * 5)
    >>> model.predict(["hello", "see you"])
    array([1, 0])
    """

    classes_: Classes
    model_: TextClassifier
    _listed: bool

    def __init__(
        self,
        preset: str = "default",
        *,
        readout: str | None = None,
        hidden_units: int | None = None,
        hidden: str | None = None,
        activation: str | None = None,
        weight_init: str | None = None,
        ridge: float | None = None,
        balance: float | None = None,
        max_length: int | None = None,
        dropout: float | None = None,
        random_state: int | np.random.RandomState | None = 0,
        encoder: Encoder | None = None,
    ) -> None:
        self.preset = preset
        self.readout = readout
        self.hidden_units = hidden_units
        self.hidden = hidden
        self.activation = activation
        self.weight_init = weight_init
        self.ridge = ridge
        self.balance = balance
        self.max_length = max_length
        self.dropout = dropout
        self.random_state = random_state
        self.encoder = encoder

    @property
    def accuracy_(self) -> Estimate | None:
        """Leave-one-out accuracy (margin: held-out) with its interval; it follows the data."""
        check_is_fitted(self)
        return self.model_.accuracy

    def fit(self, X: Iterable[str], y: ArrayLike) -> Self:
        """Train on n non-blank texts and n labels, at least two of them different.

        Raises ValueError (InvalidInput, InsufficientData) naming what is wrong.
        """
        return self._begin(X, y, None, self._config())

    def partial_fit(
        self, X: Iterable[str], y: ArrayLike, classes: Sequence[Any] | None = None
    ) -> Self:
        """Learn more texts, exactly as if the readout had seen them from the start.

        The first call is a fit and fixes the hidden layer, λ, calibration and class weights.
        Ridge readout only: raises InvalidInput("readout", …) for margin.

        classes : all classes, at the first call; without it, new labels are welcome at any time
        """
        if not hasattr(self, "model_"):
            config = self._config()
            if config.readout != "ridge":
                raise InvalidInput(
                    "readout", f"partial_fit needs a ridge readout, not {config.readout!r}"
                )
            return self._begin(X, y, classes, config)
        texts, labels = self._checked(X, y)
        listed = self.classes_ if classes is None and self._listed else classes
        grown = grown_classes(self.classes_, labels, listed)
        self.model_.add(texts, _names_of(labels, grown))
        self.classes_ = grown
        return self

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """(n,) the likeliest class of each text."""
        check_is_fitted(self)
        best = self.model_.scores(_texts(X)).argmax(1)
        return np.asarray(self.classes_[self._places()[best]])

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:
        """(n, k) float64 probabilities, columns in the order of ``classes_``.

        A class that was listed but never seen has probability 0.
        """
        check_is_fitted(self)
        texts = _texts(X)
        found = np.zeros((len(texts), len(self.classes_)))
        found[:, self._places()] = self.model_.predict_proba(texts)
        return found

    def to_bytes(self) -> bytes:
        """The model as one safetensors file that the lab and ``from_bytes`` read; no pickle."""
        check_is_fitted(self)
        return self.model_.to_bytes()

    @classmethod
    def from_bytes(
        cls, data: bytes, *, classes: Sequence[Any] | None = None, encoder: Encoder | None = None
    ) -> Self:
        """A fitted estimator from a model file, the lab's or ``to_bytes``'s.

        classes : what the labels were, if not text; a file keeps them as text
        encoder : the text encoder that the model was fitted with, if any
        Raises ModelFileError for a damaged file, InvalidInput("classes", …) for other classes.
        """
        model = TextClassifier.from_bytes(data, encoder=encoder)
        config = model.config
        given = {name: getattr(config, name) for name in KEYS}
        estimator = cls(**given, random_state=config.seed, encoder=encoder)
        found = np.unique(np.asarray(model.categories if classes is None else classes))
        missing = set(model.categories) - set(_names(found))
        if missing:
            raise InvalidInput("classes", f"lack {shown(min(missing))}, which the model knows")
        estimator.classes_, estimator._listed = found, classes is not None
        estimator.model_ = model
        return estimator

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    def _config(self) -> ElmConfig:
        return config_of({name: getattr(self, name) for name in KEYS}, self.random_state)

    def _begin(
        self, X: Iterable[str], y: ArrayLike, classes: Sequence[Any] | None, config: ElmConfig
    ) -> Self:
        if self.encoder is not None and not callable(self.encoder):
            raise InvalidInput("encoder", f"must be callable, got {shown(self.encoder)}")
        texts, labels = self._checked(X, y)
        found = grown_classes(None, labels, classes)
        names = _names_of(labels, found)
        self.model_ = TextClassifier.fit(texts, names, config, encoder=self.encoder)
        self.classes_, self._listed = found, classes is not None
        return self

    def _checked(self, X: Iterable[str], y: ArrayLike) -> tuple[list[str], Classes]:
        texts = _texts(X)
        labels = np.asarray(validate_data(self, "no_validation", y))
        if len(texts) != len(labels):
            raise InvalidInput("y", f"{len(labels)} labels for {len(texts)} texts")
        return texts, labels

    def _places(self) -> NDArray[np.intp]:
        """Where the model's categories stand among ``classes_``."""
        places = {name: place for place, name in enumerate(_names(self.classes_))}
        return np.array([places[name] for name in self.model_.categories], np.intp)


def _texts(X: Iterable[str]) -> list[str]:
    """The texts as a list of strings; raises InvalidInput("X", …) for anything else."""
    if isinstance(X, str) or getattr(X, "ndim", 1) != 1 or not isinstance(X, Iterable):
        raise InvalidInput(
            "X", f"must be a list, one-dimensional array or Series of texts, got {shown(X)}"
        )
    texts = X.tolist() if isinstance(X, np.ndarray) else list(X)
    if not texts:
        raise InvalidInput("X", "holds no text")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidInput("X", f"item {place} is not a string: {shown(text)}")
    return texts


def _names(classes: Classes) -> list[str]:
    """Classes as the core knows them: text."""
    return [str(label) for label in classes.tolist()]


def _names_of(labels: Classes, classes: Classes) -> list[str]:
    names = _names(classes)
    return [names[number] for number in numbers_of(labels, classes)]
