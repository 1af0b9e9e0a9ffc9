"""Texts to coordinates: the few numbers that the hidden layer sees of a text.

For plain text they are the scores of linear discriminants over hashed n-grams; for a text encoder
of the user's they are its standardised output. Coordinates lie on a grid of 2**-10, so that a text
has the very same coordinates alone, in a batch, and in a stored ledger of 16-bit integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astermind_lab.core.blas import WORKERS
from astermind_lab.core.features import Vocabulary, count_block, text_blocks
from astermind_lab.errors import InvalidInput

__all__ = ["Coordinates", "Encoder", "EncoderCoordinates", "TextCoordinates", "cut", "to_grid"]

Array = NDArray[np.float64]
Encoder = Callable[[list[str]], ArrayLike]

GRID = 1024.0
_REACH = 32000


def to_grid(values: ArrayLike) -> NDArray[np.int16]:
    """Coordinates as whole steps of the grid, (n, c) int16; far outliers are clipped."""
    steps = np.rint(np.asarray(values, np.float64) * GRID)
    return np.clip(steps, -_REACH, _REACH).astype(np.int16)


def from_grid(steps: NDArray[np.int16]) -> Array:
    """The inverse of ``to_grid``, (n, c) float64."""
    return steps / GRID


def cut(texts: Sequence[str], length: int | None) -> Sequence[str]:
    return texts if length is None else [text[:length] for text in texts]


class Coordinates(Protocol):
    """What the classifier asks of its input side."""

    @property
    def width(self) -> int: ...

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """(n, c) int16 grid steps, and (n,) bool: is anything in the text known?"""
        ...


@dataclass(frozen=True)
class TextCoordinates:
    """Discriminant scores of hashed n-grams.

    weights : (d, c) float16     bias : (c,) float64
    """

    vocabulary: Vocabulary
    weights: NDArray[np.float16]
    bias: Array

    @property
    def width(self) -> int:
        return len(self.bias)

    @cached_property
    def _wide(self) -> Array:
        return self.weights.astype(np.float64)

    def block(self, texts: Sequence[str]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """The coordinates of one block of texts."""
        counts = count_block(texts)
        if len(texts) == 1:  # without the cost of a matrix
            _, columns, weights = self.vocabulary.entries(counts)
            scores = weights @ self._wide[columns]
            return to_grid((scores + self.bias)[None]), np.array([len(columns) > 0])
        rows = self.vocabulary.weigh(counts)
        return to_grid(rows @ self._wide + self.bias), np.diff(rows.indptr) > 0

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        parts = [texts[part] for part in text_blocks(texts)]
        if len(parts) <= 1:
            return self.block(texts)
        self._wide  # noqa: B018 - filled once, before the threads share it
        with ThreadPoolExecutor(WORKERS) as pool:
            done = list(pool.map(self.block, parts))
        return np.concatenate([d[0] for d in done]), np.concatenate([d[1] for d in done])


@dataclass(frozen=True)
class EncoderCoordinates:
    """The standardised output of a text encoder, ``list[str] -> (n, c)``.

    mean, scale : (c,) float64
    """

    encoder: Encoder
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, encoder: Encoder, texts: Sequence[str]) -> EncoderCoordinates:
        """Mean and spread of each output of the encoder over these texts."""
        values = encode(encoder, texts)
        spread = values.std(0)
        return cls(encoder, values.mean(0), np.where(spread > 1e-12, spread, 1.0))

    @property
    def width(self) -> int:
        return len(self.mean)

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        values = encode(self.encoder, texts)
        if values.shape[1] != self.width:
            raise InvalidInput(
                "encoder", f"returned {values.shape[1]} columns, {self.width} when it was fitted"
            )
        return to_grid((values - self.mean) / self.scale), np.ones(len(texts), bool)


def encode(encoder: Encoder, texts: Sequence[str]) -> Array:
    """The encoder's answer as (n, c) float64, checked for shape and finiteness."""
    returned = encoder(list(texts))
    try:
        values = np.asarray(returned, np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("encoder", "must return numbers, as many for every text") from None
    if values.ndim != 2 or len(values) != len(texts) or not values.shape[1]:
        raise InvalidInput(
            "encoder", f"must return ({len(texts)}, columns) numbers, returned {values.shape}"
        )
    if not np.isfinite(values).all():
        raise InvalidInput("encoder", "returned NaN or infinity")
    return values
