"""scikit-learn's own list of checks, run against our estimators."""

from __future__ import annotations

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from astermind_lab.sklearn import ELMClassifier, TextELMClassifier

NUMERIC = [
    ELMClassifier(),
    ELMClassifier(hidden="constrained"),
    ELMClassifier(20, activation="tanh", ridge=0.5, balance=1, direct_link=False),
]


def expected_failures(estimator: ELMClassifier) -> dict[str, str]:
    if estimator.hidden == "random":
        return {}
    reason = "units are made from rows drawn by chance, so repeated rows give other units"
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in kinds}


@parametrize_with_checks(NUMERIC, expected_failed_checks=expected_failures)
def test_numeric(estimator: ELMClassifier, check) -> None:
    check(estimator)


# The full list needs numeric input; these are the checks that do without data.
@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
@pytest.mark.parametrize("preset", ["default", "accurate"])
def test_text(name: str, preset: str) -> None:
    getattr(checks, name)("TextELMClassifier", TextELMClassifier(preset))
