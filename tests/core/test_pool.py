from __future__ import annotations

import numpy as np
import pytest

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.judge import Judge
from astermind_lab.core.pool import FEW_LABELS, Pool, margins
from astermind_lab.core.untaught import choose_again
from astermind_lab.errors import InvalidInput
from tests.core.corpus import corpus

SMALL = ElmConfig(hidden_units=48)
TEXTS, LABELS = corpus(900)
CANDIDATES, TRUTH = corpus(250, seed=5, noise=0)


def taught(labels: int) -> TextClassifier:
    """A model begun without labels that has learned so many."""
    model = TextClassifier.untaught(CANDIDATES, (), SMALL)
    judge = Judge(model)
    judge.add(TEXTS[:labels], LABELS[:labels])
    choose_again(judge.model)
    return model


def inverse(model: TextClassifier) -> np.ndarray:
    penalty = [0.0, *[model.readout.ridge] * (model.layer.width - 1)]
    return np.linalg.inv(model.readout.scatter + np.diag(penalty))


def worth(model: TextClassifier, few: bool) -> np.ndarray:
    """What ``Pool.worth`` says it is, in plain words and float64."""
    rows = model.layer.expand(model.layer.coordinates(CANDIDATES)[0])
    covariances = rows @ inverse(model) @ rows.T
    best = np.sort(model.predict_proba(CANDIDATES), axis=1)
    unsure = 1 - (best[:, -1] - best[:, -2])
    if not few:
        return unsure * covariances.diagonal()
    gains = np.zeros(len(rows))
    for x in range(len(rows)):
        for z in range(len(rows)):
            gains[x] += unsure[z] * covariances[x, z] ** 2 / (1 + covariances[x, x])
    return unsure * gains


@pytest.mark.parametrize("labels", [20, 60])
def test_what_a_text_is_worth_follows_the_model(labels: int) -> None:
    model = taught(labels)
    pool = Pool(model, CANDIDATES)
    few = labels < FEW_LABELS
    assert np.allclose(pool.worth(), worth(model, few), rtol=2e-3)
    for i in range(10):
        model.add([TEXTS[100 + i]], [LABELS[100 + i]])
    model.relabel(TEXTS[100], LABELS[100], "something new")
    assert np.allclose(pool.worth(), worth(model, few), rtol=2e-3)
    assert np.allclose(pool.scores, model.scores(CANDIDATES), atol=1e-3)
    assert np.allclose(pool.probabilities(), model.predict_proba(CANDIDATES), atol=1e-3)
    pool.open[pool.best()] = False
    assert pool.open[pool.best()]
    pool.open[:] = False
    assert pool.best() is None and pool.several(3) == []


@pytest.mark.parametrize("labels", [20, 60])
def test_several_are_chosen_as_if_those_before_were_labelled(labels: int) -> None:
    model = taught(labels)
    pool = Pool(model, CANDIDATES)
    pool.open[::3] = False
    chosen = pool.several(5)
    followed, left = model.copy(), pool.open.copy()
    unsure = 1 - margins(pool.probabilities())
    for place, value in chosen:
        again = Pool(followed, CANDIDATES)
        again.open = left
        figures = again._rows.figures(labels < FEW_LABELS)
        expected = np.where(left, unsure * figures.of(unsure), -np.inf)
        assert place == expected.argmax() and value == pytest.approx(expected.max(), rel=1e-2)
        left[place] = False
        followed.add([CANDIDATES[place]], ["music"])  # the label has no say in the variance


def test_without_a_label_a_text_like_many_comes_first() -> None:
    texts = [*["rain and snow today"] * 3, *CANDIDATES, "☃ zzyzx qwxzt", "vjqzk"]
    model = TextClassifier.untaught(texts, (), SMALL)
    pool = Pool(model, texts)
    order = np.argsort(-pool.worth())
    assert not {len(texts) - 1, len(texts) - 2} & set(order[: len(texts) // 2].tolist())
    assert pool.best() == order[0]
    assert [place for place, _ in pool.several(3)] == order[:3].tolist()


def test_chosen_labels_teach_more_than_random_ones() -> None:
    pool_texts, pool_labels = corpus(600, seed=8, noise=0)
    new, truth = corpus(500, seed=9, noise=0)
    blank = TextClassifier.untaught(pool_texts, (), SMALL)
    shares: dict[bool, list[float]] = {True: [], False: []}
    for chooses in shares:
        for seed in range(3):
            rng = np.random.default_rng(seed)
            judge = Judge(blank.copy())
            pool = Pool(judge.model, pool_texts)
            for n in range(1, 31):
                place = pool.best() if chooses and n > 1 else int(rng.permutation(len(pool))[0])
                pool.open[place] = False
                judge.add([pool_texts[place]], [pool_labels[place]])
                if n in (10, 20):
                    choose_again(judge.model)
            shares[chooses].append(np.mean(np.array(judge.model.predict(new)) == np.array(truth)))
    assert np.mean(shares[True]) > np.mean(shares[False])


def test_progress_is_told_as_texts_are_read() -> None:
    told: list[int] = []
    model = TextClassifier.untaught(CANDIDATES, (), SMALL)
    Pool(model, CANDIDATES * 10, told.append)
    assert told == [2048, 452]


def test_a_margin_model_has_no_pool() -> None:
    model = TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=16, readout="margin"))
    with pytest.raises(InvalidInput, match="margin"):
        Pool(model, CANDIDATES)
