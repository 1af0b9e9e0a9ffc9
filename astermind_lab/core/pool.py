"""Texts without labels, and which of them is worth labelling next.

A label teaches most where the classifier wavers, so what a candidate is worth grows with how unsure
the classifier is of it. It is multiplied by one of two figures of the readout's variance, with
``c(x, z) = xᵀ (A + λD)⁻¹ z``:

* while there are few labels, by how much its label would settle other texts, whatever it turns out
  to be: the variance at z falls by ``c(x, z)² / (1 + c(x, x))``, summed over texts z of the pool of
  which the classifier is unsure. So odd texts, which tell of nothing but themselves, come late.
* from ``FEW_LABELS`` on by its leverage ``c(x, x)``: how little it is like what was labelled.

Source: Yu, Bi & Tresp 2006 (transductive experimental design); Scheffer, Decomain & Wrobel 2001
(margin); ``benchmarks/teaching.py`` compares it with other criteria.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.classifier import TextClassifier
from astermind_lab.core.coordinates import cut
from astermind_lab.core.features import blocks
from astermind_lab.core.followed_rows import FollowedRows
from astermind_lab.core.readout import RidgeReadout, Step

__all__ = ["Pool", "margins"]

Floats = NDArray[np.float32]
Numbers = NDArray[np.intp]

FEW_LABELS = 40
REFERENCES = 400
"""Texts of the pool, drawn by chance, that stand for all of it while there are few labels."""


class Pool:
    """m candidates; scores, leverages and what each is worth follow the classifier.

    open : (m,) bool, those that may still be suggested
    Figures are float32, good enough to order texts by.
    """

    def __init__(
        self,
        model: TextClassifier,
        texts: Sequence[str],
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """progress : called with the number of texts read since the last call

        Raises InvalidInput("readout", …) for a margin model.
        """
        model._need_ridge()
        self.model = model
        texts = cut(texts, model.config.max_length)
        rows = np.empty((len(texts), model.layer.width), np.float32)
        for part in blocks(len(texts)):
            rows[part] = model.layer.expand(model.layer.coordinates(texts[part])[0])
            if progress is not None:
                progress(part.stop - part.start)
        self._rows = _Candidates(model.readout, rows)
        self.open = np.ones(len(texts), bool)

    def __len__(self) -> int:
        return len(self.open)

    @property
    def rows(self) -> Floats:
        """(m, p), the candidates as the readout sees them."""
        return self._rows.rows

    @property
    def scores(self) -> Floats:
        """(m, k)"""
        return self._rows.scores

    @property
    def leverages(self) -> Floats:
        """(m,)"""
        return self._rows.leverages

    def probabilities(self) -> Floats:
        """(m, k)"""
        scores: Any = self.scores  # in float32 it takes half the time
        return np.asarray(self.model.calibration(scores), np.float32)

    @single_threaded()
    def worth(self) -> Floats:
        """(m,) what the label of each would teach."""
        if not self.model.n_examples:
            return self._rows.first_gains()
        unsure = self._unsure()
        return unsure * self._figures().of(unsure)

    def best(self) -> int | None:
        """The open candidate that is worth most; None if there is none."""
        if not self.open.any():
            return None
        return int(np.where(self.open, self.worth(), -np.inf).argmax())

    @single_threaded()
    def several(self, count: int) -> list[tuple[int, float]]:
        """At most ``count`` open candidates to be labelled together, and their worth, best first.

        Each is chosen as if those before it were labelled already, so that they are of many kinds.
        """
        left = self.open.copy()
        found: list[tuple[int, float]] = []
        figures = self._figures().copy() if self.model.n_examples else None
        unsure = self._unsure()
        while left.any() and len(found) < count:
            worth = self.worth() if figures is None else unsure * figures.of(unsure)
            place = int(np.where(left, worth, -np.inf).argmax())
            found.append((place, float(worth[place])))
            left[place] = False
            if figures is not None:
                figures.settle(place, self._rows.covariances([place])[:, 0])
        return found

    def _unsure(self) -> Floats:
        """(m,) how unsure the classifier is of each, 0 to 1."""
        if self.scores.shape[1] < 2:
            return np.ones(len(self), np.float32)
        return 1 - margins(self.probabilities())

    def _figures(self) -> _Figures:
        return self._rows.figures(self.model.n_examples < FEW_LABELS)


@dataclass
class _Figures:
    """What the variance of scores says of m candidates.

    leverages : (m,)     references : (r,) their numbers     covariances : (m, r) with those, None
        where only leverages count     settled : what was settled meanwhile, and by how much
    """

    leverages: Floats
    references: Numbers
    covariances: Floats | None
    settled: list[tuple[Floats, np.float32]] = field(default_factory=list)

    def copy(self) -> _Figures:
        covariances = None if self.covariances is None else self.covariances.copy()
        return _Figures(self.leverages.copy(), self.references, covariances)

    def of(self, unsure: Floats) -> Floats:
        """(m,) by how much each would settle the references, or its leverage."""
        if self.covariances is None:
            return self.leverages
        return _gains(self.covariances, self.leverages, unsure[self.references])

    def settle(self, place: int, moved: Floats) -> None:
        """Go on as if a candidate were labelled. moved : (m,) covariances with it at the start"""
        for earlier, gain in self.settled:
            moved = moved - gain * earlier[place] * earlier
        gain = np.float32(1 / (1 + self.leverages[place]))
        self.leverages -= gain * moved * moved
        if self.covariances is not None:
            self.covariances -= gain * np.outer(moved, moved[self.references])
        self.settled.append((moved, gain))


class _Candidates(FollowedRows):
    """Rows in float32 and, while they are asked for, covariances with some of them."""

    def __init__(self, readout: RidgeReadout, rows: Floats) -> None:
        super().__init__(readout, rows, np.float32)
        chosen = np.random.default_rng(0).permutation(len(rows))[:REFERENCES]
        self._references = np.sort(chosen)
        self._found: Floats | None = None

    def figures(self, few: bool) -> _Figures:
        """few : whether covariances are needed; where they are not, they are not kept up"""
        leverages = self.leverages  # from now on both follow
        if not few:
            self._found = None
        elif self._found is None:
            self._found = self.covariances(self._references)
        return _Figures(leverages, self._references, self._found)

    def covariances(self, some: Sequence[int] | Numbers) -> Floats:
        """(m, n), ``xᵀ (A + λD)⁻¹ z`` of each row and each of these."""
        return self._product(self._readout.solved(self.rows[some].astype(np.float64)).T)

    def first_gains(self) -> Floats:
        """(m,) what rows settle before there is a label, as if the constant were known already."""
        centred = self.rows - self.rows.mean(0)
        ridge = np.float32(self._readout.ridge)
        covariances = centred @ centred[self._references].T / ridge
        leverages = np.einsum("ij,ij->i", centred, centred) / ridge
        return _gains(covariances, leverages, np.ones(len(self._references), np.float32))

    def _let_go(self) -> None:
        super()._let_go()
        self._found = None

    def _move(self, moved: Floats, step: Step) -> None:
        super()._move(moved, step)
        if self._found is not None and step.gain:
            self._found -= np.float32(step.gain) * np.outer(moved, moved[self._references])


def _gains(covariances: Floats, leverages: Floats, unsure: Floats) -> Floats:
    return np.asarray(covariances**2 @ unsure / (1 + leverages))


def margins(probabilities: Floats) -> Floats:
    """(n, k) → (n,): by how much the best class leads; k ≥ 2."""
    best = np.partition(probabilities, -2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])
