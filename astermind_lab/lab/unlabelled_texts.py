"""Texts without labels, those first whose labels teach the model most."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from astermind_lab.lab.advice import LEAST_JUDGED
from astermind_lab.lab.lessons import Task, named, nothing_to_undo, ranked
from astermind_lab.lab.suggesting import MOST_CANDIDATES
from astermind_lab.lab.taught import Keeper, Material

if TYPE_CHECKING:
    from astermind_lab.core.judge import Judge
    from astermind_lab.core.learner import Learner, Undo
    from astermind_lab.core.pool import Pool

__all__ = ["UnlabelledTexts", "drawn_by_chance"]

ENOUGH_JUDGED = 200
"""Until there are so many judged rows, a part of the texts is drawn by chance and judged."""
_MANY = 2_000  # texts, which take long enough for a progress bar


def drawn_by_chance(examples: int, judged: int) -> bool:
    """Whether the next text is: every other one at first, then every fourth.

    examples, judged : how many there are so far
    """
    if judged < LEAST_JUDGED:
        return examples % 2 == 1
    return judged < ENOUGH_JUDGED and examples % 4 == 3


class UnlabelledTexts:
    """Texts without labels; of many, ``MOST_CANDIDATES`` drawn by chance are compared at a time.

    Those that are worth labelling are harder than most, so accuracy must not rest on them. Where
    few rows are judged so far, some texts are drawn by chance instead, as they come in one random
    order of all texts. They are judged, and so are those that come before them in that order and
    were picked already: together they are a random sample of all texts.
    """

    def __init__(self, numbered: Sequence[tuple[int, str]]) -> None:
        """numbered : each text with its number in the data it comes from"""
        self._numbered = numbered
        self._order = list(range(len(numbered)))
        random.Random(0).shuffle(self._order)
        self._waiting, self._open = self._order, set(self._order)
        self._picked: dict[int, str] = {}  # items that do not judge, and their labels
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

    @property
    def by_chance(self) -> bool:
        """Whether the next text is drawn by chance, whatever it is worth."""
        judge = self._there()
        return drawn_by_chance(judge.model.n_examples, len(judge))

    def next(self) -> int | None:
        if self._open and self.by_chance:
            return next(item for item in self._order if item in self._open)
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
        place, text = self._numbered[item]
        model = self._there().model
        why = "It was drawn by chance; accuracy rests on such texts." if self.by_chance else ""
        if sum(count > 0 for count in model.class_counts) < 2:
            return Task(text, None, (), None, why or "It stands for many others.", place)
        chances = ranked(model.answer(text).probabilities, model.categories)
        return Task(text, chances[0][0], chances, None, why or _reason(chances), place)

    def label(self, item: int, label: str, learner: Learner) -> tuple[str, Undo]:
        chance, picked = self.by_chance, dict(self._picked)
        undos = [learner.add(self._numbered[item][1], label, judge=chance)]
        if chance:
            undos.append(self._judge_those_before(item, learner))
        else:
            self._picked[item] = label

        def take_back() -> None:
            for undo in reversed(undos):
                undo()
            self._picked = picked

        return "add", take_back

    def _judge_those_before(self, item: int, learner: Learner) -> Undo:
        """Of the items that come before in the random order, let those judge that were picked."""
        before = [one for one in self._order[: self._order.index(item)] if one in self._picked]
        if not before:
            return nothing_to_undo
        texts = [self._numbered[one][1] for one in before]
        return learner.judge_too(texts, [self._picked.pop(one) for one in before])

    def material(self, keeper: Keeper, added: Sequence[tuple[str, str]]) -> Material:
        rows, parent = keeper.own_examples()
        return Material([*rows, *added], parent, keeper.missing(rows))

    def _there(self) -> Judge:
        assert self._judge is not None
        return self._judge

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

        texts = [self._numbered[item][1] for item in self._items]
        few = len(texts) < _MANY
        with tqdm(total=len(texts), desc="reading", unit=" texts", disable=few, leave=False) as bar:
            pool = Pool(self._there().model, texts, bar.update)
        return pool

    def _mark(self) -> None:
        """Tell the pool which of its items are open."""
        if self._pool is not None:
            self._pool.open[:] = [item in self._open for item in self._items]


def _reason(chances: Sequence[tuple[str, float]]) -> str:
    (first, best), (second, next_best) = chances[:2]
    if best - next_best < 0.2:
        return f"The model wavers between {named(first)} and {named(second)}."
    return "It stands for many texts of which the model is not sure."
