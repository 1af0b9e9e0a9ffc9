"""Predictions and embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import arguments as check
from astermind_lab.lab.live import LiveModel
from astermind_lab.results import CategoryScore, Embedding, Prediction, Predictions
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session

__all__ = ["generate_embedding", "predict", "predict_many"]

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
) -> Prediction:
    """The most probable labels of a text, best first.

    A model that is stored but not in memory is loaded.

    model_id : the model, in memory or stored
    text : the text to label
    top_k : how many labels to return, 1 to 100
    log_prediction : write the prediction to the log; without it the setting
        monitoring.log_predictions decides, or true if ground_truth is given; with
        monitoring.enabled=false only an explicit true writes
    ground_truth : the right label, where it is known; kept with the logged prediction
    version : a stored version or an alias; without one the model in memory, else the latest version
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    text = check.text(text, "text")
    top_k = check.whole_number(top_k, "top_k", 1, 100)
    truth = check.optional(check.label, ground_truth, "ground_truth")
    log = _logs(lab, log_prediction, truth is not None)
    model = lab.find(model_id, check.optional(check.identifier, version, "version"))
    start = lab.clock.monotonic()
    with model.guard.reading():
        answer = model.classifier.answer(text)
        categories = model.classifier.categories
        answering = model.version
    order = (-answer.probabilities).argsort(kind="stable")[:top_k]
    best = [
        CategoryScore(category=categories[i], confidence=confidence)
        for i, confidence in zip(order.tolist(), answer.probabilities[order].tolist(), strict=True)
    ]
    latency_ms = 1000 * (lab.clock.monotonic() - start)
    model.last_used = lab.clock.now()
    record = None
    if log:
        [record] = _write(lab, model, answering, [text], best[:1], [truth], latency_ms)
    warnings = list(answer.warnings)
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
) -> Predictions:
    """The most probable label of each of many texts, in their order.

    Logged, they have no latency: within a batch no text has one of its own.

    model_id : the model, in memory or stored
    texts : the texts to label
    version : a stored version or an alias; without one the model in memory, else the latest version
    log_prediction : write every prediction to the log; without it as for predict
    ground_truth : the right label of every text, in the same order
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    given = check.texts(texts, "texts")
    truths = _truths(ground_truth, len(given))
    log = _logs(lab, log_prediction, ground_truth is not None)
    model = lab.find(model_id, check.optional(check.identifier, version, "version"))
    start = lab.clock.monotonic()
    with model.guard.reading():
        scores, unknown = _answers(model, given)
        answering = model.version
    latency_ms = 1000 * (lab.clock.monotonic() - start)
    model.last_used = lab.clock.now()
    warnings = [f"{unknown:,} texts hold nothing the model has ever seen"] if unknown else []
    if log:
        _write(lab, model, answering, given, scores, truths, None)
    elif ground_truth is not None:
        warnings.append(_NOT_KEPT)
    return Predictions(
        model_id=model_id,
        predictions=scores,
        total=len(given),
        latency_ms=latency_ms,
        without_known_feature=unknown,
        warnings=warnings,
        logged=len(given) if log else 0,
    )


def _logs(lab: Session, asked: object, has_truth: bool) -> bool:
    if asked is None:
        monitoring = lab.settings.monitoring
        return monitoring.enabled and (has_truth or monitoring.log_predictions)
    return check.flag(asked, "log_prediction")


def _truths(value: object, n: int) -> Sequence[str | None]:
    if value is None:
        return [None] * n
    truths = check.texts(value, "ground_truth")
    if len(truths) != n:
        raise InvalidInput("ground_truth", f"has {len(truths):,} labels for {n:,} texts")
    return truths


def _answers(model: LiveModel, texts: Sequence[str]) -> tuple[list[CategoryScore], int]:
    """The best label of every text, and how many texts are wholly unknown to the model."""
    classifier = model.classifier
    categories = classifier.categories
    scores: list[CategoryScore] = []
    unknown = 0
    for first in range(0, len(texts), _CHUNK):
        probabilities, known = classifier.answers(texts[first : first + _CHUNK])
        best = probabilities.argmax(axis=1).tolist()
        confidence = probabilities.max(axis=1).tolist()
        scores += [
            CategoryScore(category=categories[i], confidence=c)
            for i, c in zip(best, confidence, strict=True)
        ]
        unknown += len(known) - int(known.sum())
    return scores, unknown


def _write(
    lab: Session,
    model: LiveModel,
    version: str | None,
    texts: Sequence[str],
    scores: Sequence[CategoryScore],
    truths: Sequence[str | None],
    latency_ms: float | None,
) -> list[str]:
    """Log predictions durably; returns their record ids."""
    from astermind_lab.persistence import Prediction as Row

    now: datetime = lab.clock.now()
    rows = [
        Row(
            model_id=model.model_id,
            version=version,
            input=text,
            prediction=score.category,
            confidence=min(1.0, max(0.0, score.confidence)),
            ground_truth=truth,
            latency_ms=latency_ms,
            timestamp=now,
            metadata={},
        )
        for text, score, truth in zip(texts, scores, truths, strict=True)
    ]
    return lab.store.predictions.add_many(rows)


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
