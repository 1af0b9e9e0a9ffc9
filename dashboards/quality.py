"""Quality: what is right, what is mistaken for what, and how far confidence can be trusted.

Panel runs this file once for each session.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import holoviews as hv
import panel as pn

from astermind_lab.dashboard.card import Card, Question, quiet
from astermind_lab.dashboard.charts import Chart, Grid, Heat, plot
from astermind_lab.dashboard.frame import colours, serve
from astermind_lab.dashboard.tables import PredictionTable, fill, number, table
from astermind_lab.dashboard.tiles import Tile, tiles
from astermind_lab.dashboard.view import View
from astermind_lab.dashboard.widgets import choice, select
from astermind_lab.dashboard.words import interval, named, percent, plural
from astermind_lab.display import HeatMap
from astermind_lab.display.words import OTHER, fold
from astermind_lab.lab import Lab

ORDER = 20

NO_TRUTH = (
    "No truth is known in this window. Give feedback with lab.record_feedback(label, "
    "prediction_id=…), or choose a longer window."
)
MOST_LABELS = 20


def metrics(view: View, now: datetime) -> Question:
    """The figures of the window, which several cards share."""

    def ask(lab: Lab) -> Any:
        return lab.get_model_metrics(view.model, view.range(now), version=view.versions).metrics

    return ("metrics", view.model, view.version, view.window), ask


class Figures(Card):
    """The window in numbers."""

    title = "At a glance"
    size = "full"

    def build(self) -> Any:
        return pn.pane.HTML("", sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        return metrics(view, now)

    def show(self, answer: Any) -> str:
        if answer is None or answer.accuracy is None:
            return NO_TRUTH
        one = answer.accuracy
        self.picture.object = tiles(
            [
                Tile("Accuracy", percent(one.value), f"{interval(one)}, from feedback"),
                _mean(answer, "f1", "F1"),
                _mean(answer, "precision", "Precision"),
                _mean(answer, "recall", "Recall"),
                Tile(
                    "Truths",
                    f"{answer.truths:,}",
                    f"known of {answer.total_predictions:,} predictions, "
                    f"{percent(answer.truths / answer.total_predictions)}",
                ),
            ]
        )
        return ""


def _mean(answer: Any, name: str, title: str) -> Tile:
    known = answer.intervals.get(f"{name}_macro")
    basis = interval(known) if known else "every label counts the same"
    return Tile(f"{title}, macro mean", percent(getattr(answer, name).macro), basis)


class Confusion(Card):
    """What is taken for what; a click on a cell shows its texts."""

    title = "Truth against answer"

    def build(self) -> Any:
        self.on_cell: Callable[[], None] = lambda: None
        self.heat = Heat(colours(), 430, "answer", "truth")
        self.heat.on_cell = self._clicked
        self.truth = select("Truth", 170, [""])
        self.answer = select("Answer", 170, [""])
        for widget in (self.truth, self.answer):
            widget.param.watch(lambda _: self.on_cell(), "value")
        hint = pn.pane.HTML(
            quiet("Choose a cell by a click or here; its texts stand below."), margin=(0, 5)
        )
        pick = pn.FlexBox(self.truth, self.answer, margin=0, sizing_mode="stretch_width")
        return pn.Column(self.heat.panel, hint, pick, sizing_mode="stretch_width", margin=0)

    @property
    def cell(self) -> tuple[str, str] | None:
        """Truth and answer of the chosen cell."""
        truth, answer = self.truth.value, self.answer.value
        return (truth, answer) if truth and answer else None

    def _clicked(self, column: str, row: str) -> None:
        if OTHER not in (column, row):
            self.truth.param.update(value=row)
            self.answer.param.update(value=column)

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            return lab.get_confusion_matrix(view.model, view.range(now), view.versions)

        return ("confusion", view.model, view.version, view.window), ask

    def show(self, answer: Any) -> str:
        if answer is None or not answer.total:
            return NO_TRUTH
        names, square = fold(HeatMap(answer.labels, answer.confusion_matrix), MOST_LABELS)
        cells = []
        for truth, row in zip(names, square, strict=True):
            total = max(sum(row), 1)
            for said, n in zip(names, row, strict=True):
                share = (n / total) ** 0.5 * (1 if truth == said else -1)
                tip = f"{n:,} of {sum(row):,} {truth} were answered {said}"
                cells.append((said, truth, share, f"{n:,}" if n else "", tip))
        self.heat.send(Grid(names, names, cells))
        options = ["", *answer.labels]
        if self.truth.options != options:
            chosen = self.cell
            self.truth.options = self.answer.options = options
            if chosen is None and (worst := _worst(names, square)):
                self.truth.value, self.answer.value = worst
        return ""


def _worst(names: list[str], square: list[list[int]]) -> tuple[str, str] | None:
    """The commonest mistake."""
    wrong = [
        (n, truth, said)
        for truth, row in zip(names, square, strict=True)
        for said, n in zip(names, row, strict=True)
        if truth != said and n and OTHER not in (truth, said)
    ]
    return max(wrong)[1:] if wrong else None


class Labels(Card):
    """Precision and recall of each label."""

    title = "Label by label, worst first"

    def build(self) -> Any:
        self.table = table(
            {
                "label": "label",
                "predicted": "answered",
                "precision": "precision %",
                "recall": "recall %",
                "f1": "F1 %",
            },
            {"label": 190, "predicted": 100, "precision": 115, "recall": 100, "f1": 90},
            formatters={
                "predicted": number("0,0"),
                "precision": number("0.0"),
                "recall": number("0.0"),
                "f1": number("0.0"),
            },
        )
        return self.table

    def question(self, view: View, now: datetime) -> Question:
        return metrics(view, now)

    def show(self, answer: Any) -> str:
        if answer is None or answer.accuracy is None:
            return NO_TRUTH
        rows = [
            {
                "label": label,
                "predicted": answer.predictions_per_label.get(label, 0),
                "precision": _hundred(answer.precision.per_label.get(label)),
                "recall": _hundred(answer.recall.per_label.get(label)),
                "f1": _hundred(f1),
            }
            for label, f1 in answer.f1.per_label.items()
        ]
        rows.sort(key=lambda row: -1.0 if row["f1"] is None else row["f1"])
        fill(self.table, rows, 16)
        return ""


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


class Texts(Card):
    """The texts of a cell."""

    title = "Texts of the chosen cell"
    size = "full"

    def __init__(self, confusion: Confusion) -> None:
        self._confusion = confusion
        super().__init__()
        confusion.on_cell = lambda: self.renew()

    def build(self) -> Any:
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 0, 6, 0))
        self.table = PredictionTable(10)
        return pn.Column(self.head, self.table.panel, sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        cell = self._confusion.cell

        def ask(lab: Lab) -> Any:
            if cell is None:
                return None
            found = lab.list_predictions(
                view.model,
                view.range(now),
                view.versions,
                ground_truth=cell[0],
                prediction=cell[1],
                limit=100,
            )
            return cell, found

        return ("cell", view.model, view.version, view.window, cell), ask

    def show(self, answer: Any) -> str:
        if answer is None:
            return "Choose a truth and an answer above."
        (truth, said), found = answer
        if not found.predictions:
            return f"No {truth!r} was answered {said!r} in this window."
        more = "the latest " if found.next else ""
        count = plural(len(found.predictions), "prediction")
        self.head.object = quiet(f"{more}{count}: {truth}, answered {said}")
        self.table.send(found.predictions)
        return ""


class Reliability(Card):
    """Confidence against accuracy."""

    title = "Can its confidence be trusted?"

    def build(self) -> Any:
        self.look = colours()
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 0, 4, 0))
        self.chart = Chart(self.draw, [], 300)
        return pn.Column(self.head, self.chart.panel, sizing_mode="stretch_width", margin=0)

    def draw(self, bins: Any) -> Any:
        """Accuracy in bins of confidence, with its intervals, and the line of a perfect model."""
        look = self.look
        points = [(100 * b.mean_confidence, 100 * b.accuracy.value) for b in bins]
        reach = [
            (x, y, y - 100 * b.accuracy.low, 100 * b.accuracy.high - y)
            for (x, y), b in zip(points, bins, strict=True)
        ]
        tips = [(x, y, f"{b.n:,} predictions") for (x, y), b in zip(points, bins, strict=True)]
        drawn = (
            hv.Curve([(0, 0), (100, 100)], "confidence", "accuracy").opts(
                color=look.quiet, line_dash="dashed", line_width=1
            )
            * hv.ErrorBars(reach, "confidence", ["accuracy", "low", "high"]).opts(
                color=look.right, line_width=1.5, upper_head=None, lower_head=None
            )
            * hv.Curve(points, "confidence", "accuracy").opts(color=look.right, line_width=2)
            * hv.Scatter(tips, "confidence", ["accuracy", "rests on"]).opts(
                color=look.right, size=7, tools=["hover"]
            )
        )
        return plot(
            drawn,
            300,
            xlabel="mean confidence, %",
            ylabel="accuracy, %",
            xlim=(0, 102),
            ylim=(0, 102),
            show_grid=True,
            gridstyle={"grid_line_color": look.grid},
        )

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            return lab.get_calibration(view.model, view.range(now), view.versions)

        return ("calibration", view.model, view.version, view.window), ask

    def show(self, answer: Any) -> str:
        if answer is None or answer.status != "ok":
            return NO_TRUTH
        said = (
            f"Calibration error {percent(answer.expected_calibration_error)} over "
            f"{answer.truths:,} predictions with a truth; below the line it promises too much."
        )
        self.head.object = quiet(said)
        self.chart.send(answer.bins)
        return ""


class Slices(Card):
    """The same figures by version or by tag."""

    title = "By version or tag"

    def build(self) -> Any:
        self.by = choice(["version", "tag"])
        self.by.param.watch(lambda _: self.renew(), "value")
        self.table = table(
            {
                "name": "slice",
                "n": "predictions",
                "truths": "truths",
                "accuracy": "accuracy %",
                "reach": "95 % interval",
                "f1": "F1 %",
                "p95": "p95 ms",
            },
            {
                "name": 150,
                "n": 105,
                "truths": 75,
                "accuracy": 105,
                "reach": 120,
                "f1": 65,
                "p95": 80,
            },
            formatters={
                "n": number("0,0"),
                "truths": number("0,0"),
                "accuracy": number("0.0"),
                "f1": number("0.0"),
                "p95": number("0.00"),
            },
        )
        return pn.Column(self.by, self.table, sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        by = self.by.value

        def ask(lab: Lab) -> Any:
            return lab.get_metric_slices(view.model, by, view.range(now))

        return ("slices", view.model, view.window, by), ask

    def show(self, answer: Any) -> str:
        if answer is None or not answer.slices:
            return "No prediction in this window."
        fill(
            self.table,
            [
                {
                    "name": named(one.name, one.aliases),
                    "n": one.total_predictions,
                    "truths": one.truths,
                    "accuracy": _hundred(one.accuracy.value if one.accuracy else None),
                    "reach": interval(one.accuracy) if one.accuracy else "–",
                    "f1": _hundred(one.macro_f1.value if one.macro_f1 else None),
                    "p95": one.latency_ms.p95 if one.latency_ms else None,
                }
                for one in answer.slices
            ],
        )
        return ""


confusion = Confusion()
serve(
    __file__,
    [Figures(), confusion, Labels(), Texts(confusion), Reliability(), Slices()],
)
