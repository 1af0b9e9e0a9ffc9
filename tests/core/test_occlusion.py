import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core import occlusion as subject
from astermind_lab.core.occlusion import MOST_WORDS, log_odds, occluded, word_spans
from tests.core.corpus import corpus


@pytest.fixture(scope="module")
def model() -> TextClassifier:
    texts, labels = corpus(300)
    return TextClassifier.fit(texts, labels, ElmConfig(hidden_units=32))


def words(text: str, most: int = MOST_WORDS) -> list[str]:
    return [text[start:end] for start, end in word_spans(text, most)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I don't know,\tyet ", ["I", "don't", "know", ",", "yet"]),
        ("a state-of-the-art 'thing'", ["a", "state-of-the-art", "'", "thing", "'"]),
        ("50€ für Größe_2!!", ["50", "€", "für", "Größe_2", "!!"]),
        ("e\u0301te\u0301 ici", ["e\u0301te\u0301", "ici"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("我爱北京。", ["我", "爱", "北", "京", "。"]),
        ("สวัสดีครับ", ["สวัส", "ดีครับ"]),
        ("これはペンです", ["これは", "ペン", "です"]),
        ("nice 🙂🙂❤\ufe0f day", ["nice", "🙂🙂❤\ufe0f", "day"]),
        ("", []),
        (" \n", []),
    ],
)
def test_words_are_cut_as_people_read_them(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text(max_size=80), st.integers(1, 12))
def test_words_stand_in_order_and_leave_out_nothing_but_spaces(text: str, most: int) -> None:
    spans = word_spans(text, most)
    assert len(spans) <= most
    ends = [0, *(end for _, end in spans)]
    assert all(start < end for start, end in spans)
    assert all(last <= start for last, (start, _) in zip(ends, spans, strict=False))
    covered = {place for start, end in spans for place in range(start, end)}
    assert all(place in covered for place, char in enumerate(text) if not char.isspace())


def test_many_words_are_left_out_in_groups() -> None:
    assert words("a b c d e f g", 3) == ["a b c", "d e f", "g"]
    assert len(words("word " * 5000)) == MOST_WORDS


def test_answers_are_those_to_the_text_without_the_word(model: TextClassifier) -> None:
    text = "please refund the storm"
    answers, spans = occluded(model, text)
    without = ["refund the storm", "please the storm", "please refund storm", "please refund the"]
    assert [text[start:end] for start, end in spans] == text.split()
    assert np.allclose(answers.probabilities[0], model.predict_proba([text])[0])
    assert np.allclose(answers.probabilities[1:], model.predict_proba(without))


def test_a_single_word_is_held_against_nothing(model: TextClassifier) -> None:
    answers, spans = occluded(model, "refund")
    assert spans == [(0, 6)]
    assert np.allclose(answers.probabilities[1], model.predict_proba([""])[0])


def test_what_the_model_does_not_read_is_not_left_out() -> None:
    texts, labels = corpus(60)
    short = TextClassifier.fit(texts, labels, ElmConfig(hidden_units=8, max_length=9))
    _, spans = occluded(short, "refund me now")
    assert spans == [(0, 6), (7, 9)]


def test_a_very_long_text_is_asked_about_as_a_whole(
    model: TextClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "MOST_CHARACTERS", 400)
    assert len(occluded(model, "refund " * 10)[1]) == 5
    answers, spans = occluded(model, "refund " * 60)
    assert spans == [] and len(answers.probabilities) == 1


def test_log_odds() -> None:
    chances = np.array([[0.5, 0.25, 0.25], [0.8, 0.2, 0.0], [1.0, 0.0, 0.0]])
    odds = log_odds(chances, 0)
    assert np.allclose(odds[:2], [0.0, np.log(4)])
    assert np.isfinite(odds).all() and odds[2] > 100
    assert np.isfinite(log_odds(chances, 2)).all()
