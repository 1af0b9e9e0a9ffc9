"""When something is to be done again: every so often, or as a cron line says, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from astermind_lab.errors import InvalidInput, shown

__all__ = ["Schedule", "seconds_of"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = 3_660 * 86_400


@dataclass(frozen=True)
class Schedule:
    """A duration such as ``5m``, or a cron line of five fields."""

    text: str

    @classmethod
    def parse(cls, text: object, now: datetime, argument: str = "schedule") -> Schedule:
        """Raises InvalidInput for what is neither, and for a cron line that never fires."""
        schedule = cls(str(text).strip())
        if len(schedule.text.split()) != 5:
            if not isinstance(text, str) or _seconds(schedule.text) is None:
                raise InvalidInput(
                    argument,
                    f"{shown(text)} is neither a duration such as 30s, 5m, 1h or 1d, nor a cron "
                    "line of five fields such as '*/5 * * * *'",
                )
            seconds_of(schedule.text, argument)
            return schedule
        from cronsim import CronSimError

        try:
            schedule.following(now)
        except CronSimError as error:
            raise InvalidInput(argument, f"{shown(text)} is no cron line: {error}") from None
        except StopIteration:
            raise InvalidInput(argument, f"{shown(text)} never fires") from None
        return schedule

    def following(self, after: datetime) -> datetime:
        """The next moment after one.

        >>> noon = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
        >>> print(Schedule("5m").following(noon), Schedule("30 2 * * *").following(noon), sep=", ")
        2026-03-01 12:05:07+00:00, 2026-03-02 02:30:00+00:00
        """
        seconds = _seconds(self.text)
        if seconds is not None:
            return after + timedelta(seconds=seconds)
        from cronsim import CronSim

        return next(CronSim(self.text, after.astimezone(UTC)))


def seconds_of(text: object, argument: str, least: int = 1) -> int:
    """The seconds of a duration such as ``90s``, ``5m``, ``1h``, ``7d`` or ``2w``.

    Raises InvalidInput for anything else, and for less than ``least`` or more than ten years.
    """
    seconds = _seconds(text) if isinstance(text, str) else None
    if seconds is None:
        raise InvalidInput(argument, f"{shown(text)} is no duration such as 30s, 5m, 1h, 7d or 2w")
    if not least <= seconds <= _LONGEST:
        raise InvalidInput(argument, f"{shown(text)} is not between {least} s and 3660 d")
    return seconds


def _seconds(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,9})\s*([smhdw])", text.strip(), re.ASCII)
    return int(match[1]) * _UNITS[match[2]] if match else None
