import numpy as np
import pytest

from astermind_lab.core import ElmConfig, TextClassifier, parts
from astermind_lab.core.influence import TrainingRows, matched
from astermind_lab.core.ledger import digests
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments
from tests.core.corpus import corpus

CONFIG = ElmConfig(hidden_units=48, balance=0.5)
TEXTS, LABELS = corpus(1100)
ASKED = ["please refund my card", "is the storm over", "a song on the train", "nothing of it"]


@pytest.fixture(scope="module")
def model() -> TextClassifier:
    return TextClassifier.fit(TEXTS, LABELS, CONFIG)


def all_rows(model: TextClassifier, texts: list[str], *, keep: bool = False) -> TrainingRows:
    numbers = np.arange(model.n_examples)
    return TrainingRows.of(model, numbers, texts.__getitem__, keep=keep)


def assert_sums_are_scores(model: TextClassifier, rows: TrainingRows) -> None:
    scores = model.scores(ASKED)
    for text, row in zip(ASKED, scores, strict=True):
        for number in range(len(model.categories)):
            terms, _ = rows.influence(model, text, number)
            assert terms.sum() == pytest.approx(row[number], abs=1e-9)


def test_the_contributions_add_up_to_the_score(model: TextClassifier) -> None:
    assert_sums_are_scores(model, all_rows(model, TEXTS))


def test_each_contribution_is_the_smoothers_entry(model: TextClassifier) -> None:
    rows = all_rows(model, TEXTS)
    hidden = model.layer.expand(rows.steps)
    weights = model.class_weights[model.ledger.labels]
    penalty = model.readout.ridge * np.eye(hidden.shape[1])
    penalty[0, 0] = 0
    x = model.layer.expand(model.layer.coordinates(ASKED[:1])[0])[0]
    smoother = x @ np.linalg.solve((hidden.T * weights) @ hidden + penalty, hidden.T * weights)
    terms, near = rows.influence(model, ASKED[0], 2)
    signs = np.where(model.ledger.labels == 2, 1.0, -1.0)
    assert np.allclose(terms, smoother * signs, atol=1e-10)
    features, own = model.embed(ASKED[:1])[0], hidden[:, -48:]
    cosines = own @ features / np.linalg.norm(own, axis=1) / np.linalg.norm(features)
    assert np.allclose(near, cosines)


def test_a_refit_without_a_row_moves_the_score_as_its_contribution_says() -> None:
    texts, labels = corpus(40)
    model = TextClassifier.fit(texts, labels, ElmConfig(hidden_units=8, ridge=2.0))
    rows = all_rows(model, texts)
    hidden, numbers = model.layer.expand(rows.steps), model.ledger.labels.astype(int)
    weights, classes = model.class_weights[numbers], len(model.categories)
    inverse = np.linalg.inv(
        (hidden.T * weights) @ hidden + 2.0 * np.diag(np.arange(hidden.shape[1]) > 0)
    )
    leverage = weights * np.einsum("ij,jk,ik->i", hidden, inverse, hidden)
    fitted = model.readout.scores(hidden)
    x = model.layer.expand(model.layer.coordinates(ASKED[:1])[0])
    terms, _ = rows.influence(model, ASKED[0], 1)
    target = np.where(numbers == 1, 1.0, -1.0)
    for i in range(len(texts)):
        rest = np.arange(len(texts)) != i
        refit = RidgeReadout.empty(hidden.shape[1], classes, 2.0)
        refit.accumulate(*scatter_and_moments(hidden[rest], numbers[rest], weights[rest], classes))
        moved = model.readout.scores(x)[0, 1] - refit.scores(x)[0, 1]
        # a row's pull is its contribution, times how far the others are from explaining it
        share = terms[i] * target[i] * (target[i] - fitted[i, 1]) / (1 - leverage[i])
        assert moved == pytest.approx(share, abs=1e-9)


def test_kept_hidden_rows_answer_the_same(model: TextClassifier) -> None:
    rows, kept = all_rows(model, TEXTS), all_rows(model, TEXTS, keep=True)
    assert rows.hidden is None and kept.hidden is not None
    for one, other in zip(
        rows.influence(model, ASKED[1], 0), kept.influence(model, ASKED[1], 0), strict=True
    ):
        assert np.allclose(one, other, atol=1e-12)


def test_a_changed_model_rests_on_its_present_examples(model: TextClassifier) -> None:
    changed = model.copy()
    changed.add(["brand new thing", "another new thing"], ["new", "music"])
    changed.forget(TEXTS[:3], LABELS[:3])
    changed.relabel(TEXTS[5], LABELS[5], "new")
    texts = [*TEXTS[3:], "brand new thing", "another new thing"]
    assert_sums_are_scores(changed, all_rows(changed, texts))


def test_rows_without_kept_coordinates_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LAYER_ROWS", 500)
    model = TextClassifier.fit(TEXTS, LABELS, CONFIG)
    fresh = int((model.ledger.places < 0).sum())
    asked: list[int] = []
    rows = TrainingRows.of(
        model, np.arange(len(TEXTS)), lambda row: (asked.append(row), TEXTS[row])[1]
    )
    assert len(asked) == fresh > 0
    assert_sums_are_scores(model, rows)


def test_examples_are_found_among_texts_one_to_one(model: TextClassifier) -> None:
    ledger = model.ledger
    order = np.random.default_rng(0).permutation(len(TEXTS))
    texts = [TEXTS[i] for i in order] + ["a stranger"]
    labels = np.array([*ledger.labels[order], -1], np.intp)
    places = matched(ledger, digests(texts), labels)
    assert len(set(places.tolist())) == len(TEXTS)  # also equal ones, each for one
    assert [texts[place] for place in places] == TEXTS
    assert np.array_equal(labels[places], ledger.labels)


def test_an_example_under_another_label_is_found_by_its_text(model: TextClassifier) -> None:
    changed = model.copy()
    single = next(i for i, text in enumerate(TEXTS) if TEXTS.count(text) == 1)
    changed.relabel(TEXTS[single], LABELS[single], "other")
    numbers = model.ledger.labels.astype(np.intp)
    assert matched(changed.ledger, digests(TEXTS), numbers)[single] == single
    without = [i for i in range(len(TEXTS)) if i != single]
    keys = digests([TEXTS[i] for i in without])
    places = matched(changed.ledger, keys, numbers[without])
    assert places[single] == -1 and (places >= 0).sum() == len(without)
    assert (matched(changed.ledger, digests([]), numbers[:0]) == -1).all()
