"""Cutting a range so that no piece holds too much."""

from __future__ import annotations

import bisect
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.persistence.slices import slices


@given(
    rows=st.lists(st.integers(0, 10**15) | st.integers(500, 520), max_size=60).map(sorted),
    limit=st.integers(1, 9),
)
def test_pieces_hold_every_row_once_and_few_enough(rows: list[int], limit: int) -> None:
    calls = 0

    def count(start: int, stop: int) -> int:
        nonlocal calls
        calls += 1
        return bisect.bisect_left(rows, stop) - bisect.bisect_left(rows, start)

    pieces = list(slices(count, 0, 10**15 + 1, limit))
    assert sum(n for _, _, n in pieces) == len(rows)
    for start, stop, n in pieces:
        assert n == count(start, stop) and (n <= limit or stop - start == 1)
    assert all(one[1] <= two[0] for one, two in pairwise(pieces))
    assert calls <= 60 * (len(rows) + 1)
