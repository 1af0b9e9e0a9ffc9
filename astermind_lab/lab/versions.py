"""The registry: stored versions of models, their aliases and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.keeping import About, check_free, keep
from astermind_lab.results import (
    AliasChange,
    Aliases,
    LoadedModel,
    ModelVersions,
    StoredModel,
    TaggedVersion,
    TaggedVersions,
    VersionChange,
    VersionItem,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import ModelVersion

__all__ = [
    "aliases_by_version",
    "delete_alias",
    "delete_version",
    "find_by_tag",
    "list_aliases",
    "list_model_versions",
    "load_model_persistent",
    "restore_version",
    "roll_back_alias",
    "set_alias",
    "store_model_persistent",
]


@tool(slow=True)
def store_model_persistent(
    lab: Session,
    model_id: str,
    version: str,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    dataset_id: str | None = None,
    description: str | None = None,
) -> StoredModel:
    """Store a model as a version, which never changes afterwards.

    model_id : the model, in memory or stored
    version : the name of the version; the latest version is the one stored last
    tags : words to find the version by
    metadata : any plain data to keep with it
    dataset_id : the data set it was trained on
    description : what the version is for
    Raises InvalidInput, NotFound, AlreadyExists if a version or an alias has the name.
    """
    model_id = check.identifier(model_id, "model_id")
    version = check.identifier(version, "version")
    about = About(
        tags=check.optional(check.names, tags, "tags"),
        metadata=check.optional(check.plain_mapping, metadata, "metadata"),
        dataset_id=check.optional(check.identifier, dataset_id, "dataset_id"),
        description=check.optional(check.description, description, "description"),
    )
    live = lab.find(model_id)
    check_free(lab, model_id, version)
    stored = keep(lab, live, version, about)
    return StoredModel(
        model_id=model_id,
        version=stored.version,
        record_id=stored.record_id,
        message=f"Stored {shown(model_id)} as version {shown(stored.version)}.",
    )


@tool(slow=True)
def load_model_persistent(lab: Session, model_id: str, version: str | None = None) -> LoadedModel:
    """Load a stored version into memory, in place of the model of this name that is there.

    Its predictions are equal, to the bit, to those of the model that was stored.

    model_id : the model to load
    version : a version or an alias; without one the latest version
    Raises NotFound, ModelFileError if the stored weights are damaged.
    """
    model_id = check.identifier(model_id, "model_id")
    wanted = check.optional(check.identifier, version, "version")
    live = lab.read(lab.stored(model_id, wanted))
    lab.live.put(live)
    return LoadedModel(
        model_id=model_id,
        version=live.version or "",
        categories=live.classifier.categories,
        message=f"Loaded version {shown(live.version)} of {shown(model_id)}.",
    )


@tool()
def list_model_versions(
    lab: Session, model_id: str, include_metrics: bool = False, include_deleted: bool = False
) -> ModelVersions:
    """The stored versions of a model, newest first. For an unknown model the list is empty.

    model_id : the model
    include_metrics : also give the accuracy each version was stored with
    include_deleted : also list deleted versions
    Raises InvalidInput.
    """
    model_id = check.identifier(model_id, "model_id")
    with_metrics = check.flag(include_metrics, "include_metrics")
    found = lab.store.models.versions(
        model_id, include_deleted=check.flag(include_deleted, "include_deleted")
    )
    names = aliases_by_version(lab, model_id) if found else {}
    items = [_item(stored, names, with_metrics) for stored in found]
    return ModelVersions(model_id=model_id, versions=items, total_versions=len(items))


def aliases_by_version(lab: Session, model_id: str) -> dict[str, list[str]]:
    """The names of each version of a model that has any."""
    names: dict[str, list[str]] = {}
    for alias, version in sorted(lab.store.models.aliases(model_id).items()):
        names.setdefault(version, []).append(alias)
    return names


def _item(stored: ModelVersion, names: Mapping[str, list[str]], with_metrics: bool) -> VersionItem:
    return VersionItem(
        version=stored.version,
        created_at=stored.created_at,
        categories=stored.categories,
        metadata=stored.metadata,
        status=stored.status,
        description=stored.description,
        tags=stored.tags,
        training_examples=stored.training_examples,
        dataset_id=stored.dataset_id,
        size_bytes=stored.size_bytes,
        aliases=names.get(stored.version, ()),
        metrics=stored.metrics if with_metrics else None,
    )


@tool()
def set_alias(lab: Session, model_id: str, alias: str, version: str) -> AliasChange:
    """Let a name such as champion point at a stored version; it moves if it exists.

    model_id : the model
    alias : the name
    version : the version it points at from now on, or an alias of it
    Raises InvalidInput, also for an alias that is the name of a version; NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    alias = check.identifier(alias, "alias")
    target = lab.stored(model_id, check.identifier(version, "version")).version
    lab.store.models.set_alias(model_id, alias, target)
    return AliasChange(
        model_id=model_id,
        alias=alias,
        version=target,
        message=f"{shown(alias)} of {shown(model_id)} is version {shown(target)} now.",
    )


