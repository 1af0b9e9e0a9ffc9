"""A view as HTML: escaped, bounded, self-contained."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from astermind_lab.display import Bars, Fact, HeatMap, Interval, Share, Table, View, html

HOSTILE = "<script>alert('x')</script>\" onload=\"y"
VOID = {"rect", "line", "circle"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and keeps tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(view: View) -> Reader:
    reader = Reader()
    reader.feed(html(view))
    reader.close()
    assert reader.open == []
    return reader


def everything(text: str, n: int = 3) -> View:
    labels = [f"{text}{i}" for i in range(n)]
    return View(
        text,
        [Fact(text, text, text), Fact("when", datetime(2026, 1, 2, tzinfo=UTC))],
        [
            Table([text] * n, [[text] * n for _ in range(n)], text),
            Bars([(label, 0.5) for label in labels], text),
            Interval(text, 0.93, 0.91, 0.95, text),
            HeatMap(labels, {a: dict.fromkeys(labels, 7) for a in labels}, text),
        ],
        [text] * n,
    )


def test_nothing_that_came_from_outside_becomes_markup() -> None:
    reader = read(everything(HOSTILE))
    assert "script" not in reader.tags
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "<script>alert('x')</script>" in reader.text


def test_it_needs_nothing_around_it() -> None:
    reader = read(everything("plain"))
    assert {"style", "script", "link", "img", "iframe"}.isdisjoint(reader.tags)
    assert not [n for n, value in reader.attributes if n in ("class", "id", "href", "src")]
    assert "http" not in html(everything("plain"))


def test_the_size_is_bounded_whatever_it_holds() -> None:
    size = len(html(everything("word " * 20_000, 400)))
    assert size < 200_000


def test_what_was_left_out_is_said() -> None:
    rows = [(i, f"row {i}") for i in range(100)]
    text = read(View("t", parts=[Table(("n", "name"), rows, total=5000)])).text
    assert "30 of 5,000 shown" in text
    assert "row 29" in text
    assert "row 30" not in text


def test_rare_labels_are_counted_together() -> None:
    labels = [f"label {i}" for i in range(60)]
    counts = {label: {label: 1000 - i} for i, label in enumerate(labels)}
    reader = read(View("t", parts=[HeatMap(labels, counts)]))
    assert "(other)" in reader.text
    assert f"{sum(1000 - i for i in range(19, 60)):,}" in reader.text


def test_colours_are_the_pages_own() -> None:
    page = html(everything("x"))
    for fixed in ("color:#", "color:black", "color:white", "background:#", "background:white"):
        assert fixed not in page


def test_controls_and_direction_overrides_are_shown_as_replaced() -> None:
    text = read(View("a\x1b[31mb\u202ec\ud800d")).text
    assert text == "a�[31mb�c�d"
    assert read(View("👩‍👩‍👧 नमस्ते")).text == "👩‍👩‍👧 नमस्ते"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 2.0])
def test_a_share_out_of_range_still_draws(value: float) -> None:
    view = View("t", parts=[Bars([("a", value)]), Interval("a", value, value, value, "b")])
    assert "nan" not in html(view)
    read(view)


def test_numbers_stand_right_and_shares_read_as_percentages() -> None:
    page = html(View("t", parts=[Table(("label", "n", "p"), [("a", 1234, Share(0.125))])]))
    assert "1,234" in page
    assert "12.5 %" in page
    assert page.count("text-align:right") == 4


def test_an_empty_view_is_only_its_title() -> None:
    assert read(View("nothing")).text == "nothing"
