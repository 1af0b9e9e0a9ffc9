from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.errors import InsufficientData, InvalidInput, ModelFileError
from astermind_lab.sklearn import TextELMClassifier
from tests.core.corpus import TOPICS, corpus

TEXTS, LABELS = corpus(300, noise=0.05)
NEW, TRUTH = corpus(100, seed=1, noise=0)
NUMBERS = [list(TOPICS).index(label) for label in LABELS]


def shout(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


def letters(texts: list[str]) -> np.ndarray:
    """A text encoder of our own."""
    vectoriser = HashingVectorizer(n_features=64, analyzer="char_wb", ngram_range=(2, 3))
    return vectoriser.transform(texts).toarray()


@pytest.fixture(scope="module")
def fitted() -> TextELMClassifier:
    return TextELMClassifier(hidden_units=128).fit(TEXTS, LABELS)


def test_it_is_the_text_classifier_of_the_core(fitted: TextELMClassifier) -> None:
    core = TextClassifier.fit(TEXTS, LABELS, ElmConfig.parse({"hidden_units": 128}))
    assert list(fitted.classes_) == sorted(TOPICS)
    order = [core.categories.index(label) for label in fitted.classes_]
    assert np.array_equal(fitted.predict_proba(NEW), core.predict_proba(NEW)[:, order])
    assert list(fitted.predict(NEW)) == core.predict(NEW)
    assert fitted.accuracy_ == core.accuracy
    assert fitted.score(NEW, TRUTH) > 0.9


@pytest.mark.parametrize(
    "as_given",
    [list, tuple, np.array, lambda x: np.array(x, object), pd.Series, iter,
     lambda x: pd.Series(x, index=range(len(x), 0, -1), dtype="category")],
    ids=["list", "tuple", "array", "objects", "series", "iterator", "category"],
)  # fmt: skip
def test_any_column_of_texts_will_do(fitted: TextELMClassifier, as_given) -> None:
    labels = LABELS if as_given is iter else as_given(LABELS)
    model = clone(fitted).fit(as_given(TEXTS), labels)
    assert np.array_equal(model.predict_proba(as_given(NEW)), fitted.predict_proba(NEW))


@pytest.mark.parametrize("kind", [int, float, bool, np.int8, np.uint16])
def test_labels_keep_their_type(fitted: TextELMClassifier, kind: type) -> None:
    labels = np.array([number % 2 for number in NUMBERS], kind)
    model = clone(fitted).fit(TEXTS, labels)
    assert model.classes_.dtype == model.predict(NEW).dtype == labels.dtype
    assert model.score(TEXTS, labels) > 0.9


def test_keys_go_to_the_core_and_none_leaves_them_to_the_preset() -> None:
    model = TextELMClassifier("fast", ridge=np.float64(2), hidden="constrained", random_state=5)
    expected = ElmConfig.parse({"preset": "fast", "ridge": 2.0, "hidden": "constrained", "seed": 5})
    assert model.fit(TEXTS, LABELS).model_.config == expected
    assert expected.hidden_units == ElmConfig.parse({"preset": "fast"}).hidden_units


def test_the_margin_readout_says_that_its_accuracy_is_held_out() -> None:
    model = TextELMClassifier("accurate", hidden_units=64).fit(TEXTS, LABELS)
    assert model.accuracy_ is not None
    assert model.accuracy_.method == "held-out"
    with pytest.raises(InvalidInput, match="readout"):
        model.partial_fit(NEW, TRUTH)
    with pytest.raises(InvalidInput, match="partial_fit needs a ridge readout, not 'margin'"):
        TextELMClassifier("accurate").partial_fit(TEXTS, LABELS)


def test_partial_fit_adds_exactly() -> None:
    core = TextClassifier.fit(TEXTS, LABELS)
    core.add(NEW, TRUTH)
    model = TextELMClassifier().partial_fit(TEXTS, LABELS)
    for start in range(0, len(NEW), 30):
        model.partial_fit(NEW[start : start + 30], TRUTH[start : start + 30])
    probe = corpus(50, seed=2)[0]
    order = [core.categories.index(label) for label in model.classes_]
    assert np.allclose(model.predict_proba(probe), core.predict_proba(probe)[:, order], atol=1e-10)
    assert model.accuracy_ == core.accuracy


def test_new_labels_are_welcome_unless_classes_were_listed() -> None:
    met = TextELMClassifier("fast").fit(TEXTS, np.array(NUMBERS) + 10)
    met.partial_fit(["quarterly tax declaration", "tax office"] * 3, [2.0] * 6)
    assert list(met.classes_) == [2, 10, 11, 12, 13]
    assert list(met.predict(["tax declaration", "hotel and flight"])) == [2, 11]

    listed = TextELMClassifier("fast").partial_fit(TEXTS, LABELS, [*TOPICS, "tax"])
    assert (listed.predict_proba(NEW)[:, list(listed.classes_).index("tax")] == 0).all()
    with pytest.raises(InvalidInput, match="y: label 'sport' is not among the classes"):
        listed.partial_fit(["a goal"], ["sport"])
    listed.partial_fit(["quarterly tax declaration", "tax office"] * 5, ["tax"] * 10)
    assert listed.predict(["tax declaration"]) == ["tax"]
    assert np.allclose(listed.predict_proba(NEW).sum(1), 1)


def test_in_a_pipeline_and_cross_validation() -> None:
    steps = Pipeline([("shout", FunctionTransformer(shout)), ("elm", TextELMClassifier("fast"))])
    plain = cross_val_score(TextELMClassifier("fast"), TEXTS, LABELS, cv=3)
    assert np.array_equal(cross_val_score(steps, TEXTS, LABELS, cv=3), plain)  # case is no matter
    assert plain.mean() > 0.8
    assert cross_val_score(steps, pd.Series(TEXTS), NUMBERS, cv=3, scoring="f1_macro").min() > 0.7


def test_parameter_search_in_two_processes(fitted: TextELMClassifier) -> None:
    grid = {"hidden_units": np.array([1, 64]), "max_length": [2, None]}
    search = GridSearchCV(fitted, grid, cv=2, n_jobs=2, scoring="neg_log_loss")
    search.fit(np.array(TEXTS, object), LABELS)
    assert search.best_params_["max_length"] is None
    assert search.best_estimator_.score(NEW, TRUTH) > 0.9


def test_an_encoder_takes_the_place_of_the_n_grams() -> None:
    model = TextELMClassifier(encoder=letters, hidden_units=64).fit(TEXTS, LABELS)
    assert model.model_.layer.coordinates.width == 64
    assert model.score(NEW, TRUTH) > 0.7
    again = pickle.loads(pickle.dumps(clone(model).fit(TEXTS, LABELS)))
    assert np.array_equal(again.predict_proba(NEW), model.predict_proba(NEW))
    from_file = TextELMClassifier.from_bytes(model.to_bytes(), encoder=letters)
    assert np.array_equal(from_file.predict_proba(NEW), model.predict_proba(NEW))
    with pytest.raises(InvalidInput, match="encoder: must be callable, got 'bert'"):
        TextELMClassifier(encoder="bert").fit(TEXTS, LABELS)  # type: ignore[arg-type]


def test_a_model_file_needs_no_pickle(fitted: TextELMClassifier) -> None:
    again = TextELMClassifier.from_bytes(fitted.to_bytes())
    assert np.array_equal(again.predict_proba(NEW), fitted.predict_proba(NEW))
    assert list(again.classes_) == list(fitted.classes_)
    assert again.accuracy_ == fitted.accuracy_
    assert clone(again).fit(TEXTS, LABELS).to_bytes() == fitted.to_bytes()
    again.partial_fit(["a new subject"], ["subject"])
    assert "subject" in again.classes_
    with pytest.raises(ModelFileError):
        TextELMClassifier.from_bytes(fitted.to_bytes()[:-9])


def test_a_model_file_may_be_told_what_its_labels_were() -> None:
    model = TextELMClassifier("fast").fit(TEXTS, NUMBERS)
    again = TextELMClassifier.from_bytes(model.to_bytes(), classes=[3, 2, 1, 0])
    assert np.array_equal(again.predict(NEW), model.predict(NEW))
    assert again.predict(NEW).dtype == model.predict(NEW).dtype
    with pytest.raises(InvalidInput, match="classes: lack '3', which the model knows"):
        TextELMClassifier.from_bytes(model.to_bytes(), classes=[0, 1, 2])


def test_before_fit_there_is_nothing() -> None:
    model = TextELMClassifier()
    assert not hasattr(model, "accuracy_")
    for use in (model.predict, model.predict_proba):
        with pytest.raises(NotFittedError):
            use(NEW)
    with pytest.raises(NotFittedError):
        model.to_bytes()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "X: must be a list"),
        (7, "X: must be a list"),
        (pd.DataFrame({"text": TEXTS}), "X: must be a list"),
        (np.array(TEXTS)[:, None], "X: must be a list"),
        ([], "X: holds no text"),
        ([*TEXTS[:-1], None], "X: item 299 is not a string: None"),
        ([*TEXTS[:-1], " "], "texts: item 299 is blank"),
        (TEXTS[1:], "y: 300 labels for 299 texts"),
    ],
)
def test_bad_texts(texts: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TextELMClassifier().fit(texts, LABELS)


def test_bad_labels(fitted: TextELMClassifier) -> None:
    model = clone(fitted)
    with pytest.raises(InsufficientData, match="two labels are needed"):
        model.fit(TEXTS, ["same"] * 300)
    with pytest.raises(InvalidInput, match="labels: item 0 is blank"):
        model.fit(TEXTS, [" ", *LABELS[1:]])
    with pytest.raises(InvalidInput, match="y: item 1 is not text"):
        model.fit(TEXTS, [LABELS[0], None, *LABELS[2:]])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        model.fit(TEXTS, np.linspace(0, 1, 300))
    with pytest.raises(ValueError, match="should be a 1d array"):
        model.fit(TEXTS, np.ones((300, 2)))
    with pytest.raises(InvalidInput, match="preset must be one of"):
        TextELMClassifier("best").fit(TEXTS, LABELS)


def test_a_refused_example_changes_nothing(fitted: TextELMClassifier) -> None:
    model = clone(fitted).fit(TEXTS, LABELS)
    for texts, labels in ((["fine", " "], ["music", "music"]), (["fine"], [3]), (["fine"], [" "])):
        with pytest.raises(InvalidInput):
            model.partial_fit(texts, labels)
    assert np.array_equal(model.predict_proba(NEW), fitted.predict_proba(NEW))
    assert list(model.classes_) == list(fitted.classes_)
