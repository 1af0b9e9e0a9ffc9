"""Live: predictions as they arrive, how fast, how sure and how right.

Panel runs this file once for each session.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import panel as pn

from astermind_lab.dashboard.card import Card, Question
from astermind_lab.dashboard.frame import colours, serve
from astermind_lab.dashboard.series import MOST_LABELS, Frames, series_question
from astermind_lab.dashboard.tables import PredictionTable
from astermind_lab.dashboard.tiles import Tile, tiles
from astermind_lab.dashboard.timelines import Stack, Timeline, legend
from astermind_lab.dashboard.view import View
from astermind_lab.dashboard.words import interval, milliseconds, often, percent, plural
from astermind_lab.lab import Lab

ORDER = 10

HOW_TO_LOG = (
    "No prediction was logged in this window. Log one with "
    "lab.predict(model, text, log_prediction=True), or choose a longer window."
)


class Figures(Card):
    """The window in numbers."""

    title = "At a glance"
    size = "full"
    every = 0.25

    def build(self) -> Any:
        return pn.pane.HTML("", sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            metrics = lab.get_model_metrics(view.model, view.range(now), version=view.versions)
            compared = view.compared(now)
            estimate = None
            if metrics.metrics.accuracy is None and metrics.metrics.total_predictions and compared:
                estimate = lab.estimate_accuracy(view.model, *compared, view.versions)
            return metrics.metrics, estimate, (view.times(now)[0], now)

        return ("figures", view.model, view.version, view.window), ask

    def show(self, answer: Any) -> str:
        if answer is None or not answer[0].total_predictions:
            return HOW_TO_LOG
        found, estimate, (start, end) = answer
        rate = "" if start is None else often(found.total_predictions, end - start)
        latency = found.latency_ms
        self.picture.object = tiles(
            [
                Tile("Predictions", f"{found.total_predictions:,}", rate),
                _accuracy(found, estimate),
                Tile("Mean confidence", percent(found.avg_confidence), "of the answers given"),
                Tile(
                    "Latency, p95",
                    milliseconds(latency.p95) if latency else "–",
                    f"p50 {milliseconds(latency.p50)} · p99 {milliseconds(latency.p99)}"
                    if latency
                    else "logged without latency",
                ),
                Tile("Labels given", f"{len(found.predictions_per_label):,}", _most(found)),
            ]
        )
        return ""


def _accuracy(found: Any, estimate: Any) -> Tile:
    if found.accuracy is not None:
        one = found.accuracy
        return Tile("Accuracy", percent(one.value), f"{interval(one)}, {one.n:,} with feedback")
    if estimate is not None and estimate.value is not None:
        basis = f"{interval(estimate)}, estimated without truths"
        return Tile("Accuracy, estimated", f"≈ {percent(estimate.value)}", basis)
    return Tile("Accuracy", "–", "no truth is known yet")


def _most(found: Any) -> str:
    label, n = max(found.predictions_per_label.items(), key=lambda item: item[1])
    return f"most often {label}, {percent(n / found.total_predictions)}"


class Series(Card):
    """A figure over the window."""

    size = "third"
    needs_model = False
    unit = ""
    zero = True  # whether the axis begins there

    def build(self) -> Any:
        self.look = colours()
        self.chart = Timeline(self.look, self.unit, zero=self.zero)
        self.draw(self.chart)
        return self.chart.panel

    def draw(self, chart: Timeline) -> None:
        """Put lines and bands into the chart."""
        raise NotImplementedError

    def question(self, view: View, now: datetime) -> Question:
        return series_question(view, now)

    def show(self, answer: Frames) -> str:
        missing = self.missing(answer) if answer.predictions else "No prediction in this window."
        if not missing:
            self.chart.send(answer.figures)
        return missing

    def missing(self, answer: Frames) -> str:
        """What to say where this figure has nothing to rest on."""
        return ""


class Rate(Series):
    """Predictions a second, minute, hour or day, as the window is long."""

    title = "How many predictions"

    def draw(self, chart: Timeline) -> None:
        chart.band("zero", "rate", self.look.series[0], 0.2)
        chart.line("rate", self.look.series[0], "@rate{0,0.[0]} predictions")

    def show(self, answer: Frames) -> str:
        self.chart.figure.yaxis.axis_label = f"per {answer.unit}"
        return super().show(answer)


class Latency(Series):
    """Latency in bands."""

    title = "Latency: p50, with bands to p95 and p99"
    unit = "ms"

    def draw(self, chart: Timeline) -> None:
        colour = self.look.series[2]
        chart.band("p95", "p99", colour, 0.15)
        chart.band("p50", "p95", colour, 0.35)
        chart.line("p50", colour, "p50 @p50{0.[000]} ms")

    def missing(self, answer: Frames) -> str:
        known = answer.figures["p50"].notna().any()
        return "" if known else "These predictions were logged without a latency."


class Confidence(Series):
    """Mean confidence."""

    title = "Mean confidence"
    unit = "%"
    zero = False

    def draw(self, chart: Timeline) -> None:
        chart.line("confidence", self.look.series[4], "@confidence{0.0} %")


class Accuracy(Series):
    """Accuracy with its interval, and the estimate that stands in for it before feedback comes."""

    title = "Accuracy, with its 95 % interval"
    size = "half"
    unit = "%"
    zero = False

    def build(self) -> Any:
        chart = super().build()
        names = {"from feedback": self.look.right, "estimated without truths": self.look.series[3]}
        head = pn.pane.HTML(legend(names), sizing_mode="stretch_width", margin=(0, 0, 4, 0))
        return pn.Column(head, chart, sizing_mode="stretch_width", margin=0)

    def draw(self, chart: Timeline) -> None:
        right, guessed = self.look.right, self.look.series[3]
        chart.band("guess low", "guess high", guessed, 0.16)
        chart.line("guess", guessed, line_dash="dashed")
        chart.band("low", "high", right, 0.18)
        chart.line("accuracy", right, "@accuracy{0.0} %")

    def question(self, view: View, now: datetime) -> Question:
        key, series = series_question(view, now)
        compared = view.compared(now)

        def ask(lab: Lab) -> Any:
            data = series(lab)
            found = None
            if data.predictions and compared:
                found = lab.estimate_accuracy(view.model, *compared, view.versions)
            return data, found

        return ("accuracy", key), ask

    def show(self, answer: Any) -> str:
        data, estimate = answer
        if not data.predictions:
            return "No prediction in this window."
        known = estimate is not None and estimate.value is not None
        if not known and not (data.figures["truths"] > 0).any():
            return (
                "No truth is known yet. Give feedback with lab.record_feedback(label, "
                "prediction_id=…); with feedback on an earlier window it is estimated before that."
            )
        guess = {"guess low": "low", "guess high": "high", "guess": "value"}
        level = {
            name: 100 * getattr(estimate, value) if known else float("nan")
            for name, value in guess.items()
        }
        self.chart.send(data.figures.assign(**level))  # the answer itself belongs to all pages
        return ""


class Mix(Series):
    """How often each label is given."""

    title = "Labels given, as shares"
    size = "half"

    def build(self) -> Any:
        self.stack = Stack(colours(), 190, MOST_LABELS + 1)
        return self.stack.panel

    def show(self, answer: Frames) -> str:
        if not answer.predictions:
            return "No prediction in this window."
        self.stack.send(answer.mix)
        return ""


class Last(Card):
    """The predictions themselves."""

    title = "Last predictions"
    size = "full"
    every = 0.4

    def build(self) -> Any:
        self.search = pn.widgets.TextInput(
            placeholder="Search the texts…", width=280, margin=(0, 5, 6, 5)
        )
        self.search.param.watch(lambda _: self.renew(), "value")
        self.table = PredictionTable()
        self.found = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 5))
        return pn.Column(
            self.search, self.found, self.table.panel, sizing_mode="stretch_width", margin=0
        )

    def question(self, view: View, now: datetime) -> Question:
        wanted = str(self.search.value).strip() or None

        def ask(lab: Lab) -> Any:
            return lab.list_predictions(
                view.model, view.range(now), view.versions, search=wanted, limit=50
            )

        return ("last", view.model, view.version, view.window, wanted), ask

    def show(self, answer: Any) -> str:
        wanted = str(self.search.value).strip()
        if not wanted and (answer is None or not answer.predictions):
            return HOW_TO_LOG
        self.found.object = _searched(answer) if wanted else ""
        self.table.send(answer.predictions)
        return ""


def _searched(answer: Any) -> str:
    found = plural(len(answer.predictions), "prediction")
    if answer.next is None:
        return f"{found} found."
    back = f" back to {answer.searched_from:%Y-%m-%d %H:%M} UTC" if answer.searched_from else ""
    return f"{found} found{back}; there may be more before that."


serve(__file__, [Figures(), Rate(), Latency(), Confidence(), Accuracy(), Mix(), Last()])
