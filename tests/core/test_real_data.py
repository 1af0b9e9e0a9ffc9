"""The claims on real text; skipped where the public data sets are not at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.calibration import calibration_error

BESIDE = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("ASTERMIND_BENCH_DATA", BESIDE))
pytestmark = pytest.mark.skipif(
    not (DATA / "trec6" / "train.jsonl").exists(),
    reason="no public data sets; set ASTERMIND_BENCH_DATA to a folder that holds them",
)


def read(name: str, split: str) -> tuple[list[str], list[str]]:
    lines = (DATA / name / f"{split}.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.mark.parametrize("name", ["trec6", "sms_spam"])
def test_as_accurate_as_a_linear_machine_and_honest_about_it(name: str) -> None:
    texts, labels = read(name, "train")
    order = np.random.default_rng(0).permutation(len(texts))
    test, train = order[: len(texts) // 5], order[len(texts) // 5 :]
    known = [texts[i] for i in train], [labels[i] for i in train]
    new, truth = [texts[i] for i in test], np.array([labels[i] for i in test])
    rival = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(C=0.5))
    rival_share = rival.fit(*known).score(new, truth)
    for preset in ("fast", "default", "accurate"):
        model = TextClassifier.fit(*known, ElmConfig.parse({"preset": preset}))
        proba = model.predict_proba(new)
        correct = np.array(model.categories)[proba.argmax(1)] == truth
        assert correct.mean() > rival_share - 0.015
        # two samples' worth of chance: the test part's and the estimate's own
        assert abs(model.accuracy.value - correct.mean()) < 0.035
        assert calibration_error(proba.max(1), correct) < 0.06
