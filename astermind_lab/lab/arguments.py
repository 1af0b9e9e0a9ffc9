"""Arguments, checked before any work is done.

Each function takes a value and the name of the argument it came by, and returns the value in the
one form the lab works with, or raises InvalidInput that names the argument.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

from astermind_lab.errors import AlreadyExists, InvalidInput, NotFound, nearest, shown
from astermind_lab.tools import Wire

__all__ = [
    "ExampleData",
    "Moment",
    "Window",
    "choices",
    "examples",
    "finite",
    "flag",
    "identifier",
    "label",
    "moment",
    "names",
    "number_between",
    "plain_mapping",
    "text",
    "texts",
    "whole_number",
    "window",
]

LONGEST_ID = 512
LONGEST_LABEL = 1_000
LONGEST_TEXT = 10_000_000
LARGEST_METADATA = 1_000_000
DEEPEST_METADATA = 32
_LONGEST_PLACE = 120

T = TypeVar("T")

# How JSON clients are told to write these; see Wire.


@dataclass(frozen=True)
class ExampleObject:
    """A text with its label."""

    text: str
    label: str


@dataclass(frozen=True)
class WindowObject:
    """A window of time in ISO 8601, both ends included."""

    start: str | None = None
    end: str | None = None


ExampleData = Annotated[Iterable[Mapping[str, str] | tuple[str, str]], Wire(list[ExampleObject])]
Moment = Annotated[str | date, Wire(str)]
Window = Annotated[
    Mapping[str, str | date | None] | tuple[str | date | None, str | date | None],
    Wire(WindowObject),
]


def text(value: object, argument: str, limit: int = LONGEST_TEXT) -> str:
    """Any text with something other than white space in it."""
    if not isinstance(value, str):
        raise InvalidInput(argument, f"must be text, got {shown(value)}")
    if not value or value.isspace():
        raise InvalidInput(argument, f"is blank: {shown(value)}")
    if len(value) > limit:
        raise InvalidInput(
            argument, f"has {len(value):,} characters, at most {limit:,} are allowed"
        )
    _check_characters(value, argument)
    return str(value)


def _check_characters(value: str, argument: str) -> None:
    if "\0" in value:
        place = value.index("\0")
        raise InvalidInput(argument, f"holds a null character at position {place:,}; remove it")
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            argument,
            f"holds half of a character ({value[error.start]!r}) at position {error.start:,}; "
            "read the text with its right encoding",
        ) from None


def identifier(value: object, argument: str) -> str:
    """The id of a model, version, data set, collection, alias or tag."""
    return text(value, argument, LONGEST_ID)


def label(value: object, argument: str) -> str:
    """A label."""
    return text(value, argument, LONGEST_LABEL)


def optional(check: Callable[[object, str], T], value: object, argument: str) -> T | None:
    """What ``check`` says, or None for None."""
    return None if value is None else check(value, argument)


def description(value: object, argument: str) -> str:
    """Free text that may be empty."""
    if value is None or (isinstance(value, str) and not value):
        return ""
    return text(value, argument, LARGEST_METADATA)


def sequence(value: object, argument: str, of_what: str) -> list[Any]:
    """Any iterable but text, bytes and mappings, as a list."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput(argument, f"must be a list of {of_what}, got {shown(value)}")
    return list(value)


def texts(value: object, argument: str) -> list[str]:
    """A list of texts with at least one in it."""
    given = sequence(value, argument, "texts")
    if not given:
        raise InvalidInput(argument, "is empty; give at least one text")
    return [_in_row(text, item, argument, row) for row, item in enumerate(given)]


def names(value: object, argument: str) -> tuple[str, ...]:
    """A list of ids or tags, each once, in the given order; None is an empty one."""
    given = [] if value is None else sequence(value, argument, "names")
    return tuple(
        dict.fromkeys(_in_row(identifier, item, argument, row) for row, item in enumerate(given))
    )


