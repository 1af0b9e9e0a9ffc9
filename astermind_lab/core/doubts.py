"""Examples whose labels leave-one-out contradicts, watched while the model changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.classifier import TextClassifier
from astermind_lab.core.followed_rows import FollowedRows
from astermind_lab.core.label_errors import suspects, suspicion, unseen_scores, usual_confidence
from astermind_lab.core.projections import signs_of
from astermind_lab.core.readout import left_out

__all__ = ["Doubts", "Look"]

Array = NDArray[np.float64]
Marks = NDArray[np.bool_]
Numbers = NDArray[np.intp]


class Look(NamedTuple):
    """What is said of m examples now, by models without the one it is about.

    probabilities : (m, k) float64     suspicion : (m,) how improbable the label is
    wrong : (m,) bool, whether another class is the likeliest
    suspect : (m,) bool, whether that is as probable as it usually is for its own examples
    """

    probabilities: Array
    suspicion: Array
    wrong: Marks
    suspect: Marks


class Doubts:
    """Those of n labelled texts that are examples of a model, at most so many, the most improbable.

    items : (m,) their numbers among the n, ascending     rows : (m,) of the ledger
    The labels are those of the model; what is usual for a class is taken once, from all n.
    """

    def __init__(
        self, model: TextClassifier, texts: Sequence[str], labels: Sequence[str], most: int
    ) -> None:
        """Raises InvalidInput("texts" | "labels", …), or ("readout", …) for a margin model."""
        unseen = unseen_scores(model, texts, labels)
        self._usual = usual_confidence(model.calibration(unseen.scores), unseen.labels)
        own = np.flatnonzero(unseen.rows >= 0)
        worst = np.argsort(-suspicion(unseen.scores[own], unseen.labels[own]), kind="stable")
        self.items: Numbers = np.sort(own[worst[:most]])
        self.rows: Numbers = unseen.rows[self.items]
        self._model = model
        steps = model._steps(self.rows.tolist(), [texts[i] for i in self.items.tolist()])
        self._followed = FollowedRows(model.readout, model.layer.expand(steps))
        self._seen: tuple[Array, Look] | None = None

    @single_threaded()
    def look(self) -> Look:
        """What is said of them now."""
        model = self._model
        beta = model.readout.beta  # another array after every change
        if self._seen is not None and self._seen[0] is beta:
            return self._seen[1]
        labels = model.ledger.labels[self.rows].astype(np.intp)
        targets = signs_of(labels, len(model.categories))
        weights = model.class_weights[labels]
        scores = left_out(self._followed.scores, self._followed.leverages, targets, weights)
        chances = model.calibration(scores)
        look = Look(
            chances,
            suspicion(scores, labels),
            chances.argmax(1) != labels,
            suspects(chances, labels, self._usual),
        )
        self._seen = beta, look
        return look
