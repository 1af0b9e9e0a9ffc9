"""What a page looks at: model, version and window. It is in the address, so it can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self
from urllib.parse import urlencode

from astermind_lab.errors import InvalidInput, shown

__all__ = ["PRESETS", "Step", "View"]

Step = Literal["6s", "minute", "hour", "day"]

PRESETS: Mapping[str, tuple[str, timedelta | None, Step]] = {
    "10m": ("last 10 minutes", timedelta(minutes=10), "6s"),
    "1h": ("last hour", timedelta(hours=1), "minute"),
    "6h": ("last 6 hours", timedelta(hours=6), "minute"),
    "24h": ("last 24 hours", timedelta(hours=24), "hour"),
    "7d": ("last 7 days", timedelta(days=7), "hour"),
    "30d": ("last 30 days", timedelta(days=30), "day"),
    "90d": ("last 90 days", timedelta(days=90), "day"),
    "all": ("everything", None, "day"),
}
_STEPS: tuple[tuple[Step, timedelta], ...] = (
    ("6s", timedelta(minutes=15)),
    ("minute", timedelta(hours=8)),
    ("hour", timedelta(days=20)),
)
_BEFORE = "before"


@dataclass(frozen=True)
class View:
    """What is looked at.

    model : an id, or "" for the one that was busy last     version : a version or alias, "" for all
    window : one of ``PRESETS``, or two times in ISO 8601 as START..END
    baseline : what drift is measured against: "before" for the window before, or START..END
    """

    model: str = ""
    version: str = ""
    window: str = "24h"
    baseline: str = _BEFORE

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """From the parts of an address; what is not a window is taken as the usual one."""
        known = {field.name: query[field.name] for field in fields(cls) if query.get(field.name)}
        view = cls(**known)
        for name in ("window", "baseline"):
            try:
                _span(getattr(view, name), name)
            except InvalidInput:
                view = replace(view, **{name: getattr(cls(), name)})
        return view

    @property
    def query(self) -> str:
        """The parts of an address that differ from the usual, as ``?model=…``."""
        usual = View()
        said = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != getattr(usual, field.name)
        }
        return f"?{urlencode(said)}" if said else ""

    @property
    def versions(self) -> str | None:
        """The version as the lab's tools take it."""
        return self.version or None

    def step(self, now: datetime) -> Step:
        """How finely a series over the window is cut."""
        if self.window in PRESETS:
            return PRESETS[self.window][2]
        start, end = self.times(now)
        length = (end or now) - (start or now)
        return next((step for step, most in _STEPS if length <= most), "day")

    def times(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Start and end, None where it is open."""
        if self.window in PRESETS:
            length = PRESETS[self.window][1]
            return (None if length is None else now - length), None
        return _span(self.window, "window")

    def range(self, now: datetime) -> dict[str, datetime | None]:
        """The window as the lab's tools take it."""
        start, end = self.times(now)
        return {"start": start, "end": end}

    def compared(self, now: datetime) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Baseline and current window; None where nothing comes before the window."""
        start, end = self.times(now)
        if self.baseline != _BEFORE:
            then = _span(self.baseline, "baseline")
        elif start is None:
            return None
        else:
            then = start - ((end or now) - start), start - timedelta(microseconds=1)
        return dict(zip(("start", "end"), then, strict=True)), {"start": start, "end": end}


def _span(written: str, argument: str) -> tuple[datetime | None, datetime | None]:
    """START..END as times; either may be left out."""
    if written in PRESETS or written == _BEFORE:
        return None, None
    low, dots, high = written.partition("..")
    try:
        start, end = (_time(part) if part else None for part in (low, high))
    except ValueError:
        dots = ""
    if not dots or (start is not None and end is not None and start > end):
        raise InvalidInput(argument, f"is not a window: {shown(written)}; write START..END")
    return start, end


def _time(written: str) -> datetime:
    time = datetime.fromisoformat(written)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
