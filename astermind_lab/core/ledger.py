"""The ledger: which examples a model rests on, and where each stood in its sums.

An example is known by a 64-bit digest of its text and by its class, so that the model can refuse
to forget what it never learned and keeps no text. Rows that helped to build the hidden layer
entered the sums with coordinates that did not see their own label; those cannot be computed from
the text alone, so the ledger keeps them (two bytes a coordinate).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ledger", "digest", "digests"]


def digest(text: str) -> int:
    """64 bits of BLAKE2b over the text."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def digests(texts: Sequence[str]) -> NDArray[np.uint64]:
    """(n,) uint64."""
    return np.fromiter(map(digest, texts), np.uint64, len(texts))


@dataclass(frozen=True)
class Ledger:
    """The n examples of a model; m of them with coordinates.

    texts : (n,) uint64 digests     labels : (n,) int32 class numbers
    places : (n,) int32, row in coordinates or -1     coordinates : (m, c) int16 grid steps
    judged : (m,) bool, rows that the accuracy is measured on
    seen : (s,) uint64, ascending: texts whose labels made the layer; never judged when added again
    share : of the examples that are added, so many are judged
    """

    texts: NDArray[np.uint64]
    labels: NDArray[np.int32]
    places: NDArray[np.int32]
    coordinates: NDArray[np.int16]
    judged: NDArray[np.bool_]
    seen: NDArray[np.uint64]
    share: float

    def __len__(self) -> int:
        return len(self.texts)

    def rows_of(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
        """Of each (text digest, class number) the rows that hold it, the latest last."""
        rows: dict[tuple[int, int], list[int]] = {pair: [] for pair in pairs}
        wanted = np.fromiter((key for key, _ in rows), np.uint64, len(rows))
        for row in np.flatnonzero(np.isin(self.texts, wanted)).tolist():
            pair = int(self.texts[row]), int(self.labels[row])
            if pair in rows:
                rows[pair].append(row)
        return rows

    def with_rows(
        self,
        keys: NDArray[np.uint64],
        labels: NDArray[np.int32],
        steps: NDArray[np.int16],
        judge: bool | None = None,
    ) -> Ledger:
        """With more examples, whose coordinates are kept.

        judge : whether they are judged. None: in the share of the others, drawn by their digests;
            else the accuracy would be tilted to what came late. A text whose label made the layer
            is never judged.
        """
        drawn = keys / 2**64 < self.share if judge is None else np.full(len(keys), judge)
        judged = drawn & ~np.isin(keys, self.seen)
        places = len(self.coordinates) + np.arange(len(keys), dtype=np.int32)
        return replace(
            self,
            texts=np.concatenate((self.texts, keys)),
            labels=np.concatenate((self.labels, labels)),
            places=np.concatenate((self.places, places)),
            coordinates=np.vstack((self.coordinates, steps)),
            judged=np.concatenate((self.judged, judged)),
        )

    def without(self, rows: Sequence[int]) -> Ledger:
        """Without these examples and their coordinates."""
        gone = np.zeros(len(self), bool)
        gone[list(rows)] = True
        kept = np.ones(len(self.coordinates), bool)
        kept[self.places[gone & (self.places >= 0)]] = False
        moved = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
        places = self.places[~gone]
        places[places >= 0] = moved[places[places >= 0]]
        return replace(
            self,
            texts=self.texts[~gone],
            labels=self.labels[~gone],
            places=places,
            coordinates=self.coordinates[kept],
            judged=self.judged[kept],
        )

    def judging(self, rows: Sequence[int], judge: bool) -> Ledger:
        """With or without a say of these examples, as far as coordinates are kept."""
        judged = self.judged.copy()
        places = self.places[list(rows)]
        judged[places[places >= 0]] = judge
        return replace(self, judged=judged)

    def relabelled(self, row: int, label: int) -> Ledger:
        """With another label for one example."""
        labels = self.labels.copy()
        labels[row] = label
        return replace(self, labels=labels)

    def judged_rows(self) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        """Coordinates (j, c) and class numbers (j,) of the rows that the accuracy rests on."""
        owner = np.zeros(len(self.coordinates), np.int32)
        held = self.places >= 0
        owner[self.places[held]] = self.labels[held]
        return self.coordinates[self.judged], owner[self.judged]

    def followed_by(self, other: Ledger) -> Ledger:
        """The rows of both."""
        shift = np.where(other.places >= 0, other.places + len(self.coordinates), -1)
        return replace(
            self,
            texts=np.concatenate((self.texts, other.texts)),
            labels=np.concatenate((self.labels, other.labels)),
            places=np.concatenate((self.places, shift.astype(np.int32))),
            coordinates=np.vstack((self.coordinates, other.coordinates)),
            judged=np.concatenate((self.judged, other.judged)),
        )

    def pairs(self) -> list[tuple[int, int]]:
        """(text digest, class number) of every row."""
        return list(zip(self.texts.tolist(), self.labels.tolist(), strict=True))


def unmatched(
    rows: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Positions left over on either side when equal pairs are matched one to one."""
    waiting: dict[tuple[int, int], list[int]] = {}
    for position, pair in enumerate(others):
        waiting.setdefault(pair, []).append(position)
    left = []
    for position, pair in enumerate(rows):
        if waiting.get(pair):
            waiting[pair].pop()
        else:
            left.append(position)
    return left, sorted(position for rest in waiting.values() for position in rest)
