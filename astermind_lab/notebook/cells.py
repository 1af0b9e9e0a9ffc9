"""What stands in the cell of ``%%elm``: labelled texts, or one text a line.

Labelled texts are written in one of three ways, told apart by the first line:

    spam<TAB>win money now                        label, TAB, text
    text,label                                    CSV with these two in its header
    {"text": "win money now", "label": "spam"}    JSON, one object a line

Blank lines do not count. Errors name the line, the first one of the body being line 1.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from astermind_lab.errors import InvalidInput, shown

__all__ = ["read_examples", "read_texts"]

_LONGEST = 10_000_000
_COLUMNS = {"text", "label"}


def read_texts(body: str) -> list[str]:
    """The lines that are not blank, without white space around them."""
    return [text for _, text in _lines(body)]


def read_examples(body: str) -> list[dict[str, str]]:
    """Labelled texts as ``{"text", "label"}``.

    Raises InvalidInput, whose argument is the line, as in ``line 3``.

    >>> read_examples('spam\\twin money now')
    [{'text': 'win money now', 'label': 'spam'}]
    """
    lines = list(_lines(body))
    if not lines:
        raise InvalidInput("cell", "is empty; write one labelled text a line below %%elm")
    number, first = lines[0]
    if first.startswith("{"):
        return [_from_json(*line) for line in lines]
    if "\t" in first:
        return _from_tabs(lines)
    if {name.strip() for name in next(csv.reader([first]))} >= _COLUMNS:
        return list(_from_csv(body, number - 1))
    raise InvalidInput(
        f"line {number}",
        f"{shown(first)} is none of: label, TAB, text (the Tab key of a notebook writes spaces); "
        "a CSV header with text,label; an object as JSON",
    )


def _lines(body: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(body.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def _from_json(number: int, line: str) -> dict[str, str]:
    place = f"line {number}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InvalidInput(place, f"is not JSON: {reason}, in {shown(line)}") from None
    if not isinstance(row, dict):
        raise InvalidInput(place, f"must be an object with text and label, got {shown(row)}")
    return _example(place, row.get("text"), row.get("label"))


def _from_tabs(lines: Sequence[tuple[int, str]]) -> list[dict[str, str]]:
    order = [name.strip() for name in lines[0][1].split("\t")]
    headed = set(order) == _COLUMNS and len(order) == len(_COLUMNS)
    result = []
    for number, line in lines[1 if headed else 0 :]:
        label, tab, text = line.partition("\t")
        if not tab:
            raise InvalidInput(f"line {number}", f"has no TAB after the label: {shown(line)}")
        if headed and order[0] == "text":
            label, text = text, label
        result.append(_example(f"line {number}", text, label))
    return result


def _from_csv(body: str, skipped: int) -> Iterator[dict[str, str]]:
    """Rows under the header, which comes after so many blank lines."""
    before = csv.field_size_limit(_LONGEST)
    lines = body.split("\n", skipped)[-1]
    reader = csv.DictReader(StringIO(lines, newline=""), skipinitialspace=True, strict=True)
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        for row in reader:
            place = f"line {skipped + reader.line_num}"
            if None in row:
                raise InvalidInput(
                    place, "has more fields than the header; put a text with commas in quotes"
                )
            yield _example(place, row["text"], row["label"])
    except csv.Error as error:
        # DictReader counts the lines of rows that were whole.
        raise InvalidInput(
            f"line {skipped + reader.line_num + 1}", f"is not CSV: {error}"
        ) from None
    finally:
        csv.field_size_limit(before)


def _example(place: str, text: Any, label: Any) -> dict[str, str]:
    for name, value in (("text", text), ("label", label)):
        if not isinstance(value, str) or not value.strip():
            what = "is missing" if value is None else f"must be text, got {shown(value)}"
            raise InvalidInput(place, f"{name} {what}")
    return {"text": text.strip(), "label": label.strip()}
