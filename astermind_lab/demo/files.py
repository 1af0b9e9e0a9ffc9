"""Labelled texts from a file: CSV with a header, or JSON lines.

The columns are found by their names (text and label, or words like them), or, of two columns, by
what is in them; the user may also name them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from astermind_lab.demo.examples import Examples
from astermind_lab.errors import InsufficientData, InvalidInput, nearest, shown
from astermind_lab.lab import arguments as check
from astermind_lab.options import long_fields

__all__ = ["read_examples"]

_TEXT_NAMES = (
    *("text", "texts", "sentence", "message", "content", "body", "document", "review"),
    *("question", "utterance", "comment", "tweet", "description", "title"),
)
_LABEL_NAMES = (
    *("label", "labels", "category", "class", "target", "intent", "topic", "language"),
    *("sentiment", "tag", "label_text", "label_name"),
)


@dataclass(frozen=True)
class _Table:
    """Columns by name; each row with the number of the line where it ends."""

    columns: Sequence[str]
    rows: list[tuple[int, Sequence[Any]]]


def read_examples(
    path: str | Path, text_column: str | None = None, label_column: str | None = None
) -> Examples:
    """The labelled texts of a ``.csv`` or ``.jsonl`` file in UTF-8.

    text_column, label_column : the names of the columns (or keys); None finds them
    Raises InvalidInput and InsufficientData, both naming "data" or the column's argument and, where
    it is about a row, its line.
    """
    path = Path(path)
    reader = {".csv": _csv, ".jsonl": _json_lines}.get(path.suffix.lower())
    if reader is None:
        raise InvalidInput("data", f"{shown(path.name)} must end in .csv or .jsonl")
    table = reader(_content(path))
    if not table.rows:
        raise InsufficientData("data", f"{shown(path.name)} holds no examples")
    text_at, label_at = _columns(table, text_column, label_column)
    texts: list[str] = []
    labels: list[str] = []
    for line, row in table.rows:
        try:
            texts.append(check.text(_word(row[text_at]), "text"))
            labels.append(check.label(_word(row[label_at]), "label"))
        except InvalidInput as error:
            raise InvalidInput("data", f"line {line}: {error}") from None
    if len(set(labels)) < 2:
        raise InsufficientData(
            "data", f"all {len(labels):,} rows have one label; at least two labels are needed"
        )
    return Examples(path.stem, path.name, texts, labels)


def _word(value: object) -> object:
    """Whole numbers and truth values, which make good labels, as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _content(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput("data", f"cannot read {shown(str(path), 200)}: {reason}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidInput("data", f"line {line}: is not text in UTF-8; save it as UTF-8") from None


def _csv(content: str) -> _Table:
    with long_fields():
        mark = _delimiter(content)
        lines = csv.reader(StringIO(content, newline=""), delimiter=mark, strict=True)
        try:
            read = [(lines.line_num, row) for row in lines if row]
        except csv.Error as error:
            raise InvalidInput("data", f"line {lines.line_num}: is not CSV: {error}") from None
    if not read:
        return _Table([], [])
    columns = [name.strip() for name in read[0][1]]
    if len(columns) < 2:
        raise InvalidInput("data", "the file has one column; two are needed, text and label")
    for line, row in read:
        if len(row) != len(columns):
            raise InvalidInput("data", f"line {line}: has {len(row)} fields, not {len(columns)}")
    known = {*_TEXT_NAMES, *_LABEL_NAMES} & {name.casefold() for name in columns}
    if not known and len(columns) == 2 and _is_data([row for _, row in read]):
        return _Table(["first", "second"], list(read))
    return _Table(columns, list(read[1:]))


def _delimiter(content: str) -> str:
    """The comma, semicolon or tab that cuts the first line into most fields."""
    first = content.lstrip().partition("\n")[0]
    return max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))


def _is_data(rows: list[list[str]]) -> bool:
    """Whether the first of rows of two is an example: its label occurs again."""
    at = _label_like(rows[1:]) if len(rows) > 1 else 0
    return any(row[at] == rows[0][at] for row in rows[1:])


def _label_like(rows: Iterable[Sequence[Any]]) -> int:
    """Which of two columns has fewer different values."""
    first, second = ({str(row[at]) for row in rows} for at in (0, 1))
    return 0 if len(first) < len(second) else 1


def _json_lines(content: str) -> _Table:
    rows: list[tuple[int, Sequence[Any]]] = []
    columns: list[str] = []
    for line, written in enumerate(content.split("\n"), start=1):
        if not written.strip():
            continue
        found = _object(written, line)
        columns = columns or list(found)
        rows.append((line, [found.get(name) for name in columns]))
    return _Table(columns, rows)


def _object(written: str, line: int) -> dict[str, Any]:
    try:
        found = json.loads(written)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise InvalidInput("data", f"line {line}: is not JSON: {reason}") from None
    if not isinstance(found, dict) or len(found) < 2:
        raise InvalidInput("data", f"line {line}: must be an object with text and label")
    return found


def _columns(table: _Table, text: str | None, label: str | None) -> tuple[int, int]:
    """Where text and label are."""
    text_at = _place(table, text, _TEXT_NAMES, "text_column")
    label_at = _place(table, label, _LABEL_NAMES, "label_column")
    if len(table.columns) == 2:
        if label_at is None:
            rows = [row for _, row in table.rows]
            label_at = _label_like(rows) if text_at is None else 1 - text_at
        if text_at is None:
            text_at = 1 - label_at
    if text_at is None:
        raise _not_found(table, "text_column")
    if label_at is None:
        raise _not_found(table, "label_column")
    if text_at == label_at:
        raise InvalidInput("label_column", "is the same as the text column")
    return text_at, label_at


def _not_found(table: _Table, argument: str) -> InvalidInput:
    option = argument.replace("_", "-")
    return InvalidInput(argument, f"give --{option}; the file has {_named(table.columns)}")


def _place(table: _Table, wanted: str | None, usual: Sequence[str], argument: str) -> int | None:
    if wanted is not None:
        if wanted in table.columns:
            return list(table.columns).index(wanted)
        raise InvalidInput(
            argument,
            f"there is no column {shown(wanted)}; the file has {_named(table.columns)}."
            f"{nearest(wanted, table.columns)}",
        )
    folded = [name.casefold() for name in table.columns]
    return next((folded.index(name) for name in usual if name in folded), None)


def _named(columns: Sequence[str]) -> str:
    shown_few = ", ".join(shown(name, 40) for name in columns[:8])
    return shown_few + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
