import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.core.ledger import Ledger, digest, digests


def ledger(count: int) -> Ledger:
    places = np.where(np.arange(count) % 3 == 2, -1, 0).astype(np.int32)
    held = np.flatnonzero(places >= 0)
    places[held] = np.arange(len(held))
    return Ledger(
        np.arange(100, 100 + count, dtype=np.uint64),
        np.arange(count, dtype=np.int32) % 4,
        places,
        np.arange(100, 100 + count, dtype=np.int16)[held][:, None],
        held % 2 == 0,
    )


@given(st.integers(0, 30), st.data())
def test_rows_taken_away_leave_the_others_as_they_were(count: int, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, count - 1), unique=True) if count else st.just([]))
    after = ledger(count).without(rows)
    assert after.digests.tolist() == [100 + i for i in range(count) if i not in rows]
    for key, place in zip(after.digests.tolist(), after.places.tolist(), strict=True):
        assert (place == -1) == ((key - 100) % 3 == 2)
        if place >= 0:  # coordinates were made to equal the key
            assert after.coordinates[place, 0] == key
            assert after.judged[place] == ((key - 100) % 2 == 0)


def test_a_row_added_is_found_and_may_be_judged() -> None:
    more = ledger(5).with_row(7, 3, np.array([9], np.int16))
    assert more.find(7) == 5 and more.find(8) == -1
    assert more.coordinates[more.places[5]].tolist() == [9]
    steps, labels = more.judged_rows()
    assert (steps[-1].tolist(), labels[-1]) == ([9], 3)


def test_rows_added_are_judged_in_the_share_of_the_others() -> None:
    start = ledger(30)
    grown = start
    for number in range(400):
        grown = grown.with_row(digest(f"text {number}", "x"), 0, np.array([1], np.int16))
    added = int(grown.judged.sum() - start.judged.sum())
    expected = 400 * start.judged.sum() / 30
    assert abs(added - expected) < 4 * np.sqrt(expected)
    assert ledger(0).with_row(digest("a", "b"), 0, np.array([1], np.int16)).judged.all()


def test_text_and_label_cannot_be_mistaken_for_each_other() -> None:
    pairs = [("ab", "c"), ("b", "ca"), ("a", "bc"), ("abc", "1"), ("\ud800", "x")]
    keys = [digest(text, label) for text, label in pairs]
    assert len(set(keys)) == len(keys)
    assert digests([t for t, _ in pairs], [label for _, label in pairs]).tolist() == keys


def test_merging_counts_the_base_once_and_honours_losses() -> None:
    base = ledger(6)
    left = base.without([0]).with_row(1, 0, np.array([1], np.int16))
    right = base.without([4]).with_row(2, 0, np.array([2], np.int16))
    merged = left.merged(right, base)
    assert sorted(merged.digests.tolist()) == [1, 2, 101, 102, 103, 105]
    for row, key in enumerate(merged.digests.tolist()):
        if merged.places[row] >= 0:
            assert merged.coordinates[merged.places[row], 0] == key
