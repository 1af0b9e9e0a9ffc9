import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from astermind_lab.core.calibration import Calibration, _loss, calibration_error

RNG = np.random.default_rng(0)


def drawn(calibration: Calibration, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels that come as often as the calibration says."""
    scores = RNG.standard_normal((n, 4)) * 0.7
    return scores, (calibration(scores).cumsum(1) > RNG.random((n, 1))).argmax(1)


def test_probabilities_follow_the_formula_and_keep_the_order() -> None:
    scores = RNG.standard_normal((50, 4))
    found = Calibration(2.0, 0.3, 1.7)(scores)
    expected = expit(2 * (scores - 0.3)) ** 1.7
    assert np.allclose(found, expected / expected.sum(1, keepdims=True))
    assert np.array_equal(found.argsort(1), scores.argsort(1))
    assert np.isfinite(Calibration(50, -9, 20)(scores * 1e4)).all()


def test_the_calibration_behind_the_labels_is_found() -> None:
    truth = Calibration(4.0, 0.2, 1.5)
    scores, labels = drawn(truth)
    found = Calibration.fit(scores, labels)
    assert np.abs(found(scores) - truth(scores)).max() < 0.03
    assert log_loss(labels, found(scores)) <= log_loss(labels, truth(scores))


def test_the_gradient_is_that_of_the_loss() -> None:
    scores, labels = drawn(Calibration(), 40)
    for theta in (np.zeros(3), np.array([0.5, -0.3, 0.8])):
        numeric = approx_fprime(theta, lambda x: _loss(x, scores, labels)[0])
        assert np.allclose(_loss(theta, scores, labels)[1], numeric, atol=1e-5)


def test_it_is_at_least_as_good_as_a_temperature_alone() -> None:
    scores, labels = drawn(Calibration(6.0, 0.5, 0.6))
    best = min(log_loss(labels, softmax(s * scores, axis=1)) for s in np.linspace(0.2, 8, 40))
    assert log_loss(labels, Calibration.fit(scores, labels)(scores)) < best


def test_little_data_does_not_make_it_certain() -> None:
    scores = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert Calibration.fit(scores, np.array([0, 1]))(scores).max() < 0.9999


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False])
    # bins of a tenth: |0.95 - 1| and |0.55 - 0.5|, half the rows each
    assert calibration_error(confidence, correct, 10) == pytest.approx(0.05)
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0
