"""Labelled texts that come from a stored data set, or were given as they are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import arguments as check

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import Dataset, DatasetRepository

__all__ = ["LabelledData"]


@dataclass(frozen=True)
class LabelledData:
    """Texts with labels, read when they are asked for.

    record : of the stored data set, None for given examples     examples : those
    counts : how many rows each label has
    """

    stored: DatasetRepository
    record: Dataset | None
    examples: list[tuple[str, str]] | None
    counts: Mapping[str, int]

    @classmethod
    def of(cls, lab: Session, dataset_id: object, examples: object) -> LabelledData:
        """One of the two, checked. Raises InvalidInput, also for both or none; NotFound."""
        stored = lab.store.datasets
        if dataset_id is not None and examples is not None:
            raise InvalidInput("examples", "give examples or dataset_id, not both")
        if examples is not None:
            texts, labels = check.examples(examples, "examples")
            return cls(stored, None, list(zip(texts, labels, strict=True)), Counter(labels))
        if dataset_id is None:
            raise InvalidInput("dataset_id", "is needed; or give examples")
        name = check.identifier(dataset_id, "dataset_id")
        with check.blaming("dataset_id"):
            record = stored.get(name)
        return cls(stored, record, None, record.labels)

    @property
    def dataset_id(self) -> str | None:
        """The stored data set; None for given examples."""
        return None if self.record is None else self.record.dataset_id

    @property
    def source(self) -> str:
        """The name of the argument it came by."""
        return "examples" if self.dataset_id is None else "dataset_id"

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def pairs(self) -> Iterable[tuple[str, str]]:
        """(text, label) of every row, in order."""
        if self.dataset_id is None:
            return self.examples or []
        with check.blaming("dataset_id"):
            return self.stored.examples(self.dataset_id)

    def text(self, place: int) -> str:
        """The text of one row."""
        if self.examples is not None:
            return self.examples[place][0]
        return next(self.stored.examples(self.dataset_id or "", place, 1))[0]

    def some(self, most: int, seed: int) -> tuple[list[str], list[str]]:
        """The texts and labels of about ``most`` rows in their order, each label in its share.

        Of every label at least one row is drawn. Source: Knuth 1998, 3.4.2, algorithm S.
        """
        chance = random.Random(seed)
        left = Counter(self.counts)
        wanted = Counter(self.counts)
        if self.total > most:
            place = chance.random()
            for label, count in left.items():
                upto = place + count * most / self.total
                wanted[label] = max(1, int(upto) - int(place))
                place = upto
        texts, labels = [], []
        for text, label in self.pairs():
            if chance.random() * left[label] < wanted[label]:
                texts.append(text)
                labels.append(label)
                wanted[label] -= 1
            left[label] -= 1
        return texts, labels
