"""Logging predictions, what turned out to be right about them, and taking them out again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import InvalidInput, NotFound, StoreUnavailable
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Moment, Window
from astermind_lab.results import (
    DeletedPredictions,
    FeedbackGiven,
    LoggedPrediction,
    TimeRange,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import Feedback

__all__ = ["delete_predictions", "log_prediction", "record_feedback"]

_LONGEST_LATENCY_MS = 1e9


@tool()
def log_prediction(
    lab: Session,
    model_id: str,
    input: str,
    prediction: str,
    confidence: float,
    ground_truth: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    version: str | None = None,
    timestamp: Moment | None = None,
    latency_ms: float | None = None,
    key: str | None = None,
) -> LoggedPrediction:
    """Write a prediction to the log, durably. The model may be any model, also one from elsewhere.

    model_id : the model that predicted
    input : the text it was given
    prediction : the label it answered
    confidence : how sure it was, 0 to 1
    ground_truth : the right label, where it is known
    metadata : any plain data to keep with it
    version : the version that predicted
    timestamp : when, in ISO 8601 with a zone; without it now
    latency_ms : how long the answer took, in milliseconds
    key : a name of your own for it, to give feedback on it later; what is logged again under the
        same key counts once, and only the id of the first time is one to give feedback on
    Raises InvalidInput, StoreError if there is no room on disk for it.
    """
    from astermind_lab.persistence import Prediction

    row = Prediction(
        model_id=check.identifier(model_id, "model_id"),
        version=check.optional(check.identifier, version, "version"),
        input=check.text(input, "input"),
        prediction=check.label(prediction, "prediction"),
        confidence=check.number_between(confidence, "confidence", 0, 1),
        ground_truth=check.optional(check.label, ground_truth, "ground_truth"),
        latency_ms=None if latency_ms is None else _latency(latency_ms),
        timestamp=lab.clock.now() if timestamp is None else check.moment(timestamp, "timestamp"),
        metadata=check.plain_mapping(metadata, "metadata"),
        key=check.optional(check.identifier, key, "key"),
    )
    [record_id] = lab.recorder.record([row])
    return LoggedPrediction(record_id=record_id, model_id=row.model_id, timestamp=row.timestamp)


def _latency(value: object) -> float:
    return check.number_between(value, "latency_ms", 0, _LONGEST_LATENCY_MS)


@tool()
def record_feedback(
    lab: Session,
    ground_truth: str,
    prediction_id: str | None = None,
    model_id: str | None = None,
    key: str | None = None,
) -> FeedbackGiven:
    """Say what the right label of a logged prediction turned out to be; all figures follow.

    The prediction is named by its id, or by its model and the key it was logged under. Said again,
    the later word counts. Feedback on a prediction that has not arrived yet waits for it, up to a
    week.

    ground_truth : the right label
    prediction_id : the id that predict or log_prediction gave
    model_id : the model, where the prediction is named by its key
    key : the key it was logged under
    Raises InvalidInput, StoreError.
    """
    from astermind_lab.persistence import Feedback
    from astermind_lab.persistence.prediction_rows import model_of

    if (prediction_id is None) == (key is None):
        raise InvalidInput("prediction_id", "give either prediction_id, or model_id and key")
    if prediction_id is not None:
        prediction_id = check.identifier(prediction_id, "prediction_id")
        model_id = model_of(prediction_id)
    truth = check.label(ground_truth, "ground_truth")
    one = Feedback(
        model_id=check.identifier(model_id, "model_id"),
        ground_truth=truth,
        timestamp=lab.clock.now(),
        prediction_id=prediction_id,
        key=check.optional(check.identifier, key, "key"),
    )
    lab.recorder.give_feedback(one)
    return FeedbackGiven(
        status=_fate(lab, one),
        model_id=one.model_id,
        prediction_id=prediction_id,
        key=key,
        ground_truth=truth,
    )


def _fate(lab: Session, one: Feedback) -> str:
    try:
        lab.flush()
    except StoreUnavailable:
        return "spooled"
    log = lab.store.predictions
    if one.prediction_id is not None:
        found = log.find(one.prediction_id)
    else:
        found = log.find_key(one.model_id, one.key or "")
    return "waiting" if found is None else "recorded"


@tool()
def delete_predictions(
    lab: Session, model_id: str, time_range: Window | None = None
) -> DeletedPredictions:
    """Delete logged predictions for good, out of all figures too.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; without it all of them
    Raises InvalidInput, NotFound if the model has none at all.
    """
    model_id = check.identifier(model_id, "model_id")
    start, end = check.window(time_range, "time_range")
    lab.flush()
    if not lab.store.predictions.count(model_id):
        raise NotFound(f"model_id: no prediction of {model_id!r} is in the log")
    deleted = lab.store.predictions.delete(model_id, start, end)
    return DeletedPredictions(
        model_id=model_id, time_range=TimeRange(start=start, end=end), deleted=deleted
    )
