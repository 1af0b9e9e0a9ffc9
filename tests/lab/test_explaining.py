import json
import math

import pytest

from astermind_lab.core import parts
from astermind_lab.errors import InvalidInput, NotFound
from astermind_lab.lab import Lab, explaining
from astermind_lab.lab.explaining import explainer_of
from astermind_lab.results import Explanation
from tests.core.corpus import corpus
from tests.lab.data import EXAMPLES, SMALL

TEXT = "no rain in the kitchen today"
PAIRS = [(row["text"], row["label"]) for row in EXAMPLES]


@pytest.fixture
def known(lab: Lab) -> Lab:
    """A lab with a model that was trained on a stored data set."""
    lab.store_training_dataset("set", EXAMPLES)
    lab.train_classifier("topics", dataset_id="set", config=SMALL, persist=True, version="v1")
    return lab


def score(lab: Lab, category: str, text: str = TEXT) -> float:
    model = lab.find("topics").classifier
    return model.scores([text])[0, model.categories.index(category)]


def test_the_answer_is_that_of_predict(known: Lab) -> None:
    found = known.explain_prediction("topics", TEXT)
    answer = known.predict("topics", TEXT, top_k=10)
    assert found.category == answer.category and found.predictions[0].confidence == found.confidence
    for one, other in zip(found.predictions, answer.predictions, strict=True):
        assert one.category == other.category
        assert one.confidence == pytest.approx(other.confidence, abs=1e-12)
    assert found.warnings == [] and (found.model_id, found.text) == ("topics", TEXT)


def test_a_words_effect_is_what_leaving_it_out_does(known: Lab) -> None:
    found = known.explain_prediction("topics", TEXT)
    assert [word.word for word in found.words] == TEXT.split()

    def log_odds(text: str) -> float:
        chances = {p.category: p.confidence for p in known.predict("topics", text, 10).predictions}
        return math.log(chances[found.category] / (1 - chances[found.category]))

    for word in found.words:
        assert TEXT[word.start : word.end] == word.word
        left = TEXT[: word.start] + TEXT[word.end :]
        assert word.effect == pytest.approx(log_odds(TEXT) - log_odds(left), abs=1e-6)


def test_the_strongest_word_is_the_one_that_decides(known: Lab) -> None:
    found = known.explain_prediction("topics", "tell me about the invoice please")
    assert found.category == "money"
    assert max(found.words, key=lambda word: word.effect).word == "invoice"


def test_all_rows_together_are_the_score(known: Lab) -> None:
    found = known.explain_prediction("topics", TEXT, top_k=100)
    assert len(found.rows) == len(EXAMPLES)
    total = sum(row.influence for row in found.rows)
    assert total == pytest.approx(score(known, found.category), abs=1e-9)
    assert sorted(row.place for row in found.rows) == list(range(len(EXAMPLES)))
    for row in found.rows:
        assert EXAMPLES[row.place] == {"text": row.text, "label": row.label}
        assert -1 <= row.similarity <= 1 + 1e-12


def test_the_rows_with_the_most_influence_come_those_for_it_first(known: Lab) -> None:
    every = known.explain_prediction("topics", TEXT, top_k=100).rows
    found = known.explain_prediction("topics", TEXT, top_k=7).rows
    most = sorted((abs(row.influence) for row in every), reverse=True)[:7]
    assert sorted((abs(row.influence) for row in found), reverse=True) == most
    influences = [row.influence for row in found]
    assert influences == sorted(influences, reverse=True)
    own = known.explain_prediction("topics", "I want more pasta")
    assert own.rows[0].text == "I want more pasta"
    assert own.rows[0].similarity == max(row.similarity for row in own.rows)


def test_it_follows_what_the_model_learns_and_forgets(known: Lab) -> None:
    assert known.explain_prediction("topics", TEXT).rows
    known.add_examples("topics", [("rain in the kitchen", "food")])
    known.forget_examples("topics", EXAMPLES[:2])
    known.relabel_example("topics", EXAMPLES[5]["text"], "weather", "money")
    found = known.explain_prediction("topics", TEXT, top_k=100)
    shown = {row.place: row for row in found.rows}
    assert set(shown) == set(range(2, len(EXAMPLES)))
    assert shown[5].label == "money"
    assert found.warnings == [
        "1 of the model's 89 training texts are not in data set 'set' and not among the rows shown."
    ]
    whole = [*EXAMPLES, {"text": "rain in the kitchen", "label": "food"}]
    rows = known.explain_prediction("topics", TEXT, top_k=100, examples=whole).rows
    category = found.category
    assert sum(row.influence for row in rows) == pytest.approx(score(known, category), abs=1e-9)


