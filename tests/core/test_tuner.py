import numpy as np
import pytest

from astermind_lab.core import ElmConfig, TextClassifier, parts
from astermind_lab.core.readout import RIDGE_PATH
from astermind_lab.core.ridge_path import FINE_PATH, downhill
from astermind_lab.core.tuner import Tuner
from astermind_lab.errors import InsufficientData, InvalidInput
from tests.core.corpus import corpus

TEXTS, LABELS = corpus(1200)


def asked(tuner: Tuner, units: int, activation: str, balance: float):
    """The path's point that training would choose."""
    path = tuner.path(units, activation, balance)
    points = path.measure(RIDGE_PATH * path.spread)
    return points[downhill(lambda place: points[place].error, len(points))]


def same(tuner: Tuner, model: TextClassifier) -> bool:
    config = model.config
    point = asked(tuner, config.hidden_units, config.activation, config.balance)
    assert model.accuracy.n == tuner.judged
    return point.ridge == pytest.approx(model.readout.ridge, rel=1e-9) and (
        point.correct == round(model.accuracy.value * model.accuracy.n)
    )


@pytest.mark.parametrize("count", [60, 700, 1200])  # principal axes, cross-fitted, judged apart
def test_it_says_what_training_reports(count: int) -> None:
    texts, labels = corpus(count, noise=0.2)
    tuner = Tuner(texts, labels, ElmConfig(hidden_units=96, seed=3))
    for change in (
        {},
        {"hidden_units": 30},
        {"activation": "tanh", "hidden_units": 30},
        {"balance": 0.7},
        {"activation": "sigmoid", "balance": 1.0},
    ):
        config = ElmConfig.parse({"hidden_units": 96, "seed": 3, **change})
        assert same(tuner, TextClassifier.fit(texts, labels, config)), change


@pytest.mark.parametrize(
    "config",
    [
        {"preset": "fast", "hidden_units": 40},
        {"hidden": "constrained", "hidden_units": 40, "dropout": 0.3},
        {"weight_init": "he", "hidden_units": 40, "max_length": 20},
    ],
)
def test_it_keeps_to_the_rest_of_the_configuration(config) -> None:
    parsed = ElmConfig.parse(config)
    assert same(Tuner(TEXTS, LABELS, parsed), TextClassifier.fit(TEXTS, LABELS, parsed))


def test_rows_beyond_the_layer_part_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LAYER_ROWS", 500)
    config = ElmConfig(hidden_units=40)
    model = TextClassifier.fit(TEXTS, LABELS, config)
    assert (model.ledger.places < 0).any()
    assert same(Tuner(TEXTS, LABELS, config), model)


def test_the_whole_curve_is_that_of_the_trained_readout() -> None:
    config = ElmConfig(hidden_units=50, balance=0.5)
    model = TextClassifier.fit(TEXTS, LABELS, config)
    path = Tuner(TEXTS, LABELS, config).path(50, "relu", 0.5)
    steps, labels = model.ledger.judged_rows()
    rows, weights = model.layer.expand(steps), model.class_weights[labels]
    for ridge, point in zip(
        FINE_PATH * path.spread, path.measure(FINE_PATH * path.spread), strict=True
    ):
        oracle = model.readout.with_ridge(ridge).leave_one_out(rows, labels.astype(int), weights)
        assert point.correct == (oracle.argmax(1) == labels).sum()


def test_a_setting_asked_for_again_is_answered_the_same() -> None:
    tuner = Tuner(TEXTS, LABELS, ElmConfig(hidden_units=40))
    first = tuner.path(40, "relu", 0.0).leave_one_out(1.0)
    other = tuner.path(40, "tanh", 0.0).leave_one_out(1.0)
    assert not np.allclose(first, other)
    assert np.array_equal(tuner.path(40, "relu", 0.0).leave_one_out(1.0), first)


def test_what_cannot_be_tuned_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^config: a margin readout"):
        Tuner(TEXTS, LABELS, ElmConfig.parse({"preset": "accurate"}))
    with pytest.raises(InsufficientData, match=r"^labels: "):
        Tuner(TEXTS[:5], ["one"] * 5, ElmConfig())
    with pytest.raises(InvalidInput, match=r"^texts: "):
        Tuner(["", "a"], ["x", "y"], ElmConfig())
