"""What all results have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from astermind_lab.display import Interval, View, html, plain
from astermind_lab.display.words import share
from astermind_lab.estimate import Estimate

__all__ = ["Result", "interval", "plain_data", "share_or_dash"]


class Result:
    """A frozen dataclass that knows its plain data and how it looks.

    ``to_dict()`` has one key per field, under the name in ``_keys`` where the documented key is not
    a Python name of ours. Fields in ``_optional`` are left out while they are None, False or empty.
    """

    _keys: ClassVar[Mapping[str, str]] = {}
    _optional: ClassVar[frozenset[str]] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: text, numbers, true/false, null, lists and objects only."""
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return {
            self._keys.get(name, name): plain_data(value)
            for name, value in fields
            if value or name not in self._optional
        }

    def view(self) -> View:
        """What there is to see."""
        raise NotImplementedError

    def short(self) -> str:
        """What stands between the brackets of the repr."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.short()})"

    def __str__(self) -> str:
        return plain(self.view())

    def _repr_html_(self) -> str:
        return html(self.view())


def plain_data(value: object) -> Any:
    """The value as JSON can hold it; times become ISO 8601 in UTC."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Result | Estimate):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(k): plain_data(v) for k, v in value.items()}
    if isinstance(value, Sequence):
        return [plain_data(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not plain data")


def interval(name: str, estimate: Estimate) -> Interval:
    """An estimate as a view draws it."""
    basis = f"{estimate.method}, n = {estimate.n:,}, 95 % interval"
    return Interval(name, estimate.value, estimate.low, estimate.high, basis)


def share_or_dash(estimate: Estimate | None) -> str:
    """The estimate's value as a percentage, or a dash."""
    return "–" if estimate is None else share(estimate.value)
