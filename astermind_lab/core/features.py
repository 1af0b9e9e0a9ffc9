"""Text to sparse features: hashed word and character n-grams of any script.

A text is lower-cased, brought to Unicode NFC, and its white space collapsed. Then two families of
n-grams are counted: words (runs of letters, digits, marks and ``_``; an ideograph is a word of its
own) alone, as neighbours, and as pairs with one word between them, the edges of the text counting
as words of a pair; and characters as 2- to 5-grams that do not cross a space. Every n-gram is
a span of code points; its hash is a difference of polynomial prefix sums, so that all spans of a
block of texts are hashed by a handful of array operations and one text costs little more.

Source: Weinberger et al. 2009 (feature hashing); Karp & Rabin 1987 (polynomial hash of spans).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

BITS = 18
"""log2 of the buckets of one family; words use buckets below 2**18, characters those above."""
BUCKETS = 2 << BITS
BLOCK, BLOCK_LENGTH = 2048, 500_000
"""Texts hashed together, and their characters; the text's number has 32 - 19 bits."""

Keys = NDArray[np.uint32]

_U32 = np.uint32
_EDGE = _U32(0xA5A5F00D)
_BASE = 0x9E3779B1
_BASE_INVERSE = pow(_BASE, -1, 1 << 32)
_ORDERS = np.arange(2, 6)[:, None]
_ORDER_SALT = np.array([[0x2545F491], [0x5BD1E995], [0x1B873593], [0x85EBCA6B]], _U32)
_SPACE, _WORD, _IDEOGRAPH, _OTHER = 0, 1, 2, 3


def _kind(code: int) -> int:
    char = chr(code)
    if char == " ":
        return _SPACE
    if 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF:
        return _IDEOGRAPH
    if char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M":
        return _WORD
    return _OTHER


