"""The frame of a page: navigation, controls, cards, colours, and what keeps them up to date.

A page is one file of the folder ``dashboards``. It says in its docstring what it is called and what
it shows, makes its cards, and hands them over:

    serve(__file__, [Figures(), Rate()])
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import panel as pn
from bokeh.events import ConnectionLost, DocumentReady
from bokeh.models import CustomJS

from astermind_lab.dashboard import hub as hubs
from astermind_lab.dashboard.card import Card, note
from astermind_lab.dashboard.controls import Controls, question
from astermind_lab.dashboard.pages import PageFile, described
from astermind_lab.dashboard.session import Session
from astermind_lab.dashboard.shell import Shell
from astermind_lab.dashboard.theme import COOKIE, Palette, palette
from astermind_lab.dashboard.view import View
from astermind_lab.errors import AsterMindError

if TYPE_CHECKING:
    from bokeh.document import Document
    from panel.viewable import Viewable

__all__ = ["colours", "serve"]

_AGAIN_MS = 3000


def colours() -> Palette:
    """The colours that the browser of this session asked for."""
    return palette(pn.state.cookies.get(COOKIE, "light"))


def serve(
    file: str, cards: Sequence[Card], uses: Collection[str] = ("model", "version", "window")
) -> None:
    """Serve a page to the session that asks for it.

    file : of the page     uses : which of model, version, window and baseline can be chosen
    """
    page = described(Path(file))
    document, address = pn.state.curdoc, pn.state.location
    if document is None or address is None:
        raise RuntimeError("a page is shown by a server: astermind up, or panel serve")
    health = pn.pane.HTML("", visible=False, sizing_mode="stretch_width", margin=0)
    view = View.of(_query())
    try:
        hub = hubs.hub()
        controls = Controls(hub, view, uses)
        controls.begin()
    except AsterMindError as problem:
        _broken(document, page, str(problem))
        return
    session = Session(hub, document, [*cards, _Offer(controls)], controls.view)
    session.on_health = lambda problem: _say(health, problem)

    def look(chosen: View) -> None:
        address.search = chosen.query
        session.look_at(chosen)

    def tell() -> None:
        """Say in the address which model was taken."""
        address.search = session.view.query

    controls.on_view = look
    if controls.view != view:
        pn.state.onload(tell)
    document.on_session_destroyed(lambda _: session.close())
    session.first_paint()
    parts = {"health": health, "controls": controls.panel}
    _show(document, page, cards, parts)
    document.js_on_event(ConnectionLost, CustomJS(code="window.astermindLost()"))
    document.js_on_event(DocumentReady, CustomJS(code="window.astermindHere()"))


class _Offer(Card):
    """Keeps the choices above the cards up to date; it has no place among them."""

    title = ""
    tables = Controls.tables
    every = 2.0
    needs_model = False

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        super().__init__()

    def build(self) -> Any:
        return pn.Spacer(height=0)

    def question(self, view: View, now: Any) -> Any:
        return question(view.model)

    def show(self, answer: Any) -> str:
        self._controls.offer(answer)
        return ""


def _query() -> dict[str, str]:
    """The parts of the address."""
    arguments = pn.state.session_args or {}
    return {name: some[0].decode() for name, some in arguments.items() if some}


def _say(health: Any, problem: str) -> None:
    said = problem and f"{problem} What is shown is from before; this page goes on by itself."
    health.object = note(said, "wrong")
    health.visible = bool(said)


def _show(
    document: Document, page: PageFile, cards: Sequence[Card], parts: dict[str, Viewable]
) -> None:
    look = colours()
    with document.models.freeze():  # else every part would have all of them counted anew
        Shell(page, look, cards, parts).servable(title=f"{page.title} · AsterMind Lab")


def _broken(document: Document, page: PageFile, problem: str) -> None:
    """A page that says why it cannot be shown, and tries again."""
    health = pn.pane.HTML(note(problem, "wrong"), sizing_mode="stretch_width", margin=0)
    again = pn.pane.HTML("<p>This page tries again every few seconds.</p>")
    _show(document, page, [], {"health": health, "controls": again})
    reload = CustomJS(code=f"setTimeout(() => location.reload(), {_AGAIN_MS})")
    document.js_on_event(DocumentReady, reload)
