"""Drift: whether what the model is asked, or how it answers, has changed.

Panel runs this file once for each session.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, Literal

import pandas as pd
import panel as pn

from astermind_lab.dashboard.card import Card, Question, note, quiet
from astermind_lab.dashboard.charts import Grid, Heat
from astermind_lab.dashboard.dumbbells import Dumbbells
from astermind_lab.dashboard.frame import colours, serve
from astermind_lab.dashboard.tables import fill, number, table
from astermind_lab.dashboard.tiles import Tile, tiles
from astermind_lab.dashboard.timelines import Timeline, legend
from astermind_lab.dashboard.view import View
from astermind_lab.dashboard.widgets import choice
from astermind_lab.dashboard.words import chance, plural, span
from astermind_lab.errors import AsterMindError
from astermind_lab.lab import Lab

ORDER = 30

NO_BASELINE = "Everything is one window, so there is nothing before it; choose a shorter window."
NOTHING = "There is too little in one of the two windows to compare them."
DETECTORS = ("labels", "confidence", "inputs", "separability", "performance")
MOST_LABELS = 14
LEAST_CHANCE = 1e-6
ALPHA = 0.05
ALERTS_SHOWN = 12


def comparison(view: View, now: datetime) -> Question:
    """Baseline against window, which several cards share."""
    compared = view.compared(now)

    def ask(lab: Lab) -> Any:
        if compared is None:
            return None
        return lab.detect_drift(view.model, *compared, version=view.versions)

    return ("drift", view.model, view.version, view.window, view.baseline), ask


class Verdict(Card):
    """What all detectors say of the whole window."""

    title = "Now against the baseline"
    size = "full"
    every = 2.0

    def build(self) -> Any:
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=0)
        self.table = table(
            {
                "detector": "detector",
                "verdict": "verdict",
                "statistic": "statistic",
                "threshold": "threshold",
                "p": "p",
                "adjusted": "p, adjusted",
                "note": "what it looks at",
            },
            {
                "detector": 120,
                "verdict": 110,
                "statistic": 95,
                "threshold": 105,
                "p": 90,
                "adjusted": 110,
                "note": 640,
            },
            formatters={"note": "textarea"},
        )
        return pn.Column(self.head, self.table, sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        return comparison(view, now)

    def show(self, answer: Any) -> str:
        if answer is None:
            return NO_BASELINE
        found = answer.drift_analysis
        self.head.object = tiles(
            [
                Tile("Verdict", _verdict(found), "past its threshold, and not by chance"),
                Tile("Baseline", f"{found.baseline_sample_count:,}", span(answer.baseline_window)),
                Tile("Window", f"{found.current_sample_count:,}", span(answer.current_window)),
            ]
        )
        self.table.value = pd.DataFrame([_finding(one) for one in found.detectors])
        return ""


def _verdict(found: Any) -> str:
    if found.drift_detected:
        return f"Drift: {', '.join(found.drifted)}"
    return "No drift" if found.status == "ok" else "Too little data"


def _finding(one: Any) -> dict[str, str]:
    return {
        "detector": one.detector,
        "verdict": one.word(),
        "statistic": "–" if one.statistic is None else f"{one.statistic:.3g}",
        "threshold": f"{one.threshold:.3g}",
        "p": chance(one.p_value),
        "adjusted": chance(one.adjusted_p_value),
        "note": "; ".join(part for part in (one.measure, one.note) if part),
    }


class OverTime(Card):
    """Each detector, step by step, against the baseline."""

    title = "Detectors over time"
    size = "full"
    every = 10.0

    def build(self) -> Any:
        look = colours()
        self.points: list[Any] = []
        self.heat = Heat(look, 190, "", "")
        self.heat.on_cell = self._clicked
        self.which = choice(DETECTORS)
        self.which.param.watch(lambda _: self._detail(), "value")
        self.statistic = Timeline(look, "statistic", 150)
        self.statistic.line("threshold", look.wrong, line_dash="dashed")
        self.statistic.line("statistic", look.right, "@statistic{0.0000}")
        self.chance = Timeline(look, "p, adjusted", 150, top=1.2, floor=LEAST_CHANCE / 2)
        self.chance.line("alpha", look.wrong, line_dash="dashed")
        self.chance.line("p", look.right, "p = @p{0.000000}")
        names = {"statistic, p": look.right, "threshold, α": look.wrong}
        return pn.Column(
            pn.pane.HTML(
                quiet("Orange: drift. Blue: none found. Empty: too little data."), margin=0
            ),
            self.heat.panel,
            self.which,
            pn.pane.HTML(legend(names), margin=(0, 5)),
            self.statistic.panel,
            self.chance.panel,
            sizing_mode="stretch_width",
            margin=0,
        )

    def question(self, view: View, now: datetime) -> Question:
        compared = view.compared(now)
        start, end = view.times(now)
        step = _step((end or now) - start) if start is not None else "day"

        def ask(lab: Lab) -> Any:
            if compared is None:
                return None
            return lab.get_drift_series(view.model, compared[0], compared[1], step, view.versions)

        return ("drift series", view.model, view.version, view.window, view.baseline), ask

    def show(self, answer: Any) -> str:
        if answer is None:
            return NO_BASELINE
        if not answer.points:
            return "No prediction in this window."
        self.points = list(answer.points)
        if not any(one.status == "ok" for point in self.points for one in point.detectors):
            return NOTHING
        names = [f"{point.start:%m-%d %H:%M}" for point in self.points]
        cells = [
            (
                name,
                one.detector,
                _shade(one),
                "",
                f"{name} UTC, {one.detector}: {one.word()}, p {chance(one.adjusted_p_value)}",
            )
            for name, point in zip(names, self.points, strict=True)
            for one in point.detectors
            if one.status == "ok"
        ]
        self.heat.send(Grid(names, DETECTORS, cells))
        self._detail()
        return ""

    def _clicked(self, column: str, row: str) -> None:
        if row in DETECTORS:
            self.which.value = row

    def _detail(self) -> None:
        rows, times = [], []
        for point in self.points:
            for one in point.detectors:
                if one.detector == self.which.value:
                    times.append(point.start.replace(tzinfo=None))
                    p = one.adjusted_p_value
                    rows.append(
                        {
                            "statistic": one.statistic,
                            "threshold": one.threshold,
                            "p": None if p is None else max(p, LEAST_CHANCE),
                            "alpha": ALPHA,
                        }
                    )
        frame = pd.DataFrame(rows, index=pd.DatetimeIndex(times), dtype=float)
        if len(frame):
            self.statistic.send(frame)
            self.chance.send(frame)


def _step(length: timedelta) -> Literal["minute", "hour", "day"]:
    """At most some 200 steps."""
    if length <= timedelta(hours=3):
        return "minute"
    return "hour" if length <= timedelta(days=8) else "day"


def _shade(one: Any) -> float:
    if one.drifted:
        return -0.9
    p = one.adjusted_p_value
    return 0.55 if p is None or p > ALPHA else 0.2


class Shift(Card):
    """How often each label is given, then and now."""

    title = "Labels, then and now"
    every = 2.0

    def build(self) -> Any:
        look = colours()
        self.chart = Dumbbells(look, "share of the answers, %", 400)
        head = pn.pane.HTML(legend({"baseline": look.quiet, "window": look.right}), margin=0)
        return pn.Column(head, self.chart.panel, sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        return comparison(view, now)

    def show(self, answer: Any) -> str:
        if answer is None:
            return NO_BASELINE
        then = answer.drift_analysis.baseline_distribution
        now = answer.drift_analysis.current_distribution
        if not then or not now:
            return NOTHING
        rows = [(x, 100 * then.get(x, 0.0), 100 * now.get(x, 0.0)) for x in {*then, *now}]
        rows.sort(key=lambda row: -abs(row[2] - row[1]))
        self.chart.send(rows[:MOST_LABELS])
        return ""


class Moved(Card):
    """The texts that speak most for a change."""

    title = "Texts that moved most"
    every = 30.0

    def build(self) -> Any:
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 0, 6, 0))
        self.table = table(
            {"score": "score", "answer": "answer", "text": "text", "time": "time (UTC)"},
            {"score": 70, "answer": 120, "text": 320, "time": 110},
            formatters={"score": number("0.00")},
        )
        return pn.Column(self.head, self.table, sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        compared = view.compared(now)

        def ask(lab: Lab) -> Any:
            if compared is None:
                return None
            return lab.find_drifted_texts(view.model, *compared, limit=40, version=view.versions)

        return ("moved", view.model, view.version, view.window, view.baseline), ask

    def show(self, answer: Any) -> str:
        if answer is None:
            return NO_BASELINE
        if not answer.texts:
            return answer.note or NOTHING
        self.head.object = quiet(
            answer.note or f"By {answer.method}, of {answer.searched:,} texts."
        )
        fill(
            self.table,
            [
                {
                    "score": one.score,
                    "answer": one.prediction,
                    "text": one.input or "(text not kept)",
                    "time": f"{one.timestamp:%m-%d %H:%M}",
                }
                for one in answer.texts
            ],
        )
        return ""


class Alerts(Card):
    """What monitors have found, to be acknowledged."""

    title = "Alerts"
    size = "full"
    tables = ("alerts", "monitors")
    every = 0.3
    needs_model = False

    def build(self) -> Any:
        self.list = pn.Column(sizing_mode="stretch_width", margin=0)
        self.said = pn.pane.HTML("", sizing_mode="stretch_width", margin=0)
        return pn.Column(self.said, self.list, sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            alerts = lab.list_alerts(model_id=view.model or None).alerts
            return alerts, lab.list_monitors(view.model or None).monitors

        return ("alerts", view.model), ask

    def show(self, answer: Any) -> str:
        alerts, monitors = answer
        if not alerts and not monitors:
            return (
                "No monitor watches this model. Make one with "
                'lab.create_monitor(model, baseline="7d", window="1h", schedule="5m").'
            )
        if not alerts:
            return f"{plural(len(monitors), 'monitor')}, no alert."
        order = {"open": 0, "acknowledged": 1, "muted": 2, "resolved": 3}
        shown = sorted(
            alerts, key=lambda one: (order.get(one.status, 4), -one.last_seen.timestamp())
        )
        self.list.objects = [self._row(one) for one in shown[:ALERTS_SHOWN]]
        return ""

    def _row(self, alert: Any) -> Any:
        text = pn.pane.HTML(_told(alert), sizing_mode="stretch_width", margin=(4, 5))
        buttons = []
        if alert.status == "open":
            buttons.append(self._button("Acknowledge", "acknowledge_alert", alert.alert_id))
        if alert.status in ("open", "acknowledged"):
            buttons.append(self._button("Resolve", "resolve_alert", alert.alert_id))
        return pn.FlexBox(
            pn.Column(text, styles={"flex": "1 1 300px"}, margin=0),
            *buttons,
            align_items="center",
            sizing_mode="stretch_width",
            margin=0,
            styles={"border-top": "1px solid var(--am-line)"},
        )

    def _button(self, name: str, tool: str, alert_id: str) -> Any:
        button = pn.widgets.Button(label=name, button_style="outline", margin=(4, 5))

        def press(_: Any) -> None:
            button.disabled = True
            self.act(lambda lab: getattr(lab, tool)(alert_id), self._done)

        button.on_click(press)
        return button

    def _done(self, problem: AsterMindError | None) -> None:
        self.said.object = note(str(problem), "wrong") if problem else ""
        self.renew()


def _told(alert: Any) -> str:
    colour = {"open": "var(--am-wrong)", "acknowledged": "var(--am-right)"}
    badge = f'<b style="color:{colour.get(alert.status, "var(--am-quiet)")}">{alert.status}</b>'
    last = f"{alert.last_seen.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    seen = f"{alert.detector} · seen {plural(alert.times, 'time')}, last {last}"
    return f"{badge} {escape(alert.message)}<br>{quiet(seen)}"


serve(
    __file__,
    [Verdict(), OverTime(), Shift(), Moved(), Alerts()],
    uses=("model", "version", "window", "baseline"),
)
