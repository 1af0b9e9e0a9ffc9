"""Leave-one-out kept up while a classifier changes, example by example.

Working out leave-one-out anew takes a triangular solve over the judged rows. A judge follows the
changes of the readout instead, at one product of the judged rows with a vector each, and the rows
that come, go or get another class.

Source: Allen 1974, Rifkin & Lippert 2007 (leave-one-out); Sherman & Morrison 1950 (updates).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.blas import single_threaded
from astermind_lab.core.classifier import TextClassifier
from astermind_lab.core.followed_rows import FollowedRows
from astermind_lab.core.projections import signs_of
from astermind_lab.core.readout import left_out
from astermind_lab.estimate import Estimate

__all__ = ["Judge"]

Array = NDArray[np.float64]
Numbers = NDArray[np.int32]


class Judge:
    """A ridge classifier, and what leave-one-out says of its j judged rows at any moment.

    The classifier must be changed through the judge only, and not by another thread meanwhile.
    Figures equal ``TextClassifier.leave_one_out()`` to about nine digits, exactly where the readout
    was just solved anew.
    """

    def __init__(self, model: TextClassifier) -> None:
        """Raises InvalidInput("readout", …) for a margin model."""
        model._need_ridge()
        self.model = model
        steps, self.labels = model.ledger.judged_rows()
        self._rows = FollowedRows(model.readout, model.layer.expand(steps))

    def __len__(self) -> int:
        """The number of judged rows."""
        return len(self._rows)

    @property
    def rows(self) -> Array:
        """(j, p) float64, the judged rows as the readout sees them."""
        return self._rows.rows

    @property
    @single_threaded()
    def scores(self) -> Array:
        """(j, k) float64 scores by models without the row; see ``leave_one_out``."""
        numbers = self.labels.astype(np.intp)
        targets = signs_of(numbers, len(self.model.categories))
        weights = self.model.class_weights[numbers]
        return left_out(self._rows.scores, self._rows.leverages, targets, weights)

    def confusion(self) -> NDArray[np.intp]:
        """(k, k) counts of judged rows: the true class in rows, the predicted one in columns."""
        classes = len(self.model.categories)
        if not len(self):
            return np.zeros((classes, classes), np.intp)
        cells = self.labels * classes + self.scores.argmax(1)
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)

    def accuracy(self, confusion: NDArray[np.intp] | None = None) -> Estimate | None:
        """Leave-one-out accuracy; None without a judged row. The classifier is told as well.

        confusion : what ``confusion()`` just returned, to spare working it out again
        """
        counts = self.confusion() if confusion is None else confusion
        total = int(counts.sum())
        found = None
        if total:
            found = Estimate.proportion(int(np.trace(counts)), total, "leave-one-out")
        self.model._accuracy = found
        return found

    def add(
        self, texts: Sequence[str], labels: Sequence[str], *, judge: bool | None = None
    ) -> None:
        """See ``TextClassifier.add``."""
        before = len(self.model.ledger.coordinates)
        self.model.add(texts, labels, judge=judge)
        ledger = self.model.ledger
        steps = ledger.coordinates[before:][ledger.judged[before:]]
        if len(steps):
            self._rows.append(self.model.layer.expand(steps))
        self._relabel()

    def forget(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        """See ``TextClassifier.forget``."""
        ledger = self.model.ledger
        places = ledger.places[self.model._find(texts, labels)]
        places = places[places >= 0]
        self.model.forget(texts, labels)
        number = np.cumsum(ledger.judged) - 1
        self._rows.remove(number[places[ledger.judged[places]]].tolist())
        self._relabel()

    def relabel(self, text: str, old: str, new: str) -> None:
        """See ``TextClassifier.relabel``."""
        self.model.relabel(text, old, new)
        self._relabel()

    def relabel_row(self, row: int, text: str, new: str) -> None:
        """Give the example in a row of the ledger, whose text this is, another label."""
        self.model._relabel_row(row, text, new)
        self._relabel()

    def change_judged(self, rows: Sequence[int], judge: bool) -> None:
        """Let the examples in these rows of the ledger judge, or not; all is worked out anew."""
        self.model.ledger = self.model.ledger.judging(rows, judge)
        steps, self.labels = self.model.ledger.judged_rows()
        self._rows = FollowedRows(self.model.readout, self.model.layer.expand(steps))

    def drop_category(self) -> None:
        """Take the last category away again, of which no example must be left."""
        self.model.categories = self.model.categories[:-1]
        self.model.class_weights = self.model.class_weights[:-1]
        self.model.readout.drop_class()

    def _relabel(self) -> None:
        self.labels = self.model.ledger.judged_rows()[1]
