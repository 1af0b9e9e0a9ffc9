"""What data sets and embeddings answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from astermind_lab.display import Fact, Table, View
from astermind_lab.results.base import Result

__all__ = [
    "Collection",
    "Collections",
    "DatasetItem",
    "DatasetList",
    "DeletedDataset",
    "Example",
    "LoadedDataset",
    "SimilarItem",
    "SimilarItems",
    "StoredDataset",
    "StoredEmbeddings",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class StoredDataset(Result):
    """A data set that is now kept."""

    success: bool = True
    dataset_id: str
    examples: int
    record_id: str
    message: str

    def short(self) -> str:
        return self.message

    def view(self) -> View:
        return View(self.message)


@dataclass(frozen=True, repr=False, kw_only=True)
class Example(Result):
    """A text with its label."""

    text: str
    label: str

    def short(self) -> str:
        return f"{self.text[:40]!r}, {self.label!r}"

    def view(self) -> View:
        return View(self.label, [Fact("text", self.text)])


@dataclass(frozen=True, repr=False, kw_only=True)
class LoadedDataset(Result):
    """A page of a data set. ``size`` counts the whole set; ``labels`` counts examples per label."""

    dataset_id: str
    examples: Sequence[Example]
    size: int
    metadata: Mapping[str, Any]
    labels: Mapping[str, int]
    offset: int = 0

    def short(self) -> str:
        return f"{self.dataset_id!r}, {len(self.examples):,} of {self.size:,} examples"

    def view(self) -> View:
        counts = sorted(self.labels.items(), key=lambda item: -item[1])
        rows = [(e.label, e.text) for e in self.examples]
        parts = [
            Table(("label", "examples"), counts, "Labels"),
            Table(("label", "text"), rows, f"Examples, from number {self.offset + 1:,}", self.size),
        ]
        return View(f"Data set {self.dataset_id}", [Fact("examples", self.size)], parts)


@dataclass(frozen=True, repr=False, kw_only=True)
class DatasetItem(Result):
    """A data set without its examples."""

    dataset_id: str
    size: int
    labels: Mapping[str, int]
    metadata: Mapping[str, Any]
    created_at: datetime

    def short(self) -> str:
        return f"{self.dataset_id!r}, {self.size:,} examples, {len(self.labels)} labels"

    def view(self) -> View:
        counts = sorted(self.labels.items(), key=lambda item: -item[1])
        facts = [Fact("examples", self.size), Fact("created", self.created_at, "UTC")]
        return View(f"Data set {self.dataset_id}", facts, [Table(("label", "examples"), counts)])


@dataclass(frozen=True, repr=False, kw_only=True)
class DatasetList(Result):
    """Every stored data set."""

    datasets: Sequence[DatasetItem]

    def short(self) -> str:
        return f"{len(self.datasets):,} data sets"

    def view(self) -> View:
        rows = [(d.dataset_id, d.size, len(d.labels), d.created_at) for d in self.datasets]
        columns = ("data set", "examples", "labels", "created (UTC)")
        parts = [Table(columns, rows)] if rows else []
        return View("Data sets", parts=parts, notes=[] if rows else ["There are none yet."])


@dataclass(frozen=True, repr=False, kw_only=True)
class DeletedDataset(Result):
    """A data set that is gone."""

    success: bool = True
    dataset_id: str
    message: str

    def short(self) -> str:
        return self.message

    def view(self) -> View:
        return View(self.message)


@dataclass(frozen=True, repr=False, kw_only=True)
class StoredEmbeddings(Result):
    """How many items a collection was given."""

    success: bool = True
    collection_name: str
    stored_count: int

    def short(self) -> str:
        return f"{self.collection_name!r}, {self.stored_count:,} stored"

    def view(self) -> View:
        return View(f"Stored {self.stored_count:,} items in {self.collection_name}")


@dataclass(frozen=True, repr=False, kw_only=True)
class SimilarItem(Result):
    """An item near the query; ``similarity`` is the cosine, in [-1, 1]."""

    item_id: str
    text: str
    metadata: Mapping[str, Any]
    similarity: float

    def short(self) -> str:
        return f"{self.item_id!r}, {self.similarity:.3f}"

    def view(self) -> View:
        facts = [Fact("similarity", self.similarity), Fact("text", self.text)]
        return View(f"Item {self.item_id}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class SimilarItems(Result):
    """The items nearest to a query, best first."""

    collection_name: str
    results: Sequence[SimilarItem]
    total_results: int

    def short(self) -> str:
        return f"{self.collection_name!r}, {self.total_results:,} results"

    def view(self) -> View:
        rows = [(r.similarity, r.item_id, r.text) for r in self.results]
        parts = [Table(("similarity", "item", "text"), rows)] if rows else []
        notes = [] if rows else ["Nothing matches."]
        return View(f"Most similar in {self.collection_name}", parts=parts, notes=notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class Collection(Result):
    """A collection of embeddings: how long its vectors are, how many there are."""

    collection_name: str
    dimension: int
    count: int

    def short(self) -> str:
        return f"{self.collection_name!r}, {self.count:,} items"

    def view(self) -> View:
        facts = [Fact("dimension", self.dimension), Fact("items", self.count)]
        return View(f"Collection {self.collection_name}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class Collections(Result):
    """Every collection of embeddings."""

    collections: Sequence[Collection]

    def short(self) -> str:
        return f"{len(self.collections):,} collections"

    def view(self) -> View:
        rows = [(c.collection_name, c.dimension, c.count) for c in self.collections]
        parts = [Table(("collection", "dimension", "items"), rows)] if rows else []
        return View("Collections", parts=parts, notes=[] if rows else ["There are none yet."])
