"""A trained text classifier, and the exact ways to change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import WORKERS, single_threaded
from astermind_lab.core.calibration import Calibration
from astermind_lab.core.config import ElmConfig
from astermind_lab.core.coordinates import Coordinates, Encoder, cut, from_grid
from astermind_lab.core.drift_features import FeatureMap
from astermind_lab.core.features import BLOCK, blocks
from astermind_lab.core.hidden import HiddenLayer
from astermind_lab.core.ledger import Ledger, digest, digests, unmatched
from astermind_lab.core.readout import RidgeReadout
from astermind_lab.errors import InvalidInput, NotFound, shown
from astermind_lab.estimate import Estimate

__all__ = ["Answer", "Answers", "Layer", "Progress", "TextClassifier"]

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

UNKNOWN_TEXT = "Nothing in this text was seen in training; the answer means little."
FEW_ROWS = 40  # changed one by one; more are summed and solved once


class Answer(NamedTuple):
    """What a classifier says about one text.

    probabilities : (k,) float64 in the order of the categories     warnings : in plain words
    drift_features : (d,) int8, where they were asked for and the layer has a map
    """

    probabilities: Array
    warnings: tuple[str, ...]
    drift_features: NDArray[np.int8] | None = None


class Answers(NamedTuple):
    """What a classifier says about n texts.

    probabilities : (n, k) float64     known : (n,) bool, whether anything in the text is known
    drift_features : (n, d) int8, where they were asked for and the layer has a map
    """

    probabilities: Array
    known: NDArray[np.bool_]
    drift_features: NDArray[np.int8] | None = None


@dataclass(frozen=True)
class Layer:
    """The fixed part: text → ``[1, coordinates, hidden features]``, p = 1 + c + h numbers.

    drift : what is summed up of hidden features to notice drift; models of older files have none
    """

    coordinates: Coordinates
    hidden: HiddenLayer
    drift: FeatureMap | None = None

    @property
    def width(self) -> int:
        return 1 + self.coordinates.width + len(self.hidden.bias)

    def drift_features(self, rows: Array) -> NDArray[np.int8] | None:
        """(n, p) rows of ``expand`` → (n, d) int8; None without a map."""
        return None if self.drift is None else self.drift(rows[:, -len(self.hidden.bias) :])

    def expand(self, steps: NDArray[np.int16]) -> Array:
        """(n, c) grid steps → (n, p) float64, the row that the readout sees."""
        points = from_grid(steps)
        rows = np.empty((len(points), self.width))
        rows[:, 0] = 1
        rows[:, 1 : 1 + points.shape[1]] = points
        rows[:, 1 + points.shape[1] :] = self.hidden(points)
        return rows


@dataclass
class TextClassifier:
    """An Extreme Learning Machine over text: fixed layer, linear readout.

    Made by ``fit`` or ``from_bytes``. With ``readout="ridge"`` it can be changed exactly, the
    hidden layer, λ and class weights staying as they are; not safe for changes from several
    threads at once (``copy`` is cheap), safe for any number of readers.

    >>> texts = ["good morning", "hello there", "good bye", "see you later"] * 5
    >>> labels = ["greeting", "greeting", "farewell", "farewell"] * 5
    >>> lab = TextClassifier.fit(texts, labels)
    >>> lab.predict(["hello", "see you"])
    ['greeting', 'farewell']
    """

    config: ElmConfig
    categories: tuple[str, ...]
    layer: Layer
    readout: RidgeReadout
    margin: Array | None
    """(p, k) float64 weights of a margin readout; None: ridge, whose weights are the readout's."""
    calibration: Calibration
    class_weights: Array
    ledger: Ledger
    held_out: Estimate | None
    warnings: tuple[str, ...] = ()
    _accuracy: Estimate | None = field(default=None, repr=False)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[str],
        config: ElmConfig | None = None,
        *,
        encoder: Encoder | None = None,
        progress: Progress | None = None,
    ) -> TextClassifier:
        """Train on labelled texts.

        texts, labels : n non-blank strings each, at least two different labels
        encoder : instead of hashed n-grams, any ``list[str] -> (n, c)`` numbers, for example
            sentence embeddings; it is not part of the saved model
        progress : called with a share done and the phase
        Raises InvalidInput("texts" | "labels" | "config", …), InsufficientData.
        """
        from astermind_lab.core.training import train

        return train(texts, labels, config or ElmConfig(), encoder, progress)

    @classmethod
    def untaught(
        cls,
        texts: Sequence[str],
        categories: Sequence[str] = (),
        config: ElmConfig | None = None,
    ) -> TextClassifier:
        """A model without examples, whose hidden layer is made of unlabelled texts alone.

        texts : n non-blank strings     categories : those known so far, ``add`` brings others
        config : its readout must be ridge; hidden weights are random, for want of labels
        It can predict once it has two categories. λ and calibration are guesses then;
        ``core.untaught.choose_again`` chooses them by leave-one-out. Exact given λ.
        Raises InvalidInput("texts" | "categories" | "config", …), InsufficientData.
        """
        from astermind_lab.core.untaught import untaught

        return untaught(texts, categories, config or ElmConfig())

    @property
    def model_type(self) -> str:
        return f"elm-{self.config.readout}"

    @property
    def n_examples(self) -> int:
        return len(self.ledger)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Training examples of each category."""
        counts = np.bincount(self.ledger.labels, minlength=len(self.categories))
        return tuple(int(count) for count in counts)

    @property
    def accuracy(self) -> Estimate | None:
        """Leave-one-out (ridge) or held-out (margin) accuracy; None where nothing is left.

        Leave-one-out is taken over the rows that the hidden layer has not seen; only where there
        are too few of them (below 1,000 examples) over all rows, each with coordinates from
        discriminants that have not seen it.
        """
        if self.held_out is not None:
            return self.held_out
        if self._accuracy is None:
            scores, labels = self.leave_one_out()
            if not len(labels):
                return None
            correct = int((scores.argmax(1) == labels).sum())
            self._accuracy = Estimate.proportion(correct, len(labels), "leave-one-out")
        return self._accuracy

    def leave_one_out(self) -> tuple[Array, NDArray[np.int32]]:
        """Scores (j, k) of the judged rows by models without the row, and their class numbers.

        Equal to refits of the ridge readout; the layer, λ and class weights are kept.
        """
        self._need_ridge()
        steps, labels = self.ledger.judged_rows()
        if not len(labels):
            return np.zeros((0, len(self.categories))), labels
        rows = self.layer.expand(steps)
        weights = self.class_weights[labels]
        return self.readout.leave_one_out(rows, labels.astype(np.intp), weights), labels

    def scores(self, texts: Sequence[str]) -> Array:
        """(n, k) float64 readout scores; +1 speaks for a class, -1 against it."""
        return self._scores(texts)[0]

    def predict_proba(self, texts: Sequence[str]) -> Array:
        """(n, k) float64 probabilities, columns in the order of ``categories``."""
        return self.calibration(self._scores(texts)[0])

    def answers(self, texts: Sequence[str], *, drift_features: bool = False) -> Answers:
        """``predict_proba`` and ``known`` of the texts in one go."""
        scores, known, features = self._look(texts, drift_features)
        return Answers(self.calibration(scores), known, features)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The likeliest category of each text."""
        best = self._scores(texts)[0].argmax(1)
        return [self.categories[number] for number in best.tolist()]

    def answer(self, text: str, *, drift_features: bool = False) -> Answer:
        """Probabilities for one text, and a warning if nothing in it is known."""
        scores, known, features = self._look([text], drift_features)
        warnings = () if known[0] else (UNKNOWN_TEXT,)
        first = None if features is None else features[0]
        return Answer(self.calibration(scores[0]), warnings, first)

    def known(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) bool: does the text hold a single feature known from training?"""
        return self.layer.coordinates(cut(texts, self.config.max_length))[1]

    def embed(self, texts: Sequence[str]) -> Array:
        """(n, hidden_units) float64 hidden features."""
        steps, _ = self.layer.coordinates(cut(texts, self.config.max_length))
        return self.layer.hidden(from_grid(steps))

    def add(
        self, texts: Sequence[str], labels: Sequence[str], *, judge: bool | None = None
    ) -> None:
        """Learn more examples, exactly as if they had been there; new labels are welcome.

        judge : whether the accuracy rests on them too; None: on a share of them, drawn by chance.
            False for texts that were chosen for being hard, or the accuracy would seem to fall
        Raises InvalidInput("texts" | "labels", …), or ("readout", …) for a margin model.
        """
        self._need_ridge()
        check_examples(texts, labels)
        steps, _ = self.layer.coordinates(cut(texts, self.config.max_length))
        numbers = np.array([self._number_of(label) for label in labels], np.intp)
        self._change(steps, numbers, 1)
        labelled = numbers.astype(np.int32)
        self.ledger = self.ledger.with_rows(digests(texts), labelled, steps, judge)
        self._accuracy = None

    def forget(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        """Unlearn examples, exactly as if the readout had never seen them.

        All or none: raises NotFound if one of them is not among the training examples, before
        anything changes. The hidden layer keeps what it took from its part of the data.
        """
        self._need_ridge()
        check_examples(texts, labels)
        rows = self._find(texts, labels)
        self._change(self._steps(rows, texts), self.ledger.labels[rows].astype(np.intp), -1)
        self.ledger = self.ledger.without(rows)
        self._accuracy = None

    def relabel(self, text: str, old: str, new: str) -> None:
        """Give one example another label. Raises NotFound if it is not among the examples."""
        self._need_ridge()
        check_examples([text], [new])
        (row,) = self._find([text], [old])
        self._relabel_row(row, text, new)

    def _relabel_row(self, row: int, text: str, new: str) -> None:
        """Give a row of the ledger, whose text this is, another label."""
        hidden = self.layer.expand(self._steps([row], [text]))[0]
        before, after = int(self.ledger.labels[row]), self._number_of(new)
        if self.class_weights[before] == self.class_weights[after]:
            self.readout.move(hidden, before, after, self.class_weights[before])
        else:
            self.readout.change(hidden, before, -self.class_weights[before])
            self.readout.change(hidden, after, self.class_weights[after])
        self.ledger = self.ledger.relabelled(row, after)
        self._accuracy = None

    def merge(self, other: TextClassifier, base: TextClassifier | None = None) -> TextClassifier:
        """What one model would know that had seen the examples of both.

        other : a model with the same hidden layer, that is, a copy of this or of a common
            ancestor that went its own way
        base : that ancestor, if both still hold its examples: what ``other`` added since, lost
            since and relabelled since is done to a copy of this. Where both changed the same
            example of the base, this model's change stands.
        Raises InvalidInput if the layers differ, if both hold the same examples and no base
        explains them, or if ``other`` lost examples of which no coordinates are kept.
        """
        self._need_ridge()
        other._need_ridge()
        for name, model in (("other", other), ("base", base)):
            if model is not None and model.layer_digest != self.layer_digest:
                raise InvalidInput(name, "has another hidden layer; only copies can be merged")
        merged = self.copy()
        theirs = other._ledger_like(merged)
        if base is None:
            merged._join(other, theirs)
        else:
            merged._follow(theirs, base._ledger_like(merged))
        merged._accuracy = None
        return merged

    def _join(self, other: TextClassifier, theirs: Ledger) -> None:
        """Take over the sums of a model that shares no example."""
        mine = self.ledger.pairs()
        shared = len(mine) - len(unmatched(mine, theirs.pairs())[0])
        if shared:
            raise InvalidInput(
                "base",
                f"{shared:,} examples are in both models; name the model that both began as",
            )
        places = [self.categories.index(label) for label in other.categories]
        if not np.array_equal(self.class_weights[places], other.class_weights):
            raise InvalidInput("other", "weighs its classes otherwise; train both from one start")
        moments = np.zeros_like(self.readout.moments)
        moments[:, places] = other.readout.moments
        self.readout.accumulate(other.readout.scatter, moments)
        self.ledger = self.ledger.followed_by(theirs)

    def _follow(self, theirs: Ledger, base: Ledger) -> None:
        """Do what another model did since ``base``."""
        lost, gained = unmatched(base.pairs(), theirs.pairs())
        lost_here, _ = unmatched(base.pairs(), self.ledger.pairs())
        both = set(lost) & set(lost_here)
        settled = [int(base.texts[row]) for row in both]
        for key in settled:  # both changed it: what the other made of it has no say
            mine = next((row for row in gained if int(theirs.texts[row]) == key), None)
            if mine is not None:
                gained.remove(mine)
        wanted = [pair for row, pair in enumerate(base.pairs()) if row in set(lost) - both]
        found = self.ledger.rows_of(wanted)
        rows = [found[pair].pop() for pair in wanted]
        if any(self.ledger.places[row] < 0 for row in rows):
            raise InvalidInput(
                "other", "has lost examples of which no coordinates are kept; forget them here too"
            )
        self._change(self._steps(rows, []), self.ledger.labels[rows].astype(np.intp), -1)
        self.ledger = self.ledger.without(rows)
        steps = theirs.coordinates[theirs.places[gained]]
        self._change(steps, theirs.labels[gained].astype(np.intp), 1)
        self.ledger = self.ledger.with_rows(theirs.texts[gained], theirs.labels[gained], steps)

    def copy(self) -> TextClassifier:
        """A copy that can be changed without touching this one; the layer is shared."""
        return TextClassifier(
            self.config,
            self.categories,
            self.layer,
            self.readout.copy(),
            self.margin,
            self.calibration,
            self.class_weights.copy(),
            self.ledger,
            self.held_out,
            self.warnings,
            self._accuracy,
        )

    def without_examples(self) -> TextClassifier:
        """The same layer with nothing learned: a common start for models to be merged later."""
        self._need_ridge()
        blank = self.copy()
        blank.readout = RidgeReadout.empty(
            self.layer.width, len(self.categories), self.readout.ridge
        )
        blank.ledger = self.ledger.without(range(len(self.ledger)))
        blank._accuracy = None
        return blank

    def to_bytes(self) -> bytes:
        """The model as one safetensors file; see ``core.model_file``."""
        from astermind_lab.core.model_file import dump

        return dump(self)

    @classmethod
    def from_bytes(cls, data: bytes, *, encoder: Encoder | None = None) -> TextClassifier:
        """The model of a file; predictions are equal to the bit on the same machine.

        encoder : the text encoder it was fitted with, if any
        Raises ModelFileError for anything but an undamaged model file.
        """
        from astermind_lab.core.model_file import load

        return load(data, encoder)

    @cached_property
    def layer_digest(self) -> str:
        """SHA-256 over everything that stays fixed."""
        from astermind_lab.core.model_file import layer_digest

        return layer_digest(self.layer, self.config)

    @property
    def _weights(self) -> Array:
        return self.readout.beta if self.margin is None else self.margin

    def _scores(self, texts: Sequence[str]) -> tuple[Array, NDArray[np.bool_]]:
        return self._look(texts, drift_features=False)[:2]

    def _look(
        self, texts: Sequence[str], drift_features: bool
    ) -> tuple[Array, NDArray[np.bool_], NDArray[np.int8] | None]:
        """Scores, whether anything is known, and on demand the drift features."""
        steps, known = self.layer.coordinates(cut(texts, self.config.max_length))
        weights = self._weights
        wanted = drift_features and self.layer.drift is not None

        def look(part: NDArray[np.int16]) -> tuple[Array, NDArray[np.int8] | None]:
            rows = self.layer.expand(part)
            return rows @ weights, self.layer.drift_features(rows) if wanted else None

        if len(steps) <= BLOCK:
            scores, features = look(steps)
            return scores, known, features
        parts = [steps[part] for part in blocks(len(steps))]
        with single_threaded(), ThreadPoolExecutor(WORKERS) as pool:
            done = list(pool.map(look, parts))
        made = [f for _, f in done if f is not None]
        return np.concatenate([s for s, _ in done]), known, np.concatenate(made) if made else None

    def _need_ridge(self) -> None:
        if self.config.readout != "ridge":
            raise InvalidInput(
                "readout",
                "this model has a margin readout, which has no closed form; train with "
                'readout "ridge" (presets "fast" and "default") to add, forget, relabel or merge',
            )

    def _number_of(self, label: str) -> int:
        """The class number of a label; a new label gets the next."""
        if label not in self.categories:
            self.categories = (*self.categories, label)
            self.class_weights = np.append(self.class_weights, 1.0)
            self.readout.add_class()
        return self.categories.index(label)

    def _change(self, steps: NDArray[np.int16], numbers: NDArray[np.intp], sign: int) -> None:
        """Add rows to the readout (sign 1) or take them away (-1)."""
        weights = sign * self.class_weights[numbers]
        hidden = self.layer.expand(steps)
        if len(numbers) > FEW_ROWS:
            self.readout.include(hidden, numbers, weights)
            return
        for row, number, weight in zip(hidden, numbers.tolist(), weights.tolist(), strict=True):
            self.readout.change(row, number, weight)

    def _find(self, texts: Sequence[str], labels: Sequence[str]) -> list[int]:
        """The ledger's row of each example, the latest first where there are several."""
        classes = {label: number for number, label in enumerate(self.categories)}
        pairs = [
            (digest(text), classes.get(label, -1))
            for text, label in zip(texts, labels, strict=True)
        ]
        found = self.ledger.rows_of(pairs)
        rows = []
        for pair, text, label in zip(pairs, texts, labels, strict=True):
            if not found[pair]:
                raise NotFound(f"no training example {shown(text)} with label {shown(label)}")
            rows.append(found[pair].pop())
        return rows

    def _steps(self, rows: Sequence[int], texts: Sequence[str]) -> NDArray[np.int16]:
        """The coordinates with which examples entered the sums.

        texts : theirs, for those of which no coordinates are kept
        """
        places = self.ledger.places[list(rows)]
        steps = np.zeros((len(places), self.layer.coordinates.width), np.int16)
        steps[places >= 0] = self.ledger.coordinates[places[places >= 0]]
        fresh = np.flatnonzero(places < 0)
        if len(fresh):
            new = [texts[row] for row in fresh.tolist()]
            steps[fresh] = self.layer.coordinates(cut(new, self.config.max_length))[0]
        return steps

    def _ledger_like(self, target: TextClassifier) -> Ledger:
        """The ledger with the class numbers of ``target``, which gets the classes it lacks."""
        places = np.array([target._number_of(label) for label in self.categories], np.int32)
        return replace(self.ledger, labels=places[self.ledger.labels])


def check_examples(texts: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse anything but as many non-blank strings on both sides."""
    check_strings("texts", texts)
    check_strings("labels", labels)
    if len(texts) != len(labels):
        raise InvalidInput("labels", f"{len(labels)} labels for {len(texts)} texts")


def check_strings(name: str, values: Sequence[str]) -> None:
    """Refuse anything but non-blank strings."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InvalidInput(name, f"must be a list of strings, got {shown(values)}")
    for position, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidInput(name, f"item {position} is not a string: {shown(value)}")
        if not value or value.isspace():
            raise InvalidInput(name, f"item {position} is blank")
