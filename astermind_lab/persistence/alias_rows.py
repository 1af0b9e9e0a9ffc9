"""What an alias stands for, what it stood for before, and how both change.

A row of ``aliases`` names a version and keeps its moves, newest first. Rows that were written
before there was a history have none: their one move is the one to the version that they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from astermind_lab.persistence.values import plain_moment

__all__ = ["MOST_MOVES", "ROLL_BACK", "SET_ALIAS", "AliasMove", "read_moves"]

MOST_MOVES = 20
"""Moves of an alias that are remembered, the one to its version of now included."""

# $moves : what is remembered where the alias is new, or a single move
SET_ALIAS = """{
    IF (SELECT VALUE status FROM ONLY $named) != NONE { RETURN NONE };
    IF (SELECT VALUE status FROM ONLY $record) != 'active' { RETURN false };
    LET $old = (SELECT * FROM ONLY $alias);
    UPDATE $record SET revision += 1 RETURN NONE;
    IF $old.version != $row.version {
        LET $now = { version: $row.version, at: $row.updated_at };
        LET $before = $old.history ?? [{ version: $old.version, at: $old.updated_at }];
        LET $history = IF $old = NONE { $moves } ELSE { array::prepend($before, $now) };
        UPSERT $alias CONTENT object::extend(
            $row, { history: array::slice($history, 0, $most) }
        ) RETURN NONE;
    };
    RETURN true;
}"""

# Writing the version's row makes this and its deletion meet, if they run side by side.
ROLL_BACK = """{
    LET $row = (SELECT * FROM ONLY $alias);
    LET $moves = $row.history ?? [];
    LET $place = array::find_index($moves, |$move| $move.version != $row.version AND (
        SELECT VALUE status FROM ONLY type::record('models', [$model_id, $move.version])
    ) = 'active');
    IF $place = NONE { NONE } ELSE {
        LET $version = $moves[$place].version;
        UPDATE type::record('models', [$model_id, $version]) SET revision += 1 RETURN NONE;
        UPDATE $alias SET
            version = $version, updated_at = $now, history = array::slice($moves, $place)
        RETURN NONE;
        $version
    }
}"""


@dataclass(frozen=True)
class AliasMove:
    """A version that an alias came to stand for, and when."""

    version: str
    at: datetime


def read_moves(row: Mapping[str, Any]) -> list[AliasMove]:
    """The moves of an alias, newest first; the first is the one to its version of now."""
    moves = row.get("history") or [{"version": row["version"], "at": row["updated_at"]}]
    return [AliasMove(move["version"], plain_moment(move["at"])) for move in moves]
