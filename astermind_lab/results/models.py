"""What training, predicting and updating answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from astermind_lab.display import Bars, Fact, Interval, Share, Table, View
from astermind_lab.display.view import Cell, Part
from astermind_lab.display.words import number, share
from astermind_lab.estimate import Estimate
from astermind_lab.results.base import Result, interval

__all__ = [
    "CategoryScore",
    "DeletedModel",
    "Embedding",
    "ModelItem",
    "ModelList",
    "Prediction",
    "Predictions",
    "Receipt",
    "SavedModel",
    "TrainedModel",
    "UpdatedModel",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class TrainedModel(Result):
    """A model that was just trained.

    accuracy : how it was obtained is its ``method``; None if there is nothing to judge by
    loo_accuracy : the same where it is leave-one-out, None where the readout has no exact one
    """

    _optional: ClassVar[frozenset[str]] = frozenset({"persisted", "version"})

    success: bool = True
    model_id: str
    categories: Sequence[str]
    training_examples: int
    config: Mapping[str, Any]
    accuracy: Estimate | None
    loo_accuracy: Estimate | None
    train_ms: float
    warnings: Sequence[str] = ()
    persisted: bool = False
    version: str | None = None

    def short(self) -> str:
        return (
            f"{self.model_id!r}, {len(self.categories)} categories, "
            f"{self.training_examples:,} examples, accuracy {self.accuracy or '–'}"
        )

    def view(self) -> View:
        facts = [
            Fact("categories", self.categories),
            Fact("examples", self.training_examples),
            Fact("trained in", self.train_ms, "ms"),
            Fact("version", self.version if self.persisted else "in memory only"),
        ]
        parts: list[Part] = [*_accuracy(self.accuracy), _config_table(self.config)]
        return View(f"Trained {self.model_id}", facts, parts, self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class Receipt(Result):
    """Proof of what was forgotten.

    digest : SHA-256 over the forgotten (text, label) pairs, in order, each as JSON on one line
    """

    examples: int
    digest: str
    at: datetime

    def short(self) -> str:
        return f"{self.examples:,} examples, {self.digest[:12]}…"

    def view(self) -> View:
        facts = [
            Fact("examples", self.examples),
            Fact("digest", self.digest),
            Fact("at", self.at, "UTC"),
        ]
        return View("Receipt", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class UpdatedModel(Result):
    """A model after examples were added, forgotten or relabelled, or models merged.

    accuracy : None if it was not asked for
    """

    _optional: ClassVar[frozenset[str]] = frozenset({"persisted", "version", "receipt"})

    success: bool = True
    model_id: str
    categories: Sequence[str]
    training_examples: int
    changed_examples: int
    accuracy: Estimate | None
    loo_accuracy: Estimate | None
    update_ms: float
    warnings: Sequence[str] = ()
    receipt: Receipt | None = None
    persisted: bool = False
    version: str | None = None

    def short(self) -> str:
        return (
            f"{self.model_id!r}, {self.changed_examples:,} changed, "
            f"{self.training_examples:,} examples, accuracy {self.accuracy or '–'}"
        )

    def view(self) -> View:
        facts = [
            Fact("changed", self.changed_examples, "examples"),
            Fact("now holds", self.training_examples, "examples"),
            Fact("categories", self.categories),
            Fact("took", self.update_ms, "ms"),
            Fact("version", self.version if self.persisted else "in memory only"),
        ]
        if self.receipt is not None:
            facts.append(Fact("receipt", self.receipt.digest))
        return View(f"Updated {self.model_id}", facts, _accuracy(self.accuracy), self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class CategoryScore(Result):
    """One label with the probability the model gives it."""

    category: str
    confidence: float

    def short(self) -> str:
        return f"{self.category!r}, {self.confidence:.4f}"

    def view(self) -> View:
        return View(self.category, [Fact("confidence", Share(self.confidence))])


@dataclass(frozen=True, repr=False, kw_only=True)
class Prediction(Result):
    """The most probable labels of one text, best first."""

    _optional: ClassVar[frozenset[str]] = frozenset({"warnings", "prediction_id"})

    predictions: Sequence[CategoryScore]
    latency_ms: float
    warnings: Sequence[str] = ()
    prediction_id: str | None = None

    @property
    def category(self) -> str:
        """The best label."""
        return self.predictions[0].category

    @property
    def confidence(self) -> float:
        """The probability of the best label."""
        return self.predictions[0].confidence

    def short(self) -> str:
        return f"{self.category!r}, {self.confidence:.3f}, {number(self.latency_ms)} ms"

    def view(self) -> View:
        facts = [Fact("took", self.latency_ms, "ms")]
        if self.prediction_id:
            facts.append(Fact("logged as", self.prediction_id))
        bars = Bars([(p.category, p.confidence) for p in self.predictions])
        return View(f"Prediction: {self.category}", facts, [bars], self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class Predictions(Result):
    """The best label of each of many texts, in the order of the texts.

    without_known_feature : how many texts hold nothing the model has ever seen
    """

    model_id: str
    predictions: Sequence[CategoryScore]
    total: int
    latency_ms: float
    without_known_feature: int = 0
    warnings: Sequence[str] = ()
    logged: int = 0

    @property
    def categories(self) -> list[str]:
        """The labels alone."""
        return [p.category for p in self.predictions]

    def short(self) -> str:
        return f"{self.model_id!r}, {self.total:,} texts, {number(self.latency_ms)} ms"

    def view(self) -> View:
        counts: dict[str, int] = {}
        for prediction in self.predictions:
            counts[prediction.category] = counts.get(prediction.category, 0) + 1
        rows = sorted(counts.items(), key=lambda item: -item[1])
        facts = [
            Fact("texts", self.total),
            Fact("took", self.latency_ms, "ms"),
            Fact("logged", self.logged),
        ]
        first: list[Sequence[Cell]] = [
            (i, p.category, Share(p.confidence))
            for i, p in enumerate(self.predictions[:20], start=1)
        ]
        parts = [
            Table(("label", "texts"), rows, "How often each label was given"),
            Table(("text", "label", "confidence"), first, "The first answers", self.total),
        ]
        return View(f"Predictions of {self.model_id}", facts, parts, self.warnings)


@dataclass(frozen=True, repr=False, kw_only=True)
class Embedding(Result):
    """A text as the hidden layer sees it: one number per hidden unit."""

    embedding: Sequence[float]

    def short(self) -> str:
        return f"{len(self.embedding):,} numbers"

    def view(self) -> View:
        first = ", ".join(f"{value:.4g}" for value in self.embedding[:8])
        return View(
            "Embedding", [Fact("numbers", len(self.embedding)), Fact("begins", f"{first}, …")]
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class ModelItem(Result):
    """A model in memory, or the latest stored version of one that is not."""

    _keys: ClassVar[Mapping[str, str]] = {
        "last_used": "lastUsed",
        "training_examples": "trainingExamples",
    }

    id: str
    type: str
    created: datetime
    last_used: datetime | None
    categories: Sequence[str]
    description: str
    training_examples: int
    version: str | None
    persisted: bool

    def short(self) -> str:
        return f"{self.id!r}, {self.training_examples:,} examples, version {self.version or '–'}"

    def view(self) -> View:
        facts = [
            Fact("type", self.type),
            Fact("created", self.created, "UTC"),
            Fact("last used", self.last_used, "UTC"),
            Fact("categories", self.categories),
            Fact("examples", self.training_examples),
            Fact("version", self.version),
            Fact("stored", self.persisted),
            Fact("description", self.description),
        ]
        return View(f"Model {self.id}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class ModelList(Result):
    """Every model of the lab, in memory or stored."""

    models: Sequence[ModelItem]

    def short(self) -> str:
        return f"{len(self.models):,} models"

    def view(self) -> View:
        columns = ("model", "type", "labels", "examples", "version", "stored", "created (UTC)")
        rows = [
            (
                m.id,
                m.type,
                len(m.categories),
                m.training_examples,
                m.version,
                m.persisted,
                m.created,
            )
            for m in self.models
        ]
        return View("Models", parts=[Table(columns, rows)] if rows else [], notes=_none(rows))


@dataclass(frozen=True, repr=False, kw_only=True)
class DeletedModel(Result):
    """Whether a model left memory."""

    success: bool
    message: str

    def short(self) -> str:
        return self.message

    def view(self) -> View:
        return View(self.message)


@dataclass(frozen=True, repr=False, kw_only=True)
class SavedModel(Result):
    """A description of a model that can be kept outside the lab.

    summary : ``config``, ``metrics`` and ``model_info``
    """

    model_id: str
    metadata: Mapping[str, Any]
    summary: Mapping[str, Any]
    note: str

    def short(self) -> str:
        return f"{self.model_id!r}"

    def view(self) -> View:
        parts = [
            Table(("name", "value"), [(k, _brief(v)) for k, v in section.items()], name)
            for name, section in (("metadata", self.metadata), *self.summary.items())
            if section
        ]
        return View(f"Model {self.model_id}", parts=parts, notes=[self.note])


def _accuracy(estimate: Estimate | None) -> list[Interval]:
    return [] if estimate is None else [interval("accuracy", estimate)]


def _config_table(config: Mapping[str, Any]) -> Table:
    return Table(("setting", "value"), [(k, _brief(v)) for k, v in config.items()], "configuration")


def _brief(value: object) -> Cell:
    if isinstance(value, Estimate):
        span = f"{share(value.low)} to {share(value.high)}"
        return f"{share(value.value)} ({span}; {value.method}, n = {value.n:,})"
    if isinstance(value, str | bool | int | float | datetime) or value is None:
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_brief(v)}" for k, v in value.items())
    if isinstance(value, Sequence):
        return [str(_brief(item)) for item in value]
    return str(value)


def _none(rows: Sequence[object]) -> list[str]:
    return [] if rows else ["There are none yet."]


ModelItem.__pydantic_config__ = {  # type: ignore[attr-defined]
    "alias_generator": lambda name: ModelItem._keys.get(name, name)
}
