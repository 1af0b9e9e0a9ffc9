"""From texts to a few coordinates: cross-fitted discriminants, or principal coordinates.

Source: Wolpert 1992 (stacking on left-out scores); Deerwester et al. 1990 (latent semantic
analysis); Chernozhukov et al. 2018 (cross-fitting).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
from numpy.typing import NDArray

from astermind_lab.core.blas import WORKERS
from astermind_lab.core.config import most_ngrams
from astermind_lab.core.coordinates import (
    Coordinates,
    Encoder,
    EncoderCoordinates,
    TextCoordinates,
    to_grid,
)
from astermind_lab.core.discriminants import Discriminants, SplitMatrix, fit
from astermind_lab.core.features import Vocabulary, count_block, text_blocks
from astermind_lab.core.parts import Parts

__all__ = ["coordinates_of", "cross_fitted", "principal", "signs_of"]

Numbers = NDArray[np.intp]
Steps = NDArray[np.int16]
Floats = NDArray[np.float32]


def signs_of(labels: Numbers, classes: int) -> NDArray[np.float64]:
    """(n, classes) float64: +1 in the column of the row's class, else -1."""
    signs = np.full((len(labels), classes), -1.0)
    signs[np.arange(len(labels)), labels] = 1
    return signs


def coordinates_of(
    texts: Sequence[str],
    y: Numbers,
    classes: int,
    parts: Parts,
    *,
    fast: bool = False,
    encoder: Encoder | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Coordinates, Steps, Numbers]:
    """The coordinates for new texts; those of the layer and judged parts; each row's place in them.

    Returns grid steps (m, c) int16, the layer part first, fold after fold; places (n,), -1 for
    the others.
    """
    report = progress or (lambda share, phase: None)
    rows = parts.layer
    own = [texts[i] for i in rows]
    coordinates: Coordinates
    if encoder is not None:
        report(0.1, "encoding")
        coordinates = EncoderCoordinates.learn(encoder, own)
        steps, _ = coordinates(own)
    elif len(parts.folds) == 1:
        report(0.1, "finding principal coordinates")
        coordinates, steps = principal(own)
    else:
        report(0.1, "finding discriminants")
        fold = np.repeat(np.arange(len(parts.folds)), [len(part) for part in parts.folds])
        coordinates, steps = cross_fitted(own, y[rows], classes, fold, fast)
    at = np.full(len(y), -1, np.intp)
    at[rows] = np.arange(len(rows))
    if len(parts.judged):
        unseen, _ = coordinates([texts[i] for i in parts.judged])
        at[parts.judged] = len(rows) + np.arange(len(parts.judged))
        steps = np.vstack((steps, unseen))
    return coordinates, steps, at


def cross_fitted(
    texts: Sequence[str], labels: Numbers, classes: int, fold: Numbers, fast: bool
) -> tuple[TextCoordinates, Steps]:
    """Discriminants of all rows, and each row's coordinates from those of the other folds.

    texts, labels, fold : n rows     fast : fewer iterations, and no n-gram of fewer than four texts
    Returns the coordinates for new texts, and the (n, c) grid steps of these. Two classes need
    one discriminant, else c is the number of classes.
    """
    vocabulary, rows = _weighed(texts, most_ngrams(classes), np.float32, 4 if fast else 2)
    matrix = SplitMatrix(rows)
    signs = signs_of(labels, classes).astype(np.float32)
    if classes == 2:
        signs = signs[:, 1:]
    folds = range(int(fold.max()) + 1)
    with ThreadPoolExecutor(WORKERS) as pool:
        steps = 4 if fast else 6

        def without(number: int) -> tuple[Discriminants, Floats]:
            """Discriminants of the other folds, and the scores they give to all rows."""
            others = fold != number
            one = fit(matrix.rows(others), signs[others], steps)
            return one, matrix.times(one.weights) + one.bias

        found = list(pool.map(without, folds))
        scores = np.empty_like(signs)
        for number, (_, fold_scores) in enumerate(found):
            scores[fold == number] = fold_scores[fold == number]
        whole = _of_all_rows(pool, matrix, signs, found, 2 if fast else 3)
    centre, spread = scores.mean(0), max(float(scores.std(0).mean()), 1e-6)
    coordinates = TextCoordinates(
        vocabulary,
        (whole.weights / spread).astype(np.float16),
        ((whole.bias - centre) / spread).astype(np.float64),
    )
    return coordinates, to_grid((scores - centre) / spread)


def _of_all_rows(
    pool: ThreadPoolExecutor,
    matrix: SplitMatrix,
    signs: Floats,
    found: list[tuple[Discriminants, Floats]],
    steps: int,
) -> Discriminants:
    """Discriminants of all rows, going on from the mean of the folds'."""
    weights: Floats = np.mean(np.stack([one.weights for one, _ in found]), axis=0)
    bias: Floats = np.mean(np.stack([one.bias for one, _ in found]), axis=0)
    scores: Floats = np.mean(np.stack([scores for _, scores in found]), axis=0)

    def part(columns: slice) -> Discriminants:
        start = Discriminants(np.ascontiguousarray(weights[:, columns]), bias[columns])
        own = np.ascontiguousarray(signs[:, columns])
        return fit(matrix, own, steps, (start, np.ascontiguousarray(scores[:, columns])))

    half = signs.shape[1] // 2
    cuts = [slice(0, half), slice(half, None)] if half >= 4 else [slice(None)]
    done = list(pool.map(part, cuts))
    return Discriminants(
        np.hstack([one.weights for one in done]), np.concatenate([one.bias for one in done])
    )


def principal(texts: Sequence[str], most: int | None = None) -> tuple[TextCoordinates, Steps]:
    """Coordinates along the principal axes of the texts; no label has a say in them.

    texts : n rows, few enough for an (n, n) matrix
    most : axes to keep. None keeps all, so that a ridge over them is the ridge over the n-grams
        themselves.
    Returns the coordinates for new texts, and the (n, c) grid steps of these, c ≤ n.
    """
    vocabulary, parts = _weighed(texts, 1 << 19, np.float64)
    rows = sp.vstack(parts, format="csr")
    products = (rows @ rows.T).toarray()
    last = len(products) - 1
    some = None if most is None else (max(0, last + 1 - most), last)
    values, vectors = sl.eigh(products, subset_by_index=some)
    kept = values > 1e-6 * max(float(values[-1]), 1e-12)
    axes = np.asarray(rows.T @ (vectors[:, kept] / np.sqrt(values[kept])))
    points = np.asarray(rows @ axes)
    centre = points.mean(0)
    spread = np.sqrt(((points - centre) ** 2).sum(1).mean() / 8)
    spread = spread if spread > 1e-3 else 1.0  # texts that are all alike
    coordinates = TextCoordinates(vocabulary, (axes / spread).astype("f2"), -centre / spread)
    return coordinates, coordinates(texts)[0]


def _weighed(
    texts: Sequence[str], most: int, dtype: type, least: int = 2
) -> tuple[Vocabulary, list[sp.csr_matrix[Any]]]:
    """The vocabulary of the texts, and their rows in blocks."""
    with ThreadPoolExecutor(WORKERS) as pool:
        counted = list(pool.map(count_block, [texts[part] for part in text_blocks(texts)]))
        vocabulary = Vocabulary.learn(counted, most, least)
        rows = []
        while counted:  # counts go as rows come, or both would be in memory
            some, counted = counted[:WORKERS], counted[WORKERS:]
            rows += [block.astype(dtype) for block in pool.map(vocabulary.weigh, some)]
    return vocabulary, rows
