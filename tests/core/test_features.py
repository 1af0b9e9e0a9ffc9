import itertools
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astermind_lab.core import features
from astermind_lab.core.features import BITS, BUCKETS, Vocabulary, block_keys, count_block

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def words(text: str) -> list[str]:
    """The words of a normalised text, one character at a time: the oracle."""
    found, current = [], ""
    for char in text + " ":
        code = ord(char)
        ideograph = (
            0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF
        )
        part = char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"
        if current and (ideograph or not part):
            found.append(current)
            current = ""
        if ideograph:
            found.append(char)
        elif part:
            current += char
    return found


def ngrams(text: str) -> Counter[tuple[str, ...]]:
    """All n-grams of a text by the definition in the module's docstring."""
    text = features.normalise(text)
    found = words(text)
    grams: Counter[tuple[str, ...]] = Counter((word,) for word in found)
    edged = ["<", *found, ">"] if found else []
    grams.update(("near", *pair) for pair in itertools.pairwise(edged))
    grams.update(("far", *pair) for pair in zip(edged, edged[2:], strict=False))
    # with a single word both edges meet, and tell nothing
    del grams[("far", "<", ">")]
    padded = f" {text} " if text else "  "
    for size in range(2, 6):
        for start in range(len(padded) - size + 1):
            piece = padded[start : start + size]
            if " " not in piece[1:-1] and piece != "  ":
                grams[("chars", piece, "")] += 1
    return grams


@settings(max_examples=200)
@given(TEXTS)
def test_counts_are_those_of_the_definition(text: str) -> None:
    counts = count_block([text])
    expected = sorted(ngrams(text).values())
    # two n-grams may share a bucket, so that only the totals must agree exactly
    assert int(counts.counts.sum()) == sum(expected)
    assert len(expected) - 3 <= len(counts.buckets) <= len(expected)


@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_a_block_holds_what_its_texts_hold_alone(texts: list[str]) -> None:
    together = count_block(texts)
    alone = [count_block([text]) for text in texts]
    assert together.lengths.tolist() == [len(one.buckets) for one in alone]
    assert np.array_equal(together.buckets, np.concatenate([one.buckets for one in alone]))
    assert np.array_equal(together.counts, np.concatenate([one.counts for one in alone]))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Grüße", "GRÜSSE".replace("SS", "ßE")[:4] + "e"), ("cafe\u0301", "café"), ("a  b\n", "A b")],
)
def test_case_composition_and_space_do_not_matter(one: str, other: str) -> None:
    assert features.normalise(one) == features.normalise(other)


def test_words_of_scripts_with_marks_stay_whole() -> None:
    assert words(features.normalise("हिन्दी भाषा")) == ["हिन्दी", "भाषा"]
    keys = {key for key in block_keys(["हिन्दी"]).tolist() if key % BUCKETS < 1 << BITS}
    assert len(keys) == 3  # the word, and a pair with each edge of the text


def test_every_ideograph_is_a_word() -> None:
    keys = [key for key in block_keys(["東京都"]).tolist() if key < 1 << BITS]
    assert len(keys) == 10  # three words, four pairs, three pairs with one between


def test_a_megabyte_of_text_keeps_its_end() -> None:
    long = "word " * 200_000
    assert not np.array_equal(count_block([long + "tail"]).buckets, count_block([long]).buckets)


def test_the_vocabulary_keeps_what_comes_twice_and_weighs_the_rare_more() -> None:
    texts = ["common alpha", "common beta", "common alpha"] * 40 + ["hapax"]
    counted = [count_block(texts)]
    vocabulary = Vocabulary.learn(counted, 10**6)
    hapax = count_block(["hapax"]).buckets
    seen = np.isin(hapax, np.concatenate([count_block([text]).buckets for text in texts[:3]]))
    assert not np.isin(hapax[~seen], vocabulary.buckets).any()
    rows = vocabulary.weigh(counted[0])
    norms = np.linalg.norm(rows.toarray(), axis=1)
    assert np.allclose(norms[:-1], 1) and norms[-1] <= 1
    column = {bucket: place for place, bucket in enumerate(vocabulary.buckets.tolist())}
    common, beta = (
        np.intersect1d(count_block([word]).buckets, count_block([f"zq {word} qz"]).buckets)[0]
        for word in ("common", "beta")
    )
    assert vocabulary.idf[column[beta]] > vocabulary.idf[column[common]]


def test_a_limit_keeps_the_most_frequent() -> None:
    counted = [count_block(["often"] * 150 + ["seldom"] * 2)]
    kept = Vocabulary.learn(counted, 5).buckets
    assert np.isin(kept, count_block(["often"]).buckets).all() and len(kept) == 5


def test_rows_equal_scikit_learns_tfidf_on_words_and_characters() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["the cat sat", "the dog sat down", "a cat and a dog", "down the road"] * 30
    vocabulary = Vocabulary.learn([count_block(texts)], 10**6)
    ours = vocabulary.weigh(count_block(texts))

    def analyser(text: str) -> list[tuple[str, ...]]:
        return [
            gram for gram, count in ngrams(text).items() if gram[0] != "chars" for _ in range(count)
        ]

    word = TfidfVectorizer(analyzer=analyser, sublinear_tf=True).fit_transform(texts)
    split = int(np.searchsorted(vocabulary.buckets, 1 << BITS))
    kernel = (ours[:, :split] @ ours[:, :split].T).toarray()
    assert np.allclose(kernel, (word @ word.T).toarray() / 2, atol=1e-5)