def _in_row(check: Callable[[object, str], T], value: object, argument: str, row: int) -> T:
    try:
        return check(value, argument)
    except InvalidInput as error:
        reason = str(error).removeprefix(f"{argument}: ")
        raise InvalidInput(argument, f"item {row}: {reason}") from None


def examples(value: object, argument: str) -> tuple[list[str], list[str]]:
    """Labelled texts as two lists. Each is ``{"text", "label"}`` or a pair (text, label)."""
    found_texts: list[str] = []
    found_labels: list[str] = []
    for row, item in enumerate(sequence(value, argument, "{text, label} objects")):
        raw_text, raw_label = _parts(item, argument, row)
        try:
            found_texts.append(text(raw_text, "text"))
            found_labels.append(label(raw_label, "label"))
        except InvalidInput as error:
            raise InvalidInput(argument, f"item {row}: {error}") from None
    if not found_texts:
        raise InvalidInput(argument, "is empty; give at least one {text, label} object")
    return found_texts, found_labels


def _parts(item: object, argument: str, row: int) -> tuple[object, object]:
    if isinstance(item, Mapping):
        check_keys(item, ("text", "label"), argument, f"item {row}: ")
        for key in ("text", "label"):
            if key not in item:
                raise InvalidInput(argument, f"item {row}: has no {key!r}: {shown(dict(item))}")
        return item["text"], item["label"]
    if isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2:
        return item[0], item[1]
    raise InvalidInput(
        argument, f"item {row}: must be an object with text and label, got {shown(item)}"
    )


def check_keys(
    value: Mapping[Any, object], allowed: Sequence[str], argument: str, where: str = ""
) -> None:
    """Refuse keys that are not among ``allowed``."""
    for key in value:
        if key not in allowed:
            hint = nearest(str(key), allowed) or f" Allowed are {', '.join(allowed)}."
            raise InvalidInput(argument, f"{where}unknown key {shown(key)}.{hint}")


