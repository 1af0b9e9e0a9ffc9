"""Widgets without a browser: what they hold, what they do for a message, what they refuse."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from astermind_lab.lab import Lab
from astermind_lab.notebook import register
from astermind_lab.notebook.exploring import ExploringWidget
from astermind_lab.notebook.showing import WIDGETS, widget_of
from astermind_lab.notebook.teaching import TeachingWidget
from astermind_lab.notebook.tuning import TuningWidget
from astermind_lab.notebook.widget import Service, ServiceWidget
from tests.lab.data import EXAMPLES, SMALL

VIEW = "application/vnd.jupyter.widget-view+json"
HOSTILE = "<img src=x onerror=alert(1)> snow"
STATIC = files("astermind_lab.notebook") / "static"
SCRIPTS = sorted(path.name for path in STATIC.iterdir() if path.name.endswith(".js"))

MAKERS: dict[str, Callable[[Lab], tuple[ServiceWidget, Service]]] = {
    "teaching": lambda lab: made(TeachingWidget, teaching(lab)),
    "tuning": lambda lab: made(TuningWidget, lab.tune(examples=EXAMPLES, config=SMALL)),
    "exploring": lambda lab: made(ExploringWidget, lab.explore("topics", HOSTILE)),
}


def made(widget: type[ServiceWidget], service: Any) -> tuple[ServiceWidget, Any]:
    return widget(service), service


def teaching(lab: Lab) -> Any:
    return lab.teach("topics", texts=[HOSTILE, "a bank and a loan", "soup", "storm and rain"])


@pytest.fixture(params=MAKERS)
def pair(request: pytest.FixtureRequest, lab: Lab) -> tuple[ServiceWidget, Any]:
    """A widget and the object that it shows."""
    return MAKERS[request.param](lab)


def receive(widget: ServiceWidget, message: object) -> dict[str, Any]:
    """A message as it comes from the browser; returns the state that goes back."""
    content = {"data": {"method": "custom", "content": message}}
    widget._handle_msg({"content": content, "buffers": []})
    state: dict[str, Any] = widget.state
    json.dumps(state, allow_nan=False)
    return state


def test_what_is_shown_is_the_widget_and_static_html(
    shell: InteractiveShell, pair: tuple[ServiceWidget, Any]
) -> None:
    _, service = pair
    register(shell)
    assert shell.display_formatter is not None
    shown, _ = shell.display_formatter.format(service)
    assert shown["text/html"] == service._repr_html_()
    assert shown["text/plain"] == repr(service)
    again, _ = shell.display_formatter.format(service)
    assert again[VIEW] == shown[VIEW], "shown twice, an object has two views of one widget"
    assert set(shown[VIEW]) == {"version_major", "version_minor", "model_id"}


def test_the_widget_itself_shows_both(pair: tuple[ServiceWidget, Any]) -> None:
    widget, service = pair
    shown, _ = widget._repr_mimebundle_()
    assert shown[VIEW]["model_id"] == widget.model_id
    assert shown["text/html"] == service._repr_html_()


def test_an_exported_notebook_shows_static_html(
    shell: InteractiveShell, pair: tuple[ServiceWidget, Any]
) -> None:
    from nbconvert import HTMLExporter

    _, service = pair
    register(shell)
    assert shell.display_formatter is not None
    data, _ = shell.display_formatter.format(service)
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell = nbformat.v4.new_code_cell("x", outputs=[output], execution_count=1)
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    beginning = service._repr_html_()[:90]  # the exporter writes some characters in another way
    assert beginning in page
    assert f'type="{VIEW}"' not in page


def test_the_state_is_that_of_the_object(pair: tuple[ServiceWidget, Any]) -> None:
    widget, service = pair
    assert widget.state == service.state()
    json.dumps(widget.state, allow_nan=False)


def test_each_action_is_a_method_with_these_arguments(pair: tuple[ServiceWidget, Any]) -> None:
    widget, service = pair
    for name, arguments in widget.actions.items():
        assert arguments <= set(inspect.signature(getattr(service, name)).parameters)


def test_the_browser_asks_for_nothing_but_actions(pair: tuple[ServiceWidget, Any]) -> None:
    widget, _ = pair
    name = type(widget).__module__.rpartition(".")[2]
    source = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    asked = set(re.findall(r'do: "(\w+)"', source))
    assert asked
    assert asked <= set(widget.actions)


REFUSED = [
    None,
    "give",
    [],
    {},
    {"do": None},
    {"do": ["ask"]},
    {"do": "state"},
    {"do": "_lab"},
    {"do": "__class__"},
    {"do": "view"},
    {"do": "ask", "text": "a", "limit": 1},
    {"do": "set", "seed": 1},
    {"do": "give", "label": "a", "self": 1},
]


def test_other_messages_are_refused(pair: tuple[ServiceWidget, Any]) -> None:
    widget, service = pair
    before = service.state()
    for message in REFUSED:
        state = receive(widget, message)
        error = state.pop("error")
        assert re.match(r"(do|limit|seed|self|text): ", error), error
        assert {**state, "answered": None} == {**before, "answered": None}


def test_typing_a_text_is_answered(lab: Lab) -> None:
    explored = lab.explore("topics", dataset_id=None, examples=EXAMPLES)
    widget = ExploringWidget(explored)
    state = receive(widget, {"do": "ask", "text": "bank loan", "id": "k:1"})
    assert state["answered"] == "k:1"
    assert state["predictions"][0]["category"] == "money"
    assert state["rows"]
    assert "error" not in state
    assert receive(widget, {"do": "ask", "text": ""})["predictions"] == []


def test_a_slider_that_is_moved_is_answered(lab: Lab) -> None:
    widget = TuningWidget(lab.tune(examples=EXAMPLES, config=SMALL))
    asked = {"units": 32, "activation": "tanh", "ridge": None, "balance": 0.5}
    state = receive(widget, {"do": "set", **asked, "id": 1})
    assert {name: state[name] for name in asked} == asked
    state = receive(widget, {"do": "set", "units": 0, "id": 2})
    assert (state["answered"], state["units"]) == (2, 32)
    assert state["error"].startswith("units: must be from 1 to")
    state = receive(widget, {"do": "train", "model_id": "tuned"})
    assert "error" not in state
    assert state["told"].startswith("Trained 'tuned', 3 categories, 90 examples")
    assert lab.save_model("tuned").summary["config"]["hidden_units"] == 32


def test_a_key_teaches_the_model(lab: Lab) -> None:
    taught = teaching(lab)
    widget = TeachingWidget(taught)
    first = widget.state["task"]["text"]
    state = receive(widget, {"do": "give", "label": "weather", "text": first, "id": "a:1"})
    assert (state["done"], state["can_undo"], state["answered"]) == (1, True, "a:1")
    assert state["task"]["text"] != first
    state = receive(widget, {"do": "undo"})
    assert (state["done"], state["task"]["text"]) == (0, first)
    assert lab.save_model("topics").summary["model_info"]["training_examples"] == 90


def test_what_was_taught_is_saved_and_put_to_use(lab: Lab) -> None:
    lab.store_training_dataset("set", EXAMPLES)
    lab.train_classifier("stored", dataset_id="set", config=SMALL)
    widget = TeachingWidget(lab.teach("stored", texts=["a bank and a loan"]))
    receive(widget, {"do": "accept"})
    state = receive(widget, {"do": "save", "dataset_id": "taught"})
    assert state["told"].startswith("Saved 1 labels: data set 'taught', version '")
    assert lab.load_training_dataset("taught").size == 91
    assert "told" not in receive(widget, {"do": "skip"})
    assert receive(widget, {"do": "apply"})["told"].startswith("In use now: 'stored', ")
    assert lab.save_model("stored").summary["model_info"]["training_examples"] == 91


def test_a_label_is_for_the_text_that_was_seen(lab: Lab) -> None:
    taught = teaching(lab)
    widget = TeachingWidget(taught)
    seen = widget.state["task"]["text"]
    taught.skip()  # in another cell
    state = receive(widget, {"do": "give", "label": "money", "text": seen, "id": 1})
    assert state["error"].startswith("text: another one came up")
    assert (state["done"], state["answered"]) == (0, 1)
    assert state["task"]["text"] == taught.state()["task"]["text"]


def test_an_error_is_said_once(lab: Lab) -> None:
    widget = ExploringWidget(lab.explore("topics"))
    assert "error" in receive(widget, {"do": "ask", "text": 5})
    assert "error" not in receive(widget, {"do": "ask", "text": "rain"})


class Broken:
    """An object whose methods fail in ways that nobody foresaw."""

    broken = False

    def state(self) -> dict[str, Any]:
        if self.broken:
            raise ValueError("no\nstate")
        return {"text": "as it was"}

    def ask(self, text: str) -> None:
        self.broken = text == "twice"
        raise KeyError(text)

    def _repr_html_(self) -> str:
        return ""


def test_a_fault_of_ours_is_one_line_too() -> None:
    widget = ExploringWidget(Broken())
    once = receive(widget, {"do": "ask", "text": "x" * 5_000, "id": 1})
    assert once["error"].startswith("internal error: KeyError: 'xxx")
    assert len(once["error"]) == 600
    twice = receive(widget, {"do": "ask", "text": "twice", "id": 2})
    assert twice == {
        "text": "as it was",
        "error": "internal error: KeyError: 'twice'",
        "answered": 2,
    }
    widget.refresh()
    assert widget.state == {"text": "as it was", "error": "internal error: ValueError: no state"}


def test_what_python_did_is_shown_at_the_next_showing(shell: InteractiveShell, lab: Lab) -> None:
    register(shell)
    assert shell.display_formatter is not None
    explored = lab.explore("topics", "rain")
    shell.display_formatter.format(explored)
    explored.ask("soup")
    shell.display_formatter.format(explored)
    widget = widget_of(explored, *WIDGETS["astermind_lab.lab.exploring", "Exploring"])
    assert widget.state["text"] == "soup"


def test_importing_in_ipython_registers_and_imports_nothing_heavy() -> None:
    code = (
        "from IPython.core.interactiveshell import InteractiveShell as S\n"
        "import sys\n"
        "shell = S.instance()\n"
        "before = set(sys.modules)\n"
        "import astermind_lab\n"
        "print(*sorted(m.partition('.')[0] for m in set(sys.modules) - before))\n"
        "print(*shell.display_formatter.mimebundle_formatter.deferred_printers)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, registered = done.stdout.splitlines()
    assert set(imported.split()) & {"anywidget", "ipywidgets", "numpy", "click"} == set()
    assert "Teaching" in registered


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_write_text_not_markup_and_load_nothing(name: str) -> None:
    source = (STATIC / name).read_text(encoding="utf-8")
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "import",
    )
    assert [word for word in forbidden if word in source] == []
    assert re.findall(r"https?://\S+", source.replace("http://www.w3.org/2000/svg", "")) == []


def test_every_rule_of_the_style_sheet_is_about_our_widgets() -> None:
    source = re.sub(r"/\*.*?\*/", "", (STATIC / "widgets.css").read_text(), flags=re.DOTALL)
    selectors = re.findall(r"([^{}]+)\{", source)
    assert len(selectors) > 50
    for selector in selectors:
        for part in selector.split(","):
            known = ".astermind" in part or part.strip().startswith(("@media", "@container"))
            assert known, part
    assert "url(" not in source
