"""What is asked of the prediction log: which predictions, and from where on."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.persistence.stretches import COUNTS
from astermind_lab.persistence.tally_rows import read_cells

__all__ = ["Cursor", "Wanted", "read_cursor"]

Row = Mapping[str, Any]


class Cursor(NamedTuple):
    """A place in the log of a model: what comes before it in time is still to be listed.

    at : microseconds since 1970     number, writer : of a row at that moment, or nothing
    """

    at: int
    number: int | None = None
    writer: str = ""

    def key(self, model_id: str) -> list[Any]:
        """The key at which a range ends that reaches up to here."""
        return [model_id, self.at, *([] if self.number is None else [self.number, self.writer])]

    def __str__(self) -> str:
        text = json.dumps(self, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The inverse of ``str(cursor)``; raises InvalidInput("before")."""
    with suppress(ValueError, TypeError, RecursionError):
        found = Cursor(*json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
        kinds = tuple(map(type, found))
        plain = kinds in ((int, int, str), (int, type(None), str)) and str(found) == text
        if plain and abs(found.at) < 2**62 and 0 <= (found.number or 0) < 2**62:
            return found
    raise InvalidInput("before", f"{shown(text)} is not the next of a page that was listed before")


@dataclass(frozen=True)
class Wanted:
    """Which predictions are listed; None is any.

    correct : only those whose truth is known and was met, or was not
    search : a part of the text, in capitals or not
    """

    versions: Collection[str] | None = None
    predictions: Collection[str] | None = None
    ground_truth: str | None = None
    correct: bool | None = None
    search: str | None = None

    @property
    def by_cells(self) -> bool:
        """Whether counts alone do not tell how many there are."""
        return self.predictions is not None or self.ground_truth is not None

    @property
    def columns(self) -> str:
        """What of a tally is needed."""
        return COUNTS + ", data" * self.by_cells

    def at_most(self, row: Row) -> int:
        """How many there may be in a tally, by its counts alone."""
        if self.versions is not None and row["id"].id[3] not in self.versions:
            return 0
        if self.correct is None:
            return int(row["known"] if self.ground_truth is not None else row["n"])
        return int(row["correct"] if self.correct else row["known"] - row["correct"])

    def in_cells(self, row: Row) -> int:
        """How many there are in a tally."""
        most = self.at_most(row)
        if not self.by_cells or not most:
            return most
        cells = read_cells(row)
        inside = cells.n != 0
        places = {label: place for place, label in enumerate(cells.labels)}
        if self.ground_truth is not None:
            inside &= cells.truth == places.get(self.ground_truth, -2)
        if self.correct is not None:
            inside &= (cells.truth >= 0) & ((cells.truth == cells.predicted) == self.correct)
        if self.predictions is None:
            return int(cells.n[inside].sum())
        wanted = (places.get(label, -2) for label in self.predictions)
        return sum(int(cells.n[inside & (cells.predicted == place)].sum()) for place in wanted)

    def condition(self) -> str:
        """What a row has to fulfil, in SurrealQL."""
        asked = {
            "version IN $versions": self.versions is not None,
            "prediction IN $predictions": self.predictions is not None,
            "ground_truth = $ground_truth": self.ground_truth is not None,
            "ground_truth = prediction": self.correct is True,
            "ground_truth != NONE AND ground_truth != prediction": self.correct is False,
            "input != NONE AND string::contains(string::lowercase(input), "
            "string::lowercase($search))": self.search is not None,
        }
        return " AND ".join(text for text, is_asked in asked.items() if is_asked) or "true"

    def bound(self) -> dict[str, Any]:
        """The parameters of ``condition``."""
        return {
            "versions": list(self.versions or ()),
            "predictions": list(self.predictions or ()),
            "ground_truth": self.ground_truth,
            "search": self.search,
        }
