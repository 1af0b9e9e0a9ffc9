"""A card: one thing to see on a page, what it asks of the lab, and how it shows the answer.

The states of a card: *loading* until the first answer; *empty* where the answer holds nothing, with
a sentence that says why and what to do; *failed* where the lab refused, with its reason; *shown*.
While something else is being asked for, the old picture stays, paler.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from html import escape
from typing import Any, ClassVar

import panel as pn
from panel.viewable import Viewable

from astermind_lab.dashboard.view import View
from astermind_lab.errors import AsterMindError
from astermind_lab.lab import Lab

__all__ = ["INTERNAL", "Card", "Question", "note", "quiet"]

Question = tuple[Hashable, Callable[[Lab], Any]]

INTERNAL = "Something went wrong in the dashboard; its log says more."


def note(text: str, tone: str = "quiet") -> str:
    """A sentence as HTML. tone : quiet, or wrong for what went wrong"""
    if not text:
        return ""
    colour = "var(--am-wrong)" if tone == "wrong" else "var(--am-line)"
    role = ' role="alert"' if tone == "wrong" else ""
    return (
        f'<div{role} style="border-left:3px solid {colour};padding:2px 10px;margin:6px 0;'
        f'color:var(--am-quiet);font-size:13.5px;overflow-wrap:anywhere">{escape(text)}</div>'
    )


def quiet(text: str) -> str:
    """A remark in small type as HTML."""
    return f'<span style="color:var(--am-quiet);font-size:12.5px">{escape(text)}</span>'


def _no_session(*_: Any) -> None:
    raise RuntimeError("a card acts only in a session")


class Card:
    """One thing to see.

    title : its heading     size : third, half or full, of the width of a large screen
    tables : what its answer rests on     every : seconds that are at least between two questions
    needs_model : while there is none, nothing is asked, and None is the answer
    """

    title: ClassVar[str]
    size: ClassVar[str] = "half"
    tables: ClassVar[tuple[str, ...]] = ("predictions",)
    every: ClassVar[float] = 1.0
    needs_model: ClassVar[bool] = True

    def __init__(self) -> None:
        self.renew: Callable[[], None] = lambda: None  # ask again; the session sets both
        self.act: Callable[[Callable[[Lab], Any], Callable[[Any], None]], None] = _no_session
        self.picture: Any = self.build()
        self._body = pn.Column(self.picture, visible=False, sizing_mode="stretch_width", margin=0)
        self._note = pn.pane.HTML(note("Loading…"), sizing_mode="stretch_width", margin=0)
        self._outer = pn.Column(self._note, self._body, sizing_mode="stretch_width", margin=0)

    @property
    def panel(self) -> Viewable:
        """What stands below the heading."""
        return self._outer

    def build(self) -> Viewable:
        """The picture, still empty."""
        raise NotImplementedError

    def question(self, view: View, now: datetime) -> Question:
        """What to ask of the lab: a key that is the same for the same question, and the call."""
        raise NotImplementedError

    def show(self, answer: Any) -> str:
        """Draw an answer; returns what to say instead where there is nothing to draw."""
        raise NotImplementedError

    def loading(self) -> None:
        """Something else has been asked for."""
        self._outer.styles = {"opacity": "0.55"}

    def answered(self, answer: Any) -> None:
        """Show an answer."""
        self._say(self.show(answer))

    def failed(self, problem: BaseException) -> None:
        """Say what went wrong, in place of the picture."""
        said = str(problem) if isinstance(problem, AsterMindError) else INTERNAL
        self._say(said, "wrong")

    def _say(self, text: str, tone: str = "quiet") -> None:
        self._note.object = note(text, tone)
        self._note.visible = bool(text)
        self._body.visible = not text
        if self._outer.styles:
            self._outer.styles = {}
