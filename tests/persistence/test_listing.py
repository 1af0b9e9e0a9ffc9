"""Listing predictions against reading the whole log."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.errors import InvalidInput
from astermind_lab.persistence import Feedback, Prediction, Store, listing
from astermind_lab.persistence.wanted import Cursor, Wanted, read_cursor
from tests.persistence.counting import NOON, some

WORDS = ["Straße", "rain", "SNOW", "ελλάς", "İzmir", "soup", "50 % off", "a\\b"]


def log(rng: random.Random) -> list[Prediction]:
    """A log with crowded minutes and empty days, many predictions at one moment, rare labels."""
    spread = [timedelta(days=40)] * 500 + [timedelta(minutes=5)] * 1_000
    rows = [some(rng, one) for one in spread]
    later = timedelta(days=3)
    rows += [replace(some(rng, timedelta(minutes=1)), version="v1") for _ in range(400)]
    rows += [replace(some(rng, timedelta(seconds=2)), version="v2") for _ in range(1_000)]
    rows += [replace(some(rng, later), version=None) for _ in range(40)]
    rows += [replace(some(rng), timestamp=NOON + later) for _ in range(150)]
    rows += [
        replace(some(rng, timedelta(days=39)), prediction="rare", ground_truth=rng.choice("ab"))
        for _ in range(6)
    ]
    return [
        replace(
            row, input=" ".join(rng.choices(WORDS, k=3)) if rng.random() < 0.9 else None, key=None
        )
        for row in rows
    ]


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Store, list[Prediction]]]:
    """A store whose log has been corrected and thinned, and all of its rows, the newest first."""
    rng = random.Random(7)
    with Store.open("mem://") as store:
        ids = store.predictions.add_many(log(rng))
        store.predictions.add_many([replace(some(rng), model_id="another") for _ in range(300)])
        told = [
            Feedback("m", rng.choice("abc"), NOON, prediction_id=name)
            for name in rng.sample(ids, 300)
        ]
        store.feedback.give(told)
        store.predictions.delete(
            "m", NOON + timedelta(minutes=2), NOON + timedelta(minutes=2, seconds=13)
        )
        rows = [replace(row, features=None) for row in store.predictions.window("m")]
        yield store, rows[::-1]


def fits(row: Prediction, wanted: Wanted) -> bool:
    """The meaning of the conditions, said anew."""
    known = row.ground_truth is not None
    text = (row.input or "").lower()
    return (
        (wanted.versions is None or row.version in wanted.versions)
        and (wanted.predictions is None or row.prediction in wanted.predictions)
        and (wanted.ground_truth is None or row.ground_truth == wanted.ground_truth)
        and (wanted.correct is None or known)
        and (wanted.correct is None or wanted.correct == (row.ground_truth == row.prediction))
        and (wanted.search is None or wanted.search.lower() in text)
    )


labels = st.sampled_from(["a", "b", "c", "rare", "none"])
conditions = st.builds(
    Wanted,
    versions=st.none() | st.sampled_from([("v1",), ("v2",), ("v3",)]),
    predictions=st.none() | st.lists(labels, min_size=1, max_size=2, unique=True),
    ground_truth=st.none() | labels,
    correct=st.none() | st.booleans(),
    search=st.none() | st.sampled_from(["strASSE", "STRAßE", "Rain S", "ΕΛΛΆΣ", "i̇", "50 %", "\\"]),
)
moments = st.floats(-0.1, 41).map(lambda days: NOON + timedelta(days=days)) | st.floats(-1, 6).map(
    lambda minutes: NOON + timedelta(minutes=minutes)
)


def every_page(store: Store, wanted: Wanted, limit: int, **window: Any) -> list[Prediction]:
    found: list[Prediction] = []
    before = None
    while True:
        page = store.predictions.newest("m", wanted, before=before, limit=limit, **window)
        found += page.predictions
        if page.following is None:
            assert page.reached is None
            return found
        assert page.reached is not None
        if wanted.search is None:
            assert len(page.predictions) == limit
            assert page.reached == page.predictions[-1].timestamp
        before = read_cursor(str(page.following))


@given(
    wanted=conditions,
    limit=st.sampled_from([1, 2, 7, 50, 3_000]),
    ends=st.lists(st.none() | moments, min_size=2, max_size=2),
)
@settings(max_examples=120, deadline=None)
def test_any_conditions_and_pages(
    kept: tuple[Store, list[Prediction]],
    wanted: Wanted,
    limit: int,
    ends: list[datetime | None],
) -> None:
    store, rows = kept
    if None not in ends:
        ends.sort()  # type: ignore[type-var]
    start, end = ends
    expected = [
        row
        for row in rows
        if fits(row, wanted)
        and (start is None or start <= row.timestamp)
        and (end is None or row.timestamp <= end)
    ]
    found: list[Prediction] = []
    page = store.predictions.newest("m", wanted, start, end, None, limit)
    found += page.predictions
    while page.following is not None and len(found) < 6 * limit:
        page = store.predictions.newest("m", wanted, start, end, page.following, limit)
        found += page.predictions
    assert found == expected[: len(found)]
    assert (page.following is None) == (len(found) == len(expected))


def test_pages_go_on_where_the_last_one_ended(kept: tuple[Store, list[Prediction]]) -> None:
    store, rows = kept
    assert every_page(store, Wanted(), 700) == rows
    wrong = Wanted(correct=False)
    assert every_page(store, wrong, 90) == [row for row in rows if fits(row, wrong)]


def test_a_search_breaks_off_and_goes_on(
    kept: tuple[Store, list[Prediction]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, rows = kept
    monkeypatch.setattr(listing, "MOST_SEARCHED", 300)
    monkeypatch.setattr(listing, "_FIRST_SEARCHED", 100)
    wanted = Wanted(search="soup soup soup")
    first = store.predictions.newest("m", wanted)
    assert first.following is not None and first.read < 300 + 250
    looked = [row for row in rows if row.timestamp >= first.reached]  # type: ignore[operator]
    assert list(first.predictions) == [row for row in looked if fits(row, wanted)]
    assert len(looked) >= 200
    assert every_page(store, wanted, 50) == [row for row in rows if fits(row, wanted)]


def test_few_rows_are_read_for_a_rare_cell(kept: tuple[Store, list[Prediction]]) -> None:
    store, rows = kept
    page = store.predictions.newest("m", Wanted(predictions=["rare"]))
    assert len(page.predictions) == sum(row.prediction == "rare" for row in rows) >= 5
    assert page.read < 0.3 * len(rows)
    assert store.predictions.newest("m", Wanted(predictions=["none"])).read == 0


def test_what_retention_has_removed_is_not_looked_for() -> None:
    rng = random.Random(3)
    with Store.open("mem://") as store:
        store.predictions.add_many([some(rng, timedelta(days=9)) for _ in range(400)])
        store.retention.expire_predictions(NOON + timedelta(days=6))
        left = [replace(row, features=None) for row in store.predictions.window("m")][::-1]
        assert 50 < len(left) < 250
        assert every_page(store, Wanted(), 60) == left
        wanted = Wanted(predictions=["a"], correct=True)
        assert every_page(store, wanted, 9) == [row for row in left if fits(row, wanted)]


def test_the_first_and_the_last_moment_there_is() -> None:
    ends = [moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max)]
    rng = random.Random(5)
    with Store.open("mem://") as store:
        store.predictions.add_many([replace(some(rng), timestamp=at) for at in ends])
        for wanted in (Wanted(), Wanted(predictions=["a", "b", "c"]), Wanted(search="TEXT")):
            rows = every_page(store, wanted, 1)
            assert [row.timestamp for row in rows] == ends[::-1]


@pytest.mark.parametrize("cursor", [Cursor(0), Cursor(-5, 0, "é"), Cursor(2**60, 7, "w")])
def test_a_cursor_is_text_and_back(cursor: Cursor) -> None:
    assert read_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "WzFd=", "é", "bnVsbA", "W10", "e30", "W1tb" * 50_000),
        *(str(Cursor(2**63)), str(Cursor(1)) + "A"),
    ],
)
def test_other_texts_are_no_cursors(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^before: .* is not the next"):
        read_cursor(text)