class _Kinds:
    """The kind of every code point; planes beyond Latin are filled in when first met."""

    def __init__(self) -> None:
        self.table = np.full(0x110000, 255, np.uint8)
        self.table[:0x250] = [_kind(code) for code in range(0x250)]

    def __call__(self, codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        kinds = self.table[codes]
        if codes.size and kinds.max() == 255:
            for code in np.unique(codes[kinds == 255]).tolist():
                self.table[code] = _kind(code)
            kinds = self.table[codes]
        return kinds


class _Powers:
    """Powers of the base and of its inverse modulo 2**32, grown on demand."""

    def __init__(self) -> None:
        self._pair = self._make(1 << 12)

    @staticmethod
    def _make(size: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        up, down = np.full(size, _BASE, _U32), np.full(size, _BASE_INVERSE, _U32)
        up[0] = down[0] = 1
        return np.multiply.accumulate(up, dtype=_U32), np.multiply.accumulate(down, dtype=_U32)

    def __call__(self, size: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """At least ``size`` powers, and inverse powers."""
        pair = self._pair  # one read, so that a thread that grows them disturbs no other
        if size > len(pair[0]):
            pair = self._pair = self._make(1 << (size - 1).bit_length())
        return pair


class Counts(NamedTuple):
    """Counted n-grams of a block of texts, row after row.

    lengths : (n,) distinct n-grams of each text
    buckets, counts : (sum of lengths,) int32, buckets ascending within a text
    """

    lengths: NDArray[np.int64]
    buckets: NDArray[np.int32]
    counts: NDArray[np.int32]


_kinds = _Kinds()
_powers = _Powers()
_LOG = np.concatenate(([0.0], 1 + np.log(np.arange(1, 1 << 16))))


def normalise(text: str) -> str:
    """Lower case, NFC, single spaces."""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.lower().split())


def _mix(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finaliser: every input bit reaches the top bits. Works in place."""
    hashes ^= hashes >> _U32(16)
    hashes *= _U32(0x85EBCA6B)
    hashes ^= hashes >> _U32(13)
    hashes *= _U32(0xC2B2AE35)
    return hashes


def block_keys(texts: Sequence[str]) -> Keys:
    """``text_number << 19 | bucket`` of every n-gram of at most ``2**13`` normalised texts."""
    joined = " " + " ".join(texts) + " "
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), _U32)
    up, down = _powers(len(codes) + 1)
    prefix = np.zeros(len(codes) + 1, _U32)
    terms = (codes + _U32(0x9E37)) * _U32(0xCC9E2D51)
    terms ^= terms >> _U32(15)
    np.cumsum(terms * up[: len(codes)], dtype=_U32, out=prefix[1:])
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    lengths[0] += 1
    owner = np.repeat(np.arange(len(texts), dtype=_U32) << _U32(BITS + 1), lengths)
    kinds = _kinds(codes)
    words = _word_keys(kinds, prefix, down, owner, len(texts))
    return np.concatenate((words, _char_keys(kinds == _SPACE, prefix, down, owner)))


def _word_keys(kinds: NDArray[np.uint8], prefix: Keys, down: Keys, owner: Keys, texts: int) -> Keys:
    """Words, pairs of neighbours, and pairs with one word between them.

    A text that has words has an edge before the first and behind the last, which pair like words.
    """
    ideograph = kinds == _IDEOGRAPH  # begins and ends at once
    word = (kinds == _WORD) | ideograph
    begins, ends = word.copy(), word.copy()
    begins[1:] &= ~word[:-1] | ideograph[1:] | ideograph[:-1]
    ends[:-1] &= ~word[1:] | ideograph[:-1] | ideograph[1:]
    first, last = np.flatnonzero(begins), np.flatnonzero(ends) + 1
    words = (prefix[last] - prefix[first]) * down[first]
    mine = owner[first]

    number = mine >> _U32(BITS + 1)
    edged = np.full(len(words) + 2 * texts, _EDGE, _U32)
    edged[np.arange(len(words)) + 2 * number + 1] = words
    counts = np.bincount(number, minlength=texts) + 2
    whose = np.repeat(np.arange(texts, dtype=_U32) << _U32(BITS + 1), counts)
    near = (whose[1:] == whose[:-1]) & ((edged[1:] != _EDGE) | (edged[:-1] != _EDGE))
    far = (whose[2:] == whose[:-2]) & ((edged[2:] != _EDGE) | (edged[:-2] != _EDGE))
    pairs = edged[:-1] * _U32(0x01000193) + (edged[1:] ^ _U32(0x5BD1E995))
    skips = edged[:-2] * _U32(0x27D4EB2F) + (edged[2:] ^ _U32(0x165667B1))
    keys = _mix(np.concatenate((words, pairs[near], skips[far]))) >> _U32(32 - BITS)
    keys |= np.concatenate((mine, whose[:-1][near], whose[:-2][far]))
    return keys


def _char_keys(space: NDArray[np.bool_], prefix: Keys, down: Keys, owner: Keys) -> Keys:
    """Spans of 2 to 5 code points whose inside holds no space."""
    size = len(space)
    spaces = np.zeros(size + 1, np.int32)
    np.cumsum(space, dtype=np.int32, out=spaces[1:])
    start = np.arange(size - 1)
    stop = np.minimum(start + _ORDERS, size)
    inside = spaces[stop - 1] == spaces[1:size]
    inside[0] &= ~(space[:-1] & space[1:])
    inside &= start + _ORDERS <= size
    order, at = np.nonzero(inside)
    chars = (prefix[at + order + 2] - prefix[at]) * down[at]
    chars ^= _ORDER_SALT[order, 0]
    keys = (_mix(chars) >> _U32(32 - BITS)) + _U32(1 << BITS)
    keys |= owner[at + space[at]]
    return keys


def count_block(texts: Sequence[str]) -> Counts:
    """The n-grams of at most ``BLOCK`` texts, counted; a text may be empty."""
    if not texts:
        return Counts(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32))
    keys = block_keys([normalise(text) for text in texts])
    keys.sort()
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]), len(keys) - 1)[: len(keys)]
    unique = keys[ends]
    return Counts(
        np.bincount(unique >> _U32(BITS + 1), minlength=len(texts)),
        (unique & _U32(BUCKETS - 1)).astype(np.int32),
        np.diff(ends, prepend=-1).astype(np.int32),
    )


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of at most ``size`` that together cover ``range(count)``."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def text_blocks(texts: Sequence[str]) -> Iterator[slice]:
    """Slices that cover the texts, each of at most ``BLOCK`` texts and of bounded length."""
    start = length = 0
    for position, text in enumerate(texts):
        if position > start and (position - start == BLOCK or length + len(text) > BLOCK_LENGTH):
            yield slice(start, position)
            start, length = position, 0
        length += len(text)
    if len(texts):
        yield slice(start, len(texts))


@dataclass(frozen=True)
class Vocabulary:
    """The n-grams a model knows, and how much each of them tells.

    buckets : (d,) int32, ascending     idf : (d,) float32, inverse document frequency
    """

    buckets: NDArray[np.int32]
    idf: NDArray[np.float32]

    @classmethod
    def learn(cls, counted: Sequence[Counts], most: int, least: int = 2) -> Vocabulary:
        """The n-grams found in at least ``least`` texts, the ``most`` frequent of them.

        Of data so small that no n-gram comes twice, all are kept.
        """
        rows = sum(len(counts.lengths) for counts in counted)
        frequency = np.zeros(BUCKETS, np.int64)
        for counts in counted:
            frequency += np.bincount(counts.buckets, minlength=BUCKETS)
        known = np.flatnonzero(frequency >= (least if rows > 100 else 1))
        if len(known) > most:
            order = np.argsort(-frequency[known], kind="stable")
            known = np.sort(known[order[:most]])
        idf = np.log((1 + rows) / (1 + frequency[known])) + 1
        return cls(known.astype(np.int32), idf.astype(np.float32))

    def __len__(self) -> int:
        return len(self.buckets)

    @cached_property
    def _columns(self) -> NDArray[np.int32]:
        columns = np.full(BUCKETS, -1, np.int32)
        columns[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        return columns

    @cached_property
    def _words(self) -> int:
        return int(np.searchsorted(self.buckets, 1 << BITS))

    def weigh(self, counts: Counts) -> sp.csr_matrix[np.float64]:
        """(n, d) float64 rows of unit length, or of zeros where nothing is known.

        A count weighs ``(1 + ln count) * idf``; words and characters have the same share.
        """
        owner, columns, weights = self.entries(counts)
        rows = len(counts.lengths)
        starts = np.zeros(rows + 1, np.int64)
        np.cumsum(np.bincount(owner, minlength=rows), out=starts[1:])
        return sp.csr_matrix((weights, columns, starts), shape=(rows, len(self)))

    def entries(
        self, counts: Counts
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float64]]:
        """The row, column and value of each known n-gram, without a matrix around them."""
        columns = self._columns[counts.buckets]
        known = columns >= 0
        columns = columns[known]
        rows = len(counts.lengths)
        owner = np.repeat(np.arange(rows), counts.lengths)[known]
        weights = _LOG[np.minimum(counts.counts[known], len(_LOG) - 1)] * self.idf[columns]
        family = 2 * owner + (columns >= self._words)
        squares = np.bincount(family, weights * weights, 2 * rows).reshape(rows, 2)
        shares = np.count_nonzero(squares, axis=1, keepdims=True)
        scale = 1 / np.sqrt(np.maximum(squares * shares, 1e-30))
        weights *= scale.ravel()[family]
        return owner, columns, np.asarray(weights, np.float64)
