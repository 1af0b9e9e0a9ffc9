"""What pages draw: the numbers behind charts, colours, and that no text becomes markup."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astermind_lab.dashboard.card import note, quiet
from astermind_lab.dashboard.intervals import Row, intervals
from astermind_lab.dashboard.pages import described, listed
from astermind_lab.dashboard.series import frames, series_question
from astermind_lab.dashboard.theme import DARK, LIGHT, Palette
from astermind_lab.dashboard.tiles import Tile, tiles
from astermind_lab.dashboard.timelines import Stack, Timeline, legend
from astermind_lab.dashboard.view import View
from astermind_lab.estimate import Estimate
from astermind_lab.lab import Lab

NASTY = "<img src=x onerror=alert(1)>"
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_text_can_be_read_and_lines_can_be_seen(look: Palette) -> None:
    for ground in (look.page, look.surface):
        assert contrast(look.text, ground) >= 7
        assert contrast(look.quiet, ground) >= 4.5
        assert contrast(look.wrong, ground) >= 4.5
        assert contrast(look.right, ground) >= 3
    assert len(set(look.series)) == 7


def test_no_text_becomes_markup() -> None:
    one = Estimate.proportion(3, 4, "held-out")
    for drawn in (
        note(NASTY),
        quiet(NASTY),
        tiles([Tile(NASTY, NASTY, NASTY)]),
        legend({NASTY: "#000000"}),
        intervals([Row(NASTY, [("a", one)])], {"a": "#000000"}),
    ):
        assert "<img" not in drawn
        assert "&lt;img" in drawn


def test_intervals_without_any_figure_are_drawn() -> None:
    assert "not measured" in intervals([Row("v1", [("a", None)])], {"a": "#000000"})


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    opened = Lab.open("mem://")
    for minute, label, truth in [(0, "a", "a"), (0, "b", None), (3, "a", "b"), (3, "a", "a")]:
        opened.log_prediction(
            "m",
            "text",
            label,
            0.75,
            ground_truth=truth,
            timestamp=START + timedelta(minutes=minute, seconds=5),
            latency_ms=2.0,
        )
    opened.flush()
    yield opened
    opened.close()


def test_a_series_has_every_step_and_gaps_where_nothing_is_known(lab: Lab) -> None:
    end = START + timedelta(minutes=5)
    series = lab.get_metric_series("m", {"start": START, "end": end}, "minute")
    found = frames(series, START, end)
    assert found.predictions == 4
    assert list(found.figures["rate"]) == [2, 0, 0, 2, 0, 0]
    assert list(found.figures["confidence"].dropna()) == [75.0, 75.0]
    assert list(found.figures["accuracy"].dropna()) == [100.0, 50.0]
    assert list(found.mix.loc[found.mix.sum(axis=1) > 0, "a"]) == [50.0, 100.0]
    assert found.mix.sum(axis=1).isin([0.0, 100.0]).all()


def test_everything_begins_with_the_first_day(lab: Lab) -> None:
    _, ask = series_question(View("m", window="all"), datetime.now(UTC))
    assert ask(lab).predictions == 4


def test_a_model_without_predictions_has_an_empty_series(lab: Lab) -> None:
    for view in (View("nobody", window="all"), View("", window="all"), View("nobody")):
        _, ask = series_question(view, datetime.now(UTC))
        assert ask(lab).predictions == 0


def test_charts_take_what_a_series_gives(lab: Lab) -> None:
    end = START + timedelta(minutes=5)
    series = lab.get_metric_series("m", {"start": START, "end": end}, "minute")
    found = frames(series, START, end)
    line = Timeline(LIGHT, "ms")
    line.band("p50", "p95", "#000000", 0.2)
    line.line("p50", "#000000", "@p50")
    line.send(found.figures)
    band, whole = (source.data for source, _ in line._sources)
    assert len(band["time"]) == 2  # gaps have no band
    assert len(whole["time"]) == 6
    assert sum(value == value for value in whole["p50 alone"]) == 2  # each stands alone
    stack = Stack(LIGHT, 100, 3)
    stack.send(found.mix)
    tops = [stack._source.data[name][0] for name in ("l1", "l2", "l3")]
    assert tops == [50.0, 100.0, 100.0]


def test_a_page_says_what_it_is_without_being_run(tmp_path: Path) -> None:
    page = tmp_path / "work.py"
    page.write_text('"""Work: what is under way.\n\nMore."""\nORDER = 5\nraise SystemExit\n')
    found = described(page)
    assert (found.name, found.title, found.about) == ("work", "Work", "What is under way.")
    assert found.order == 5


def test_the_pages_of_the_lab_stand_in_their_order() -> None:
    assert [page.title for page in listed()] == ["Live", "Quality", "Drift", "Registry"]
    assert all(page.about.endswith(".") for page in listed())
