"""Predictions and embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import Moment
from astermind_lab.lab.live import LiveModel
from astermind_lab.monitoring.spool import SpoolFull
from astermind_lab.results import CategoryScore, Embedding, Prediction, Predictions
from astermind_lab.tools import tool

if TYPE_CHECKING:
    import numpy as np

    from astermind_lab.core import TextClassifier
    from astermind_lab.core.tally import Features
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import Prediction as Row

__all__ = ["generate_embedding", "predict", "predict_many"]

T = TypeVar("T")

_CHUNK = 16_384
_NOT_KEPT = "ground_truth was not kept, because the prediction was not logged"


@tool()
def predict(
    lab: Session,
    model_id: str,
    text: str,
    top_k: int = 3,
    log_prediction: bool | None = None,
    ground_truth: str | None = None,
    version: str | None = None,
    key: str | None = None,
) -> Prediction:
    """The most probable labels of a text, best first.

    A model that is stored but not in memory is loaded.

    model_id : the model, in memory or stored
    text : the text to label
    top_k : how many labels to return, 1 to 100
    log_prediction : write the prediction to the log; without it the settings decide
        (monitoring.log_predictions and .sample_rate), or true if ground_truth is given; with
        monitoring.enabled=false only an explicit true writes
    ground_truth : the right label, where it is known; kept with the logged prediction
    version : a stored version or an alias; without one the model in memory, else the latest version
    key : a name of your own for the logged prediction, to give feedback on it later; what is logged
        again under the same key counts once
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    text = check.text(text, "text")
    top_k = check.whole_number(top_k, "top_k", 1, 100)
    truth = check.optional(check.label, ground_truth, "ground_truth")
    key = check.optional(check.identifier, key, "key")
    log = _logs(lab, log_prediction, truth is not None)
    model = lab.find(model_id, check.optional(check.identifier, version, "version"))
    start = lab.clock.monotonic()
    with model.guard.reading():
        answer = model.classifier.answer(text, drift_features=log)
        classifier = model.classifier
        categories = model.classifier.categories
        answering = model.version
    order = (-answer.probabilities).argsort(kind="stable")[:top_k]
    best = [
        CategoryScore(category=categories[i], confidence=confidence)
        for i, confidence in zip(order.tolist(), answer.probabilities[order].tolist(), strict=True)
    ]
    latency_ms = 1000 * (lab.clock.monotonic() - start)
    model.last_used = lab.clock.now()
    warnings = list(answer.warnings)
    record = None
    if log:
        row = _row(model, answering, text, best[0], truth, latency_ms, model.last_used, key)
        row = replace(row, features=_features(classifier, answer.drift_features))
        try:
            [record] = lab.recorder.record([row])
        except SpoolFull as problem:  # the answer is worth more than its line in the log
            warnings.append(f"not logged: {problem}")
    if truth is not None and not log:
        warnings.append(_NOT_KEPT)
    return Prediction(
        predictions=best, latency_ms=latency_ms, warnings=warnings, prediction_id=record
    )


