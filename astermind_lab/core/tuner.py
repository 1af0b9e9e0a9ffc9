"""Trying settings of the hidden layer and the readout on rows that were read once.

What costs time in training, reading the texts and finding their coordinates, does not depend on
the number of units, the activation, λ or the balance. A tuner does it once, as training would with
the same rows and seed; each setting then is a layer over kept coordinates, a sum and a
decomposition. What it says of a setting is what training on these rows would report.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import WORKERS, single_threaded
from astermind_lab.core.classifier import Layer
from astermind_lab.core.config import ElmConfig, check_memory
from astermind_lab.core.coordinates import cut, from_grid
from astermind_lab.core.features import blocks
from astermind_lab.core.hidden import HiddenLayer
from astermind_lab.core.parts import deal
from astermind_lab.core.projections import coordinates_of
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments
from astermind_lab.core.ridge_path import RidgePath
from astermind_lab.core.training import class_numbers, class_weights
from astermind_lab.errors import InvalidInput

__all__ = ["Tuner"]

Array = NDArray[np.float64]


class Tuner:
    """Labelled texts with their coordinates, over which any hidden layer can be laid.

    categories : in order of first appearance     config : what training would take
    judged : number of rows that leave-one-out uses
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[str], config: ElmConfig) -> None:
        """Read the texts and find their coordinates, as training with this configuration would.

        Raises InvalidInput("texts" | "labels" | "config", …), InsufficientData.
        """
        if config.readout != "ridge":
            raise InvalidInput(
                "config",
                "a margin readout has no exact leave-one-out to tune by; take readout "
                '"ridge" (presets "fast" and "default")',
            )
        self.categories, y = class_numbers(texts, labels)
        classes, characters = len(self.categories), sum(map(len, texts))
        check_memory(len(texts), characters, classes, config)
        self.config = config
        rng = np.random.default_rng(config.seed)
        texts = cut(texts, config.max_length)
        with single_threaded():
            parts = deal(y, rng, judge=True, characters=sum(map(len, texts)))
            fast = config.preset == "fast"
            self._coordinates, steps, _ = coordinates_of(texts, y, classes, parts, fast=fast)
            rest, _ = self._coordinates([texts[i] for i in parts.others])
        self._rng = rng  # as training has it when it draws the hidden weights
        self._steps = np.vstack((steps, rest))
        self._layer_rows = len(parts.layer)
        self._y = y[np.concatenate((parts.layer, parts.judged, parts.others))]
        first = self._layer_rows if len(parts.judged) else 0
        self._judged = slice(first, first + (len(parts.judged) or self._layer_rows))
        self.judged = self._judged.stop - first
        self._laid: tuple[ElmConfig, Array] | None = None

    @single_threaded()
    def path(self, units: int, activation: str, balance: float) -> RidgePath:
        """Leave-one-out along λ for this layer and balance.

        The hidden rows of the layer asked for last are kept. Raises InvalidInput("config", …).
        """
        config = ElmConfig.parse(
            {**self.config.to_dict(), "hidden_units": units, "activation": activation}
        )
        rows = self._rows(config)
        weights = class_weights(self._y, len(self.categories), balance)
        readout = RidgeReadout.empty(rows.shape[1], len(self.categories))

        def sums(part: slice) -> tuple[Array, Array]:
            labels = self._y[part]
            return scatter_and_moments(rows[part], labels, weights[labels], len(self.categories))

        with ThreadPoolExecutor(WORKERS) as pool:
            for scatter, moments in pool.map(sums, self._shares()):
                readout.accumulate(scatter, moments)
        labels = self._y[self._judged]
        return RidgePath(readout, rows[self._judged], labels, weights[labels])

    def _rows(self, config: ElmConfig) -> Array:
        """(n, p) float64, what the readout sees of each row under this configuration."""
        if self._laid is None or self._laid[0] != config:
            known = slice(self._layer_rows)
            points = from_grid(self._steps[known])
            hidden = HiddenLayer.make(config, points, self._y[known], deepcopy(self._rng))
            layer = Layer(self._coordinates, hidden)
            rows = np.empty((len(self._steps), layer.width))

            def lay(part: slice) -> None:
                rows[part] = layer.expand(self._steps[part])

            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(lay, self._shares()))
            self._laid = config, rows
        return self._laid[1]

    def _shares(self) -> list[slice]:
        """The rows in one block for each worker."""
        return list(blocks(len(self._steps), -(-len(self._steps) // WORKERS)))
