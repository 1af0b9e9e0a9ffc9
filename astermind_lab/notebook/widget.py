"""What the widgets share: an object of the lab, its state, and the messages that change it.

    browser ── {"do": "give", "label": "spam", "id": "k3:7"} ─> kernel: teaching.give("spam")
            <─ state = {**teaching.state(), "answered": "k3:7"} ──

A message names one of the widget's actions, nothing else can be called. The state is plain data and
is sent whole after every message. What went wrong is part of it: ``error`` is then a sentence, and
the rest is as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, ClassVar, Protocol

import anywidget
import traitlets

from astermind_lab.errors import AsterMindError, InvalidInput, nearest, shown
from astermind_lab.results import Result

__all__ = ["Service", "ServiceWidget", "script", "style"]

_VIEW = "application/vnd.jupyter.widget-view+json"
_LONGEST_ERROR = 600


class Service(Protocol):
    """What a widget needs of its object; actions are further methods of it."""

    def state(self) -> dict[str, Any]:
        """All there is to show, as plain data."""

    def _repr_html_(self) -> str: ...


def script(name: str) -> str:
    """The module that draws a widget: what all of them use, then its own part.

    anywidget takes one module, and what is imported from elsewhere would have to be served.
    """
    return f"{_read('shared.js')}\n{_read(f'{name}.js')}"


def style() -> str:
    """The style sheet of all widgets; every rule of it is inside the class ``astermind``."""
    return _read("widgets.css")


def _read(name: str) -> str:
    return (files("astermind_lab.notebook") / "static" / name).read_text(encoding="utf-8")


class ServiceWidget(anywidget.AnyWidget):
    """A view of an object of the lab.

    actions : what the browser may ask for: the name of a method, to the names of its arguments
    """

    actions: ClassVar[Mapping[str, frozenset[str]]] = {}

    state = traitlets.Dict().tag(sync=True)

    def __init__(self, service: Service) -> None:
        self.service = service
        super().__init__(state=service.state())
        self.on_msg(lambda _, content, __: self.answer(content))

    def answer(self, message: object) -> None:
        """Do what a message asks for, and send the state that this leads to."""
        asked = message if isinstance(message, dict) else {}
        said: dict[str, Any] = {"answered": asked.get("id")}
        try:
            told = self.act(asked)
            if told:
                said["told"] = told
        except Exception as error:
            said["error"] = _sentence(error)
        self._publish(said)

    def act(self, message: Mapping[str, Any]) -> str:
        """Call the method that a message names; returns what there is to tell, or an empty text.

        Raises InvalidInput for what is not one of the widget's actions or their arguments.
        """
        name = message.get("do")
        if not isinstance(name, str) or name not in self.actions:
            hint = nearest(str(name), self.actions)
            raise InvalidInput("do", f"{shown(name)} is not an action of this widget.{hint}")
        arguments = {key: message[key] for key in message.keys() - {"do", "id"}}
        for key in arguments.keys() - self.actions[name]:
            raise InvalidInput(key, f"the action {name!r} has no such argument")
        outcome = getattr(self.service, name)(**arguments)
        return self.told(outcome) if isinstance(outcome, Result) else ""

    def told(self, outcome: Result) -> str:
        """What a person is told of what an action returned."""
        return outcome.short()

    def refresh(self) -> None:
        """Send the state again, which Python code may have changed."""
        self._publish({})

    def _publish(self, said: dict[str, Any]) -> None:
        try:
            state = self.service.state()
        except Exception as error:
            state = {k: v for k, v in self.state.items() if k not in ("answered", "told", "error")}
            said.setdefault("error", _sentence(error))
        self.state = {**state, **said}

    def bundle(self) -> dict[str, Any]:
        """The widget, and its object as HTML and as text for places where no widgets run."""
        return {
            "text/plain": repr(self.service),
            "text/html": self.service._repr_html_(),
            _VIEW: {"version_major": 2, "version_minor": 1, "model_id": self.model_id},
        }

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.bundle(), {}


def _sentence(error: Exception) -> str:
    """The error on one line, of bounded length."""
    text = str(error)
    if not isinstance(error, AsterMindError):
        text = f"internal error: {type(error).__name__}: {text}"
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 1] + "…"
