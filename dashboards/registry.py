"""Registry: models, their versions and names, and the data they came from.

Panel runs this file once for each session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

import panel as pn

from astermind_lab.dashboard.card import Card, Question, note, quiet
from astermind_lab.dashboard.frame import colours, serve
from astermind_lab.dashboard.intervals import Row, intervals
from astermind_lab.dashboard.tables import fill, number, table
from astermind_lab.dashboard.timelines import legend
from astermind_lab.dashboard.view import View
from astermind_lab.dashboard.widgets import select
from astermind_lab.dashboard.words import interval, named, percent, plural
from astermind_lab.errors import AsterMindError
from astermind_lab.estimate import Estimate
from astermind_lab.lab import Lab

ORDER = 40

NO_MODEL = "There is no model yet. Train one: lab.train_classifier(model, texts, persist=True)."
NOT_STORED = (
    "No version of this model is stored. Store one: persist=True, or store_model_persistent."
)
REGISTRY = ("models", "aliases", "datasets")
NAMES = ("champion", "challenger")
PAGE = 20


def versions_of(view: View) -> Question:
    """The versions of the model with what was logged of each, which several cards share."""

    def ask(lab: Lab) -> Any:
        stored = lab.list_model_versions(view.model, include_metrics=True).versions
        logged = lab.get_metric_slices(view.model, "version").slices if stored else []
        return stored, {one.name: one for one in logged}

    return ("versions", view.model), ask


class Models(Card):
    """Every model; a click looks at it."""

    title = "Models"
    tables = (*REGISTRY, "monitored_models")
    size = "full"
    needs_model = False

    def build(self) -> Any:
        self.choose: Callable[[str], None] = lambda model: None
        self.table = table(
            {
                "id": "model",
                "labels": "labels",
                "examples": "examples",
                "version": "latest version",
                "created": "created (UTC)",
                "logged": "logged predictions",
                "about": "description",
            },
            {
                "id": 220,
                "labels": 80,
                "examples": 100,
                "version": 170,
                "created": 140,
                "logged": 160,
                "about": 320,
            },
            formatters={name: number("0,0") for name in ("labels", "examples", "logged")},
        )
        self.table.on_click(lambda event: self.choose(str(self.table.value["id"].iloc[event.row])))
        return self.table

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            logged = {m.model_id: m.predictions for m in lab.list_monitored_models().models}
            return lab.list_models().models, logged

        return ("models",), ask

    def show(self, answer: Any) -> str:
        models, logged = answer
        if not models:
            return NO_MODEL
        fill(
            self.table,
            [
                {
                    "id": one.id,
                    "labels": len(one.categories),
                    "examples": one.training_examples,
                    "version": one.version or "in memory only",
                    "created": f"{one.created:%Y-%m-%d %H:%M}",
                    "logged": logged.get(one.id, 0),
                    "about": one.description,
                }
                for one in models
            ],
        )
        return ""


class Versions(Card):
    """The versions of the model."""

    title = "Versions, newest first"
    tables = (*REGISTRY, "predictions")
    size = "full"
    every = 2.0

    def build(self) -> Any:
        self.table = table(
            {
                "version": "version",
                "names": "names",
                "accuracy": "accuracy when stored",
                "logged": "accuracy in use",
                "n": "predictions",
                "examples": "examples",
                "dataset": "data set",
                "tags": "tags",
                "size": "size",
                "created": "created (UTC)",
            },
            {
                "version": 130,
                "names": 160,
                "accuracy": 175,
                "logged": 175,
                "n": 110,
                "examples": 100,
                "dataset": 150,
                "tags": 100,
                "size": 80,
                "created": 140,
            },
            formatters={name: number("0,0") for name in ("n", "examples")},
        )
        return self.table

    def question(self, view: View, now: datetime) -> Question:
        return versions_of(view)

    def show(self, answer: Any) -> str:
        if answer is None or not answer[0]:
            return NOT_STORED if answer else NO_MODEL
        stored, logged = answer
        fill(self.table, [_version(one, logged.get(one.version)) for one in stored])
        return ""


def _version(one: Any, used: Any) -> dict[str, Any]:
    return {
        "version": one.version,
        "names": ", ".join(one.aliases),
        "accuracy": _measured(_stored_accuracy(one)),
        "logged": _measured(used.accuracy if used else None),
        "n": used.total_predictions if used else 0,
        "examples": one.training_examples,
        "dataset": one.dataset_id or "",
        "tags": ", ".join(one.tags),
        "size": f"{one.size_bytes / 1e6:.1f} MB",
        "created": f"{one.created_at:%Y-%m-%d %H:%M}",
    }


def _stored_accuracy(one: Any) -> Estimate | None:
    """The accuracy that a version was stored with; an imported file may hold anything there."""
    found = (one.metrics or {}).get("accuracy")
    if not isinstance(found, Mapping):
        return None
    parts: list[Any] = [found.get(name) for name in ("value", "low", "high", "n", "method")]
    known = all(isinstance(part, int | float) for part in parts[:4])
    return Estimate(*parts) if known else None


def _measured(one: Any) -> str:
    return "–" if one is None else f"{percent(one.value)} ({interval(one)})"


class SideBySide(Card):
    """The accuracy of the versions with their intervals."""

    title = "Accuracy, side by side"
    tables = (*REGISTRY, "predictions")
    every = 2.0

    def build(self) -> Any:
        return pn.pane.HTML("", sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        return versions_of(view)

    def show(self, answer: Any) -> str:
        if answer is None or not answer[0]:
            return NOT_STORED if answer else NO_MODEL
        stored, logged = answer
        rows = []
        for one in stored[:12]:
            name = named(one.version, one.aliases)
            used = logged.get(one.version)
            rows.append(
                Row(name, [("stored", _stored_accuracy(one)), ("used", used and used.accuracy)])
            )
        look = colours()
        hues = {"stored": look.quiet, "used": look.right}
        head = legend({"when stored": look.quiet, "in use, from feedback": look.right})
        self.picture.object = head + intervals(rows, hues)
        return ""


class Promote(Card):
    """Names that point at versions: move one, or take the move back."""

    title = "Promote and roll back"
    tables = ("models", "aliases")
    every = 0.2

    def build(self) -> Any:
        self.model = ""
        self.now: dict[str, str] = {}
        self.before: dict[str, str] = {}
        self.alias = pn.widgets.AutocompleteInput(
            label="Name",
            options=list(NAMES),
            value=NAMES[0],
            restrict=False,
            min_characters=0,
            width=160,
        )
        self.version = select("Version", 200)
        self.promote = pn.widgets.Button(
            label="Promote…", button_type="primary", margin=(22, 5, 5, 5)
        )
        self.back = pn.widgets.Button(
            label="Roll back…", button_style="outline", margin=(22, 5, 5, 5)
        )
        self.yes = pn.widgets.Button(label="Yes", button_type="primary", margin=(4, 5))
        self.no = pn.widgets.Button(label="Cancel", button_style="outline", margin=(4, 5))
        self.asked = pn.pane.HTML("", margin=(8, 5))
        self.confirm = pn.FlexBox(self.asked, self.yes, self.no, visible=False, margin=0)
        self.said = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 5))
        self.history = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 5))
        self._todo: Callable[[Lab], Any] | None = None
        self.promote.on_click(lambda _: self._ask_promote())
        self.back.on_click(lambda _: self._ask_back())
        self.yes.on_click(lambda _: self._do())
        self.no.on_click(lambda _: self._close())
        self.alias.param.watch(lambda _: self._buttons(), "value")
        row = pn.FlexBox(self.alias, self.version, self.promote, self.back, margin=0)
        return pn.Column(
            row, self.confirm, self.said, self.history, sizing_mode="stretch_width", margin=0
        )

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            stored = lab.list_model_versions(view.model).versions
            return view.model, stored, lab.list_aliases(view.model)

        return ("promote", view.model), ask

    def show(self, answer: Any) -> str:
        if answer is None:
            return NO_MODEL
        model, stored, aliases = answer
        if not stored:
            return NOT_STORED
        if model != self.model:
            self._close()
        self.model, self.now = model, dict(aliases.aliases)
        self.before = {
            name: moves[1]["version"] for name, moves in aliases.history.items() if len(moves) > 1
        }
        options = [one.version for one in stored]
        if self.version.options != options:
            self.version.param.update(options=options, value=options[0])
        self.alias.options = list(dict.fromkeys([*NAMES, *self.now]))
        self.history.object = _history(aliases)
        self._buttons()
        return ""

    def _buttons(self) -> None:
        self.back.disabled = self.alias.value not in self.before

    def _ask_promote(self) -> None:
        name, version, model = self.alias.value.strip(), self.version.value, self.model
        if not name:
            self.said.object = note("Say which name is to point at this version.", "wrong")
            return
        today = self.now.get(name)
        instead = f" instead of {today}" if today and today != version else ""
        self._ask(
            f"Let {name} of {model} be version {version}{instead}?",
            lambda lab: lab.set_alias(model, name, version),
        )

    def _ask_back(self) -> None:
        name, model = self.alias.value.strip(), self.model
        self._ask(
            f"Let {name} of {model} be version {self.before[name]} again, "
            f"instead of {self.now.get(name)}?",
            lambda lab: lab.roll_back_alias(model, name),
        )

    def _ask(self, question: str, todo: Callable[[Lab], Any]) -> None:
        self._todo = todo
        self.asked.object = f"<b>{escape(question)}</b>"
        self.said.object = ""
        self.confirm.visible = True

    def _do(self) -> None:
        todo = self._todo
        self._close()
        if todo is not None:
            self.act(todo, self._done)

    def _close(self) -> None:
        self._todo = None
        self.confirm.visible = False

    def _done(self, problem: AsterMindError | None) -> None:
        self.said.object = note(str(problem), "wrong") if problem else note("Done.")
        self.renew()


def _history(aliases: Any) -> str:
    lines = []
    for name, version in sorted(aliases.aliases.items()):
        moves = aliases.history.get(name, [])
        past = " ← ".join(f"{move['version']} ({_day(move['at'])})" for move in moves[:5])
        lines.append(f"<b>{escape(name)}</b> {escape(past or version)}")
    if not lines:
        return quiet("No name points at a version yet.")
    return '<div style="font-size:13px;line-height:1.7">' + "<br>".join(lines) + "</div>"


def _day(at: Any) -> str:
    time = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{time.astimezone(UTC):%m-%d %H:%M}"


class Lineage(Card):
    """Which data made which version, and what it is called."""

    title = "Where the versions come from"
    tables = REGISTRY
    size = "full"

    def build(self) -> Any:
        return pn.pane.HTML("", sizing_mode="stretch_width", margin=0)

    def question(self, view: View, now: datetime) -> Question:
        def ask(lab: Lab) -> Any:
            return lab.list_model_versions(
                view.model
            ).versions, lab.list_training_datasets().datasets

        return ("lineage", view.model), ask

    def show(self, answer: Any) -> str:
        if answer is None or not answer[0]:
            return NOT_STORED if answer else NO_MODEL
        stored, datasets = answer
        known = {one.dataset_id: one for one in datasets}
        groups: dict[str, list[Any]] = {}
        for one in stored:
            groups.setdefault(one.dataset_id or "", []).append(one)
        self.picture.object = "".join(_strand(name, some, known) for name, some in groups.items())
        return ""


def _strand(dataset_id: str, versions: list[Any], known: dict[str, Any]) -> str:
    chain: list[str] = []
    name: str | None = dataset_id
    while name and len(chain) < 5:
        one = known.get(name)
        size = plural(one.size, "example") if one else "no longer stored"
        chain.append(_box(name, size))
        name = (one.metadata or {}).get("parent") if one else None
    if not chain:
        chain = [_box("no data set named", "trained on texts that were given")]
    ends = "".join(
        _box(
            one.version, f"{', '.join(one.aliases) or 'no name'} · {one.created_at:%Y-%m-%d}", True
        )
        for one in versions[:20]
    )
    arrow = '<span style="color:var(--am-quiet);padding:0 4px">→</span>'
    row = "display:flex;flex-wrap:wrap;align-items:center;gap:6px;margin:6px 0"
    return f'<div style="{row}">{arrow.join(reversed(chain))}{arrow}{ends}</div>'


def _box(name: str, about: str, strong: bool = False) -> str:
    edge = "var(--am-right)" if strong else "var(--am-line)"
    return (
        f'<span style="border:1px solid {edge};border-radius:8px;padding:4px 10px;line-height:1.3;'
        f'display:inline-flex;flex-direction:column"><b style="font-weight:600;'
        f'overflow-wrap:anywhere">{escape(name)}</b>{quiet(about)}</span>'
    )


class Datasets(Card):
    """The examples of a data set, page by page."""

    title = "Data sets"
    tables = ("datasets",)
    size = "full"
    needs_model = False

    def build(self) -> Any:
        self.offset = 0
        self.pick = select("Data set", 220)
        self.earlier = pn.widgets.Button(
            label="‹ Earlier", button_style="outline", margin=(22, 5, 5, 5)
        )
        self.later = pn.widgets.Button(
            label="Later ›", button_style="outline", margin=(22, 5, 5, 5)
        )
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 5))
        self.table = table(
            {"place": "#", "label": "label", "text": "text"},
            {"place": 70, "label": 170, "text": 900},
        )
        self.pick.param.watch(lambda _: self._turn(-self.offset), "value")
        self.earlier.on_click(lambda _: self._turn(-PAGE))
        self.later.on_click(lambda _: self._turn(PAGE))
        row = pn.FlexBox(self.pick, self.earlier, self.later, margin=0)
        return pn.Column(row, self.head, self.table, sizing_mode="stretch_width", margin=0)

    def _turn(self, by: int) -> None:
        self.offset = max(0, self.offset + by)
        self.renew()

    def question(self, view: View, now: datetime) -> Question:
        wanted, offset = self.pick.value, self.offset

        def ask(lab: Lab) -> Any:
            known = lab.list_training_datasets().datasets
            names = [one.dataset_id for one in known]
            name = wanted if wanted in names else next(iter(names[::-1]), None)
            if name is None:
                return None
            return names, lab.load_training_dataset(name, offset=offset, limit=PAGE)

        return ("dataset", wanted, offset), ask

    def show(self, answer: Any) -> str:
        if answer is None:
            return "No data set is stored. Store one: lab.store_training_dataset(name, examples)."
        names, page = answer
        if self.pick.options != names:
            self.pick.options = names
            self.pick.value = page.dataset_id
        self.earlier.disabled = page.offset == 0
        self.later.disabled = page.offset + len(page.examples) >= page.size
        counts = sorted(page.labels.items(), key=lambda item: -item[1])
        mix = ", ".join(f"{label} {n:,}" for label, n in counts[:8])
        more = f" and {len(counts) - 8} more labels" if len(counts) > 8 else ""
        parent = page.metadata.get("parent")
        came = f" Made from {parent}." if parent else ""
        self.head.object = quiet(f"{plural(page.size, 'example')}: {mix}{more}.{came}")
        fill(
            self.table,
            [
                {"place": page.offset + place + 1, "label": one.label, "text": one.text}
                for place, one in enumerate(page.examples)
            ],
        )
        return ""


models = Models()
serve(
    __file__,
    [models, Versions(), Promote(), SideBySide(), Lineage(), Datasets()],
    uses=("model",),
)
