import numpy as np
import pytest
from scipy.stats import norm

from astermind_lab.core import ElmConfig
from astermind_lab.core.hidden import ACTIVATIONS, HiddenLayer

POINTS = np.random.default_rng(0).standard_normal((200, 5))
LABELS = np.arange(200) % 3


def layer(seed: int = 0, **config: object) -> HiddenLayer:
    parsed = ElmConfig.parse({"hidden_units": 300, **config})
    return HiddenLayer.make(parsed, POINTS, LABELS, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: np.where(x > 0, x, 0)),
        ("leakyrelu", lambda x: np.where(x > 0, x, 0.01 * x)),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", np.tanh),
        ("linear", lambda x: x),
        ("gelu", lambda x: x * norm.cdf(x)),
    ],
)
def test_activations(name: str, formula) -> None:
    x = np.linspace(-4, 4, 101)
    assert np.allclose(ACTIVATIONS[name](x.copy()), formula(x), atol=1e-12)


@pytest.mark.parametrize("hidden", ["random", "constrained"])
def test_the_seed_decides(hidden: str) -> None:
    assert np.array_equal(layer(hidden=hidden)(POINTS), layer(hidden=hidden)(POINTS))
    assert not np.array_equal(layer(hidden=hidden)(POINTS), layer(1, hidden=hidden)(POINTS))


@pytest.mark.parametrize(
    ("init", "variance"),
    [("normal", 1 / 5), ("uniform", 1 / 5), ("xavier", 2 / 305), ("he", 2 / 5)],
)
def test_weight_init_has_its_variance(init: str, variance: float) -> None:
    assert layer(weight_init=init).weights.var() == pytest.approx(variance, rel=0.15)


def test_constrained_units_separate_two_texts_of_different_classes() -> None:
    values = layer(hidden="constrained", activation="linear")(POINTS)
    # each unit is +1 at one training point and -1 at one of another class
    high = np.isclose(values, 1).argmax(0)
    low = np.isclose(values, -1).argmax(0)
    assert np.isclose(values, 1).any(0).all() and np.isclose(values, -1).any(0).all()
    assert (LABELS[high] != LABELS[low]).all()


def test_dropout_thins_the_weights() -> None:
    assert np.mean(layer(dropout=0.6).weights == 0) == pytest.approx(0.6, abs=0.05)
