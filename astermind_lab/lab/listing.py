"""The predictions behind the figures, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Window
from astermind_lab.lab.measuring import versions_of
from astermind_lab.results import PredictionItem, PredictionList
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import Prediction

__all__ = ["list_predictions"]

_MOST = 500


@tool()
def list_predictions(
    lab: Session,
    model_id: str,
    time_range: Window | None = None,
    version: str | None = None,
    prediction: str | None = None,
    ground_truth: str | None = None,
    correct: bool | None = None,
    search: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> PredictionList:
    """The logged predictions of a model, newest first, also those of one cell of the matrix.

    All conditions hold at once. A search looks through some 20,000 predictions a call; it may find
    fewer than asked for, and then says from when on it has looked, and how to go on.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; either may be left out
    version : only the predictions of this version, or of the one an alias names now
    prediction : only those that answered this label
    ground_truth : only those whose truth is known to be this label
    correct : true or false for only those whose truth is known and that are right, or wrong
    search : only those whose text contains this, in capitals or not
    limit : how many at the most, 1 to 500
    before : the next of the page before, to go on from there
    Raises InvalidInput.
    """
    from astermind_lab.persistence.wanted import Wanted, read_cursor

    model_id = check.identifier(model_id, "model_id")
    start, end = check.window(time_range, "time_range")
    answer = check.optional(check.label, prediction, "prediction")
    wanted = Wanted(
        versions=versions_of(lab, model_id, version),
        predictions=None if answer is None else (answer,),
        ground_truth=check.optional(check.label, ground_truth, "ground_truth"),
        correct=check.optional(check.flag, correct, "correct"),
        search=check.optional(check.label, search, "search"),
    )
    limit = check.whole_number(limit, "limit", 1, _MOST)
    text = check.optional(check.identifier, before, "before")
    cursor = None if text is None else read_cursor(text)
    lab.flush()
    page = lab.store.predictions.newest(model_id, wanted, start, end, cursor, limit)
    return PredictionList(
        model_id=model_id,
        predictions=[item_of(one) for one in page.predictions],
        next=None if page.following is None else str(page.following),
        searched_from=page.reached,
    )


def item_of(one: Prediction) -> PredictionItem:
    """A logged prediction as clients read it."""
    return PredictionItem(
        prediction_id=one.record_id or "",
        timestamp=one.timestamp,
        input=one.input,
        prediction=one.prediction,
        confidence=one.confidence,
        ground_truth=one.ground_truth,
        latency_ms=one.latency_ms,
        version=one.version,
        metadata=one.metadata,
        key=one.key,
    )
