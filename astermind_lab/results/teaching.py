"""What suggesting labels, finding label errors and teaching answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from astermind_lab.display import Bars, Curve, Fact, HeatMap, Share, Table, View
from astermind_lab.display.view import Part
from astermind_lab.errors import shown
from astermind_lab.estimate import Estimate
from astermind_lab.results.base import Result, interval
from astermind_lab.results.data import Example

__all__ = [
    "LabelErrors",
    "LabelSuggestion",
    "LabelSuggestions",
    "LabelSuspect",
    "TaughtExamples",
    "TeachingReport",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class LabelSuggestion(Result):
    """A text that is worth labelling.

    category, confidence : what the model takes it for     place : its number among those looked at
    score : how much its label is likely to teach, only to be compared with those of its list
    """

    text: str
    category: str
    confidence: float
    score: float
    place: int

    def short(self) -> str:
        return f"{shown(self.text)}, {self.category!r}, {self.confidence:.3f}"

    def view(self) -> View:
        facts = [Fact("text", self.text), Fact("confidence", Share(self.confidence))]
        return View(f"Perhaps {self.category}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class LabelSuggestions(Result):
    """Texts worth labelling, the best first. ``considered`` counts the texts looked at."""

    model_id: str
    suggestions: Sequence[LabelSuggestion]
    considered: int

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.suggestions):,} of {self.considered:,} texts"

    def view(self) -> View:
        rows = [(s.category, Share(s.confidence), s.text) for s in self.suggestions]
        parts = [Table(("guess", "confidence", "text"), rows)] if rows else []
        notes = [] if rows else ["There is no text without a label."]
        facts = [Fact("considered", self.considered, "texts")]
        return View(f"Worth labelling for {self.model_id}", facts, parts, notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class LabelSuspect(Result):
    """An example whose label is improbable.

    place : its number among the examples     suggested, confidence : what a model that has not
    seen it says     score : how improbable its label is, only to be compared within its list
    """

    place: int
    text: str
    label: str
    suggested: str
    confidence: float
    score: float

    def short(self) -> str:
        return f"{self.place}, {self.label!r}, rather {self.suggested!r}, {self.confidence:.3f}"

    def view(self) -> View:
        facts = [
            Fact("text", self.text),
            Fact("label", self.label),
            Fact("confidence", Share(self.confidence)),
        ]
        return View(f"Rather {self.suggested}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class LabelErrors(Result):
    """Suspected label errors, the most suspect first.

    considered : examples looked at     method : leave-one-out, or held-out where the examples are
    not the model's, or both
    """

    model_id: str
    suspects: Sequence[LabelSuspect]
    considered: int
    method: str

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.suspects):,} of {self.considered:,} examples"

    def view(self) -> View:
        rows = [(s.place, s.label, s.suggested, Share(s.confidence), s.text) for s in self.suspects]
        columns = ("number", "label", "rather", "confidence", "text")
        parts = [Table(columns, rows)] if rows else []
        facts = [Fact("considered", self.considered, "examples"), Fact("judged by", self.method)]
        notes = [] if rows else ["No label is suspect."]
        return View(f"Suspected label errors of {self.model_id}", facts, parts, notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class TaughtExamples(Result):
    """What was labelled while teaching.

    n : labels given     added, relabelled : new examples; examples that got another label
    examples : each text that was given a label, in order, those whose label was confirmed too
    accuracy_before, accuracy : None while there is too little to say
    dataset_id, version : where they were saved, None if not     parent : the data set before
    """

    _optional: ClassVar[frozenset[str]] = frozenset({"warnings"})

    model_id: str
    on: str
    examples: Sequence[Example]
    n: int
    added: int
    relabelled: int
    accuracy_before: Estimate | None
    accuracy: Estimate | None
    dataset_id: str | None = None
    version: str | None = None
    parent: str | None = None
    warnings: Sequence[str] = ()

    def short(self) -> str:
        saved = "" if self.dataset_id is None else f", saved as {self.dataset_id!r}"
        return f"{self.model_id!r}, {self.n:,} labels{saved}, accuracy {self.accuracy or '–'}"

    def view(self) -> View:
        facts = [
            Fact("labels given", self.n),
            Fact("new examples", self.added),
            Fact("relabelled", self.relabelled),
            Fact("data set", self.dataset_id),
            Fact("version", self.version),
        ]
        found = (("accuracy before", self.accuracy_before), ("accuracy", self.accuracy))
        parts: list[Part] = [interval(name, one) for name, one in found if one is not None]
        if self.examples:
            rows = [(one.label, one.text) for one in self.examples]
            parts.append(Table(("label", "text"), rows, "Labelled"))
        return View(f"Taught {self.model_id}", facts, parts, self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class TeachingReport(Result):
    """A model that is being taught, at one moment; see ``Teaching``.

    task : ``text``, ``guess``, ``probabilities`` as (label, probability), ``given``, ``why``
    history : (labels given, accuracy)     confusion : {truth: {predicted: count}}
    """

    model_id: str
    on: str
    labels: Sequence[str]
    task: Mapping[str, Any] | None
    accuracy: Estimate | None
    history: Sequence[tuple[int, float]]
    confusion: Mapping[str, Mapping[str, int]]
    done: int
    left: int
    can_undo: bool
    took_ms: float
    advice: str

    def short(self) -> str:
        return (
            f"{self.model_id!r}, on {self.on}, {self.done:,} done, {self.left:,} left, "
            f"accuracy {self.accuracy or '–'}"
        )

    def view(self) -> View:
        facts = [
            Fact("labels given", self.done),
            Fact("left", self.left),
            Fact("labels", self.labels),
            Fact("last step took", self.took_ms, "ms"),
        ]
        parts: list[Part] = []
        if self.task is not None:
            facts += [Fact("text", self.task["text"]), Fact("why", self.task["why"] or None)]
            if self.task["given"] is not None:
                facts.append(Fact("its label", self.task["given"]))
            if self.task["probabilities"]:
                parts.append(Bars(self.task["probabilities"], "What the model takes it for"))
        if self.accuracy is not None:
            parts.append(interval("accuracy", self.accuracy))
        if len(self.history) > 1:
            points = [(f"{n:,} labels", value, None, None) for n, value in self.history]
            parts.append(Curve("Leave-one-out accuracy by labels given", points))
        if self.confusion:
            met = {*self.confusion, *(said for row in self.confusion.values() for said in row)}
            names = [label for label in self.labels if label in met]
            parts.append(HeatMap(names, self.confusion, "Leave-one-out over the judged rows"))
        title = f"Teaching {self.model_id} on {self.on}"
        return View(title, facts, parts, [self.advice] if self.advice else [])