@tool(slow=True)
def predict_many(
    lab: Session,
    model_id: str,
    texts: Iterable[str],
    version: str | None = None,
    log_prediction: bool | None = None,
    ground_truth: Iterable[str] | None = None,
    timestamps: Iterable[Moment] | None = None,
    keys: Iterable[str] | None = None,
) -> Predictions:
    """The most probable label of each of many texts, in their order.

    Logged, they have no latency: within a batch no text has one of its own.

    model_id : the model, in memory or stored
    texts : the texts to label
    version : a stored version or an alias; without one the model in memory, else the latest version
    log_prediction : write every prediction to the log; without it as for predict
    ground_truth : the right label of every text, in the same order
    timestamps : when each was asked, in ISO 8601 with a zone; without it now
    keys : a name of your own for each logged prediction, to give feedback on it later
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    given = check.texts(texts, "texts")
    truths = _each(ground_truth, "ground_truth", check.label, len(given))
    moments = _each(timestamps, "timestamps", check.moment, len(given))
    names = _each(keys, "keys", check.identifier, len(given))
    log = _logs(lab, log_prediction, ground_truth is not None)
    model = lab.find(model_id, check.optional(check.identifier, version, "version"))
    start = lab.clock.monotonic()
    with model.guard.reading():
        scores, features, unknown = _answers(model, given, log)
        answering = model.version
    latency_ms = 1000 * (lab.clock.monotonic() - start)
    model.last_used = now = lab.clock.now()
    warnings = [f"{unknown:,} texts hold nothing the model has ever seen"] if unknown else []
    logged = 0
    if log:
        rows = (
            replace(
                _row(model, answering, text, score, truth, None, moment or now, name),
                features=drift,
            )
            for text, score, truth, drift, moment, name in zip(
                given, scores, truths, features, moments, names, strict=True
            )
        )
        try:
            for some in _batched(rows, _CHUNK):
                logged += len(lab.recorder.record(some))
        except SpoolFull as problem:
            warnings.append(f"{len(given) - logged:,} predictions were not logged: {problem}")
    elif ground_truth is not None:
        warnings.append(_NOT_KEPT)
    return Predictions(
        model_id=model_id,
        predictions=scores,
        total=len(given),
        latency_ms=latency_ms,
        without_known_feature=unknown,
        warnings=warnings,
        logged=logged,
    )


def _batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    found = iter(rows)
    while some := list(islice(found, size)):
        yield some


def _logs(lab: Session, asked: object, has_truth: bool) -> bool:
    if asked is not None:
        return check.flag(asked, "log_prediction")
    monitoring = lab.settings.monitoring
    if not monitoring.enabled or not (has_truth or monitoring.log_predictions):
        return False
    return has_truth or lab.chance.random() < monitoring.sample_rate


def _each(
    value: object, argument: str, read: Callable[[object, str], T], n: int
) -> Sequence[T | None]:
    """One value for each text, or None for each."""
    if value is None:
        return [None] * n
    given = check.sequence(value, argument, "values")
    if len(given) != n:
        raise InvalidInput(argument, f"has {len(given):,} values for {n:,} texts")
    return [read(item, f"{argument}: item {place}") for place, item in enumerate(given)]


def _answers(
    model: LiveModel, texts: Sequence[str], drift_features: bool
) -> tuple[list[CategoryScore], list[Features | None], int]:
    """The best label of every text, its drift features, and how many texts are wholly unknown."""
    classifier = model.classifier
    categories = classifier.categories
    scores: list[CategoryScore] = []
    features: list[Features | None] = []
    unknown = 0
    for first in range(0, len(texts), _CHUNK):
        answers = classifier.answers(texts[first : first + _CHUNK], drift_features=drift_features)
        best = answers.probabilities.argmax(axis=1).tolist()
        confidence = answers.probabilities.max(axis=1).tolist()
        found = [None] * len(best) if answers.drift_features is None else answers.drift_features
        scores += [
            CategoryScore(category=categories[i], confidence=c)
            for i, c in zip(best, confidence, strict=True)
        ]
        features += [_features(classifier, row) for row in found]
        unknown += len(best) - int(answers.known.sum())
    return scores, features, unknown


def _features(
    classifier: TextClassifier, values: np.ndarray[Any, np.dtype[np.int8]] | None
) -> Features | None:
    from astermind_lab.core.tally import Features

    drift = classifier.layer.drift
    return None if values is None or drift is None else Features(drift.digest, values.tobytes())


def _row(
    model: LiveModel,
    version: str | None,
    text: str,
    score: CategoryScore,
    truth: str | None,
    latency_ms: float | None,
    now: datetime,
    key: str | None = None,
) -> Row:
    from astermind_lab.persistence import Prediction as Row

    return Row(
        model_id=model.model_id,
        version=version,
        input=text,
        prediction=score.category,
        confidence=min(1.0, max(0.0, score.confidence)),
        ground_truth=truth,
        latency_ms=latency_ms,
        timestamp=now,
        key=key,
    )


@tool()
def generate_embedding(
    lab: Session, model_id: str, text: str, version: str | None = None
) -> Embedding:
    """A text as the model's hidden layer sees it: one number per hidden unit.

    model_id : the model, in memory or stored
    text : the text to embed
    version : a stored version or an alias
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    text = check.text(text, "text")
    model = lab.find(model_id, check.optional(check.identifier, version, "version"))
    with model.guard.reading():
        embedding = model.classifier.embed([text])[0].tolist()
    model.last_used = lab.clock.now()
    return Embedding(embedding=embedding)