def test_examples_or_another_data_set_may_hold_the_texts(trained: Lab) -> None:
    alone = trained.explain_prediction("topics", TEXT)
    assert alone.rows == [] and alone.words
    assert "pass dataset_id or examples" in alone.warnings[0]
    assert "training row" not in alone.method
    given = trained.explain_prediction("topics", TEXT, examples=PAIRS[::-1])
    trained.store_training_dataset("copy", EXAMPLES)
    stored = trained.explain_prediction("topics", TEXT, dataset_id="copy")
    assert given.warnings == stored.warnings == []
    assert [row.influence for row in given.rows] == [row.influence for row in stored.rows]
    assert given.rows[0].place == len(EXAMPLES) - 1 - stored.rows[0].place
    assert "exact contribution" in stored.method
    foreign = trained.explain_prediction("topics", TEXT, examples=[("x", "y"), PAIRS[3]])
    assert [row.text for row in foreign.rows] == [PAIRS[3][0]]
    assert foreign.warnings[0].startswith("89 of the model's 90 training texts are not in the")


def test_a_data_set_that_is_gone_is_said(known: Lab) -> None:
    known.delete_training_dataset("set")
    found = known.explain_prediction("topics", TEXT)
    assert found.rows == [] and found.words
    assert "data set 'set' is not stored any more" in found.warnings[0]
    with pytest.raises(NotFound, match=r"^dataset_id: no data set 'set'"):
        known.explain_prediction("topics", TEXT, dataset_id="set")


def test_a_later_data_set_of_the_same_name_is_read_anew(known: Lab) -> None:
    known.explain_prediction("topics", TEXT)
    known.delete_training_dataset("set")
    known.store_training_dataset("set", EXAMPLES[:30])
    found = known.explain_prediction("topics", TEXT, top_k=100)
    assert len(found.rows) == 30


def test_a_stored_data_set_is_read_once(known: Lab) -> None:
    live = known.find("topics")
    assert explainer_of(known, live) is explainer_of(known, live)
    assert explainer_of(known, live, examples=PAIRS) is not explainer_of(known, live)
    assert explainer_of(known, live, keep=True) is not explainer_of(known, live)


