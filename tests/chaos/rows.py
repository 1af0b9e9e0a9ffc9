"""Numbered predictions: written, read, and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from astermind_lab.persistence import Prediction, Store
from astermind_lab.persistence.engine import Place
from tests.chaos.actors import open_store
from tests.chaos.engines import kill_engines

COPIES = 3  # rows that one call writes for a number


def url(place: Place) -> str:
    return f"local://{place.data_dir}"


def log(store: Store, *numbers: int, length: int = 0) -> None:
    """Log predictions, a call for each number. ``length`` : of each text, in characters."""
    for number in numbers:
        text = f"{number} ".ljust(length, "x")
        row = Prediction("m", None, text, "p", 0.5, None, None, datetime.now(UTC))
        store.predictions.add_many([row] * COPIES)


def logged(store: Store) -> Counter[int]:
    """How often each number is there."""
    return Counter(int(row.input.split()[0]) for row in store.predictions.window("m"))


def whole(numbers: Iterable[int]) -> Counter[int]:
    """What is there if those numbers are."""
    return Counter(dict.fromkeys(numbers, COPIES))


def after_a_kill(place: Place) -> Counter[int]:
    """What is there for one who comes after a kill of the engine."""
    kill_engines(place)
    with open_store(url(place)) as store:
        return logged(store)
