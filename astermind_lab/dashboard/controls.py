"""What is looked at, chosen above the cards: model, version, window and baseline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import panel as pn
from panel.viewable import Viewable

from astermind_lab.dashboard.hub import Hub
from astermind_lab.dashboard.view import PRESETS, View
from astermind_lab.dashboard.widgets import select
from astermind_lab.errors import StoreUnavailable
from astermind_lab.lab import Lab

__all__ = ["Choices", "Controls", "choices", "question"]

_ANY = "all versions"
_CUSTOM = "from … to …"
_BEFORE = "the window before"
_WIDTH = 210
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Choices:
    """What there is to choose from.

    models : ids, those with the latest predictions first     versions : of one of them
    """

    models: tuple[str, ...]
    versions: tuple[str, ...]


def choices(lab: Lab, model: str) -> Choices:
    """The models of the lab and of the log, and the versions and aliases of one."""
    logged = lab.list_monitored_models().models
    long_ago = datetime.min.replace(tzinfo=UTC)
    busy = sorted(logged, key=lambda m: (m.last_day or long_ago, m.predictions), reverse=True)
    models = dict.fromkeys([m.model_id for m in busy])
    models |= dict.fromkeys(m.id for m in lab.list_models().models)
    model = model or next(iter(models), "")
    found: dict[str, None] = {}
    if model:
        stored = lab.list_model_versions(model).versions
        found |= dict.fromkeys(alias for item in stored for alias in item.aliases)
        found |= dict.fromkeys(item.version for item in stored)
    return Choices(tuple(models), tuple(found))


def question(model: str) -> tuple[Hashable, Callable[[Lab], Choices]]:
    """What to ask of the lab to know what there is."""
    return ("choices", model), lambda lab: choices(lab, model)


class Controls:
    """The widgets above the cards. ``on_view`` hears of each change."""

    tables = ("models", "aliases", "monitored_models")

    def __init__(self, hub: Hub, view: View, uses: Collection[str]) -> None:
        self._hub = hub
        self.view = view
        self.on_view: Callable[[View], None] = lambda view: None
        self._quiet = False
        self._model = select("Model", _WIDTH)
        self._version = select("Version", _WIDTH)
        self._window = select("Window", _WIDTH)
        self._baseline = select("Baseline", _WIDTH)
        self._span = _Span("Window")
        self._then = _Span("Baseline")
        parts = {
            "model": [self._model],
            "version": [self._version],
            "window": [self._window, self._span.panel],
            "baseline": [self._baseline, self._then.panel],
        }
        shown = [part for name, some in parts.items() if name in uses for part in some]
        self.panel: Viewable = pn.FlexBox(*shown, sizing_mode="stretch_width", margin=0)
        self._known = Choices((), ())
        self._fill()
        for widget in (self._model, self._version, self._window, self._baseline):
            widget.param.watch(self._chosen, "value")
        self._span.on_change = self._chosen
        self._then.on_change = self._chosen

    def begin(self) -> None:
        """Find out what there is; takes the model that was busy last if none is asked for."""
        self._known = self._found(self.view.model)
        self._take_first()
        self._fill()

    def _found(self, model: str) -> Choices:
        """What there is, asked while the page waits; raises StoreUnavailable."""
        asked = self._hub.ask(*question(model), self.tables)
        try:
            found: Choices = asked.future.result(_PATIENCE_SECONDS)
        except TimeoutError:
            raise StoreUnavailable("the database does not answer at present") from None
        return found

    def offer(self, found: Choices) -> None:
        """Offer what there is by now."""
        self._known = found
        taken = self._take_first()
        self._fill()
        if taken:
            self.on_view(self.view)

    def _take_first(self) -> bool:
        """Take the model that was busy last, if none is looked at and there is one."""
        wanted = not self.view.model and bool(self._known.models)
        if wanted:
            self.view = replace(self.view, model=self._known.models[0])
        return wanted

    def _fill(self) -> None:
        view, found = self.view, self._known
        self._quiet = True
        _offer(self._model, {m: m for m in _with(found.models, view.model)} or {"–": ""})
        self._model.value = view.model
        _offer(self._version, {_ANY: ""} | {v: v for v in _with(found.versions, view.version)})
        self._version.value = view.version
        _offer(self._window, {said: name for name, (said, _, _) in PRESETS.items()} | {_CUSTOM: ""})
        preset = view.window in PRESETS
        self._window.value = view.window if preset else ""
        self._span.show(None if preset else view.window)
        _offer(self._baseline, {_BEFORE: "before", _CUSTOM: ""})
        before = view.baseline == "before"
        self._baseline.value = view.baseline if before else ""
        self._then.show(None if before else view.baseline)
        self._quiet = False

    def _chosen(self, *_: Any) -> None:
        if self._quiet:
            return
        now = datetime.now(UTC)
        view = self.view
        model = self._model.value or ""
        version = (self._version.value or "") if model == view.model else ""
        window = self._window.value or self._span.value or _written(view, now)
        baseline = self._baseline.value or self._then.value or _before(view, now)
        self.view = View(model, version, window, baseline)
        if model != view.model:
            self._known = self._found(model)
        self._fill()
        self.on_view(self.view)


class _Span:
    """Two times, shown where no preset is chosen."""

    def __init__(self, name: str) -> None:
        self.on_change: Callable[..., None] = lambda *_: None
        self._quiet = False
        self._start = pn.widgets.DatetimePicker(label=f"{name} from (UTC)", width=_WIDTH)
        self._end = pn.widgets.DatetimePicker(label="to (UTC)", width=_WIDTH)
        self.panel = pn.FlexBox(self._start, self._end, visible=False, margin=0)
        for widget in (self._start, self._end):
            widget.param.watch(self._changed, "value")

    @property
    def value(self) -> str:
        """START..END, or "" while one is missing or they are the wrong way round."""
        start, end = self._start.value, self._end.value
        if not self.panel.visible or start is None or end is None or start > end:
            return ""
        return f"{start:%Y-%m-%dT%H:%M}..{end:%Y-%m-%dT%H:%M}"

    def show(self, written: str | None) -> None:
        """Show these times; None hides the widgets."""
        self._quiet = True
        self.panel.visible = written is not None
        if written is not None:
            low, _, high = written.partition("..")
            for widget, time in ((self._start, low), (self._end, high)):
                widget.value = datetime.fromisoformat(time).replace(tzinfo=None) if time else None
        self._quiet = False

    def _changed(self, *_: Any) -> None:
        if not self._quiet and self.value:
            self.on_change()


def _written(view: View, now: datetime) -> str:
    """The window in force as START..END, for a start of one's own choice."""
    start, end = view.times(now)
    return _span(start, end or now)


def _before(view: View, now: datetime) -> str:
    compared = view.compared(now)
    return _span(None, now) if compared is None else _span(*compared[0].values())


def _span(start: datetime | None, end: datetime) -> str:
    first = start or end.replace(year=end.year - 1)
    return f"{first:%Y-%m-%dT%H:%M}..{end:%Y-%m-%dT%H:%M}"


def _with(names: Collection[str], name: str) -> list[str]:
    """The names, and this one if it is missing."""
    return [*names, *([name] if name and name not in names else [])]


def _offer(widget: Any, options: Mapping[str, str]) -> None:
    if widget.options != options:
        widget.options = dict(options)
