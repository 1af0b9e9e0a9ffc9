"""Figures as the pages write them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, timedelta
from typing import Any

from astermind_lab.display import words

__all__ = ["chance", "interval", "milliseconds", "named", "often", "percent", "plural", "span"]


def percent(value: float | None) -> str:
    """A share as a percentage, or a dash.

    >>> percent(0.9312), percent(None)
    ('93.1 %', '–')
    """
    return "–" if value is None else words.share(value)


def interval(estimate: Any) -> str:
    """The interval of an estimate, in percent.

    >>> from astermind_lab.estimate import Estimate
    >>> interval(Estimate.proportion(93, 100, "held-out"))
    '86.3 to 96.6 %'
    """
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def milliseconds(value: float) -> str:
    """A latency with three digits.

    >>> milliseconds(0.2134), milliseconds(1234.5)
    ('0.213 ms', '1,230 ms')
    """
    digits = f"{value:.3g}"
    return f"{float(digits):,.0f} ms" if "e" in digits else f"{digits} ms"


def often(n: int, length: timedelta) -> str:
    """How often something happens, in the unit that needs no exponent.

    >>> often(7200, timedelta(hours=1)), often(3, timedelta(hours=24))
    ('2 a second', '3 a day')
    """
    for unit, seconds in (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)):
        each = n * seconds / length.total_seconds()
        if each >= 1 or unit == "day":
            break
    return f"{each:,.3g} a {unit}" if each < 1000 else f"{each:,.0f} a {unit}"


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def named(name: str, aliases: Collection[str]) -> str:
    """What a version or slice is called, with its aliases.

    >>> named("v2", ["champion"]), named("v1", [])
    ('v2 (champion)', 'v1')
    """
    return f"{name} ({', '.join(aliases)})" if aliases else name


def chance(p_value: float | None) -> str:
    """A p-value, or a dash."""
    return words.chance(p_value) or "–"


def span(window: Any) -> str:
    """A window from its start to its end, in UTC."""
    start, end = (
        "…" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"
        for time in (window.start, window.end)
    )
    return f"{start} to {'now' if end == '…' else end}"
