"""What there is to label while teaching: unlabelled texts, or examples whose label is in doubt.

Both kinds give numbers of their items, the next one first. They follow the model by themselves;
only when another model takes its place they have to be laid over that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from astermind_lab.errors import shown
from astermind_lab.lab.taught import Keeper, Material

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astermind_lab.core.judge import Judge
    from astermind_lab.core.learner import Learner, Undo

__all__ = ["Lessons", "Task", "named", "nothing_to_undo", "ranked"]

MOST_PROBABILITIES = 9  # as many as there are keys
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

    def label(self, item: int, label: str, learner: Learner) -> tuple[str, Undo]:
        """Let the model learn the label of the item that was next: what kind of step it was."""

    def material(self, keeper: Keeper, added: Sequence[tuple[str, str]]) -> Material:
        """All examples, with those that were added."""


def nothing_to_undo() -> None:
    """How a step is taken back that changed nothing but what is shown."""


def ranked(chances: NDArray[np.float64], categories: Sequence[str]) -> list[tuple[str, float]]:
    """The likeliest labels with their probabilities, best first."""
    order = (-chances).argsort(kind="stable")[:MOST_PROBABILITIES]
    return [(categories[number], float(chances[number])) for number in order.tolist()]


def named(label: str) -> str:
    """A label as a sentence quotes it."""
    return shown(label, _LONGEST_NAME)
