"""Which words an answer rests on: how it changes when each of them is left out.

A text is cut into what people read as words: runs of letters, digits and marks, joined by ``'``,
``’`` and ``-`` inside; each ideograph; groups of characters in scripts that put no spaces between
words; runs of signs. Each is left out in turn and the model asked again, all in one batch, so the
effects are the model's own and not an approximation of it.

Source: Zeiler & Fergus 2014, Li, Monroe & Jurafsky 2016 (occlusion).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.classifier import Answers, TextClassifier

__all__ = ["MOST_WORDS", "log_odds", "occluded", "word_spans"]

Array = NDArray[np.float64]
Span = tuple[int, int]

MOST_WORDS = 100
MOST_CHARACTERS = 2_000_000
"""Of all texts with something left out; a longer text is left out in larger pieces."""

_CLUSTERS = 3
"""Characters with their marks that make a piece where words are not spaced."""

_IDEOGRAPHS = ((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_UNSPACED = (  # Thai, Lao, Myanmar, Khmer, Hiragana
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3041, 0x309F),
)
_WORD = re.compile(r"w[wm]*(?:jw[wm]*)*|im*|u[um]*|[ojm]+")


def _kind(char: str) -> str:
    """A letter for: space, word, ideograph, unspaced, mark, joiner, other."""
    code = ord(char)
    if char.isspace():
        return "s"
    if any(low <= code <= high for low, high in _IDEOGRAPHS):
        return "i"
    if unicodedata.category(char)[0] == "M":
        return "m"
    if any(low <= code <= high for low, high in _UNSPACED):
        return "u"
    if char.isalnum() or char == "_":
        return "w"
    return "j" if char in "'’-" else "o"


def word_spans(text: str, most: int = MOST_WORDS) -> list[Span]:
    """Start and end of each word; of more than ``most`` words, neighbours make groups.

    >>> [text[a:b] for text in ["Don't stop, 北京!"] for a, b in word_spans(text)]
    ["Don't", 'stop', ',', '北', '京', '!']
    """
    kinds = {char: _kind(char) for char in set(text)}
    line = "".join(map(kinds.__getitem__, text))
    spans: list[Span] = []
    for found in _WORD.finditer(line):
        if line[found.start()] == "u":
            spans += _pieces(line, *found.span())
        else:
            spans.append(found.span())
    size = -(-len(spans) // max(most, 1))
    if size <= 1:
        return spans
    groups = (spans[start : start + size] for start in range(0, len(spans), size))
    return [(group[0][0], group[-1][1]) for group in groups]


def _pieces(line: str, start: int, end: int) -> list[Span]:
    """A run without spaces in pieces of two to four characters, each with its marks."""
    heads = [place for place in range(start, end) if line[place] != "m"]
    count = max(1, round(len(heads) / _CLUSTERS))
    firsts = [heads[number * len(heads) // count] for number in range(count)]
    return list(zip(firsts, [*firsts[1:], end], strict=True))


def occluded(model: TextClassifier, text: str) -> tuple[Answers, list[Span]]:
    """The answer to the text, then to the text without each of its words, and where they stand.

    No words are left out of a text so long that it would take too much work.
    """
    read = text[: model.config.max_length]
    most = min(MOST_WORDS, MOST_CHARACTERS // max(len(read), 1))
    spans = word_spans(read, most) if most > 1 else []
    return model.answers([read, *_without(read, spans)]), spans


def _without(text: str, spans: Sequence[Span]) -> list[str]:
    return [text[:start] + text[end:] for start, end in spans]


def log_odds(probabilities: Array, number: int) -> Array:
    """(n, k) float64 probabilities → (n,) float64, natural logarithm of the odds of one class."""
    rest = np.delete(probabilities, number, axis=1).sum(1)
    tiny = np.finfo(float).tiny
    return np.asarray(
        np.log(np.maximum(probabilities[:, number], tiny)) - np.log(np.maximum(rest, tiny))
    )
