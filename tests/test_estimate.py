"""Wilson's interval, against SciPy."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from astermind_lab.errors import InsufficientData, InvalidInput
from astermind_lab.estimate import Estimate


@pytest.mark.parametrize(
    ("correct", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (9, 10), (93, 100), (9_999, 10_000)]
)
def test_the_interval_is_scipys(correct: int, n: int) -> None:
    estimate = Estimate.proportion(correct, n, "held-out")
    expected = binomtest(correct, n).proportion_ci(method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_it_is_plain_data() -> None:
    estimate = Estimate.proportion(3, 4, "feedback")
    assert list(estimate.to_dict()) == ["value", "low", "high", "n", "method"]
    assert estimate.to_dict()["method"] == "feedback"


def test_no_case_is_insufficient_data() -> None:
    with pytest.raises(InsufficientData):
        Estimate.proportion(0, 0, "feedback")


@pytest.mark.parametrize("correct", [-1, 5])
def test_numbers_that_do_not_fit_are_refused(correct: int) -> None:
    with pytest.raises(InvalidInput, match="correct"):
        Estimate.proportion(correct, 4, "feedback")


def test_the_method_must_be_one_of_three() -> None:
    with pytest.raises(InvalidInput, match="leave-one-out"):
        Estimate.proportion(1, 2, "guess")  # type: ignore[arg-type]
