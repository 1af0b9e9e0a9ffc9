"""What goes into the database and what comes out of it.

Every id, text, time and free-form object passes through here on its way in, so that a value either
round-trips exactly or is refused by the name of its argument before anything is written.
"""

from __future__ import annotations

import json
import numbers
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from surrealdb import Null, RecordID

from astermind_lab.errors import InvalidInput, shown

__all__ = [
    "MAX_ID_BYTES",
    "MAX_TEXT_BYTES",
    "check_id",
    "check_moment",
    "check_object",
    "check_text",
    "from_database",
    "plain_moment",
    "record_name",
]

MAX_ID_BYTES = 16 * 1024
MAX_TEXT_BYTES = 16 * 1024 * 1024
# The engine refuses requests nested deeper than about a hundred levels.
_MAX_DEPTH = 32
_INT64 = range(-(2**63), 2**63)


def check_id(argument: str, value: object) -> str:
    """An id: any non-blank text of at most 16 KiB; raises InvalidInput(argument)."""
    return check_text(argument, value, limit=MAX_ID_BYTES)


def check_text(argument: str, value: object, limit: int = MAX_TEXT_BYTES) -> str:
    """Any non-blank text of at most ``limit`` bytes in UTF-8; raises InvalidInput(argument)."""
    if not isinstance(value, str):
        raise InvalidInput(argument, f"text is needed, got {type(value).__name__} {shown(value)}")
    if not value or value.isspace():
        raise InvalidInput(argument, f"text that is not blank is needed, got {shown(value)}")
    _check_encoding(argument, value, limit)
    return str(value)


def _check_encoding(argument: str, value: str, limit: int) -> None:
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as problem:
        raise InvalidInput(
            argument,
            f"character {problem.start} of {shown(value)} is half of a surrogate pair, which is "
            "not valid Unicode; decode the text again with the right encoding",
        ) from None
    if size > limit:
        raise InvalidInput(
            argument, f"the text takes {size:,} bytes, at most {limit:,} are stored: {shown(value)}"
        )


def check_moment(argument: str, value: object) -> datetime:
    """An aware datetime, in UTC; raises InvalidInput(argument)."""
    if not isinstance(value, datetime):
        raise InvalidInput(argument, f"a datetime is needed, got {shown(value)}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(argument, f"a datetime with a time zone is needed, got {shown(value)}")
    try:
        return plain_moment(value.astimezone(UTC))
    except OverflowError:
        raise InvalidInput(argument, f"{shown(value)} is outside the years 1 to 9999") from None


def plain_moment(value: datetime) -> datetime:
    """The same moment as an ordinary datetime in UTC (the SDK's own class keeps nanoseconds)."""
    return datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        tzinfo=UTC,
    )


def check_object(argument: str, value: object) -> dict[str, Any]:
    """A JSON-like object ready for the database; raises InvalidInput(argument).

    Holds what JSON holds: None, bool, int of 64 bits, float, text, lists and objects with text
    keys, at most 32 levels deep. NumPy scalars become Python numbers, tuples become lists.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(argument, f"an object is needed, got {type(value).__name__}")
    stored: dict[str, Any] = _to_database(argument, value, "", _MAX_DEPTH)
    return stored


def _to_database(argument: str, value: object, path: str, depth: int) -> Any:
    if depth < 0:
        raise InvalidInput(argument, f"nested deeper than {_MAX_DEPTH} levels at {shown(path)}")
    if value is None or value is Null:
        return Null  # None would become NONE, and with it the key would vanish
    if isinstance(value, str):
        _check_encoding(argument, value, MAX_TEXT_BYTES)
        return str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {
            _key(argument, key, path): _to_database(argument, item, f"{path}.{key}", depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _to_database(argument, item, f"{path}[{place}]", depth - 1)
            for place, item in enumerate(value)
        ]
    return _number(argument, value, path)


def _key(argument: str, key: object, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidInput(argument, f"keys must be text, got {shown(key)} at {shown(path or '.')}")
    _check_encoding(argument, key, MAX_ID_BYTES)
    return str(key)


def _number(argument: str, value: object, path: str) -> bool | int | float:
    if type(value).__name__ in ("bool", "bool_"):  # NumPy's bool is no number
        return bool(value)
    if isinstance(value, numbers.Integral):
        if int(value) not in _INT64:
            raise InvalidInput(argument, f"{shown(value)} at {shown(path)} needs more than 64 bits")
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return float(value)
    raise InvalidInput(
        argument,
        f"only text, numbers, true/false, null, lists and objects can be stored, got "
        f"{type(value).__name__} at {shown(path or '.')}",
    )


def from_database(value: Any) -> Any:
    """Turn NULL back into None, all the way down."""
    if value is Null:
        return None
    if isinstance(value, dict):
        return {key: from_database(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_database(item) for item in value]
    return value


def record_name(record: RecordID) -> str:
    """The record id as SurrealQL writes it, for example ``models:["intents", "v1"]``.

    Bound as a parameter, ``type::record($name)`` gives the record back.
    """
    return f"{record.table_name}:{_literal(record.id, top=True)}"


def _literal(part: Any, *, top: bool = False) -> str:
    if isinstance(part, list | tuple):
        return f"[{', '.join(_literal(item) for item in part)}]"
    if isinstance(part, datetime):
        return f'd"{plain_moment(part).isoformat().replace("+00:00", "Z")}"'
    if isinstance(part, str) and top:
        return "`" + part.replace("\\", "\\\\").replace("`", "\\`") + "`"
    return json.dumps(part, ensure_ascii=False)
