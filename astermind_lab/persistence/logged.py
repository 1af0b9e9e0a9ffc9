"""A logged prediction: how it is checked on its way into the log, and read from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from surrealdb import RecordID

from astermind_lab.core.tally import Features
from astermind_lab.errors import InvalidInput, StoreError, shown
from astermind_lab.persistence.prediction_rows import features_of
from astermind_lab.persistence.values import (
    check_id,
    check_moment,
    check_object,
    check_text,
    from_database,
    plain_moment,
    record_name,
)

__all__ = ["Prediction", "checked", "read_prediction"]

_LONGEST_MS = 1e12


@dataclass(frozen=True)
class Prediction:
    """One logged prediction; ``timestamp`` is aware, ``confidence`` between 0 and 1.

    input : None where texts are not kept; ``input_hash`` may stand for it
    key : a name of the user's for it, at most one prediction of a model has it
    features : what drift of the inputs is measured on
    """

    model_id: str
    version: str | None
    input: str | None
    prediction: str
    confidence: float
    ground_truth: str | None
    latency_ms: float | None
    timestamp: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    input_hash: str | None = None
    features: Features | None = None
    record_id: str | None = None


def checked(row: Prediction) -> dict[str, Any]:
    """The fields of a row, ready to be written; raises InvalidInput, which names the field."""
    fields: dict[str, Any] = {
        "model_id": check_id("model_id", row.model_id),
        "prediction": check_text("prediction", row.prediction),
        "confidence": _check_number("confidence", row.confidence, most=1.0),
        "timestamp": check_moment("timestamp", row.timestamp),
        "metadata": check_object("metadata", row.metadata),
    }
    for name in ("version", "key", "input_hash"):
        if (value := getattr(row, name)) is not None:
            fields[name] = check_id(name, value)
    for name in ("input", "ground_truth"):
        if (value := getattr(row, name)) is not None:
            fields[name] = check_text(name, value)
    if row.latency_ms is not None:
        fields["latency_ms"] = _check_number("latency_ms", row.latency_ms, most=_LONGEST_MS)
    if row.features is not None:
        fields["made_by"], fields["features"] = row.features
    return fields


def _check_number(argument: str, value: float, most: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, str | bool) or not math.isfinite(number) or not 0.0 <= number <= most:
        upto = f"between 0 and {most:g}" if math.isfinite(most) else "from 0 on"
        raise InvalidInput(argument, f"a number {upto} is needed, got {shown(value)}")
    return number


def read_prediction(row: Mapping[str, Any]) -> Prediction:
    """The prediction of a row; without features where they were not asked for."""
    record = row["id"]
    if not isinstance(record, RecordID):
        raise StoreError(f"a prediction without a record id was read: {shown(record)}")
    return Prediction(
        model_id=row["model_id"],
        version=row.get("version"),
        input=row.get("input"),
        prediction=row["prediction"],
        confidence=row["confidence"],
        ground_truth=row.get("ground_truth"),
        latency_ms=row.get("latency_ms"),
        timestamp=plain_moment(row["timestamp"]),
        metadata=from_database(row["metadata"]),
        key=row.get("key"),
        input_hash=row.get("input_hash"),
        features=features_of(row),
        record_id=record_name(record),
    )
