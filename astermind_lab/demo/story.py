"""What the demonstration does, step by step, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from astermind_lab.demo.examples import Examples, hold_out
from astermind_lab.demo.second import ask_second_process
from astermind_lab.demo.telling import Step, Teller
from astermind_lab.errors import InvalidInput
from astermind_lab.estimate import Estimate
from astermind_lab.lab import Lab
from astermind_lab.lab.arguments import renamed
from astermind_lab.results import ConfusionMatrix, Metrics, TrainedModel

if TYPE_CHECKING:
    from astermind_lab.lab import Watch
    from astermind_lab.settings import Settings

__all__ = ["Outcome", "Stored", "run"]

ASKED = 300
LOGGED = 500
_ARRIVAL_SECONDS = 10.0


@dataclass(frozen=True)
class Stored:
    """A model that was taught, measured and stored.

    answers : label and probability of each of ``asked``, by the process that trained it
    """

    training: TrainedModel
    held_out: Estimate
    version: str
    url: str
    asked: Sequence[str]
    answers: Sequence[tuple[str, float]]
    predict_ms_p50: float


@dataclass(frozen=True)
class Outcome:
    """All that the demonstration found.

    mistakes : (truth, answer, text) of every logged answer that was wrong
    """

    examples: Examples
    stored: Stored
    reloaded_equal: bool
    predictions_logged: int
    metrics: Metrics
    matrix: ConfusionMatrix
    mistakes: Sequence[tuple[str, str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the figures, and the intervals around the two accuracies."""
        stored, loo = self.stored, self.stored.training.loo_accuracy
        return {
            "rows": len(self.examples),
            "classes": len(self.examples.counts),
            "accuracy": stored.held_out.value,
            "loo_accuracy": loo.value if loo else None,
            "train_seconds": stored.training.train_ms / 1000,
            "predict_ms_p50": stored.predict_ms_p50,
            "model_id": stored.training.model_id,
            "version": stored.version,
            "reloaded_equal": self.reloaded_equal,
            "predictions_logged": self.predictions_logged,
            "accuracy_interval": stored.held_out.to_dict(),
            "loo_accuracy_interval": loo.to_dict() if loo else None,
        }


def run(examples: Examples, settings: Settings, tell: Teller) -> Outcome:
    """Teach, measure, store, ask again from a second process, log, and read the metrics.

    Raises AsterMindError: what is wrong with the data names "data".
    """
    with renamed(training_data="data", texts="data", ground_truth="data"):
        with tell.step("split") as step:
            learn, held = hold_out(examples)
            step.figure = f"{len(learn):,} to learn from, {len(held):,} held out"
        with _open(settings, tell) as lab:
            stored = _teach(lab, learn, held, tell)
            if lab.shared:
                with lab.watch("predictions") as watch:
                    equal = _ask_again(stored, settings, tell, watch)
                return _log(lab, examples, held, stored, equal, tell)
        # A folder has one owner: this process has let go of it, so that another one can have it.
        equal = _ask_again(stored, settings, tell)
        with Lab.open(settings=settings) as lab:
            return _log(lab, examples, held, stored, equal, tell)


def _open(settings: Settings, tell: Teller) -> Lab:
    with tell.step("open the lab") as step:
        lab = Lab.open(settings=settings)
        if lab.url == "mem://":
            lab.close()
            raise InvalidInput("url", "mem:// is out of reach of a second process; leave --url out")
        kind = "shared, " if lab.shared else ""
        step.figure = kind + lab.url.partition("://")[2].replace(str(Path.home()), "~", 1)
    return lab


