import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from astermind_lab.core.calibration import calibration_error, fit_sharpness, probabilities


def test_probabilities_are_a_softmax() -> None:
    scores = np.random.default_rng(0).standard_normal((50, 4))
    assert np.allclose(probabilities(scores, 3.0), softmax(3 * scores, axis=1))


def test_the_temperature_behind_the_labels_is_found() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((20_000, 4))
    labels = (softmax(3 * scores, axis=1).cumsum(1) > rng.random((20_000, 1))).argmax(1)
    found = fit_sharpness(scores, labels)
    assert found == pytest.approx(3, rel=0.05)
    best = min(log_loss(labels, softmax(s * scores, axis=1)) for s in np.linspace(1, 6, 51))
    assert log_loss(labels, probabilities(scores, found)) <= best + 1e-9


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False])
    # bins of a tenth: |0.95 - 1| and |0.55 - 0.5|, half the rows each
    assert calibration_error(confidence, correct, 10) == pytest.approx(0.05)
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0
