"""The ledger: which examples a model rests on, and where each stood in its sums.

An example is known by a 64-bit digest of text and label, so that the model can refuse to forget
what it never learned and keeps no text. Rows that helped to build the hidden layer entered the
sums with coordinates that did not see their own label; those cannot be computed from the text
alone, so the ledger keeps them (two bytes a coordinate).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ledger", "digest"]


def digest(text: str, label: str) -> int:
    """64 bits of BLAKE2b over label and text."""
    data = f"{len(label)}:{label}{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def digests(texts: Sequence[str], labels: Sequence[str]) -> NDArray[np.uint64]:
    """(n,) uint64."""
    pairs = zip(texts, labels, strict=True)
    return np.fromiter((digest(text, label) for text, label in pairs), np.uint64, len(texts))


@dataclass(frozen=True)
class Ledger:
    """The n examples of a model; the first m of them with coordinates.

    digests : (n,) uint64     labels : (n,) int32 class numbers
    places : (n,) int32, row in coordinates or -1     coordinates : (m, c) int16 grid steps
    judged : (m,) bool, rows that the accuracy is measured on
    """

    digests: NDArray[np.uint64]
    labels: NDArray[np.int32]
    places: NDArray[np.int32]
    coordinates: NDArray[np.int16]
    judged: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.digests)

    def find(self, key: int) -> int:
        """The example added last with this digest, or -1."""
        found = np.flatnonzero(self.digests == np.uint64(key))
        return int(found[-1]) if len(found) else -1

    def with_row(self, key: int, label: int, steps: NDArray[np.int16]) -> Ledger:
        """With one more example, whose coordinates are kept.

        It joins the judged rows with the share that these have of all, by the lot of its digest;
        else the accuracy would be tilted to what came late.
        """
        share = self.judged.sum() / len(self) if len(self) else 1.0
        return Ledger(
            np.append(self.digests, np.uint64(key)),
            np.append(self.labels, np.int32(label)),
            np.append(self.places, np.int32(len(self.coordinates))),
            np.vstack((self.coordinates, steps)),
            np.append(self.judged, key / 2**64 < share),
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
        return Ledger(
            self.digests[~gone],
            self.labels[~gone],
            places,
            self.coordinates[kept],
            self.judged[kept],
        )

    def relabelled(self, row: int, key: int, label: int) -> Ledger:
        """With another label for one example."""
        keys, labels = self.digests.copy(), self.labels.copy()
        keys[row], labels[row] = key, label
        return replace(self, digests=keys, labels=labels)

    def judged_rows(self) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        """Coordinates (j, c) and class numbers (j,) of the rows that the accuracy rests on."""
        owner = np.zeros(len(self.coordinates), np.int32)
        held = self.places >= 0
        owner[self.places[held]] = self.labels[held]
        return self.coordinates[self.judged], owner[self.judged]

    def same_rows(self, other: Ledger) -> int:
        """How many examples both hold, counted with repetition."""
        keys, mine = np.unique(self.digests, return_counts=True)
        theirs_keys, theirs = np.unique(other.digests, return_counts=True)
        _, at, other_at = np.intersect1d(keys, theirs_keys, True, return_indices=True)
        return int(np.minimum(mine[at], theirs[other_at]).sum())

    def merged(self, other: Ledger, base: Ledger | None) -> Ledger:
        """The rows of both; those of ``base``, which both began with, once.

        A row of the base that either has lost is in the result no more.
        """
        mine, theirs = self, other
        if base is not None:
            ours, others = _rows_by_key(self), _rows_by_key(other)
            lost, double = [], []
            for key in base.digests.tolist():
                row = others.get(key, []).pop() if others.get(key) else None
                own = ours.get(key, []).pop() if ours.get(key) else None
                if row is not None:
                    double.append(row)
                elif own is not None:
                    lost.append(own)
            mine, theirs = self.without(lost), other.without(double)
        shift = np.where(theirs.places >= 0, theirs.places + len(mine.coordinates), -1)
        return Ledger(
            np.concatenate((mine.digests, theirs.digests)),
            np.concatenate((mine.labels, theirs.labels)),
            np.concatenate((mine.places, shift.astype(np.int32))),
            np.vstack((mine.coordinates, theirs.coordinates)),
            np.concatenate((mine.judged, theirs.judged)),
        )


def _rows_by_key(ledger: Ledger) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, key in enumerate(ledger.digests.tolist()):
        rows.setdefault(key, []).append(row)
    return rows
