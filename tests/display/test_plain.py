"""A view as text for a terminal."""

from __future__ import annotations

from astermind_lab.display import Bars, Fact, HeatMap, Interval, Table, View, plain


def test_columns_line_up_and_numbers_stand_right() -> None:
    table = Table(("name", "n"), [("a", 5), ("bcd", 12345)])
    assert plain(View("Title", parts=[table])).splitlines() == [
        "Title",
        "",
        "name       n",
        "────  ──────",
        "a          5",
        "bcd   12,345",
    ]


def test_wide_and_combining_characters_take_their_own_width() -> None:
    rows = [("日本", "x"), ("e\u0301", "y"), ("abcd", "z")]
    lines = plain(View("t", parts=[Table(("a", "b"), rows)])).splitlines()[4:]
    assert lines == ["日本  x", "e\u0301     y", "abcd  z"]


def test_facts_bars_interval_and_notes() -> None:
    view = View(
        "T",
        [Fact("took", 1.5, "ms"), Fact("version", None)],
        [Bars([("spam", 1.0), ("ham", 0.1)]), Interval("accuracy", 0.9, 0.8, 0.95, "n = 20")],
        ["mind the gap"],
    )
    text = plain(view)
    assert "took     1.5 ms" in text
    assert "version  –" in text
    assert f"spam  100.0 %  {'█' * 30}" in text
    assert "accuracy 90.0 %  (80.0 % to 95.0 %; n = 20)" in text
    assert text.endswith("note: mind the gap")


def test_a_confusion_matrix_keeps_every_count() -> None:
    view = View("T", parts=[HeatMap(["a", "b"], {"a": {"a": 3, "b": 1}, "b": {"b": 4}})])
    lines = plain(view).splitlines()
    assert lines[-2].split() == ["a", "3", "1"]
    assert lines[-1].split() == ["b", "·", "4"]


def test_lines_have_no_control_characters_and_no_trailing_space() -> None:
    view = View("a\x1b[2Jb", [Fact("x", "c\rd")], [Table(("h", "i"), [("e\x07f", "")])])
    text = plain(view)
    assert not [c for c in text if ord(c) < 32 and c != "\n"]
    assert all(line == line.rstrip() for line in text.splitlines())


def test_long_tables_are_cut_and_say_so() -> None:
    text = plain(View("T", parts=[Table(("n",), [(i,) for i in range(1000)])]))
    assert text.endswith("… 100 of 1,000 shown")
