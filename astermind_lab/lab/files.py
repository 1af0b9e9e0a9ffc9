"""A model in one file, with its history.

The file is a ZIP archive without compression: ``model.json`` (what the versions are, which alias
points where, and where it pointed before) and one safetensors file per version. Nothing in it is
ever executed; sizes, digests and the weights themselves are checked before anything is stored.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from astermind_lab.errors import (
    AlreadyExists,
    InvalidInput,
    ModelFileError,
    NotFound,
    shown,
)
from astermind_lab.lab import arguments as check
from astermind_lab.lab.paths import write_whole
from astermind_lab.results import ExportedModel, ImportedModel
from astermind_lab.results.base import plain_data
from astermind_lab.tools import Wire, tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import AliasMove, ModelVersion

__all__ = ["export_model", "import_model"]

_FORMAT = "astermind-model"
_FORMAT_VERSION = 1
_MANIFEST = "model.json"
_LARGEST_MANIFEST = 64_000_000
_DAMAGED = (
    zipfile.BadZipFile,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)

FilePath = Annotated[str | os.PathLike[str], Wire(str)]


@tool(slow=True)
def export_model(
    lab: Session, model_id: str, path: FilePath, version: str | None = None
) -> ExportedModel:
    """Write a stored model to one file: every version with its metadata, and the aliases.

    The file is there complete or not at all. Deleted versions are left out.

    model_id : the model; one that is only in memory must be stored first
    path : the file to write; it is replaced if it exists
    version : a version or an alias to write alone; without one all of them
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    target = lab.folders.resolve(path, "path")
    wanted = check.optional(check.identifier, version, "version")
    found = _to_export(lab, model_id, wanted)
    kept = {stored.version for stored in found}
    aliases = {
        alias: _moves_between(moves, kept)
        for alias, moves in lab.store.models.alias_moves(model_id).items()
        if moves[0].version in kept
    }

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_MANIFEST, _manifest(model_id, found, aliases))
            for place, stored in enumerate(found):
                archive.writestr(_member(place), lab.store.models.weights(model_id, stored.version))

    size = write_whole(target, write, "path")
    return ExportedModel(
        model_id=model_id,
        path=str(target),
        versions=[stored.version for stored in found],
        size_bytes=size,
    )


def _to_export(lab: Session, model_id: str, version: str | None) -> list[ModelVersion]:
    """What goes into the file, oldest first."""
    if version is not None:
        return [lab.stored(model_id, version)]
    found = lab.store.models.versions(model_id)
    if not found:
        unsaved = lab.live.get(model_id) is not None
        raise NotFound(
            f"model_id: no version of {shown(model_id)} is stored"
            + ("; store_model_persistent keeps the one in memory" if unsaved else "")
        )
    return found[::-1]


def _member(place: int) -> str:
    return f"weights/{place:04}.safetensors"


def _moves_between(moves: Iterable[AliasMove], versions: Container[str]) -> list[AliasMove]:
    """The moves of an alias, newest first, as if there were no other versions."""
    kept: list[AliasMove] = []
    for move in moves:
        if move.version in versions:
            if kept and kept[-1].version == move.version:
                kept.pop()  # it came to this version earlier
            kept.append(move)
    return kept


def _manifest(
    model_id: str, versions: Sequence[ModelVersion], aliases: Mapping[str, Sequence[AliasMove]]
) -> str:
    described = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "model_id": model_id,
        "aliases": {alias: moves[0].version for alias, moves in aliases.items()},
        "alias_history": {alias: [vars(m) for m in moves] for alias, moves in aliases.items()},
        "versions": [_described(stored) for stored in versions],
    }
    return json.dumps(plain_data(described), indent=1, ensure_ascii=False)


def _described(stored: ModelVersion) -> dict[str, Any]:
    return {
        "version": stored.version,
        "created_at": stored.created_at,
        "model_type": stored.model_type,
        "categories": stored.categories,
        "training_examples": stored.training_examples,
        "config": stored.config,
        "metrics": stored.metrics,
        "metadata": stored.metadata,
        "tags": stored.tags,
        "description": stored.description,
        "dataset_id": stored.dataset_id,
        "digest": stored.digest,
    }


@tool(slow=True)
def import_model(
    lab: Session, path: FilePath, model_id: str | None = None, overwrite: bool = False
) -> ImportedModel:
    """Store every version that a file written by export_model holds, and set its aliases.

    path : the file to read
    model_id : the name the model gets; without one the name it had
    overwrite : add to a model of that name that is stored: versions that are equal are passed over,
        or restored if they are deleted; one that differs is refused
    Every version is stored whole; if the store fails between two of them, the same call with
    overwrite goes on.

    Raises InvalidInput, AlreadyExists, ModelFileError if the file is damaged or of another kind.
    """
    source = lab.folders.resolve(path, "path")
    name = check.optional(check.identifier, model_id, "model_id")
    check.flag(overwrite, "overwrite")
    content = _read(source)
    name = name or content.model_id
    there = {v.version: v for v in lab.store.models.versions(name, include_deleted=True)}
    if there and not overwrite:
        raise AlreadyExists(
            f"model_id: {shown(name)} is already stored; pass overwrite=true to add to it, or "
            "another model_id"
        )
    new, skipped = _not_there_yet(name, content, there)
    _check_names(lab, name, content, there)
    for version in new:
        _store(lab, name, version)
    back = [one for one in skipped if there[one].status == "deleted"]
    for one in back:
        lab.store.models.restore(name, one)
    for alias, target in content.aliases.items():
        lab.store.models.set_alias(name, alias, target, content.moves.get(alias, ()))
    return ImportedModel(
        model_id=name,
        versions=[version.about["version"] for version in new] + back,
        skipped=[one for one in skipped if one not in back],
        aliases=content.aliases,
    )


