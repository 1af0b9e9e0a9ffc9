"""What there is to label while teaching: unlabelled texts, or examples whose label is in doubt.

Both kinds give numbers of their items, the next one first. They follow the model by themselves;
only when another model takes its place they have to be laid over that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from astermind_lab.errors import shown
from astermind_lab.lab.suggesting import MOST_CANDIDATES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astermind_lab.core.doubts import Doubts
    from astermind_lab.core.judge import Judge
    from astermind_lab.core.learner import Learner, Undo
    from astermind_lab.core.pool import Pool

    Array = NDArray[np.float64]

__all__ = ["DoubtfulLabels", "Lessons", "Task", "UnlabelledTexts"]

MOST_PROBABILITIES = 9  # as many as there are keys
_MANY = 2_000  # texts, which take long enough for a progress bar
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Task:
    """A text to be labelled.

    guess : the model's, None while it knows fewer than two labels     given : the label it has
    probabilities : (label, probability), best first, at most 9
    why : why it comes up, in plain words     place : its number in the data it comes from
    """

    text: str
    guess: str | None
    probabilities: Sequence[tuple[str, float]]
    given: str | None
    why: str
    place: int


class Lessons(Protocol):
    """The items that are to be labelled."""

    @property
    def left(self) -> int:
        """How many are still to come."""

    def lay(self, judge: Judge) -> Callable[[], None]:
        """Go over to a model; what is returned goes back to the one before."""

    def next(self) -> int | None:
        """The item that is to come next; None if there is none."""

    def close(self, item: int) -> None:
        """An item is done with."""

    def reopen(self, item: int) -> None:
        """An item is not done with after all."""

    def task(self, item: int) -> Task:
        """An item as a person sees it, and what the model says of it now."""


class UnlabelledTexts:
    """Texts without labels; of many, ``MOST_CANDIDATES`` drawn by chance are compared at a time."""

    def __init__(self, numbered: Sequence[tuple[int, str]]) -> None:
        """numbered : each text with its number in the data it comes from"""
        self._numbered = numbered
        self._waiting = list(range(len(numbered)))
        random.Random(0).shuffle(self._waiting)
        self._open = set(self._waiting)
        self._items: list[int] = []  # that are in the pool
        self._pool: Pool | None = None
        self._judge: Judge | None = None

    @property
    def left(self) -> int:
        return len(self._open)

    def lay(self, judge: Judge) -> Callable[[], None]:
        before = self._pool, self._judge, self._items
        self._judge = judge
        if self._pool is None:
            self._draw()
        else:
            self._pool = self._read()
            self._mark()

        def go_back() -> None:
            self._pool, self._judge, self._items = before
            self._mark()

        return go_back

    def next(self) -> int | None:
        while self._pool is not None and self._open:
            place = self._pool.best()
            if place is not None:
                return self._items[place]
            self._draw()
        return None

    def close(self, item: int) -> None:
        self._open.discard(item)
        self._mark()

    def reopen(self, item: int) -> None:
        self._open.add(item)
        self._mark()

    def task(self, item: int) -> Task:
        assert self._judge is not None
        place, text = self._numbered[item]
        model = self._judge.model
        if sum(count > 0 for count in model.class_counts) < 2:
            why = "The most typical text comes first." if not model.n_examples else ""
            return Task(text, None, (), None, why or "It stands for many others.", place)
        chances = _ranked(model.answer(text).probabilities, model.categories)
        return Task(text, chances[0][0], chances, None, _reason(chances), place)

    def _draw(self) -> None:
        """Compare the next texts, and those that were reopened since the last ones came."""
        waiting = set(self._waiting)
        reopened = [item for item in self._open if item not in waiting]
        self._items = sorted(reopened + self._waiting[:MOST_CANDIDATES])
        self._waiting = self._waiting[MOST_CANDIDATES:]
        self._pool = self._read()
        self._mark()

    def _read(self) -> Pool:
        from tqdm.auto import tqdm

        from astermind_lab.core.pool import Pool

        assert self._judge is not None
        texts = [self._numbered[item][1] for item in self._items]
        few = len(texts) < _MANY
        with tqdm(total=len(texts), desc="reading", unit=" texts", disable=few, leave=False) as bar:
            pool = Pool(self._judge.model, texts, bar.update)
        return pool

    def _mark(self) -> None:
        """Tell the pool which of its items are open."""
        if self._pool is not None:
            self._pool.open[:] = [item in self._open for item in self._items]


class DoubtfulLabels:
    """Examples of the model whose label leave-one-out contradicts, the most improbable first.

    examples : (text, label) as they were     dataset_id : the data set they are of
    """

    def __init__(
        self, examples: Sequence[tuple[str, str]], dataset_id: str | None, only_suspects: bool
    ) -> None:
        """only_suspects : leave out contradictions of which the model is not sure"""
        self.examples, self.dataset_id = examples, dataset_id
        self._texts = [text for text, _ in examples]
        self._labels = [label for _, label in examples]
        self._only_suspects = only_suspects
        self._done: set[int] = set()
        self._doubts: Doubts | None = None
        self._judge: Judge | None = None

    @property
    def left(self) -> int:
        return len(self._order())

    def now(self) -> list[tuple[str, str]]:
        """The examples with the labels that they have by now."""
        return list(zip(self._texts, self._labels, strict=True))

    def lay(self, judge: Judge) -> Callable[[], None]:
        from astermind_lab.core.doubts import Doubts

        before = self._doubts, self._judge
        self._doubts = Doubts(judge.model, self._texts, self._labels, MOST_CANDIDATES)
        self._judge = judge

        def go_back() -> None:
            self._doubts, self._judge = before

        return go_back

    def relabel(self, item: int, label: str, learner: Learner) -> Undo:
        """Give an item another label, which may be new; what is returned takes that back."""
        doubts, before = self._there(), self._labels[item]
        row = int(doubts.rows[doubts.items.searchsorted(item)])
        undo = learner.relabel(row, self._texts[item], label)
        self._labels[item] = label

        def take_back() -> None:
            undo()
            self._labels[item] = before

        return take_back

    def next(self) -> int | None:
        order = self._order()
        return order[0] if order else None

    def close(self, item: int) -> None:
        self._done.add(item)

    def reopen(self, item: int) -> None:
        self._done.discard(item)

    def task(self, item: int) -> Task:
        assert self._judge is not None
        doubts = self._there()
        place = int(doubts.items.searchsorted(item))
        chances = _ranked(doubts.look().probabilities[place], self._judge.model.categories)
        given, (guess, chance) = self._labels[item], chances[0]
        why = f"Without this example the model says {_named(guess)} ({chance:.0%})."
        if guess == given:
            why = "By now the model agrees with its label."
        return Task(
            self._texts[item], guess, chances, given, f"{why} Accept keeps its label.", item
        )

    def _order(self) -> list[int]:
        """The items that are to come."""
        doubts = self._there()
        look = doubts.look()
        doubtful = (look.suspect if self._only_suspects else look.wrong).nonzero()[0]
        order = doubtful[(-look.suspicion[doubtful]).argsort(kind="stable")]
        return [item for item in doubts.items[order].tolist() if item not in self._done]

    def _there(self) -> Doubts:
        assert self._doubts is not None
        return self._doubts


def _ranked(chances: Array, categories: Sequence[str]) -> list[tuple[str, float]]:
    """The likeliest labels with their probabilities, best first."""
    order = (-chances).argsort(kind="stable")[:MOST_PROBABILITIES]
    return [(categories[number], float(chances[number])) for number in order.tolist()]


def _reason(chances: Sequence[tuple[str, float]]) -> str:
    (first, best), (second, next_best) = chances[:2]
    if best - next_best < 0.2:
        return f"The model wavers between {_named(first)} and {_named(second)}."
    return "It stands for many texts of which the model is not sure."


def _named(label: str) -> str:
    return shown(label, _LONGEST_NAME)
