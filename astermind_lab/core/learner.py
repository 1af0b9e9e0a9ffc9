"""A model that is taught one example at a time; every change can be taken back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from astermind_lab.core.classifier import TextClassifier
from astermind_lab.core.judge import Judge
from astermind_lab.core.parts import FEW
from astermind_lab.core.untaught import FIRST_CHOICE, choose_again

__all__ = ["Learner", "Undo"]

Undo = Callable[[], None]
"""Takes a change back; to be called once, and before those of earlier changes."""


class Learner:
    """A ridge model with the judge of it.

    While its layer has seen no label and there are few examples, λ is chosen anew whenever their
    number has doubled. What ``Undo`` brings back equals what was there to about nine digits; the
    examples, categories, λ and calibration are the very same.
    """

    def __init__(self, model: TextClassifier) -> None:
        """model : from now on changed through this only

        Raises InvalidInput("readout", …) for a margin model.
        """
        self.model = model
        self.judge = Judge(model)
        self._chosen_at = model.n_examples
        model.readout.solved(np.zeros((1, model.layer.width)))  # so that no key has to wait for it

    def add(self, text: str, label: str) -> Undo:
        """Learn an example, whose label may be new."""
        model, judge = self.model, self.judge
        ridge, calibration, chosen_at = model.readout.ridge, model.calibration, self._chosen_at
        fresh = label not in model.categories
        judge.add([text], [label])
        self._choose()

        def undo() -> None:
            judge.forget([text], [label])
            if fresh:
                judge.drop_category()
            if ridge != model.readout.ridge:
                model.readout.set_ridge(ridge)
            model.calibration, self._chosen_at = calibration, chosen_at

        return undo

    def relabel(self, row: int, text: str, label: str) -> Undo:
        """Give the example in a row of the ledger, whose text this is, another label."""
        model, judge = self.model, self.judge
        before = model.categories[int(model.ledger.labels[row])]
        fresh = label not in model.categories
        judge.relabel_row(row, text, label)

        def undo() -> None:
            judge.relabel_row(row, text, before)
            if fresh:
                judge.drop_category()

        return undo

    @property
    def classes(self) -> int:
        """How many categories have examples."""
        return sum(count > 0 for count in self.model.class_counts)

    def _choose(self) -> None:
        """Choose λ and the calibration anew, if it is time and all examples can have a say."""
        examples = self.model.n_examples
        due = max(FIRST_CHOICE, 2 * self._chosen_at)
        if due <= examples < FEW and self.classes > 1 and len(self.judge) == examples:
            choose_again(self.judge)
            self._chosen_at = examples
