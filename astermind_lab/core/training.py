"""Training: deal the rows, build the layer from its part, add up the sums, solve, judge.

The life of a training: ``parts.deal`` says which rows build the hidden layer and which judge it;
``projections`` finds the coordinates; ``hidden`` lays units over them; the sums of all rows are
added up block by block; λ and the calibration come from leave-one-out over the judged rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from astermind_lab.core.blas import WORKERS, single_threaded
from astermind_lab.core.calibration import Calibration
from astermind_lab.core.classifier import Layer, Progress, TextClassifier, check_examples
from astermind_lab.core.config import ElmConfig, check_memory
from astermind_lab.core.coordinates import Encoder, cut, from_grid
from astermind_lab.core.drift_features import FeatureMap
from astermind_lab.core.features import blocks, text_blocks
from astermind_lab.core.hidden import HiddenLayer
from astermind_lab.core.ledger import Ledger, digests
from astermind_lab.core.parts import MOST_JUDGED, Parts, deal, every, sample
from astermind_lab.core.projections import coordinates_of, signs_of
from astermind_lab.core.readout import RIDGE_PATH, RidgeReadout, scatter_and_moments
from astermind_lab.core.ridge_path import downhill
from astermind_lab.errors import InsufficientData
from astermind_lab.estimate import Estimate

__all__ = ["class_numbers", "class_weights", "train"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]
T = TypeVar("T")

HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 4000
MARGIN_STEPS = 5
DRIFT_ROWS = 1000  # give the map of the drift features
CHOOSING_ROWS = 1000  # choose λ; more would not choose otherwise


def train(
    texts: Sequence[str],
    labels: Sequence[str],
    config: ElmConfig,
    encoder: Encoder | None,
    progress: Progress | None,
) -> TextClassifier:
    """See ``TextClassifier.fit``."""
    categories, y = class_numbers(texts, labels)
    check_memory(len(texts), sum(map(len, texts)), len(categories), config)
    cut_texts = cut(texts, config.max_length)
    report = progress or (lambda share, phase: None)
    run = _Run(cut_texts, y, len(categories), config, encoder, report)
    with single_threaded():
        model = run.margin() if config.readout == "margin" else run.ridge()
    ledger = run.ledger(digests(texts))
    return TextClassifier(
        config=config,
        categories=categories,
        layer=model.layer,
        readout=model.readout,
        margin=model.margin,
        calibration=model.calibration,
        class_weights=model.class_weights,
        ledger=ledger,
        held_out=model.held_out,
        warnings=_warnings(y, list(categories)),
        _accuracy=model.leave_one_out,
    )


def class_numbers(texts: Sequence[str], labels: Sequence[str]) -> tuple[tuple[str, ...], Numbers]:
    """The categories in order of first appearance, and the class number of each row.

    Raises InvalidInput("texts" | "labels", …), InsufficientData for fewer than two labels.
    """
    check_examples(texts, labels)
    numbers: dict[str, int] = {}
    y = np.fromiter((numbers.setdefault(label, len(numbers)) for label in labels), np.intp)
    if not len(y):
        raise InsufficientData("texts", "there is no training example")
    if len(numbers) < 2:
        raise InsufficientData(
            "labels", f"all {len(y):,} examples are {next(iter(numbers))!r}; two labels are needed"
        )
    return tuple(numbers), y


def class_weights(y: Numbers, classes: int, balance: float) -> Array:
    """(classes,) float64: what a row of each class weighs; the mean over the rows is 1."""
    counts = np.maximum(np.bincount(y, minlength=classes), 1)
    weights = (len(y) / (classes * counts)) ** balance
    return np.asarray(weights / np.average(weights, weights=counts))


@dataclass
class _Fitted:
    layer: Layer
    readout: RidgeReadout
    class_weights: Array
    calibration: Calibration = field(default_factory=Calibration)
    margin: Array | None = None
    held_out: Estimate | None = None
    leave_one_out: Estimate | None = None


class _Run:
    """One training; its steps share the rows, the labels and the random generator."""

    def __init__(
        self,
        texts: Sequence[str],
        y: Numbers,
        classes: int,
        config: ElmConfig,
        encoder: Encoder | None,
        progress: Progress,
    ) -> None:
        self.texts, self.y, self.classes, self.config = texts, y, classes, config
        self.encoder, self.progress = encoder, progress
        self.characters = sum(map(len, texts))
        self.rng = np.random.default_rng(config.seed)

    def ridge(self) -> _Fitted:
        parts = deal(self.y, self.rng, judge=self.encoder is None, characters=self.characters)
        judged = parts.judged
        layer, steps, at = self._layer(parts)
        if not len(judged):  # little data, or a layer that has seen no label: judge by all rows
            judged = sample(parts.layer, MOST_JUDGED, self.rng)
        model = self._summed(layer, parts, steps, at)
        self.progress(0.8, "choosing λ")
        rows = layer.expand(steps[at[judged]])
        labels, weights = self.y[judged], model.class_weights[self.y[judged]]
        ridge, scores = self._choose_ridge(model.readout, rows, labels, weights)
        model.readout = model.readout.with_ridge(ridge)
        model.readout.beta  # noqa: B018 - solved now, not at the first prediction
        model.calibration = Calibration.fit(scores, labels)
        correct = int((scores.argmax(1) == labels).sum())
        model.leave_one_out = Estimate.proportion(correct, len(labels), "leave-one-out")
        self._hold(at, steps, judged, parts)
        self.progress(1.0, "done")
        return model

    def margin(self) -> _Fitted:
        share = HELD_OUT_SHARE if len(self.y) >= 500 else 2 * HELD_OUT_SHARE
        test = every(self.y, int(min(max(1, share * len(self.y)), MOST_HELD_OUT)), self.rng)
        rest = np.setdiff1d(np.arange(len(self.y)), test)
        part = _Run(
            [self.texts[i] for i in rest],
            self.y[rest],
            self.classes,
            self.config,
            self.encoder,
            lambda share, phase: self.progress(share / 2, f"{phase}, for the held-out estimate"),
        )
        trial = part._margin_model()
        steps, _ = trial.layer.coordinates([self.texts[i] for i in test])
        assert trial.margin is not None
        scores, labels = trial.layer.expand(steps) @ trial.margin, self.y[test]
        correct = int((scores.argmax(1) == labels).sum())
        del trial, part
        report = self.progress
        self.progress = lambda share, phase: report((1 + share) / 2, phase)
        model = self._margin_model()
        model.held_out = Estimate.proportion(correct, len(labels), "held-out")
        model.calibration = Calibration.fit(scores, labels)
        self.progress(1.0, "done")
        return model

    def _margin_model(self) -> _Fitted:
        """Targets relaxed where they are passed already, again and again with one factor.

        Source: Ho & Kashyap 1965; Xiang et al. 2012 (discriminative least squares).
        """
        parts = deal(self.y, self.rng, judge=False, characters=self.characters)
        layer, steps, at = self._layer(parts)
        model = self._summed(layer, parts, steps, at)
        judged = sample(parts.layer, 2000, self.rng)
        rows, weights = layer.expand(steps[at[judged]]), model.class_weights[self.y[judged]]
        ridge, _ = self._choose_ridge(model.readout, rows, self.y[judged], weights)
        model.readout = model.readout.with_ridge(ridge)
        model.margin = self._relax(model, parts, steps, at)
        self._hold(at, steps, judged, parts)
        model.readout = RidgeReadout.empty(1, self.classes, ridge)  # nothing here is exact
        return model

    def _relax(self, model: _Fitted, parts: Parts, steps: NDArray[np.int16], at: Numbers) -> Array:
        beta = model.readout.beta
        factor = model.readout.factor()
        for step in range(MARGIN_STEPS):
            self.progress(0.85 + 0.03 * step, "moving the margin")
            now = beta

            def moved(rows: Array, labels: Numbers, now: Array = now) -> Array:
                signs = signs_of(labels, self.classes)
                targets = signs * np.maximum(1, signs * (rows @ now))
                targets *= model.class_weights[labels][:, None]
                return rows.T @ targets

            cross = np.zeros_like(beta)
            for part in self._over_rows(moved, model.layer, parts, steps, at):
                cross += part
            beta = np.ascontiguousarray(sl.cho_solve((factor, True), cross))
        return beta

    def _layer(self, parts: Parts) -> tuple[Layer, NDArray[np.int16], Numbers]:
        """The layer; the coordinates of the layer and judged parts; each row's place in them."""
        coordinates, steps, at = coordinates_of(
            self.texts,
            self.y,
            self.classes,
            parts,
            fast=self.config.preset == "fast",
            encoder=self.encoder,
            progress=self.progress,
        )
        rows = parts.layer
        points = from_grid(steps[: len(rows)])
        hidden = HiddenLayer.make(self.config, points, self.y[rows], self.rng)
        drift = FeatureMap.learn(hidden(from_grid(steps[:: -(-len(steps) // DRIFT_ROWS)])))
        return Layer(coordinates, hidden, drift), steps, at

    def _summed(self, layer: Layer, parts: Parts, steps: NDArray[np.int16], at: Numbers) -> _Fitted:
        weights = class_weights(self.y, self.classes, self.config.balance)
        readout = RidgeReadout.empty(layer.width, self.classes)

        def sums(rows: Array, labels: Numbers) -> tuple[Array, Array, int]:
            return *scatter_and_moments(rows, labels, weights[labels], self.classes), len(labels)

        done = 0
        for scatter, moments, count in self._over_rows(sums, layer, parts, steps, at):
            readout.accumulate(scatter, moments)
            done += count
            self.progress(0.5 + 0.3 * done / len(self.y), "adding up the sums")
        return _Fitted(layer, readout, weights)

    def _over_rows(
        self,
        work: Callable[[Array, Numbers], T],
        layer: Layer,
        parts: Parts,
        steps: NDArray[np.int16],
        at: Numbers,
    ) -> Iterator[T]:
        """``work(hidden rows, class numbers)`` of all training rows, block by block, in order."""
        held = np.flatnonzero(at >= 0)

        def known(rows: Numbers) -> T:
            return work(layer.expand(steps[at[rows]]), self.y[rows])

        def read(rows: Numbers) -> T:
            fresh = layer.coordinates([self.texts[i] for i in rows])[0]
            return work(layer.expand(fresh), self.y[rows])

        jobs = [partial(known, held[part]) for part in blocks(len(held))]
        rest = [self.texts[i] for i in parts.others]
        jobs += [partial(read, parts.others[part]) for part in text_blocks(rest)]
        with ThreadPoolExecutor(WORKERS) as pool:
            # a few at a time, or the results of all blocks would pile up
            for start in range(0, len(jobs), 2 * WORKERS):
                yield from pool.map(lambda job: job(), jobs[start : start + 2 * WORKERS])

    def _choose_ridge(
        self, readout: RidgeReadout, rows: Array, labels: Numbers, weights: Array
    ) -> tuple[float, Array]:
        """λ of least leave-one-out squared error, and the leave-one-out scores under it.

        The error falls and rises once along the path, so it is walked downhill from its middle.
        """
        if self.config.ridge is not None:
            ridge = self.config.ridge
        else:
            some = slice(None, None, -(-len(rows) // CHOOSING_ROWS))
            ridge = self._walk_the_path(readout, rows[some], labels[some], weights[some])
        return ridge, readout.with_ridge(ridge).leave_one_out(rows, labels, weights)

    def _walk_the_path(
        self, readout: RidgeReadout, rows: Array, labels: Numbers, weights: Array
    ) -> float:
        spread = readout.spread()
        signs = signs_of(labels, self.classes)
        found: dict[int, float] = {}

        def error(place: int) -> float:
            if place not in found:
                trial = readout.with_ridge(RIDGE_PATH[place] * spread)
                scores = trial.leave_one_out(rows, labels, weights)
                loss = (weights[:, None] * (signs - scores) ** 2).sum() / weights.sum()
                found[place] = float(loss)
            return found[place]

        middle = len(RIDGE_PATH) // 2 - 1
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(error, (middle - 1, middle, middle + 1)))
        return float(RIDGE_PATH[downhill(error, len(RIDGE_PATH))] * spread)

    def _hold(self, at: Numbers, steps: NDArray[np.int16], judged: Numbers, parts: Parts) -> None:
        marks = np.zeros(len(steps), bool)
        marks[at[judged]] = True
        labelled = self.encoder is None and len(parts.folds) > 1
        self._held = at.astype(np.int32), steps, marks, parts.layer[: None if labelled else 0]
        self._share = len(judged) / len(self.y) if len(parts.judged) else 1.0

    def ledger(self, keys: NDArray[np.uint64]) -> Ledger:
        """The ledger of all rows, whose texts have these digests."""
        places, steps, marks, labelled = self._held
        seen = np.unique(keys[labelled])
        return Ledger(keys, self.y.astype(np.int32), places, steps, marks, seen, self._share)


def _warnings(y: Numbers, categories: list[str]) -> tuple[str, ...]:
    counts = np.bincount(y)
    rare = [categories[k] for k in np.flatnonzero(counts < 5)]
    if not rare:
        return ()
    named = ", ".join(repr(label) for label in rare[:5]) + (" …" if len(rare) > 5 else "")
    return (f"{len(rare)} of {len(categories)} labels have fewer than 5 examples: {named}",)
