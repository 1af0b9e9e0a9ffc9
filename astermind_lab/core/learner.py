"""A model that is taught one example at a time; every change can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from astermind_lab.core.calibration import Calibration
from astermind_lab.core.classifier import TextClassifier
from astermind_lab.core.judge import Judge
from astermind_lab.core.ledger import digest
from astermind_lab.core.parts import FEW
from astermind_lab.core.untaught import FIRST_CHOICE, LEAST_CALIBRATING, choose_again

__all__ = ["Learner", "Undo"]

Undo = Callable[[], None]
"""Takes a change back; to be called once, and before those of earlier changes."""


class Learner:
    """A ridge model with the judge of it.

    picked : digests of texts that were picked for being worth labelling; they do not judge

    While its layer has seen no label and there are few examples, λ is chosen anew whenever their
    number has doubled. What ``Undo`` brings back equals what was there to about nine digits; the
    examples, categories, λ and calibration are the very same.
    """

    def __init__(self, model: TextClassifier, picked: Iterable[int] = ()) -> None:
        """model : from now on changed through this only

        Raises InvalidInput("readout", …) for a margin model.
        """
        self.model = model
        self.picked = set(picked)
        if self.label_free:
            unjudged = ~model.ledger.judged[model.ledger.places]
            self.picked |= set(model.ledger.texts[unjudged].tolist())
        self.judge = self._judged_by_the_rest()
        self._chosen_at = model.n_examples
        model.readout.solved(np.zeros((1, model.layer.width)))  # so that no key has to wait for it

    def _judged_by_the_rest(self) -> Judge:
        """The judge of the rows that were not picked, and the calibration by them."""
        ledger = self.model.ledger
        picked = np.isin(ledger.texts, np.array(sorted(self.picked), np.uint64))
        told = picked & (ledger.places >= 0)
        if not ledger.judged[ledger.places[told]].any():
            return Judge(self.model)
        self.model.ledger = ledger.judging(np.flatnonzero(picked).tolist(), False)
        judge = Judge(self.model)
        if len(judge) >= LEAST_CALIBRATING:
            self.model.calibration = Calibration.fit(judge.scores, judge.labels.astype(np.intp))
        return judge

    def add(self, text: str, label: str, *, judge: bool) -> Undo:
        """Learn an example, whose label may be new.

        judge : whether the accuracy rests on it too; False for a text that was picked
        """
        model = self.model
        ridge, calibration, chosen_at = model.readout.ridge, model.calibration, self._chosen_at
        fresh = label not in model.categories
        picked = set() if judge else {digest(text)} - self.picked
        self.judge.add([text], [label], judge=judge)
        self.picked |= picked
        self._choose()

        def undo() -> None:
            self.judge.forget([text], [label])
            if fresh:
                self.judge.drop_category()
            if ridge != model.readout.ridge:
                model.readout.set_ridge(ridge)
            model.calibration, self._chosen_at = calibration, chosen_at
            self.picked -= picked

        return undo

    def judge_too(self, texts: Sequence[str], labels: Sequence[str]) -> Undo:
        """Let the accuracy rest on examples that were picked, too."""
        rows = self.model._find(texts, labels)
        keys = {digest(text) for text in texts} & self.picked
        self.judge.change_judged(rows, True)
        self.picked -= keys

        def undo() -> None:
            self.judge.change_judged(rows, False)
            self.picked |= keys

        return undo

    def relabel(self, row: int, text: str, label: str) -> Undo:
        """Give the example in a row of the ledger, whose text this is, another label."""
        model = self.model
        before = model.categories[int(model.ledger.labels[row])]
        fresh = label not in model.categories
        self.judge.relabel_row(row, text, label)

        def undo() -> None:
            self.judge.relabel_row(row, text, before)
            if fresh:
                self.judge.drop_category()

        return undo

    @property
    def classes(self) -> int:
        """How many categories have examples."""
        return sum(count > 0 for count in self.model.class_counts)

    @property
    def label_free(self) -> bool:
        """Whether the layer has seen no label, and the coordinates of all examples are kept."""
        ledger = self.model.ledger
        return not len(ledger.seen) and bool((ledger.places >= 0).all())

    def _choose(self) -> None:
        """Choose λ and the calibration anew, if it is time."""
        due = max(FIRST_CHOICE, 2 * self._chosen_at)
        if due <= self.model.n_examples < FEW and self.classes > 1 and self.label_free:
            choose_again(self.model)
            self._chosen_at = self.model.n_examples