def _teach(lab: Lab, learn: Examples, held: Examples, tell: Teller) -> Stored:
    model_id = f"demo-{learn.name}"
    with tell.step("train") as step:
        training = lab.train_classifier(
            model_id,
            learn,
            description=f"made by astermind demo from {learn.source}",
            tags=["demo"],
            progress=step.progress,
        )
        step.seconds = training.train_ms / 1000
        step.figure = f"{training.config['hidden_units']:,} hidden units, solved in closed form"
    if training.loo_accuracy:
        tell.line("leave-one-out", _accuracy(training.loo_accuracy, "no refits"))
    with tell.step("held out") as step:
        answers = lab.predict_many(model_id, held.texts, log_prediction=False)
        pairs = zip(answers.categories, held.labels, strict=True)
        right = sum(given == truth for given, truth in pairs)
        accuracy = Estimate.proportion(right, len(held), "held-out")
        step.figure = _accuracy(accuracy, "never seen")
    with tell.step("store") as step:
        version = f"{lab.clock.now():%Y%m%dT%H%M%S.%fZ}"
        lab.store_model_persistent(
            model_id, version, metadata={"held_out_accuracy": accuracy.to_dict()}
        )
        step.figure = f"version {version}"
    asked = held.texts[:ASKED]
    with tell.step("one answer") as step:
        p50 = _median_latency(lab, model_id, asked, step)
        step.figure = f"takes {p50:.2f} ms (median of {len(asked):,})"
    first = lab.predict_many(model_id, asked, log_prediction=False)
    given = [(score.category, score.confidence) for score in first.predictions]
    return Stored(training, accuracy, version, lab.url, asked, given, p50)


def _accuracy(found: Estimate, how: str) -> str:
    low, high = f"{100 * found.low:.1f}", f"{100 * found.high:.1f}"
    return f"{100 * found.value:.1f} %  ({low} to {high} %; {found.n:,} texts, {how})"


def _median_latency(lab: Lab, model_id: str, texts: Sequence[str], step: Step) -> float:
    """Of single predictions as a caller of the lab waits for them, in milliseconds."""
    took: list[float] = []
    for place, text in enumerate(texts):
        start = time.perf_counter()
        lab.predict(model_id, text, log_prediction=False)
        took.append(1000 * (time.perf_counter() - start))
        if place % 50 == 0:
            step.progress(place / len(texts), "asking")
    return median(took)


def _ask_again(
    stored: Stored, settings: Settings, tell: Teller, watch: Watch | None = None
) -> bool:
    """Whether a second process gives the same answers; with a watch, they are seen arriving."""
    with tell.step("second process") as step:
        again = ask_second_process(
            stored.training.model_id,
            stored.version,
            stored.asked,
            stored.url,
            settings,
            log=watch is not None,
        )
        same = sum(a == b for a, b in zip(stored.answers, again, strict=True))
        step.figure = f"{same:,} of {len(again):,} answers are equal to the last bit"
    if watch is not None:
        with tell.step("live") as step:
            seen = _count_arrivals(watch, len(again))
            step.figure = f"{seen:,} predictions of that process arrived in this one"
    return same == len(stored.asked)


def _count_arrivals(watch: Watch, expected: int) -> int:
    seen = 0
    while seen < expected:
        changes = watch.read(timeout=_ARRIVAL_SECONDS)
        if not changes:
            break
        seen += len(changes)
    return seen


def _log(
    lab: Lab, examples: Examples, held: Examples, stored: Stored, equal: bool, tell: Teller
) -> Outcome:
    model_id, since = stored.training.model_id, lab.clock.now()
    texts, truths = held.texts[:LOGGED], held.labels[:LOGGED]
    with tell.step("log") as step:
        answers = lab.predict_many(
            model_id, texts, version=stored.version, log_prediction=True, ground_truth=truths
        )
        step.figure = f"{answers.logged:,} predictions with their truths"
    with tell.step("ask the log") as step:
        window = {"start": since}
        metrics = lab.get_model_metrics(model_id, window).metrics
        matrix = lab.get_confusion_matrix(model_id, window)
        step.figure = f"{matrix.total:,} answers, {len(matrix.labels):,} labels"
    rows = zip(truths, answers.categories, texts, strict=True)
    mistakes = [row for row in rows if row[0] != row[1]]
    return Outcome(examples, stored, equal, answers.logged, metrics, matrix, mistakes)
