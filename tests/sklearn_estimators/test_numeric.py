from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_wine, make_circles, make_classification
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from astermind_lab.core.calibration import calibration_error
from astermind_lab.errors import InsufficientData, InvalidInput
from astermind_lab.estimate import Estimate
from astermind_lab.sklearn import ELMClassifier
from astermind_lab.sklearn.judging import MOST_JUDGED, RIDGE_PATH

RNG = np.random.default_rng(0)
X, Y = make_classification(120, 6, n_informative=4, n_classes=3, flip_y=0.1, random_state=0)
WEIGHTS = RNG.uniform(0.2, 3, len(Y))


def rows_of(model: ELMClassifier, data: object = X) -> np.ndarray:
    """What the readout sees."""
    return model.layer_.expand(model.layer_.standardised(data))


def signs(y: np.ndarray = Y) -> np.ndarray:
    return np.where(y[:, None] == np.unique(y), 1.0, -1.0)


def left_out(model: ELMClassifier, weights: np.ndarray) -> np.ndarray:
    """(n,) classes from models fitted anew without the row."""
    rows, found = rows_of(model)[:, 1:], np.empty(len(Y), int)
    for row in range(len(Y)):
        rest = np.arange(len(Y)) != row
        refit = Ridge(model.ridge_).fit(rows[rest], signs()[rest], weights[rest])
        found[row] = refit.predict(rows[row : row + 1]).argmax()
    return found


def same(one: ELMClassifier, other: ELMClassifier, data: object = X) -> bool:
    return (
        np.allclose(one.predict_proba(data), other.predict_proba(data), atol=1e-6)
        and np.allclose(one.decision_function(data), other.decision_function(data), atol=1e-8)
        and one.accuracy_ == other.accuracy_
        and np.isclose(one.ridge_, other.ridge_)
    )


@pytest.mark.parametrize(
    ("load", "margin"), [(load_iris, 0.02), (load_wine, 0.02), (load_digits, 0.005)]
)
def test_as_accurate_as_a_support_vector_machine(load, margin: float) -> None:
    data, labels = load(return_X_y=True)
    folds = 2 if len(labels) > 1000 else 5
    svc = cross_val_score(make_pipeline(StandardScaler(), SVC()), data, labels, cv=folds).mean()
    elm = cross_val_score(ELMClassifier(), data, labels, cv=folds).mean()
    assert elm >= svc - margin


def test_finds_borders_that_no_line_can_draw() -> None:
    data, labels = make_circles(400, noise=0.1, factor=0.5, random_state=0)
    assert cross_val_score(RidgeClassifier(), data, labels).mean() < 0.6
    assert cross_val_score(ELMClassifier(), data, labels).mean() > 0.96


def test_the_readout_is_a_ridge_regression() -> None:
    model = ELMClassifier(50).fit(X, Y, WEIGHTS)
    rows = rows_of(model)[:, 1:]
    oracle = Ridge(model.ridge_).fit(rows, signs(), WEIGHTS)
    assert np.allclose(model.decision_function(X), oracle.predict(rows), atol=1e-8)


def test_without_units_to_speak_of_it_is_a_linear_classifier() -> None:
    model = ELMClassifier(1, activation="linear", ridge=1.0).fit(X, Y)
    linear = RidgeClassifier(1.0).fit(StandardScaler().fit_transform(X), Y)
    assert (model.predict(X) == linear.predict(StandardScaler().fit_transform(X))).mean() > 0.97


def test_ridge_is_the_best_of_the_path_by_leave_one_out() -> None:
    model = ELMClassifier(50).fit(X, Y)
    rows = rows_of(model)[:, 1:]
    path = RIDGE_PATH * ((rows - rows.mean(0)) ** 2).sum(0).mean()
    errors = RidgeCV(path, store_cv_results=True).fit(rows, signs()).cv_results_
    assert np.isclose(model.ridge_, path[errors.mean((0, 1)).argmin()])


@pytest.mark.parametrize("weights", [np.ones(len(Y)), WEIGHTS])
def test_accuracy_is_that_of_models_refitted_without_the_row(weights: np.ndarray) -> None:
    model = ELMClassifier(50).fit(X, Y, weights)
    correct = int((left_out(model, weights) == Y).sum())
    assert model.accuracy_ == Estimate.proportion(correct, len(Y), "leave-one-out")


@pytest.mark.parametrize("hidden", ["random", "constrained"])
def test_accuracy_and_confidence_hold_on_new_data(hidden: str) -> None:
    data, labels = load_digits(return_X_y=True)
    gaps, errors = [], []
    for split in range(4):
        seen, unseen, y, truth = train_test_split(data, labels, test_size=0.2, random_state=split)
        model = ELMClassifier(256, hidden=hidden, random_state=split).fit(seen, y)
        chances = model.predict_proba(unseen)
        right = model.classes_[chances.argmax(1)] == truth
        gaps.append(model.accuracy_.value - right.mean())
        errors.append(calibration_error(chances.max(1), right))
    assert abs(np.mean(gaps)) < 0.01
    assert np.mean(errors) < 0.03


