"""What explaining a prediction answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astermind_lab.display import Bars, Fact, Share, Table, View
from astermind_lab.display.view import Cell, Part
from astermind_lab.results.base import Result
from astermind_lab.results.models import CategoryScore

__all__ = ["Explanation", "TrainingRow", "WordEffect"]

_MOST_WORDS = 15


@dataclass(frozen=True, repr=False, kw_only=True)
class WordEffect(Result):
    """One word, or a group of neighbours, and what it does for the answer.

    start, end : where it stands, in characters; ``word`` is ``text[start:end]``
    effect : by how much the natural logarithm of the odds of the answered label falls when the word
        is left out; above 0 it speaks for the label, below 0 against it
    """

    word: str
    start: int
    end: int
    effect: float

    def short(self) -> str:
        return f"{self.word!r}, {self.effect:+.2f}"

    def view(self) -> View:
        return View(self.word, [Fact("effect", self.effect)])


@dataclass(frozen=True, repr=False, kw_only=True)
class TrainingRow(Result):
    """One training row behind an answer.

    similarity : cosine of its hidden features with those of the text
    influence : what it adds to the score of the answered label, which is about 1 for a sure answer;
        above 0 it speaks for the label, below 0 against it
    place : its row number in the data set or the examples, from 0
    """

    text: str
    label: str
    similarity: float
    influence: float
    place: int

    def short(self) -> str:
        return f"{self.label!r}, {self.influence:+.4f}"

    def view(self) -> View:
        facts = [
            Fact("label", self.label),
            Fact("influence", self.influence),
            Fact("similarity", self.similarity),
            Fact("row", self.place),
        ]
        return View(self.text, facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class Explanation(Result):
    """Why a model answers as it does.

    category, confidence : the answer     predictions : the most probable labels, best first
    words : every word of the text, in its order
    rows : the training rows with the largest influence, those that speak for the answer first
    method : how words and rows were obtained
    """

    model_id: str
    text: str
    category: str
    confidence: float
    predictions: Sequence[CategoryScore]
    words: Sequence[WordEffect]
    rows: Sequence[TrainingRow]
    method: str
    warnings: Sequence[str] = ()

    def short(self) -> str:
        return (
            f"{self.category!r}, {self.confidence:.3f}, {len(self.words):,} words, "
            f"{len(self.rows):,} training rows"
        )

    def view(self) -> View:
        strongest = sorted(self.words, key=lambda word: -abs(word.effect))[:_MOST_WORDS]
        words: list[Sequence[Cell]] = [
            (f"{word.effect:+.2f}", word.word, word.start) for word in strongest
        ]
        rows: list[Sequence[Cell]] = [
            (f"{row.influence:+.4f}", f"{row.similarity:.3f}", row.label, row.text, row.place)
            for row in self.rows
        ]
        parts: list[Part] = [Bars([(p.category, p.confidence) for p in self.predictions])]
        if words:
            caption = "Words: what each adds to the log-odds of the answer"
            parts.append(Table(("effect", "word", "at"), words, caption, len(self.words)))
        if rows:
            heads = ("influence", "similarity", "label", "text", "row")
            parts.append(Table(heads, rows, "Training rows: what each adds to the score"))
        facts = [
            Fact("text", self.text),
            Fact("answer", self.category),
            Fact("confidence", Share(self.confidence)),
            Fact("method", self.method),
        ]
        return View(f"Why {self.model_id} says {self.category}", facts, parts, self.warnings)
