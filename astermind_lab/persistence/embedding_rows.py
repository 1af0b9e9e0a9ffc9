"""Items of a collection of embeddings: what may be stored, and what a search may ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from surrealdb import Null

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.persistence.values import check_id, check_object, check_text

__all__ = [
    "EmbeddingHit",
    "EmbeddingItem",
    "check_top_k",
    "check_vector",
    "checked_rows",
    "conditions",
]

MAX_TOP_K = 10_000
MAX_DIMENSION = 65_536
# One call is one transaction; this keeps it to a message that a server accepts.
MAX_CALL_NUMBERS = 4_000_000

_SHORTEST, _LONGEST = 1e-12, 1e12
_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")


@dataclass(frozen=True)
class EmbeddingItem:
    """One thing to find again: any numbers that stand for a text."""

    item_id: str
    text: str
    vector: Sequence[float]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EmbeddingHit:
    """One result of a search; ``similarity`` is the cosine, 1 for the same direction."""

    item_id: str
    text: str
    metadata: dict[str, Any]
    similarity: float


def checked_rows(items: Iterable[EmbeddingItem]) -> dict[str, dict[str, Any]]:
    """item_id → row; the last of equal ids stays, as if they had been stored in turn."""
    rows: dict[str, dict[str, Any]] = {}
    dimension = None
    numbers = 0
    for item in items:
        item_id, text = check_id("item_id", item.item_id), check_text("text", item.text)
        vector = check_vector("embedding", item.vector, of=item_id)
        dimension = dimension or len(vector)
        if len(vector) != dimension:
            raise InvalidInput(
                "embedding",
                f"all must have one length: item {shown(item_id)} has {len(vector)} numbers, "
                f"others {dimension}; nothing was stored",
            )
        numbers += dimension + len(text) // 8
        if numbers > MAX_CALL_NUMBERS:
            raise InvalidInput(
                "items",
                f"one call stores at most {MAX_CALL_NUMBERS:,} numbers (or 32 MB with its texts), "
                f"which is {MAX_CALL_NUMBERS // dimension:,} vectors of {dimension}; nothing was "
                "stored. Store the items in several calls",
            )
        rows[item_id] = {
            "text": text,
            "metadata": check_object("metadata", item.metadata),
            "vector": vector.tolist(),
        }
    return rows


def check_vector(argument: str, vector: object, of: str | None = None) -> NDArray[np.float64]:
    """The vector as (d,) float64; raises InvalidInput(argument) if it has no usable direction."""
    whose = "" if of is None else f" (item {shown(of)}; nothing was stored)"
    try:
        given = np.asarray(vector)
    except (TypeError, ValueError):
        given = np.empty((0, 0))
    numbers = given.astype(np.float64) if given.dtype.kind in "iuf" else np.empty((0, 0))
    if numbers.ndim != 1 or not 0 < len(numbers) <= MAX_DIMENSION:
        raise InvalidInput(
            argument,
            f"a list of 1 to {MAX_DIMENSION:,} numbers is needed, got {shown(vector)}{whose}",
        )
    if not np.isfinite(numbers).all():
        raise InvalidInput(argument, f"all numbers must be finite, got {shown(vector)}{whose}")
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(numbers))
    if not _SHORTEST <= length <= _LONGEST:
        raise InvalidInput(
            argument,
            f"a vector of length {length:g} has no usable direction; its length must be between "
            f"{_SHORTEST:g} and {_LONGEST:g}{whose}",
        )
    return numbers


def check_top_k(top_k: object) -> None:
    """Raises InvalidInput("top_k") unless it is a whole number within its bounds."""
    if not isinstance(top_k, int) or isinstance(top_k, bool) or not 1 <= top_k <= MAX_TOP_K:
        raise InvalidInput(
            "top_k", f"a whole number between 1 and {MAX_TOP_K:,} is needed, got {shown(top_k)}"
        )


def conditions(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A WHERE clause, and what its parameters are bound to.

    Values are always bound, and so are keys that are not plain words. Plain words are written as
    field names: that lets the engine skip rows without decoding their vectors, which makes a filter
    that few items pass twenty times as fast.
    """
    bound: dict[str, Any] = {}
    clauses = []
    for number, (path, wanted) in enumerate(filters.items()):
        bound[f"wanted{number}"] = wanted
        places = [_place(f"key{number}", [path], bound)]
        if "." in path:
            places.append(_place(f"key{number}", path.split("."), bound))
        clauses.append(f"({_equal(places, number, wanted)})")
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), bound


def _place(name: str, keys: Sequence[str], bound: dict[str, Any]) -> str:
    """``metadata.`plain`[$key0_2_1]``: where the value stands."""
    steps = []
    for step, key in enumerate(keys):
        if _PLAIN_WORD.fullmatch(key):
            steps.append(f".`{key}`")
        else:
            bound[f"{name}_{len(keys)}_{step}"] = key
            steps.append(f"[${name}_{len(keys)}_{step}]")
    return "metadata" + "".join(steps)


def _equal(places: Sequence[str], number: int, wanted: object) -> str:
    if wanted is Null:
        return " AND ".join(f"({one} == NONE OR {one} == NULL)" for one in places)
    return " OR ".join(f"{one} == $wanted{number}" for one in places)
