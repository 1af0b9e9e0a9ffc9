"""Examples whose labels are to be looked at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from astermind_lab.lab.lessons import Task, named, nothing_to_undo, ranked
from astermind_lab.lab.suggesting import MOST_CANDIDATES
from astermind_lab.lab.taught import Keeper, Material

if TYPE_CHECKING:
    from astermind_lab.core.doubts import Doubts
    from astermind_lab.core.judge import Judge
    from astermind_lab.core.learner import Learner, Undo

__all__ = ["DoubtfulLabels"]


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

    def lay(self, judge: Judge) -> Callable[[], None]:
        from astermind_lab.core.doubts import Doubts

        before = self._doubts, self._judge
        self._doubts = Doubts(judge.model, self._texts, self._labels, MOST_CANDIDATES)
        self._judge = judge

        def go_back() -> None:
            self._doubts, self._judge = before

        return go_back

    def label(self, item: int, label: str, learner: Learner) -> tuple[str, Undo]:
        doubts, before = self._there(), self._labels[item]
        if label == before:
            return "keep", nothing_to_undo
        row = int(doubts.rows[doubts.items.searchsorted(item)])
        undo = learner.relabel(row, self._texts[item], label)
        self._labels[item] = label

        def take_back() -> None:
            undo()
            self._labels[item] = before

        return "relabel", take_back

    def material(self, keeper: Keeper, added: Sequence[tuple[str, str]]) -> Material:
        now = list(zip(self._texts, self._labels, strict=True))
        return Material([*now, *added], self.dataset_id, keeper.missing(self.examples))

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
        chances = ranked(doubts.look().probabilities[place], self._judge.model.categories)
        given, (guess, chance) = self._labels[item], chances[0]
        why = f"Without this example the model says {named(guess)} ({chance:.0%})."
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
