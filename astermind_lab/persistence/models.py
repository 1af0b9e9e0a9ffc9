"""Model versions: what was trained, when, how well, and the weights to use it again.

A version is one row ``models:[model_id, version]`` plus its weights in parts in ``model_weights``;
lists read rows only. Versions are ordered by a counter that grows in the transaction that makes
them visible, so "the latest" is the one stored last, whatever the clocks say. An alias such as
``champion`` is a name for one version of a model, can be moved, and remembers its moves.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from surrealdb import RecordID

from astermind_lab.clock import Clock
from astermind_lab.errors import (
    AlreadyExists,
    InvalidInput,
    ModelFileError,
    NotFound,
    nearest,
    shown,
)
from astermind_lab.persistence.alias_rows import (
    MOST_MOVES,
    ROLL_BACK,
    SET_ALIAS,
    AliasMove,
    read_moves,
)
from astermind_lab.persistence.claims import Claims
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.model_rows import (
    ModelVersion,
    NewModelVersion,
    read_version,
    version_row,
)
from astermind_lab.persistence.values import check_id, check_text

__all__ = ["ModelRepository"]

# Small enough for one message to a server, large enough for few round trips.
PART_BYTES = 8 * 1024 * 1024

_ALL_OF = "models:[$model_id]..=[$model_id, []]"
_HIDDEN = "status != 'loading'"

# Writing the model's row here and in SET_ALIAS makes these two transactions meet, if they run side
# by side.
_DELETE = """{
    IF (SELECT VALUE status FROM ONLY $record) != 'active' { NONE } ELSE {
        LET $names = (
            SELECT VALUE alias FROM aliases:[$model_id]..=[$model_id, []] WHERE version = $version
        );
        IF array::len($names) = 0 {
            UPDATE $record SET status = 'deleted', revision += 1 RETURN NONE;
        };
        $names
    }
}"""

_RESTORE = """
UPDATE $record SET status = 'active', revision += 1 WHERE status = 'deleted' RETURN VALUE version
"""


class ModelRepository:
    """The registry of model versions."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._claims = Claims(connection, "models", self._remove_weights)
        self._naming = threading.Lock()

    def add(self, new: NewModelVersion, weights: bytes) -> ModelVersion:
        """Store a version whole or not at all; it is then the latest of its model.

        Raises AlreadyExists if (model_id, version) is taken, also by an alias, InvalidInput for a
        bad field.
        """
        row = version_row(new, self._clock.now())
        data = _check_weights(weights)
        row |= {
            "digest": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "parts": -(-len(data) // PART_BYTES),
        }
        record = _record(new.model_id, new.version)
        what = f"version {shown(new.version)} of model {shown(new.model_id)}"
        with self._claims.claim(record, row, what) as claim:
            self._refuse_alias(new.model_id, new.version)
            for part in range(row["parts"]):
                self._connection.write(
                    "UPSERT $record SET data = $data RETURN NONE",
                    record=RecordID("model_weights", [claim.uid, part]),
                    data=bytes(data[part * PART_BYTES : (part + 1) * PART_BYTES]),
                )
                claim.beat()
            claim.publish({"status": "active"})
        return self._version(new.model_id, new.version)

    def get(self, model_id: str, version: str | None = None) -> ModelVersion:
        """One version: by name, else by alias; without a name, the one stored last.

        Raises NotFound and says which versions exist.
        """
        check_id("model_id", model_id)
        if version is None:
            return self._latest_of(model_id)
        check_id("version", version)
        row = self._row(model_id, version)
        if row is None or row["status"] != "active":
            target = self._connection.first(
                "SELECT VALUE version FROM ONLY $alias", alias=_alias(model_id, version)
            )
            aliased = None if target is None else self._row(model_id, target)
            if aliased is not None:
                return read_version(aliased)
            raise self._missing(model_id, version, deleted=row is not None)
        return read_version(row)

    def weights(self, model_id: str, version: str) -> bytes:
        """The weights of a version (or alias), exactly as stored.

        Raises NotFound, and ModelFileError if they do not match their digest any more.
        """
        found = self.get(model_id, version)
        row = self._row(model_id, found.version)
        if row is None:
            raise self._missing(model_id, version)
        data = b"".join(self._read_part(row["uid"], part) for part in range(row["parts"]))
        if hashlib.sha256(data).hexdigest() != found.digest:
            raise ModelFileError(
                f"the stored weights of {found.record_id} are damaged: {len(data):,} bytes were "
                f"read, {found.size_bytes:,} were stored. Load another version, or train again"
            )
        return data

    def versions(self, model_id: str, include_deleted: bool = False) -> list[ModelVersion]:
        """The versions of a model, newest first; an unknown model has none."""
        check_id("model_id", model_id)
        rows = self._connection.first(
            f"SELECT * FROM {_ALL_OF} WHERE {_HIDDEN} ORDER BY seq DESC", model_id=model_id
        )
        found = [read_version(row) for row in rows]
        return [one for one in found if include_deleted or one.status == "active"]

    def latest(self) -> list[ModelVersion]:
        """The latest version of each model, newest first."""
        newest = self._connection.first(
            "SELECT model_id, math::max(seq) AS seq FROM models WHERE status = 'active' "
            "GROUP BY model_id"
        )
        rows = self._connection.first(
            "SELECT * FROM models WHERE seq IN $numbers", numbers=[row["seq"] for row in newest]
        )
        return [read_version(row) for row in sorted(rows, key=lambda row: -int(row["seq"]))]

    def with_tag(self, tag: str) -> list[ModelVersion]:
        """The versions that carry a tag, newest first."""
        check_text("tag", tag)
        rows = self._connection.first(
            "SELECT * FROM models WHERE status = 'active' AND tags CONTAINS $tag ORDER BY seq DESC",
            tag=tag,
        )
        return [read_version(row) for row in rows]

    def set_alias(
        self, model_id: str, alias: str, version: str, moves: Sequence[AliasMove] = ()
    ) -> None:
        """Let ``alias`` stand for a version, in place of the one it stood for before.

        moves : what a new alias remembers, newest first, if not only this move
        Nothing changes where it stands for that version already. Raises NotFound for the version,
        and InvalidInput if the alias is the name of a version, also of a deleted one, which could
        come back.
        """
        check_id("model_id", model_id)
        check_id("alias", alias)
        check_id("version", version)
        now = self._clock.now()
        row = {"model_id": model_id, "alias": alias, "version": version, "updated_at": now}
        remembered = list(moves[:MOST_MOVES]) or [AliasMove(version, now)]
        if remembered[0].version != version:
            raise ValueError("the first move is the one to the version")
        with self._naming:
            done = self._connection.write(
                SET_ALIAS,
                record=_record(model_id, version),
                named=_record(model_id, alias),
                alias=_alias(model_id, alias),
                row=row,
                moves=[vars(move) for move in remembered],
                most=MOST_MOVES,
            )
        if done is None:
            raise InvalidInput(
                "alias",
                f"{shown(alias)} is the name of a version of model {shown(model_id)}, in use or "
                "deleted; choose another name",
            )
        if not done:
            raise self._missing(model_id, version)

    def roll_back_alias(self, model_id: str, alias: str) -> str:
        """Let an alias stand for what it stood for before, and forget the move; that version.

        Versions that were deleted since are passed over, and forgotten. Raises NotFound.
        """
        check_id("model_id", model_id)
        check_id("alias", alias)
        version: str | None = self._connection.write_once(
            ROLL_BACK, alias=_alias(model_id, alias), model_id=model_id, now=self._clock.now()
        )
        if version is not None:
            return version
        names = self.aliases(model_id)
        if alias not in names:
            raise _no_alias(model_id, alias, names)
        raise NotFound(
            f"{shown(alias)} of model {shown(model_id)} stands for {shown(names[alias])}, and "
            "remembers no version from before that is still stored"
        )

    def aliases(self, model_id: str) -> dict[str, str]:
        """alias → version, for one model."""
        check_id("model_id", model_id)
        rows = self._connection.first(
            "SELECT alias, version FROM aliases:[$model_id]..=[$model_id, []]", model_id=model_id
        )
        return {row["alias"]: row["version"] for row in rows}

    def alias_moves(self, model_id: str) -> dict[str, list[AliasMove]]:
        """alias → the versions it stands and stood for, newest first, for one model."""
        check_id("model_id", model_id)
        rows = self._connection.first(
            "SELECT * FROM aliases:[$model_id]..=[$model_id, []]", model_id=model_id
        )
        return {row["alias"]: read_moves(row) for row in rows}

    def delete_alias(self, model_id: str, alias: str) -> None:
        """Remove an alias; its version stays. Raises NotFound."""
        check_id("model_id", model_id)
        check_id("alias", alias)
        gone = self._connection.write_once(
            "(DELETE $alias RETURN BEFORE)", alias=_alias(model_id, alias)
        )
        if not gone:
            raise _no_alias(model_id, alias, self.aliases(model_id))

    def delete(self, model_id: str, version: str) -> None:
        """Hide a version; ``restore`` brings it back.

        Raises NotFound, and InvalidInput while an alias stands for it.
        """
        check_id("model_id", model_id)
        check_id("version", version)
        names = self._connection.write_once(
            _DELETE, record=_record(model_id, version), model_id=model_id, version=version
        )
        if names is None:
            raise self._missing(model_id, version)
        if names:
            raise InvalidInput(
                "version",
                f"{shown(version)} of model {shown(model_id)} is what {_listed(names)} stands "
                "for; move or delete the alias first",
            )

    def purge(self, model_id: str, version: str) -> None:
        """Delete a version and its weights for good; raises as ``delete`` does."""
        row = self._row(model_id, version)
        self.delete(model_id, version)
        self._connection.write(
            "{ DELETE $record RETURN NONE; DELETE model_weights:[$uid]..=[$uid, []] RETURN NONE; }",
            record=_record(model_id, version),
            uid=row["uid"] if row else "",
        )

    def restore(self, model_id: str, version: str) -> None:
        """Show a deleted version again; no error if it is not deleted. Raises NotFound."""
        check_id("model_id", model_id)
        check_id("version", version)
        if not self._connection.write(_RESTORE, record=_record(model_id, version)):
            self._version(model_id, version)

    def _refuse_alias(self, model_id: str, version: str) -> None:
        """Keep a version from the name of an alias, which it would put out of sight.

        Asked after the claim, which ``set_alias`` sees; the lock orders the two.
        """
        with self._naming:
            target = self._connection.first(
                "SELECT VALUE version FROM ONLY $alias", alias=_alias(model_id, version)
            )
        if target is not None:
            raise AlreadyExists(
                f"{shown(version)} is an alias of model {shown(model_id)}, for version "
                f"{shown(target)}; choose another name; nothing was changed"
            )

    def _row(self, model_id: str, version: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self._connection.first(
            f"SELECT * FROM ONLY $record WHERE {_HIDDEN}", record=_record(model_id, version)
        )
        return row

    def _version(self, model_id: str, version: str) -> ModelVersion:
        row = self._row(model_id, version)
        if row is None:
            raise self._missing(model_id, version)
        return read_version(row)

    def _latest_of(self, model_id: str) -> ModelVersion:
        rows = self._connection.first(
            f"SELECT * FROM {_ALL_OF} WHERE status = 'active' ORDER BY seq DESC LIMIT 1",
            model_id=model_id,
        )
        if not rows:
            raise self._missing(model_id, None)
        return read_version(rows[0])

    def _read_part(self, uid: str, part: int) -> bytes:
        data = self._connection.first(
            "SELECT VALUE data FROM ONLY $record", record=RecordID("model_weights", [uid, part])
        )
        return data if isinstance(data, bytes) else b""

    def _remove_weights(self, uid: str) -> None:
        self._connection.write("DELETE model_weights:[$uid]..=[$uid, []] RETURN NONE", uid=uid)

    def _missing(self, model_id: str, version: str | None, deleted: bool = False) -> NotFound:
        if deleted:
            return NotFound(
                f"version {shown(version)} of model {shown(model_id)} was deleted; "
                "restore it to use it again"
            )
        versions = [one.version for one in self.versions(model_id)]
        if not versions:
            known = [one.model_id for one in self.latest()]
            return NotFound(
                f"no version of model {shown(model_id)} is stored.{nearest(model_id, known)}"
                f" Stored models: {_listed(known)}"
            )
        names = versions + list(self.aliases(model_id))
        return NotFound(
            f"model {shown(model_id)} has no version or alias {shown(version)}."
            f"{nearest(version or '', names)} Newest first: {_listed(names)}"
        )


def _record(model_id: str, version: str) -> RecordID:
    return RecordID("models", [model_id, version])


def _alias(model_id: str, alias: str) -> RecordID:
    return RecordID("aliases", [model_id, alias])


def _no_alias(model_id: str, alias: str, names: Mapping[str, str]) -> NotFound:
    return NotFound(
        f"model {shown(model_id)} has no alias {shown(alias)}.{nearest(alias, names)}"
        f" Its aliases: {_listed(list(names))}"
    )


def _check_weights(weights: object) -> bytes:
    if not isinstance(weights, bytes | bytearray | memoryview) or not len(weights):
        raise InvalidInput("weights", f"bytes are needed, got {shown(weights)}")
    return bytes(weights)


def _listed(names: Sequence[str], most: int = 5) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more
