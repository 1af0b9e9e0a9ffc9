"""What the demonstration shows at its end: the figures of the log, and what to do next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from astermind_lab.display import HeatMap, Interval, Share, Table, View, plain
from astermind_lab.display.words import clip

if TYPE_CHECKING:
    from astermind_lab.demo.story import Outcome
    from astermind_lab.estimate import Estimate

__all__ = ["called_as", "findings", "next_steps", "remarks"]

_COLUMNS = 80
_MOST_LABELS = 12
_MOST_PAIRS = 8
_LONGEST_NAME = 24
_MANY_REPEATS = 0.005
_SENTENCE = "Wo ist die Bibliothek?"


def findings(outcome: Outcome) -> list[View]:
    """Metrics and confusions, as the log tells them; each view fits into 80 columns."""
    return [_metrics(outcome), _confusions(outcome)]


def remarks(outcome: Outcome) -> list[str]:
    """What to keep in mind about the figures."""
    notes = list(outcome.stored.training.warnings)
    repeats, rows = outcome.examples.repeats, len(outcome.examples)
    if repeats > _MANY_REPEATS * rows:
        notes.append(
            f"{repeats:,} of the {rows:,} texts repeat an earlier one. The split keeps each text "
            "on one side; leave-one-out cannot, so it may read high."
        )
    return notes


def _metrics(outcome: Outcome) -> View:
    metrics = outcome.metrics
    scores = {"precision": metrics.precision, "recall": metrics.recall, "F1": metrics.f1}
    known = {name: score for name, score in scores.items() if score is not None}
    rows = [
        (kind, *(Share(getattr(score, kind)) for score in known.values()))
        for kind in ("macro", "weighted")
    ]
    accuracy = [_interval(metrics.accuracy)] if metrics.accuracy else []
    table = Table(("mean over labels", *known), rows)
    return View("What the prediction log says", parts=[*accuracy, table])


def _interval(found: Estimate) -> Interval:
    return Interval(
        "accuracy", found.value, found.low, found.high, f"{found.method}, n = {found.n:,}"
    )


def _confusions(outcome: Outcome) -> View:
    """The confusion matrix if it is small, else the pairs confused most."""
    matrix = outcome.matrix
    if len(matrix.labels) <= _MOST_LABELS:
        heat_map = HeatMap(matrix.labels, matrix.confusion_matrix)
        view = View("Confusion matrix", parts=[heat_map])
        if max(len(line) for line in plain(view).splitlines()) <= _COLUMNS:
            return view
    pairs = Counter((truth, given) for truth, given, _ in outcome.mistakes)
    if not pairs:
        return View("Confusions: none")
    example = {(truth, given): text for truth, given, text in reversed(outcome.mistakes)}
    found = pairs.most_common(_MOST_PAIRS)
    names = [
        (clip(truth, _LONGEST_NAME), clip(given, _LONGEST_NAME)) for (truth, given), _ in found
    ]
    left = (
        _COLUMNS
        - len("  times    ")
        - sum(max(map(len, column)) for column in zip(*names, strict=True))
    )
    rows = [
        (*name, times, _brief(example[pair], left))
        for name, (pair, times) in zip(names, found, strict=True)
    ]
    return View(
        f"Confused most often, of {len(pairs):,} pairs of labels",
        parts=[Table(("truth", "answer", "times", "for example"), rows)],
    )


def _brief(text: str, columns: int) -> str:
    """The beginning of a text; one with characters of double width gets half as many."""
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    return clip(text, columns // 2 if wide else columns)


def next_steps(outcome: Outcome, url: str | None) -> str:
    """Commands to go on with; ``url`` is the lab named on the command line."""
    model_id = shlex.quote(outcome.stored.training.model_id)
    program = called_as() + (f" --url {shlex.quote(url)}" if url else "")
    of_the_package = outcome.stored.training.model_id == "demo-languages"
    text = _SENTENCE if of_the_package else clip(outcome.stored.asked[0], 40)
    return "\n".join(
        [
            "Next",
            f"  {program} predict --model-id {model_id} --text {shlex.quote(text)}",
            f"  {program} list-model-versions --model-id {model_id}",
            f"  {program} demo --data YOUR.csv",
        ]
    )


def called_as() -> str:
    """How this program can be called again from here."""
    if shutil.which("astermind"):
        return "astermind"
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "astermind" else "python -m astermind_lab"
