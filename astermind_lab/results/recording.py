"""What is said of logged predictions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from astermind_lab.display import Fact, View
from astermind_lab.results.base import Result

__all__ = ["DeletedPredictions", "FeedbackGiven", "LoggedPrediction", "TimeRange"]


@dataclass(frozen=True, repr=False, kw_only=True)
class LoggedPrediction(Result):
    """A prediction that was logged, durably."""

    success: bool = True
    record_id: str
    model_id: str
    timestamp: datetime

    def short(self) -> str:
        return f"{self.model_id!r}, {self.record_id!r}"

    def view(self) -> View:
        facts = [Fact("record", self.record_id), Fact("at", self.timestamp, "UTC")]
        return View(f"Logged a prediction of {self.model_id}", facts)


@dataclass(frozen=True, repr=False, kw_only=True)
class TimeRange(Result):
    """A window with both ends in it; None is open."""

    start: datetime | None
    end: datetime | None

    def short(self) -> str:
        return str(self)

    def __str__(self) -> str:
        start = f"{self.start:%Y-%m-%d %H:%M:%S}" if self.start else "the beginning"
        end = f"{self.end:%Y-%m-%d %H:%M:%S}" if self.end else "now"
        return f"{start} to {end}"

    def view(self) -> View:
        return View(str(self))


@dataclass(frozen=True, repr=False, kw_only=True)
class FeedbackGiven(Result):
    """A truth that was recorded, durably.

    status : "recorded", "waiting" for a prediction that has not arrived yet, or "spooled" while the
        database is away
    """

    _optional = frozenset({"prediction_id", "key"})

    success: bool = True
    status: str
    model_id: str
    prediction_id: str | None
    key: str | None
    ground_truth: str

    def short(self) -> str:
        return f"{self.status}, {self.model_id!r}, {self.ground_truth!r}"

    def view(self) -> View:
        facts = [
            Fact("truth", self.ground_truth),
            Fact("prediction", self.prediction_id or self.key),
            Fact("status", self.status),
        ]
        notes = {
            "waiting": "No such prediction has arrived yet. The feedback waits for it, for a week.",
            "spooled": "The database is away. The feedback is kept on disk and goes there later.",
        }
        note = notes.get(self.status)
        return View(f"Feedback for {self.model_id}", facts, notes=[note] if note else [])


@dataclass(frozen=True, repr=False, kw_only=True)
class DeletedPredictions(Result):
    """Logged predictions that are gone for good."""

    success: bool = True
    model_id: str
    time_range: TimeRange
    deleted: int

    def short(self) -> str:
        return f"{self.model_id!r}, {self.deleted:,} deleted"

    def view(self) -> View:
        facts = [Fact("window (UTC)", str(self.time_range)), Fact("deleted", self.deleted)]
        return View(f"Deleted predictions of {self.model_id}", facts)