@dataclass(frozen=True)
class _Version:
    about: Mapping[str, Any]
    weights: bytes


@dataclass(frozen=True)
class _Content:
    model_id: str
    aliases: dict[str, str]
    versions: list[_Version]
    moves: dict[str, list[AliasMove]]


def _read(path: Path) -> _Content:
    try:
        if not path.is_file():
            raise InvalidInput("path", f"there is no file {shown(str(path), 200)}")
        with zipfile.ZipFile(path) as archive:
            return _content(archive, path.stat().st_size)
    except OSError as error:
        raise InvalidInput("path", f"cannot read {shown(str(path), 200)}: {error}") from None
    except _DAMAGED as error:
        if isinstance(error, InvalidInput):
            if error.argument == "path":
                raise
            reason = str(error)
        elif isinstance(error, KeyError):
            reason = f"{error.args[0]} is missing"
        else:
            reason = f"{type(error).__name__}"
        raise ModelFileError(
            f"path: {shown(str(path), 200)} is not a file that export_model wrote, or it is "
            f"damaged ({reason})"
        ) from None


def _content(archive: zipfile.ZipFile, file_size: int) -> _Content:
    members = archive.infolist()
    if sum(m.file_size for m in members) > file_size or any(m.compress_type for m in members):
        raise ValueError("members are larger than the file")
    if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
        raise ValueError("the manifest is too large")
    manifest = json.loads(archive.read(_MANIFEST))
    if manifest["format"] != _FORMAT:
        raise ValueError("another format")
    if manifest["format_version"] != _FORMAT_VERSION:
        raise ModelFileError(
            f"path: the file is of format version {shown(manifest['format_version'])}, this "
            f"version of the lab reads {_FORMAT_VERSION}; a newer one may read it"
        )
    versions = [
        _version(about, archive.read(_member(place)))
        for place, about in enumerate(manifest["versions"])
    ]
    known = {version.about["version"] for version in versions}
    aliases = {
        check.identifier(alias, "alias"): target
        for alias, target in manifest["aliases"].items()
        if target in known
    }
    history = dict(manifest.get("alias_history", {}))  # files of earlier versions have none
    moves = {
        alias: _moves(history[alias], target, known)
        for alias, target in aliases.items()
        if alias in history
    }
    return _Content(check.identifier(manifest["model_id"], "model_id"), aliases, versions, moves)


def _moves(entries: Sequence[Mapping[str, Any]], target: str, known: set[str]) -> list[AliasMove]:
    from astermind_lab.persistence import AliasMove

    moves = [AliasMove(one["version"], check.moment(one["at"], "at")) for one in entries]
    if not moves or moves[0].version != target or not known.issuperset(m.version for m in moves):
        raise ValueError("the history of an alias does not fit")
    return moves


def _version(about: Mapping[str, Any], weights: bytes) -> _Version:
    """A version whose description and weights have been checked against each other."""
    from astermind_lab.core import TextClassifier

    if hashlib.sha256(weights).hexdigest() != about["digest"]:
        raise InvalidInput("digest", f"the weights of version {shown(about['version'])} differ")
    classifier = TextClassifier.from_bytes(weights)
    checked = {
        "version": check.identifier(about["version"], "version"),
        "created_at": check.moment(about["created_at"], "created_at"),
        "model_type": classifier.model_type,
        "categories": classifier.categories,
        "training_examples": classifier.n_examples,
        "config": classifier.config.to_dict(),
        "metrics": check.plain_mapping(about["metrics"], "metrics"),
        "metadata": check.plain_mapping(about["metadata"], "metadata"),
        "tags": check.names(about["tags"], "tags"),
        "description": check.description(about["description"], "description"),
        "dataset_id": check.optional(check.identifier, about["dataset_id"], "dataset_id"),
    }
    return _Version(checked, weights)


def _not_there_yet(
    model_id: str, content: _Content, there: Mapping[str, ModelVersion]
) -> tuple[list[_Version], list[str]]:
    new: list[_Version] = []
    skipped: list[str] = []
    for version in content.versions:
        name = version.about["version"]
        if name not in there:
            new.append(version)
        elif there[name].digest == hashlib.sha256(version.weights).hexdigest():
            skipped.append(name)
        else:
            raise AlreadyExists(
                f"path: version {shown(name)} of {shown(model_id)} is stored with other content; "
                "give another model_id"
            )
    return new, skipped


def _check_names(
    lab: Session, model_id: str, content: _Content, there: Mapping[str, ModelVersion]
) -> None:
    """Refuse, before anything is stored, a name that would be a version and an alias."""
    versions = {version.about["version"] for version in content.versions}
    aliases = set(lab.store.models.aliases(model_id))
    both = sorted((versions | set(there)) & set(content.aliases) | versions & aliases)
    if both:
        raise AlreadyExists(
            f"path: {shown(both[0])} would be a version and an alias of {shown(model_id)}; "
            "give another model_id, or delete the alias"
        )


def _store(lab: Session, model_id: str, version: _Version) -> None:
    from astermind_lab.persistence import NewModelVersion

    lab.store.models.add(NewModelVersion(model_id=model_id, **version.about), version.weights)