def whole_number(value: object, argument: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InvalidInput(argument, f"must be a whole number, got {shown(value)}")
    number = int(value)
    if not low <= number <= high:
        raise InvalidInput(argument, f"must be from {low:,} to {high:,}, got {shown(value)}")
    return number


def finite(value: object, argument: str) -> float:
    """A number that is neither infinite nor NaN."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidInput(argument, f"must be a number, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidInput(argument, f"must be a finite number, got {shown(value)}")
    return number


def number_between(value: object, argument: str, low: float, high: float) -> float:
    """A number from ``low`` to ``high``."""
    number = finite(value, argument)
    if not low <= number <= high:
        raise InvalidInput(argument, f"must be from {low:g} to {high:g}, got {shown(value)}")
    return number


def vector(value: object, argument: str) -> list[float]:
    """A list of finite numbers with at least one in it."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    given = sequence(plain, argument, "numbers")
    if not given:
        raise InvalidInput(argument, "is empty; give at least one number")
    if set(map(type, given)) == {float} and all(map(math.isfinite, given)):
        return given  # a thousand vectors are a million numbers
    return [_in_row(finite, item, argument, row) for row, item in enumerate(given)]


def flag(value: object, argument: str) -> bool:
    """True or false, and nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise InvalidInput(argument, f"must be true or false, got {shown(value)}")
    return value


def choices(value: object, argument: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """A list of allowed words, each once, in their usual order; None is all of them."""
    if value is None:
        return tuple(allowed)
    given = sequence(value, argument, "names")
    for item in given:
        if item not in allowed:
            hint = nearest(str(item), allowed)
            raise InvalidInput(argument, f"{shown(item)} is not one of {', '.join(allowed)}.{hint}")
    if not given:
        raise InvalidInput(argument, f"is empty; choose from {', '.join(allowed)}")
    return tuple(word for word in allowed if word in given)


def plain_mapping(value: object, argument: str) -> dict[str, Any]:
    """An object of plain data that JSON can hold; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(argument, f"must be an object, got {shown(value)}")
    plain: dict[str, Any] = _plain(value, argument, argument, DEEPEST_METADATA)
    size = len(json.dumps(plain))
    if size > LARGEST_METADATA:
        raise InvalidInput(
            argument, f"has {size:,} characters as JSON, at most {LARGEST_METADATA:,} are allowed"
        )
    return plain


def _plain(value: object, argument: str, where: str, depth: int) -> Any:
    if len(where) > _LONGEST_PLACE:
        where = where[: _LONGEST_PLACE - 1] + "…"
    if depth == 0:
        raise InvalidInput(argument, f"is nested more than {DEEPEST_METADATA} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _check_characters(value, argument)
        return str(value)
    if isinstance(value, numbers.Integral):
        return _storable_integer(int(value), argument, where)
    if isinstance(value, numbers.Real):
        return finite(value, argument)
    if isinstance(value, datetime):
        return moment(value, argument).isoformat()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not key:
                raise InvalidInput(argument, f"{where} has a key that is not text: {shown(key)}")
            _check_characters(key, argument)
        return {str(k): _plain(v, argument, f"{where}.{k}", depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, argument, f"{where}[{i}]", depth - 1) for i, v in enumerate(value)]
    raise InvalidInput(argument, f"{where} is not plain data: {shown(value)}")


def _storable_integer(value: int, argument: str, where: str) -> int:
    if not -(2**63) <= value < 2**63:
        raise InvalidInput(argument, f"{where} does not fit into 64 bits: {shown(value)}")
    return value


def moment(value: object, argument: str) -> datetime:
    """A moment in UTC: ISO 8601 with a zone, a date (its midnight UTC), or such an object."""
    if isinstance(value, str):
        value = _parsed(value, argument)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInput(
                argument, f"has no time zone: {value.isoformat()}; add one, as in …T12:00:00Z"
            )
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise InvalidInput(argument, f"is outside the calendar: {shown(value)}") from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise InvalidInput(argument, f"must be a time in ISO 8601, got {shown(value)}")


def _parsed(value: str, argument: str) -> date:
    try:
        if len(value.strip()) <= len("2026-01-31"):
            return date.fromisoformat(value.strip())
        return datetime.fromisoformat(value.strip())
    except ValueError:
        raise InvalidInput(
            argument,
            f"{shown(value)} is not a time in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z",
        ) from None


def window(value: object, argument: str) -> tuple[datetime | None, datetime | None]:
    """Start and end, both ends included; None is open."""
    start: object
    end: object
    if value is None:
        return None, None
    if isinstance(value, Mapping):
        check_keys(value, ("start", "end"), argument)
        start, end = value.get("start"), value.get("end")
    elif isinstance(value, tuple | list) and len(value) == 2:
        start, end = value
    else:
        raise InvalidInput(argument, f"must be an object with start and end, got {shown(value)}")
    first = optional(moment, start, f"{argument}.start")
    last = optional(moment, end, f"{argument}.end")
    if first is not None and last is not None and first > last:
        raise InvalidInput(
            argument, f"starts after it ends: {first.isoformat()} > {last.isoformat()}"
        )
    return first, last


@contextmanager
def renamed(**names_of_ours: str) -> Iterator[None]:
    """Errors about arguments of a lower layer, told under the names of the tool.

    names_of_ours : their name to ours, as in ``texts="training_data"``
    """
    try:
        yield
    except InvalidInput as error:
        ours = names_of_ours.get(error.argument or "")
        if ours is None:
            raise
        raise type(error)(ours, str(error).removeprefix(f"{error.argument}: ")) from None


@contextmanager
def blaming(argument: str) -> Iterator[None]:
    """Let NotFound and AlreadyExists from a lower layer name the argument that led to them."""
    try:
        yield
    except (NotFound, AlreadyExists) as error:
        if str(error).startswith(f"{argument}: "):
            raise
        raise type(error)(f"{argument}: {error}") from None