def test_long_data_is_read_again_when_it_is_shown(
    known: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known.explain_prediction("topics", TEXT, examples=EXAMPLES)
    monkeypatch.setattr(explaining, "_MOST_CHARACTERS", 10)
    for _ in range(2):
        assert known.explain_prediction("topics", TEXT).rows == before.rows
    assert known.explain_prediction("topics", TEXT, examples=EXAMPLES) == before


def test_rows_beyond_the_layer_part_are_read_from_their_texts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LAYER_ROWS", 420)
    texts, labels = corpus(1010)
    lab.store_training_dataset("many", zip(texts, labels, strict=True))
    lab.train_classifier("topics", dataset_id="many", config=SMALL)
    ledger = lab.find("topics").classifier.ledger
    assert (ledger.places < 0).sum() > 300
    explainer = explainer_of(lab, lab.find("topics"))
    found = explainer.explain(lab.find("topics"), TEXT, 1010)
    assert len(found.rows) == 1010
    total = sum(row.influence for row in found.rows)
    assert total == pytest.approx(score(lab, found.category), abs=1e-9)


def test_a_margin_readout_has_words_but_no_rows(known: Lab) -> None:
    known.train_classifier("sharp", dataset_id="set", config={"preset": "accurate", **SMALL})
    found = known.explain_prediction("sharp", TEXT)
    assert found.rows == [] and len(found.words) == 6
    assert "margin readout" in found.warnings[0]


def test_a_version_is_explained_by_its_own_rows(known: Lab) -> None:
    known.forget_examples("topics", EXAMPLES[:10])
    assert len(known.explain_prediction("topics", TEXT, top_k=100).rows) == 80
    assert len(known.explain_prediction("topics", TEXT, top_k=100, version="v1").rows) == 90


def test_scripts_without_spaces_are_explained(lab: Lab) -> None:
    weather = ["今天下雨", "明天下雪", "下雨天", "北京下雪了", "雨很大"]
    food = ["我爱吃面条", "面条好吃", "吃米饭", "米饭和面条", "好吃的米饭"]
    rows = [(t, "weather") for t in weather] + [(t, "food") for t in food]
    lab.train_classifier("zh", rows, SMALL)
    found = lab.explain_prediction("zh", "今天吃面条", examples=rows)
    assert found.category == "food" and "".join(w.word for w in found.words) == "今天吃面条"
    assert max(found.words, key=lambda w: w.effect).word in "吃面条"
    assert found.rows[0].label == "food"


def test_an_unknown_text_and_a_long_one_are_said(known: Lab) -> None:
    found = known.explain_prediction("topics", "☃☃☃")
    assert "Nothing in this text was seen in training" in found.warnings[0]
    long = known.explain_prediction("topics", "rain " * 300_000)
    assert long.words == [] and long.rows and "too long" in long.warnings[0]
    many = known.explain_prediction("topics", "rain and snow " * 200)
    assert len(many.words) == 100 and many.words[0].word.startswith("rain and")


@pytest.mark.parametrize(
    ("given", "error", "reason"),
    [
        ({"model_id": "none"}, NotFound, "no version of model 'none'"),
        ({"text": " "}, InvalidInput, "text: is blank"),
        ({"top_k": 0}, InvalidInput, "top_k: must be from 1 to 100"),
        ({"dataset_id": "x", "examples": EXAMPLES}, InvalidInput, "examples: give examples or"),
        ({"examples": [("a", "")]}, InvalidInput, "examples: item 0"),
        ({"version": "v9"}, NotFound, "version: "),
    ],
)
def test_what_is_wrong_is_named(known: Lab, given: dict, error: type, reason: str) -> None:
    with pytest.raises(error, match=reason):
        known.explain_prediction(**{"model_id": "topics", "text": TEXT, **given})


def test_it_shows_itself_escaped_and_bounded(lab: Lab) -> None:
    rows = [(f"<b>{row['text']}</b> " * 30, f"<i>{row['label']}") for row in EXAMPLES]
    lab.train_classifier("<u>", rows, SMALL)
    found = lab.explain_prediction("<u>", "<script>rain</script> " * 60, examples=rows, top_k=100)
    html = found._repr_html_()
    assert "<script>" not in html and "<b>" not in html and "<i>" not in html and "<u>" not in html
    assert "&lt;script&gt;" in html and len(html) < 60_000
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert "training rows" in repr(found) and "influence" in str(found)


def test_exploring_answers_one_text_after_another(known: Lab) -> None:
    exploring = known.explore("topics")
    assert (exploring.text, exploring.explanation) == ("", None)
    assert exploring.labels == list(known.find("topics").classifier.categories)
    exploring.ask(TEXT)
    expected = known.explain_prediction("topics", TEXT)
    assert isinstance(exploring.explanation, Explanation)
    near = [row.influence for row in exploring.explanation.rows]
    assert near == pytest.approx([row.influence for row in expected.rows], abs=1e-9)
    assert exploring.explanation.words == expected.words
    state = json.loads(json.dumps(exploring.state(), allow_nan=False))
    assert state == exploring.state()
    assert (state["model_id"], state["text"], state["warnings"]) == ("topics", TEXT, [])
    assert state["predictions"][0]["category"] == expected.category
    assert set(state["words"][0]) == {"word", "start", "end", "effect"}
    assert {"text", "label", "similarity", "influence"} <= set(state["rows"][0])
    exploring.ask(" ")
    assert exploring.explanation is None and exploring.state()["rows"] == []


def test_exploring_follows_the_model(known: Lab) -> None:
    exploring = known.explore("topics", TEXT)
    known.add_examples("topics", [("a comet tonight", "space")])
    exploring.ask("a comet tonight")
    assert "space" in exploring.labels and exploring.explanation.category == "space"
    assert "1 of the model's 91" in exploring.explanation.warnings[0]
    known.train_classifier(
        "topics", dataset_id="set", config={"preset": "accurate", **SMALL}, overwrite=True
    )
    exploring.ask(TEXT)
    assert exploring.explanation.rows == [] and "space" not in exploring.labels
    known.train_classifier("topics", dataset_id="set", config=SMALL, overwrite=True)
    exploring.ask(TEXT)
    assert len(exploring.explanation.rows) == 10
    fixed = known.explore("topics", TEXT, version="v1")
    known.delete_model("topics")
    fixed.ask("more pasta")
    assert fixed.explanation.category == "food"


def test_exploring_does_without_texts_and_refuses_what_is_none(trained: Lab) -> None:
    exploring = trained.explore("topics", TEXT)
    assert "pass dataset_id or examples" in exploring.state()["warnings"][0]
    assert trained.explore("topics", TEXT, examples=PAIRS).state()["rows"]
    before = exploring.state()
    for wrong in ("a\0b", 5, None):
        with pytest.raises(InvalidInput, match=r"^text: "):
            exploring.ask(wrong)
    assert exploring.state() == before
    with pytest.raises(NotFound):
        trained.explore("nobody")
    trained.delete_model("topics")
    with pytest.raises(NotFound):
        exploring.ask("more rain")


def test_exploring_shows_itself_without_a_widget(known: Lab) -> None:
    exploring = known.explore("topics")
    assert "Explore topics" in exploring._repr_html_() and "nothing asked" in repr(exploring)
    exploring.ask(TEXT)
    assert exploring._repr_html_() == exploring.explanation._repr_html_()
    assert "training rows" in repr(exploring) and "influence" in str(exploring)
