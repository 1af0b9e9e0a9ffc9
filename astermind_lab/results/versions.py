"""What the registry answers: stored versions, their aliases, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from astermind_lab.display import Fact, Share, Table, View
from astermind_lab.display.view import Cell
from astermind_lab.results.base import Result

__all__ = [
    "AliasChange",
    "Aliases",
    "ExportedModel",
    "ImportedModel",
    "LoadedModel",
    "ModelVersions",
    "StoredModel",
    "TaggedVersion",
    "TaggedVersions",
    "VersionChange",
    "VersionItem",
]


class _Message(Result):
    """A result whose message says it all."""

    message: str

    def short(self) -> str:
        return self.message

    def view(self) -> View:
        return View(self.message)


@dataclass(frozen=True, repr=False, kw_only=True)
class StoredModel(_Message):
    """A model that is now kept as a version."""

    success: bool = True
    model_id: str
    version: str
    record_id: str
    message: str


@dataclass(frozen=True, repr=False, kw_only=True)
class LoadedModel(_Message):
    """A stored version that is now in memory."""

    success: bool = True
    model_id: str
    version: str
    categories: Sequence[str]
    message: str


@dataclass(frozen=True, repr=False, kw_only=True)
class VersionItem(Result):
    """One stored version. ``metrics`` is there where it was asked for."""

    _optional: ClassVar[frozenset[str]] = frozenset({"metrics"})

    version: str
    created_at: datetime
    categories: Sequence[str]
    metadata: Mapping[str, Any]
    status: str
    description: str
    tags: Sequence[str]
    training_examples: int
    dataset_id: str | None
    size_bytes: int
    aliases: Sequence[str] = ()
    metrics: Mapping[str, Any] | None = None

    def short(self) -> str:
        return f"{self.version!r}, {self.created_at:%Y-%m-%d %H:%M}"

    def row(self) -> Sequence[Cell]:
        """The version as a row of ``ModelVersions``."""
        return (
            self.version,
            self.created_at,
            self.training_examples,
            len(self.categories),
            self.aliases,
            self.tags,
            self.status,
            self.description,
        )

    def measured(self) -> Sequence[Cell]:
        """The version as a row of ``ModelVersions`` with metrics."""
        return (
            self.version,
            self.created_at,
            self.training_examples,
            _accuracy(self.metrics),
            self.dataset_id,
            self.aliases,
        )

    def view(self) -> View:
        facts = [Fact(name, value) for name, value in zip(_COLUMNS, self.row(), strict=True)]
        if self.metrics is not None:
            facts += [Fact("accuracy", _accuracy(self.metrics)), Fact("data set", self.dataset_id)]
        return View(f"Version {self.version}", facts)


def _accuracy(metrics: Mapping[str, Any] | None) -> Share | None:
    """The accuracy among metrics, which may have come from a file and hold anything."""
    found = (metrics or {}).get("accuracy")
    value = found.get("value") if isinstance(found, Mapping) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return Share(value) if 0 <= value <= 1 else None


_COLUMNS = (
    "version",
    "created (UTC)",
    "examples",
    "categories",
    "aliases",
    "tags",
    "status",
    "description",
)
# Few enough for 80 columns; the status is added where it says something.
_MEASURED = ("version", "created (UTC)", "examples", "accuracy", "data set", "aliases")


@dataclass(frozen=True, repr=False, kw_only=True)
class ModelVersions(Result):
    """The stored versions of a model, newest first."""

    model_id: str
    versions: Sequence[VersionItem]
    total_versions: int

    def short(self) -> str:
        return f"{self.model_id!r}, {self.total_versions:,} versions"

    def view(self) -> View:
        parts = [self._table()] if self.versions else []
        notes = [] if self.versions else [f"No version of {self.model_id} is stored."]
        return View(f"Versions of {self.model_id}", parts=parts, notes=notes)

    def _table(self) -> Table:
        if all(version.metrics is None for version in self.versions):
            rows = [version.row() for version in self.versions]
            return Table(_COLUMNS, rows, total=self.total_versions)
        if all(version.status == "active" for version in self.versions):
            rows = [version.measured() for version in self.versions]
            return Table(_MEASURED, rows, total=self.total_versions)
        rows = [(*version.measured(), version.status) for version in self.versions]
        return Table((*_MEASURED, "status"), rows, total=self.total_versions)


@dataclass(frozen=True, repr=False, kw_only=True)
class VersionChange(_Message):
    """A version that was deleted or restored."""

    success: bool = True
    model_id: str
    version: str
    message: str


@dataclass(frozen=True, repr=False, kw_only=True)
class AliasChange(_Message):
    """An alias that was set, rolled back or deleted; ``version`` is what it points at now."""

    success: bool = True
    model_id: str
    alias: str
    version: str | None
    message: str


@dataclass(frozen=True, repr=False, kw_only=True)
class Aliases(Result):
    """The aliases of a model, each with the version it points at.

    history : alias → its moves, newest first, each with ``version`` and ``at``; the first is the
        one to the version it points at now
    """

    model_id: str
    aliases: Mapping[str, str]
    history: Mapping[str, Sequence[Mapping[str, Any]]]

    def short(self) -> str:
        return f"{self.model_id!r}, {dict(self.aliases)!r}"

    def view(self) -> View:
        rows = [self._row(alias) for alias in sorted(self.aliases)]
        columns = ("alias", "version", "since (UTC)", "before")
        parts = [Table(columns, rows)] if rows else []
        notes = [] if rows else [f"{self.model_id} has no alias."]
        return View(f"Aliases of {self.model_id}", parts=parts, notes=notes)

    def _row(self, alias: str) -> Sequence[Cell]:
        now, *before = self.history[alias]
        return (alias, now["version"], now["at"], [move["version"] for move in before])


@dataclass(frozen=True, repr=False, kw_only=True)
class TaggedVersion(Result):
    """A version that carries a tag."""

    model_id: str
    version: str
    created_at: datetime
    tags: Sequence[str]
    description: str

    def short(self) -> str:
        return f"{self.model_id!r}, {self.version!r}"

    def view(self) -> View:
        facts = [Fact("version", self.version), Fact("tags", self.tags)]
        return View(f"Model {self.model_id}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class TaggedVersions(Result):
    """Every version that carries a tag."""

    tag: str
    versions: Sequence[TaggedVersion]
    total: int

    def short(self) -> str:
        return f"{self.tag!r}, {self.total:,} versions"

    def view(self) -> View:
        columns = ("model", "version", "created (UTC)", "tags", "description")
        rows = [(v.model_id, v.version, v.created_at, v.tags, v.description) for v in self.versions]
        parts = [Table(columns, rows, total=self.total)] if rows else []
        notes = [] if rows else [f"No version is tagged {self.tag}."]
        return View(f"Versions tagged {self.tag}", parts=parts, notes=notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class ExportedModel(Result):
    """A file that holds versions of a model."""

    success: bool = True
    model_id: str
    path: str
    versions: Sequence[str]
    size_bytes: int

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.versions)} versions, {self.path!r}"

    def view(self) -> View:
        facts = [
            Fact("file", self.path),
            Fact("size", self.size_bytes, "bytes"),
            Fact("versions", self.versions),
        ]
        return View(f"Exported {self.model_id}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class ImportedModel(Result):
    """Versions that came from a file; those that were there already are in ``skipped``."""

    success: bool = True
    model_id: str
    versions: Sequence[str]
    skipped: Sequence[str]
    aliases: Mapping[str, str]

    def short(self) -> str:
        return f"{self.model_id!r}, {len(self.versions)} versions"

    def view(self) -> View:
        facts = [
            Fact("versions", self.versions),
            Fact("already there", self.skipped),
            Fact("aliases", [f"{alias} → {version}" for alias, version in self.aliases.items()]),
        ]
        return View(f"Imported {self.model_id}", facts)
