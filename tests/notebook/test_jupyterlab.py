"""The widgets in a real JupyterLab, driven by keys and mouse in a real Chromium."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import browser
from tests.lab.data import EXAMPLES, SMALL
from tests.notebook.jupyter import Notebook, Server, jupyterlab, write_notebook

HOSTILE = "<img src=x onerror='document.title = 1'> snow"
TEXTS = [
    HOSTILE,
    "loan of the bank",
    "soup and bread",
    "storm and rain",
    "an unknown thing",
    "price",
]

OPEN = f"""
from astermind_lab import Lab
lab = Lab.open("mem://")
rows = {EXAMPLES!r}
noisy = [(row["text"], rows[i // 3]["label"] if i % 3 else row["label"])
         for i, row in enumerate(rows)]
lab.train_classifier("topics", rows, {SMALL!r})
lab.train_classifier("unsure", noisy, {SMALL!r})
"""
TEACH = f"""
taught = lab.teach("unsure", texts={TEXTS!r})
taught
"""
TUNE = f"""
tuned = lab.tune(examples=noisy, config={SMALL!r})
tuned
"""
EXPLORE = """
explored = lab.explore("topics", examples=rows)
explored
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyterlab(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="module")
def notebook(chromium: Browser, server: Server) -> Iterator[Notebook]:
    """A notebook with one widget of each kind, run once."""
    write_notebook(server.folder / "widgets.ipynb", [OPEN, TEACH, TUNE, EXPLORE])
    page = chromium.new_page(viewport={"width": 1200, "height": 1900})
    page.set_default_timeout(20_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    opened = Notebook(page, server, "widgets.ipynb")
    opened.run_all()
    yield opened
    assert faults == []
    assert page.title() != "1"


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def counts(widget: Locator) -> Locator:
    return widget.locator(".am-counts")


def test_keys_teach_and_leave_the_notebook_alone(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-teach")
    text, accuracy = widget.locator(".am-text"), widget.locator(".am-big")
    text.click()
    expect(widget).to_be_focused()
    before = notebook.untouched()
    first, first_accuracy = text.text_content() or "", accuracy.text_content() or ""
    expect(counts(widget)).to_have_text("0 done · 6 left")

    press(page, "1")
    expect(counts(widget)).to_have_text("1 done · 5 left")
    expect(text).not_to_have_text(first)
    expect(accuracy).not_to_have_text(first_accuracy)
    press(page, "2")
    expect(counts(widget)).to_have_text("2 done · 4 left")
    press(page, "Enter")
    expect(counts(widget)).to_have_text("3 done · 3 left")
    press(page, "u")
    expect(counts(widget)).to_have_text("2 done · 4 left")
    press(page, "Backspace", "Control+z")
    expect(counts(widget)).to_have_text("0 done · 6 left")
    expect(text).to_have_text(first)
    expect(accuracy).to_have_text(first_accuracy)
    press(page, "s")
    expect(text).not_to_have_text(first)
    for focused in (widget, widget.get_by_role("button").first):
        focused.focus()
        press(page, "d", "d", "j", "m", "x", "ArrowDown")  # commands of a notebook, none of ours

    assert notebook.untouched() == before


def test_ctrl_s_saves_the_notebook(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-teach")
    dirty = "window.jupyterapp.shell.currentWidget.context.model.dirty"
    page.wait_for_function(f"{dirty} === true")
    widget.locator(".am-text").click()
    press(page, "Control+s")
    page.wait_for_function(f"{dirty} === false")


def test_texts_are_not_markup(notebook: Notebook) -> None:
    widget = notebook.widget("am-teach")
    widget.locator(".am-text").click()
    press(notebook.page, "Control+z")
    assert widget.locator("img").count() == 0


def test_a_new_label_is_typed(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-teach")
    before = notebook.untouched()
    widget.locator(".am-text").click()
    press(page, "n")
    page.keyboard.type("1 us<b>")
    expect(widget.locator("input")).to_have_value("1 us<b>")
    press(page, "Escape", "n")
    expect(widget.locator("input")).to_have_value("")
    page.keyboard.type("1 us<b>")
    press(page, "Enter")
    expect(widget.locator(".am-label .am-name").last).to_have_text("1 us<b>")
    expect(widget).to_be_focused()
    assert notebook.untouched() == before


def test_keys_pressed_faster_than_answers_all_count(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-teach")
    widget.locator(".am-text").click()
    done = int(counts(widget).inner_text().split()[0])
    page.evaluate(
        """() => {
            const root = document.querySelector(".am-teach");
            for (const key of ["1", "2", "1"])
                root.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }"""
    )
    expect(counts(widget)).to_have_text(f"{done + 3} done · {6 - done - 3} left")


def test_what_was_taught_is_saved(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-teach")
    widget.get_by_role("button", name="Save").click()
    page.keyboard.type("from the widget")
    press(page, "Enter")
    expect(widget.locator(".am-note")).to_contain_text("from the widget")


def test_escape_gives_the_keys_back(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-teach")
    widget.locator(".am-text").click()
    cell = notebook.untouched()[2]
    press(page, "Escape", "j")
    page.wait_for_function(
        "(cell) => window.jupyterapp.shell.currentWidget.content.activeCellIndex === cell",
        arg=cell + 1,
    )


def test_from_key_to_screen(notebook: Notebook) -> None:
    """Prints how long it takes from a key to the next text; asserts only that it comes."""
    notebook.widget("am-teach").locator(".am-text").click()
    times = notebook.page.evaluate(
        """async () => {
            const root = document.querySelector(".am-teach");
            const counts = root.querySelector(".am-counts");
            const times = [];
            for (const key of ["u", "1", "u", "1", "u", "1", "u", "1", "u", "1"]) {
                const start = performance.now();
                const changed = new Promise((done) => {
                    const observer = new MutationObserver(() => {
                        observer.disconnect();
                        done();
                    });
                    observer.observe(counts, { childList: true });
                });
                root.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
                await changed;
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - start);
            }
            return times;
        }"""
    )
    assert len(times) == 10
    print(f"\nkey to screen: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms")


def test_a_slider_redraws_the_curve(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-tune")
    before = notebook.untouched()
    curve = widget.locator(".am-curve polyline")
    drawn = curve.get_attribute("points")
    units = widget.get_by_label("Hidden units")
    units.focus()
    press(page, "ArrowLeft")
    expect(widget.locator("output").first).to_have_text("32")
    expect(curve).not_to_have_attribute("points", drawn or "")
    expect(widget.locator("tbody tr")).to_have_count(2)
    box = widget.locator(".am-curve").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 40)
    expect(widget.get_by_role("checkbox")).not_to_be_checked()
    expect(widget.locator("tbody tr")).to_have_count(3)
    after = notebook.untouched()
    assert (after[0], after[1]) == (before[0], before[1])


def test_typing_explores(notebook: Notebook) -> None:
    page, widget = notebook.page, notebook.widget("am-explore")
    widget.get_by_label("A text to classify").click()
    page.keyboard.type("👋🏽 a loan from the bank <i>")
    first = widget.locator(".am-bars .am-name").first
    expect(first).to_have_text("money")
    expect(widget.locator(".am-words")).to_have_text("👋🏽 a loan from the bank <i>")
    marked = widget.locator(".am-words span.am-for")
    expect(marked.filter(has_text="bank")).to_have_text("bank")
    expect(widget.locator("tbody tr").first).to_contain_text("money")
    expect(widget.get_by_label("A text to classify")).to_be_focused()


def test_a_saved_notebook_shows_static_html(notebook: Notebook) -> None:
    shown = [output["data"] for output in notebook.outputs() if "data" in output]
    widgets = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    assert len(widgets) == 3
    assert all("<div" in "".join(data["text/html"]) for data in widgets)


def test_the_notebook_is_kept_apart(server: Server) -> None:
    assert {path.name for path in Path(server.folder).iterdir()} <= {
        "widgets.ipynb",
        ".ipynb_checkpoints",
    }