@tool()
def list_aliases(lab: Session, model_id: str) -> Aliases:
    """The aliases of a model, each with the version it points at, and its last 20 moves.

    model_id : the model
    Raises InvalidInput.
    """
    model_id = check.identifier(model_id, "model_id")
    found = lab.store.models.alias_moves(model_id)
    return Aliases(
        model_id=model_id,
        aliases={alias: moves[0].version for alias, moves in found.items()},
        history={alias: [vars(move) for move in moves] for alias, moves in found.items()},
    )


@tool()
def roll_back_alias(lab: Session, model_id: str, alias: str) -> AliasChange:
    """Let an alias point at the version it pointed at before, as if it had not been moved.

    Rolling back twice goes back two moves; versions that were deleted since are passed over.

    model_id : the model
    alias : the alias
    Raises InvalidInput; NotFound, also where nothing is left to go back to.
    """
    model_id = check.identifier(model_id, "model_id")
    alias = check.identifier(alias, "alias")
    with check.blaming("alias"):
        version = lab.store.models.roll_back_alias(model_id, alias)
    return AliasChange(
        model_id=model_id,
        alias=alias,
        version=version,
        message=f"{shown(alias)} of {shown(model_id)} is version {shown(version)} again.",
    )


@tool()
def delete_alias(lab: Session, model_id: str, alias: str) -> AliasChange:
    """Remove an alias; the version it points at stays.

    model_id : the model
    alias : the alias to remove
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    alias = check.identifier(alias, "alias")
    with check.blaming("alias"):
        lab.store.models.delete_alias(model_id, alias)
    message = f"Removed the alias {shown(alias)} of {shown(model_id)}."
    return AliasChange(model_id=model_id, alias=alias, version=None, message=message)


@tool()
def find_by_tag(lab: Session, tag: str) -> TaggedVersions:
    """Every stored version, of any model, that carries a tag.

    tag : the tag
    Raises InvalidInput.
    """
    tag = check.identifier(tag, "tag")
    found = [
        TaggedVersion(
            model_id=stored.model_id,
            version=stored.version,
            created_at=stored.created_at,
            tags=stored.tags,
            description=stored.description,
        )
        for stored in lab.store.models.with_tag(tag)
    ]
    return TaggedVersions(tag=tag, versions=found, total=len(found))


@tool()
def delete_version(lab: Session, model_id: str, version: str) -> VersionChange:
    """Put a stored version out of use. restore_version brings it back.

    model_id : the model
    version : the version; refused while an alias points at it
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    version = check.identifier(version, "version")
    with check.blaming("version"):
        lab.store.models.delete(model_id, version)
    _no_longer_stored(lab, model_id, version)
    message = f"Deleted version {shown(version)} of {shown(model_id)}; it can be restored."
    return VersionChange(model_id=model_id, version=version, message=message)


def _no_longer_stored(lab: Session, model_id: str, version: str) -> None:
    live = lab.live.get(model_id)
    if live is not None:
        with live.guard.writing():
            if live.version == version:
                live.version = None


@tool()
def restore_version(lab: Session, model_id: str, version: str) -> VersionChange:
    """Bring a deleted version back.

    model_id : the model
    version : the deleted version
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    version = check.identifier(version, "version")
    with check.blaming("version"):
        lab.store.models.restore(model_id, version)
    message = f"Version {shown(version)} of {shown(model_id)} is back."
    return VersionChange(model_id=model_id, version=version, message=message)