def test_rows_that_made_the_units_do_not_judge_where_there_are_others() -> None:
    data, labels = make_classification(1200, 5, random_state=0)
    judged = [
        ELMClassifier(30, hidden=hidden).fit(data, labels).accuracy_.n
        for hidden in ("random", "constrained")
    ]
    assert judged == [1200, 240]


@pytest.mark.parametrize("sparse", [False, True])
def test_learning_in_parts_is_learning_at_once(sparse: bool) -> None:
    data = np.where(X > 0.5, X, 0)
    half = sp.csr_array(data) if sparse else data
    whole = sp.vstack((half, half), "csr") if sparse else np.vstack((half, half))
    other = np.where(RNG.random(len(Y)) < 0.8, Y, RNG.permutation(Y))
    at_once = ELMClassifier(40).fit(whole, np.concatenate((Y, other)))
    # the same rows twice, so that the first part has the mean and the spread of the whole
    in_parts = ELMClassifier(40).partial_fit(half, Y).partial_fit(half[:50], other[:50])
    in_parts.partial_fit(half[50:], other[50:])
    assert same(at_once, in_parts, half)


def test_however_many_rows_come_the_same_ones_judge() -> None:
    data, labels = make_classification(MOST_JUDGED, 4, flip_y=0.2, random_state=0)
    twice = np.vstack((data, data)), np.concatenate((labels, labels))
    at_once = ELMClassifier(20).fit(*twice)
    in_parts = ELMClassifier(20).partial_fit(data, labels).partial_fit(data, labels)
    assert same(at_once, in_parts, data)
    assert at_once.accuracy_.n == MOST_JUDGED


def test_classes_may_be_listed_or_met() -> None:
    first, rest = Y < 2, Y == 2
    listed = ELMClassifier(40).partial_fit(X[first], Y[first], classes=[0, 1, 2])
    met = ELMClassifier(40).partial_fit(X[first], Y[first])
    assert listed.predict_proba(X).shape == (len(Y), 3)
    assert met.predict_proba(X).shape == (len(Y), 2)
    for model in (listed, met):
        model.partial_fit(X[rest], Y[rest])
    assert same(listed, met)
    before_others = ELMClassifier(40).partial_fit(X[first], Y[first] + 5)
    before_others.partial_fit(X[rest], Y[rest] - 2)
    assert list(before_others.classes_) == [0, 5, 6]
    assert (before_others.predict(X) == np.array([5, 6, 0])[met.predict(X)]).all()


def test_labels_that_do_not_belong_are_refused() -> None:
    listed = ELMClassifier().partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(InvalidInput, match=r"y: label 7 is not among the classes \[0, 1, 2\]"):
        listed.partial_fit(X[:1], [7])
    with pytest.raises(InvalidInput, match=r"classes: .* differ from those of the first fit"):
        listed.partial_fit(X[:1], [1], classes=[0, 1])
    with pytest.raises(InvalidInput, match="mixes text and numbers"):
        listed.partial_fit(X[:1], ["one"])
    assert list(listed.classes_) == [0, 1, 2]
    two = ELMClassifier().partial_fit(X, Y > 0)
    with pytest.raises(InvalidInput, match="those known before are bool"):
        two.partial_fit(X[:1], [2])


def test_accuracy_of_a_single_class_is_not_an_accuracy() -> None:
    one = ELMClassifier().partial_fit(X[Y == 1], Y[Y == 1], classes=[0, 1, 2])
    assert one.accuracy_ is None
    assert (one.predict(X) == 1).all()
    assert one.partial_fit(X[Y == 0], Y[Y == 0]).accuracy_ is not None


def test_sparse_is_dense() -> None:
    data = np.where(X > 0, X, 0)
    dense, sparse = ELMClassifier().fit(data, Y), ELMClassifier().fit(sp.csr_array(data), Y)
    assert same(dense, sparse, data)
    assert np.allclose(dense.predict_proba(data), sparse.predict_proba(sp.csc_array(data)))


def test_weights_count_rows() -> None:
    counts = RNG.integers(0, 4, len(Y))
    weighted = ELMClassifier().fit(X, Y, counts)
    repeated = ELMClassifier().fit(X.repeat(counts, 0), Y.repeat(counts))
    assert np.allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-6)
    assert np.isclose(weighted.ridge_, repeated.ridge_)


