"""What is known about a model version, and how a row of the table ``models`` says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.persistence.values import (
    check_id,
    check_moment,
    check_object,
    check_text,
    from_database,
    plain_moment,
    record_name,
)

__all__ = ["ModelVersion", "NewModelVersion", "read_version", "version_row"]


@dataclass(frozen=True)
class NewModelVersion:
    """What is known about a version before it is stored."""

    model_id: str
    version: str
    model_type: str
    categories: Sequence[str]
    training_examples: int
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    description: str = ""
    dataset_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class ModelVersion:
    """A stored version; ``digest`` is the SHA-256 of its weights."""

    model_id: str
    version: str
    created_at: datetime
    model_type: str
    categories: tuple[str, ...]
    training_examples: int
    config: dict[str, Any]
    metrics: dict[str, Any]
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    description: str
    dataset_id: str | None
    status: str
    digest: str
    size_bytes: int
    record_id: str


def version_row(new: NewModelVersion, now: datetime) -> dict[str, Any]:
    """The checked row of a version stored at ``now``; raises InvalidInput by the field's name."""
    if not isinstance(new.training_examples, int) or new.training_examples < 0:
        raise InvalidInput(
            "training_examples", f"a count is needed, got {shown(new.training_examples)}"
        )
    row: dict[str, Any] = {
        "model_id": check_id("model_id", new.model_id),
        "version": check_id("version", new.version),
        "revision": 0,
        "created_at": check_moment("created_at", new.created_at or now),
        "model_type": check_text("model_type", new.model_type),
        "categories": _texts("categories", new.categories),
        "training_examples": int(new.training_examples),
        "config": check_object("config", new.config),
        "metrics": check_object("metrics", new.metrics),
        "metadata": check_object("metadata", new.metadata),
        "tags": list(dict.fromkeys(_texts("tags", new.tags))),
        "description": check_text("description", new.description) if new.description else "",
    }
    if new.dataset_id is not None:
        row["dataset_id"] = check_id("dataset_id", new.dataset_id)
    return row


def _texts(argument: str, values: Sequence[str]) -> list[str]:
    if isinstance(values, str):
        raise InvalidInput(argument, f"a list of texts is needed, got the text {shown(values)}")
    return [check_text(argument, text) for text in values]


def read_version(row: dict[str, Any]) -> ModelVersion:
    """The version that a row of ``models`` describes."""
    return ModelVersion(
        model_id=row["model_id"],
        version=row["version"],
        created_at=plain_moment(row["created_at"]),
        model_type=row["model_type"],
        categories=tuple(row["categories"]),
        training_examples=row["training_examples"],
        config=from_database(row["config"]),
        metrics=from_database(row["metrics"]),
        metadata=from_database(row["metadata"]),
        tags=tuple(row["tags"]),
        description=row["description"],
        dataset_id=row.get("dataset_id"),
        status=row["status"],
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        record_id=record_name(row["id"]),
    )
