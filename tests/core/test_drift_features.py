"""Drift features against scikit-learn, and their life with a model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from astermind_lab.core import TextClassifier
from astermind_lab.core.drift_features import WIDTH, FeatureMap
from tests.core.corpus import corpus


def test_they_are_the_principal_components() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((400, 60)) @ np.diag(0.7 ** np.arange(60)) @ np.eye(60)
    found = FeatureMap.learn(hidden)
    assert found.weights.shape == (60, WIDTH) and found.weights.dtype == np.float32
    spread = found(hidden)[:, 0].std()
    assert spread == pytest.approx(32, rel=0.02)
    expected = PCA(3).fit_transform(hidden)
    for place in range(3):
        correlation = np.corrcoef(found(hidden)[:, place], expected[:, place])[0, 1]
        assert abs(correlation) > 0.99
    assert found.digest == FeatureMap.learn(hidden).digest


def test_few_units_and_no_spread() -> None:
    few = FeatureMap.learn(np.random.default_rng(1).standard_normal((10, 5)))
    assert few.weights.shape == (5, 5)
    same = FeatureMap.learn(np.ones((7, 9)))
    assert not same(np.ones((2, 9))).any()


def test_far_outliers_are_cut() -> None:
    found = FeatureMap.learn(np.random.default_rng(2).standard_normal((50, 8)))
    assert np.abs(found(np.full((1, 8), 1e9)).astype(int)).max() == 127


def test_a_model_keeps_its_map_through_file_and_updates() -> None:
    texts, labels = corpus(400)
    model = TextClassifier.fit(texts[:200], labels[:200])
    drift = model.layer.drift
    assert drift is not None
    before = model.answers(texts[:20], drift_features=True).drift_features
    single = model.answer(texts[3], drift_features=True).drift_features
    assert before is not None and single is not None
    assert (np.abs(before[3].astype(int) - single) <= 1).all()
    assert model.answers(texts[:20]).drift_features is None
    again = TextClassifier.from_bytes(model.to_bytes())
    assert again.layer.drift is not None and again.layer.drift.digest == drift.digest
    again.add(texts[200:210], labels[200:210])
    assert again.layer_digest == model.layer_digest
    after = again.answers(texts[:20], drift_features=True).drift_features
    assert after is not None and (after == before).all()
