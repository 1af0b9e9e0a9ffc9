import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.calibration import calibration_error
from astermind_lab.core.readout import RidgeReadout, scatter_and_moments
from astermind_lab.errors import InsufficientData, InvalidInput, NotFound
from tests.core.corpus import TOPICS, corpus

SMALL = ElmConfig(hidden_units=64)
TEXTS, LABELS = corpus(1500)


@pytest.fixture(scope="module")
def model() -> TextClassifier:
    return TextClassifier.fit(TEXTS, LABELS, SMALL)


def entered(model: TextClassifier, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hidden rows and class numbers of all examples, as they entered the sums."""
    rows = model.layer.expand(model._steps(range(len(texts)), texts))
    return rows, model.ledger.labels.astype(np.intp)


def refit(model: TextClassifier, hidden: np.ndarray, labels: np.ndarray) -> RidgeReadout:
    k = len(model.categories)
    readout = RidgeReadout.empty(hidden.shape[1], k, model.readout.ridge)
    readout.accumulate(*scatter_and_moments(hidden, labels, model.class_weights[labels], k))
    return readout


def test_it_learns_and_its_estimate_holds_on_new_texts(model: TextClassifier) -> None:
    texts, labels = corpus(3000, seed=1)
    share = np.mean([a == b for a, b in zip(model.predict(texts), labels, strict=True)])
    assert share > 0.85
    assert model.accuracy.low - 0.02 <= share <= model.accuracy.high + 0.02
    assert (model.accuracy.method, model.accuracy.n) == ("leave-one-out", 300)


@pytest.mark.parametrize("count", [300, 600, 2000])
def test_labels_without_meaning_are_not_learned(count: int) -> None:
    # the label has nothing to do with the text: an estimate well above chance would be a leak
    texts, _ = corpus(count)
    shares = []
    for seed in range(4):
        labels = [f"{k}" for k in np.random.default_rng(seed).integers(4, size=count)]
        shares.append(TextClassifier.fit(texts, labels, SMALL).accuracy.value)
    assert 0.2 < np.mean(shares) < 0.3


def test_leave_one_out_equals_brute_force(model: TextClassifier) -> None:
    hidden, labels = entered(model, TEXTS)
    fast, judged = model.leave_one_out()
    places = model.ledger.places
    rows = [
        int(np.flatnonzero(places == place)[0]) for place in np.flatnonzero(model.ledger.judged)
    ]
    assert judged.tolist() == labels[rows].tolist()
    for position in range(0, len(rows), 15):
        rest = np.arange(len(TEXTS)) != rows[position]
        left_out = refit(model, hidden[rest], labels[rest])
        expected = left_out.scores(hidden[rows[position]][None])[0]
        assert np.abs(fast[position] - expected).max() < 1e-8


def test_judged_rows_have_the_coordinates_of_new_texts(model: TextClassifier) -> None:
    rows = np.flatnonzero(np.isin(model.ledger.places, np.flatnonzero(model.ledger.judged)))
    steps, _ = model.layer.coordinates([TEXTS[row] for row in rows])
    assert np.array_equal(steps, model.ledger.coordinates[model.ledger.places[rows]])


@pytest.mark.parametrize("balance", [0.0, 0.7])
def test_add_forget_and_relabel_equal_a_refit(balance: float) -> None:
    config = ElmConfig(hidden_units=64, balance=balance)
    model = TextClassifier.fit(TEXTS, LABELS, config)
    new = ["a brand new invoice", "rain on the flight"]
    model.add(new, ["billing", "a new label"])
    model.forget(TEXTS[10:40], LABELS[10:40])
    model.relabel(TEXTS[50], LABELS[50], "weather")
    texts = TEXTS[:10] + TEXTS[40:] + new
    hidden, labels = entered(model, texts)
    assert model.n_examples == len(texts)
    assert model.categories[labels[20]] == "weather" and model.categories[-1] == "a new label"
    assert np.abs(refit(model, hidden, labels).beta - model.readout.beta).max() < 1e-8


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=5, unique=True))
def test_forgetting_and_learning_again_leaves_the_readout_for_unseen_rows(rows: list[int]) -> None:
    model = TextClassifier.fit(TEXTS, LABELS, SMALL).copy()
    before = model.readout.beta.copy()
    texts, labels = [TEXTS[i] for i in rows], [LABELS[i] for i in rows]
    unseen = model.ledger.judged[model.ledger.places[rows]]
    model.forget(texts, labels)
    assert not np.allclose(model.readout.beta, before, atol=1e-12)
    model.add(texts, labels)
    if unseen.all():
        assert np.abs(model.readout.beta - before).max() < 1e-9


def test_forgetting_is_all_or_nothing(model: TextClassifier) -> None:
    changed = model.copy()
    beta = changed.readout.beta.copy()
    with pytest.raises(NotFound, match="never seen"):
        changed.forget([TEXTS[0], "never seen"], [LABELS[0], "billing"])
    assert np.array_equal(changed.readout.beta, beta) and changed.n_examples == len(TEXTS)
    with pytest.raises(NotFound):  # the same example twice, of which there is one
        changed.forget([TEXTS[0]] * 2, [LABELS[0]] * 2)


def test_accuracy_follows_changes(model: TextClassifier) -> None:
    changed = model.copy()
    texts, labels = corpus(40, seed=9, noise=0)
    changed.add(texts, [list(TOPICS)[(list(TOPICS).index(label) + 1) % 4] for label in labels])
    assert model.accuracy.n < changed.accuracy.n < model.accuracy.n + 20  # a fifth is judged
    assert changed.accuracy.value < model.accuracy.value


def test_models_that_began_as_one_merge_to_the_model_of_all_examples(model: TextClassifier) -> None:
    more, their = corpus(60, seed=3)
    left, right, both = model.copy(), model.copy(), model.copy()
    left.add(more[:30], their[:30])
    right.add(more[30:], [*their[30:-1], "only here"])
    both.add(more, [*their[:-1], "only here"])
    both.forget(TEXTS[:5], LABELS[:5])
    left.forget(TEXTS[:5], LABELS[:5])
    merged = left.merge(right, base=model)
    assert merged.categories == both.categories and merged.class_counts == both.class_counts
    assert np.abs(merged.readout.beta - both.readout.beta).max() < 1e-8
    assert sorted(merged.ledger.pairs()) == sorted(both.ledger.pairs())
    with pytest.raises(InvalidInput, match="base"):
        left.merge(right)
    stranger = TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=64, seed=1))
    with pytest.raises(InvalidInput, match="hidden layer"):
        left.merge(stranger)


def test_merging_follows_one_ledger_whatever_both_sides_did(model: TextClassifier) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        sides = [model.copy(), model.copy()]
        for side in sides:
            some = rng.choice(40, 12, replace=False).tolist()  # often the same for both
            side.forget([TEXTS[i] for i in some[:4]], [LABELS[i] for i in some[:4]])
            for i in some[4:8]:
                side.relabel(TEXTS[i], LABELS[i], list(TOPICS)[rng.integers(4)])
            again = [TEXTS[i] for i in some[:2]], [LABELS[i] for i in some[:2]]
            side.add(*again)
            side.add([f"new {rng.integers(9)}"], ["a label of one side"])
        merged = sides[0].merge(sides[1], base=model)
        rows = merged.layer.expand(merged._steps(range(len(merged.ledger)), []))
        fresh = refit(merged, rows, merged.ledger.labels.astype(np.intp))
        assert np.abs(fresh.beta - merged.readout.beta).max() < 1e-8
    twice = [model.copy(), model.copy()]
    for side in twice:
        side.forget(TEXTS[:3], LABELS[:3])
    merged = twice[0].merge(twice[1], base=model)
    assert np.abs(merged.readout.beta - twice[0].readout.beta).max() < 1e-8


def test_layers_that_differ_in_their_activation_do_not_merge() -> None:
    relu, tanh = (
        TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=64, activation=name))
        for name in ("relu", "tanh")
    )
    with pytest.raises(InvalidInput, match="hidden layer"):
        relu.merge(tanh.without_examples())


@pytest.mark.parametrize("count", [10, 20, 40, 80])
def test_changes_of_little_data_are_as_exact(count: int) -> None:
    texts, labels = corpus(count, seed=2)
    model = TextClassifier.fit(texts, labels, ElmConfig(hidden_units=64))
    more, their = corpus(10, seed=5)
    for text, label in zip(more, their, strict=True):
        model.add([text], [label])
    for text, label in zip(texts[: count // 3], labels[: count // 3], strict=True):
        model.forget([text], [label])
    hidden, numbers = entered(model, texts[count // 3 :] + more)
    fresh = refit(model, hidden, numbers)
    assert np.abs(fresh.scores(hidden) - model.readout.scores(hidden)).max() < 1e-8


def test_texts_that_made_the_layer_do_not_judge_when_they_come_back() -> None:
    texts, _ = corpus(2000)
    labels = [f"{k}" for k in np.random.default_rng(3).integers(4, size=2000)]
    model = TextClassifier.fit(texts, labels, SMALL)
    blank = model.without_examples()
    blank.add(texts, labels)
    model.forget(texts[:1500], labels[:1500])
    model.add(texts[:1500], labels[:1500])
    for changed in (blank, model):
        assert changed.accuracy.n > 50 and changed.accuracy.low < 0.3


def test_many_equal_examples_are_forgotten_at_once(model: TextClassifier) -> None:
    changed = model.copy()
    changed.add(["the same"] * 3000, ["music"] * 3000)
    changed.forget(["the same"] * 3000, ["music"] * 3000)
    assert np.abs(changed.scores(TEXTS[:50]) - model.scores(TEXTS[:50])).max() < 1e-8


def test_models_of_an_empty_start_merge_without_a_base(model: TextClassifier) -> None:
    blank = model.without_examples()
    assert blank.n_examples == 0 and blank.accuracy is None
    parts = []
    for half in (slice(0, 50), slice(50, 100)):
        part = blank.copy()
        part.add(TEXTS[half], LABELS[half])
        parts.append(part)
    whole = blank.copy()
    whole.add(TEXTS[:100], LABELS[:100])
    assert np.abs(parts[0].merge(parts[1]).readout.beta - whole.readout.beta).max() < 1e-8


def test_the_same_seed_gives_the_same_model(model: TextClassifier) -> None:
    again = TextClassifier.fit(TEXTS, LABELS, SMALL)
    assert np.array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert again.layer_digest == model.layer_digest


def test_one_text_is_answered_as_in_a_batch(model: TextClassifier) -> None:
    batch = model.predict_proba(TEXTS[:50])
    alone = np.array([model.answer(text).probabilities for text in TEXTS[:50]])
    assert np.abs(batch - alone).max() < 1e-12
    assert np.allclose(batch.sum(1), 1)


def test_confidence_means_what_it_says(model: TextClassifier) -> None:
    texts, labels = corpus(3000, seed=2)
    proba = model.predict_proba(texts)
    correct = np.array(model.categories)[proba.argmax(1)] == np.array(labels)
    assert calibration_error(proba.max(1), correct) < 0.05


def test_an_unknown_text_gets_an_answer_and_says_so(model: TextClassifier) -> None:
    answer = model.answer("☃☃☃☃")
    assert answer.probabilities.sum() == pytest.approx(1) and answer.warnings
    assert model.known(["☃☃☃☃", "the invoice"]).tolist() == [False, True]
    assert not model.answer("the invoice").warnings


@pytest.mark.parametrize("activation", ["relu", "leakyrelu", "sigmoid", "tanh", "linear", "gelu"])
@pytest.mark.parametrize("hidden", ["random", "constrained"])
def test_every_layer_learns(activation: str, hidden: str) -> None:
    config = ElmConfig(hidden_units=50, activation=activation, hidden=hidden)
    assert TextClassifier.fit(TEXTS[:600], LABELS[:600], config).accuracy.value > 0.75
    assert TextClassifier.fit(TEXTS[:50], LABELS[:50], config).embed(["x", "y"]).shape == (2, 50)


def test_the_margin_readout_is_judged_by_held_out_texts_and_cannot_be_changed() -> None:
    config = ElmConfig.parse({"preset": "accurate", "hidden_units": 64})
    model = TextClassifier.fit(TEXTS, LABELS, config)
    texts, labels = corpus(2000, seed=1)
    share = np.mean([a == b for a, b in zip(model.predict(texts), labels, strict=True)])
    assert model.accuracy.method == "held-out" and model.accuracy.n == 150
    assert model.accuracy.low <= share <= model.accuracy.high
    for change in (
        lambda: model.add(["x"], ["billing"]),
        lambda: model.forget(TEXTS[:1], LABELS[:1]),
        lambda: model.relabel(TEXTS[0], LABELS[0], "music"),
        lambda: model.merge(model),
        lambda: model.leave_one_out(),
    ):
        with pytest.raises(InvalidInput, match="margin"):
            change()


def test_balance_gives_a_rare_class_its_due() -> None:
    texts, labels = corpus(2000, noise=0.25)
    keep = [i for i, label in enumerate(labels) if label != "music" or i % 12 == 0]
    texts, labels = [texts[i] for i in keep], [labels[i] for i in keep]
    new, truth = corpus(1500, seed=4, noise=0)
    music = [text for text, label in zip(new, truth, strict=True) if label == "music"]
    recall = [
        TextClassifier.fit(texts, labels, ElmConfig(hidden_units=64, balance=b))
        .predict(music)
        .count("music")
        for b in (0.0, 1.0)
    ]
    assert recall[1] > recall[0]


def test_a_text_encoder_takes_the_place_of_the_features() -> None:
    def encoder(texts: list[str]) -> np.ndarray:
        vocabulary = [word for topic in TOPICS.values() for word in topic]
        return np.array([[text.split().count(word) for word in vocabulary] for text in texts])

    model = TextClassifier.fit(TEXTS, LABELS, SMALL, encoder=encoder)
    texts, labels = corpus(1000, seed=1)
    share = np.mean([a == b for a, b in zip(model.predict(texts), labels, strict=True)])
    assert share > 0.85 and model.accuracy.low <= share <= model.accuracy.high
    again = TextClassifier.from_bytes(model.to_bytes(), encoder=encoder)
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(texts))
    with pytest.raises(InvalidInput, match="encoder"):
        TextClassifier.from_bytes(model.to_bytes())
    for wrong in (lambda t: np.zeros(3), lambda t: np.full((len(t), 2), np.nan)):
        with pytest.raises(InvalidInput, match="encoder"):
            TextClassifier.fit(TEXTS, LABELS, SMALL, encoder=wrong)


@pytest.mark.parametrize(
    ("texts", "labels", "named"),
    [
        ([], [], "texts"),
        (["a", "b"], ["x", "x"], "labels"),
        (["a", " \n"], ["x", "y"], "texts"),
        (["a", "b"], ["x", ""], "labels"),
        (["a", "b"], ["x"], "labels"),
        (["a", None], ["x", "y"], "texts"),
        (["a", "b"], ["x", float("nan")], "labels"),
        ("ab", ["x", "y"], "texts"),
        (["a", "b"], 3, "labels"),
    ],
)
def test_bad_examples_are_refused_by_name(texts: object, labels: object, named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        TextClassifier.fit(texts, labels)  # type: ignore[arg-type]
    assert caught.value.argument == named


def test_one_label_is_too_little_data() -> None:
    with pytest.raises(InsufficientData, match="two labels"):
        TextClassifier.fit(["a", "b"], ["x", "x"])


def test_the_smallest_data_and_the_oddest_texts() -> None:
    texts = ["yes", "no", "\x00\x01", "🎉🎉", "x" * 1_000_000, "ا ب ت", "'; DROP TABLE x; --"]
    labels = ["a", "b", "c", "a", "b", "c", "a"]
    model = TextClassifier.fit(texts, labels)
    assert model.predict(texts[:2]) == ["a", "b"]
    assert "fewer than 5" in model.warnings[0]
    assert np.isfinite(model.predict_proba(texts)).all()
    two = TextClassifier.fit(["yes", "no"], ["a", "b"])
    assert two.predict(["yes", "no"]) == ["a", "b"]


def test_texts_that_are_all_alike_are_answered_by_frequency() -> None:
    model = TextClassifier.fit(["x"] * 9, ["a", "b", "a"] * 3)
    assert model.predict(["x", "y"]) == ["a", "a"]


def test_no_texts_have_no_answers(model: TextClassifier) -> None:
    assert model.predict_proba([]).shape == (0, 4) and model.predict([]) == []
    assert model.known([]).shape == (0,) and model.embed([]).shape == (0, 64)


def test_a_ridge_too_small_to_solve_with_is_named() -> None:
    with pytest.raises(InvalidInput, match="ridge"):
        TextClassifier.fit(["x", "x y"] * 9, ["a", "b"] * 9, ElmConfig(ridge=1e-300))


def test_max_length_cuts() -> None:
    model = TextClassifier.fit(TEXTS, LABELS, ElmConfig(hidden_units=64, max_length=20))
    text = TEXTS[0].ljust(20)[:20]
    assert np.array_equal(model.predict_proba([text + " rain"]), model.predict_proba([text]))


@pytest.mark.parametrize("preset", ["default", "accurate"])
def test_progress_runs_from_0_to_1(preset: str) -> None:
    shares: list[float] = []
    config = ElmConfig.parse({"preset": preset, "hidden_units": 32})
    TextClassifier.fit(TEXTS, LABELS, config, progress=lambda share, phase: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1.0 and shares[0] <= 0.1


def test_more_rows_than_build_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from astermind_lab.core import parts

    monkeypatch.setattr(parts, "LAYER_ROWS", 700)
    model = TextClassifier.fit(TEXTS, LABELS, SMALL)
    assert len(model.ledger.coordinates) == 1000 and model.n_examples == 1500
    outside = np.flatnonzero(model.ledger.places < 0)[:20]
    rest = np.setdiff1d(np.arange(1500), outside)
    texts, labels = [TEXTS[i] for i in outside], [LABELS[i] for i in outside]
    model.forget(texts, labels)
    hidden, numbers = entered(model, [TEXTS[i] for i in rest])
    assert np.abs(refit(model, hidden, numbers).beta - model.readout.beta).max() < 1e-8
