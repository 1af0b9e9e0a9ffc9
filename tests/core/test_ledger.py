import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.core.ledger import Ledger, digest, digests, unmatched


def ledger(count: int, share: float = 0.25) -> Ledger:
    places = np.where(np.arange(count) % 3 == 2, -1, 0).astype(np.int32)
    held = np.flatnonzero(places >= 0)
    places[held] = np.arange(len(held))
    return Ledger(
        np.arange(100, 100 + count, dtype=np.uint64),
        np.arange(count, dtype=np.int32) % 4,
        places,
        np.arange(100, 100 + count, dtype=np.int16)[held][:, None],
        held % 2 == 0,
        np.array([5, 6], np.uint64),
        share,
    )


def added(start: Ledger, keys: list[int]) -> Ledger:
    steps = np.array(keys, np.uint64).astype(np.int16)[:, None]
    return start.with_rows(np.array(keys, np.uint64), np.zeros(len(keys), np.int32), steps)


@given(st.integers(0, 30), st.data())
def test_rows_taken_away_leave_the_others_as_they_were(count: int, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, count - 1), unique=True) if count else st.just([]))
    after = ledger(count).without(rows)
    assert after.texts.tolist() == [100 + i for i in range(count) if i not in rows]
    for key, place in zip(after.texts.tolist(), after.places.tolist(), strict=True):
        assert (place == -1) == ((key - 100) % 3 == 2)
        if place >= 0:  # coordinates were made to equal the key
            assert after.coordinates[place, 0] == key
            assert after.judged[place] == ((key - 100) % 2 == 0)


def test_rows_added_are_found_with_their_coordinates() -> None:
    more = added(ledger(5), [7, 7])
    assert more.rows_of([(7, 0), (8, 0), (101, 1), (101, 2)]) == {
        (7, 0): [5, 6],
        (8, 0): [],
        (101, 1): [1],
        (101, 2): [],
    }
    assert more.coordinates[more.places[5]].tolist() == [7]


def test_rows_added_are_judged_in_their_share_and_not_if_they_made_the_layer() -> None:
    keys = [digest(f"text {number}") for number in range(400)]
    judged = int(added(ledger(30), keys).judged.sum() - ledger(30).judged.sum())
    assert abs(judged - 100) < 4 * np.sqrt(75)
    assert added(ledger(0, share=1.0), keys).judged.all()
    assert not added(ledger(0, share=1.0), [5, 6]).judged.any()


def test_rows_added_are_judged_or_not_as_it_is_asked_for() -> None:
    keys = [digest(f"text {number}") for number in range(40)]
    before = ledger(0)
    steps, labels = np.zeros((42, 1), np.int16), np.zeros(42, np.int32)
    more = np.array([*keys, 5, 6], np.uint64)
    judged = before.with_rows(more, labels, steps, True)
    assert (
        judged.judged.tolist() == [True] * 40 + [False] * 2
    )  # the layer has seen the labels of two
    assert not before.with_rows(more, labels, steps, False).judged.any()
    fewer = judged.judging([0, 3, 41], False)
    assert np.flatnonzero(~fewer.judged).tolist() == [0, 3, 40, 41]
    assert judged.judged[:40].all() and fewer.judging([3], True).judged[3]


def test_digests_tell_texts_apart() -> None:
    texts = ["ab", "a", "b", "\ud800", "a "]
    assert digests(texts).tolist() == [digest(text) for text in texts]
    assert len(set(digests(texts).tolist())) == len(texts)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1))), st.data())
def test_matching_leaves_the_difference_of_the_two_multisets(rows: list, data) -> None:
    from collections import Counter

    others = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1))))
    left, right = unmatched(rows, others)
    assert Counter(rows[i] for i in left) == Counter(rows) - Counter(others)
    assert Counter(others[i] for i in right) == Counter(others) - Counter(rows)