def test_weights_cannot_make_the_accuracy_look_better() -> None:
    plain, heavy = ELMClassifier(64).fit(X, Y), ELMClassifier(64)
    heavy.fit(X, Y, np.full(len(Y), 1000.0))
    assert heavy.accuracy_.n == len(Y)
    assert heavy.score(X, Y) > heavy.accuracy_.value
    assert heavy.accuracy_.value <= plain.accuracy_.value + 0.02


def test_balance_gives_every_class_the_same_say() -> None:
    data, labels = make_classification(
        600, 5, weights=[0.95], class_sep=0.6, flip_y=0, random_state=1
    )
    shares = [ELMClassifier(balance=b).fit(data, labels).predict(data).mean() for b in (0, 1)]
    assert shares[0] < labels.mean() < shares[1]
    balanced = ELMClassifier(64, balance=1).fit(data, labels)
    expected = len(labels) / (2 * np.bincount(labels))  # scikit-learn's "balanced"
    assert np.allclose(balanced.class_weight_, expected)


@pytest.mark.parametrize("rows", [5, 100, 3000])
def test_units_grow_with_the_data_up_to_a_limit(rows: int) -> None:
    data = RNG.standard_normal((rows, 3))
    model = ELMClassifier().fit(data, data[:, 0] > 0)
    assert len(model.layer_.hidden.bias) == {5: 32, 100: 100, 3000: 1024}[rows]


def test_columns_that_say_nothing_do_no_harm() -> None:
    plain = ELMClassifier(30, hidden="constrained", ridge=1.0).fit(X, Y)
    padded = np.hstack((X, np.full((len(Y), 1), 0.1), np.zeros((len(Y), 1))))
    constant = ELMClassifier(30, hidden="constrained", ridge=1.0).fit(padded, Y)
    assert np.allclose(plain.predict_proba(X), constant.predict_proba(padded))
    nothing = ELMClassifier().fit(np.ones((4, 2)), [0, 1, 1, 1])
    assert (nothing.predict(np.ones((4, 2))) == 1).all()


@pytest.mark.parametrize("state", [3, np.int64(3), np.random.RandomState(3), None])
def test_random_state(state: object) -> None:
    model = ELMClassifier(random_state=state).fit(X, Y)
    assert model.score(X, Y) > 0.7
    first = ELMClassifier(random_state=3).fit(X, Y)
    assert same(first, ELMClassifier(random_state=3).fit(X, Y))
    assert not np.allclose(
        first.predict_proba(X), ELMClassifier(random_state=4).fit(X, Y).predict_proba(X)
    )


def test_parameter_search_with_numpy_numbers() -> None:
    grid = {"hidden_units": np.array([8, 64]), "ridge": np.logspace(-1, 1, 2), "balance": [0, 1]}
    search = GridSearchCV(ELMClassifier(), grid, cv=3).fit(X, Y)
    assert search.best_score_ > 0.6
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_units": 0}, "hidden_units must be a whole number from 1 to 8192, got 0"),
        ({"hidden_units": 10**9}, "hidden_units must be"),
        ({"activation": "cube"}, "activation must be one of relu"),
        ({"hidden": "deep"}, "hidden must be one of random, constrained"),
        ({"weight_init": "zeros"}, "weight_init must be one of"),
        ({"ridge": -1.0}, "ridge must be a number above 0"),
        ({"ridge": 1e-300}, "ridge = 1e-300 is too small"),
        ({"balance": 2}, "balance must be a number from 0 to 1"),
        ({"dropout": 1}, "dropout must be a number from 0 to below 1"),
        ({"random_state": -1}, "seed must be"),
    ],
)
def test_bad_parameters(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ELMClassifier(**parameters).fit(np.ones((120, 6)) if "ridge" in parameters else X, Y)


def test_bad_data() -> None:
    with pytest.raises(InsufficientData, match="y: holds one class only, 'a'"):
        ELMClassifier().fit(X, ["a"] * len(Y))
    with pytest.raises(InvalidInput, match="y: item 1 is not text as others are: None"):
        ELMClassifier().fit(X[:3], np.array(["a", None, "b"], object))
    with pytest.raises(ValueError, match="contains NaN"):
        ELMClassifier().fit(np.full_like(X, np.nan), Y)
    with pytest.raises(InvalidInput, match="X: the numbers of column 0 are too large"):
        ELMClassifier().fit(X * 1e200, Y)
    with pytest.raises(InvalidInput, match="X: 20,000 features and 32 hidden units are more"):
        ELMClassifier().fit(np.zeros((2, 20_000)), [0, 1])
    with pytest.raises(InvalidInput, match=r"sample_weight: has shape \(3,\)"):
        ELMClassifier().fit(X, Y, np.ones(3))
    with pytest.raises(InvalidInput, match="sample_weight: must not be negative"):
        ELMClassifier().fit(X, Y, -np.ones(len(Y)))
