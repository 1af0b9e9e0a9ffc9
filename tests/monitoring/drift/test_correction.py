"""Correction for several detectors, against SciPy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from astermind_lab.monitoring.drift.correction import adjusted

probabilities = st.floats(0, 1)


@given(st.lists(probabilities, min_size=1, max_size=12))
def test_it_is_that_of_scipy(p_values: list[float]) -> None:
    assert adjusted(p_values) == pytest.approx(list(false_discovery_control(p_values)))


@given(st.lists(probabilities | st.none(), max_size=8))
def test_what_is_not_known_does_not_count(p_values: list[float | None]) -> None:
    found = adjusted(p_values)
    assert [p is None for p in found] == [p is None for p in p_values]
    assert [p for p in found if p is not None] == adjusted([p for p in p_values if p is not None])
