"""Labelled texts, and a part of them held out."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from astermind_lab.errors import InsufficientData, InvalidInput, shown

__all__ = ["FAST", "Examples", "hold_out", "shortened"]

T = TypeVar("T")

FAST = "ASTERMIND_FAST"
"""The variable of the environment that shortens the data of demo and notebooks to a third."""


def shortened(rows: Sequence[T]) -> Sequence[T]:
    """Every third of the rows where ``ASTERMIND_FAST`` is set to something, else all."""
    return rows[::3] if os.environ.get(FAST) else rows


@dataclass(frozen=True, repr=False)
class Examples:
    """Texts with their labels; iterates over pairs (text, label), as the lab takes them.

    name : a short name for what they are     source : where they are from
    """

    name: str
    source: str
    texts: Sequence[str]
    labels: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """Examples per label, the most frequent first."""
        return dict(Counter(self.labels).most_common())

    @property
    def repeats(self) -> int:
        """How many texts stand in an earlier row as well."""
        return len(self.texts) - len(set(self.texts))

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(zip(self.texts, self.labels, strict=True))

    def __repr__(self) -> str:
        return f"Examples({self.name!r}, {len(self):,} texts, {len(set(self.labels))} labels)"

    def of(self, *labels: str) -> Examples:
        """Only the examples of these labels."""
        return self.rows(i for i, label in enumerate(self.labels) if label in labels)

    def without(self, *labels: str) -> Examples:
        """All examples but those of these labels."""
        return self.rows(i for i, label in enumerate(self.labels) if label not in labels)

    def at_most(self, number: int) -> Examples:
        """The first ``number`` examples of each label."""
        seen: Counter[str] = Counter()
        kept = []
        for row, label in enumerate(self.labels):
            seen[label] += 1
            if seen[label] <= number:
                kept.append(row)
        return self.rows(kept)

    def first(self, number: int) -> Examples:
        """The first of the examples, all if there are not as many."""
        return self.rows(range(min(number, len(self))))

    def rows(self, numbers: Iterable[int]) -> Examples:
        """Some of the examples, in the given order."""
        chosen = list(numbers)
        return replace(
            self,
            texts=[self.texts[i] for i in chosen],
            labels=[self.labels[i] for i in chosen],
        )


def hold_out(examples: Examples, share: float = 0.2, seed: int = 0) -> tuple[Examples, Examples]:
    """A part to learn from and a part held out, each in random order, labels in proportion.

    A text that occurs more than once stays on one side. A label with a single text is learnt.

    share : how much to hold out, above 0 and at most 0.5     seed : for another draw

    >>> some = Examples("letters", "here", list("abcdefghij"), ["x"] * 5 + ["y"] * 5)
    >>> hold_out(some)
    (Examples('letters', 8 texts, 2 labels), Examples('letters', 2 texts, 2 labels))

    Raises InvalidInput("share", …), InsufficientData("data", …) if nothing can be held out.
    """
    if not 0 < share <= 0.5:
        raise InvalidInput("share", f"must be above 0 and at most 0.5, got {shown(share)}")
    draw = random.Random(seed)
    groups = _shuffled_groups(examples, draw)
    if not groups:
        raise InsufficientData(
            "data", "no label has two different texts, so none can be held out to measure on"
        )
    # In the order of the groups, labels lie side by side: even steps take from each its share.
    number = max(1, int(share * len(groups)))
    step, start = len(groups) / number, draw.random()
    held = {row for i in range(number) for row in groups[int((i + start) * step)]}
    everyone = list(range(len(examples)))
    draw.shuffle(everyone)
    return (
        examples.rows(row for row in everyone if row not in held),
        examples.rows(row for row in everyone if row in held),
    )


def _shuffled_groups(examples: Examples, draw: random.Random) -> list[list[int]]:
    """The rows of each text, label by label; labels with a single text are left out."""
    by_label: dict[str, dict[str, list[int]]] = {}
    home: dict[str, str] = {}
    for row, (text, label) in enumerate(examples):
        of_label = by_label.setdefault(home.setdefault(text, label), {})
        of_label.setdefault(text, []).append(row)
    groups: list[list[int]] = []
    for texts in by_label.values():
        if len(texts) > 1:
            own = list(texts.values())
            draw.shuffle(own)
            groups += own
    return groups
