"""Labelled texts in the order of their times, as a model meets them in use."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from astermind_lab.demo.corpus import languages
from astermind_lab.demo.examples import Examples, shortened
from astermind_lab.errors import InvalidInput

__all__ = ["Stream", "stream"]

_NEWS = Path("huffpost_stream") / "stream.jsonl"
_SENTENCES = 8_000
_APART = timedelta(seconds=30)
_START = datetime(2026, 1, 5, tzinfo=UTC)
_NORTH = ("danish", "dutch", "german", "norwegian", "swedish")


@dataclass(frozen=True, repr=False)
class Stream:
    """n texts with their labels and times, the times ascending and aware."""

    name: str
    source: str
    times: Sequence[datetime]
    texts: Sequence[str]
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.times)

    def part(self, low: float, high: float) -> Stream:
        """From one share of its length to another: ``part(0, 0.2)`` is the first fifth."""
        rows = slice(round(low * len(self)), round(high * len(self)))
        return Stream(self.name, self.source, self.times[rows], self.texts[rows], self.labels[rows])

    @property
    def examples(self) -> Examples:
        """Its texts and labels, to learn from."""
        return Examples(self.name, self.source, self.texts, self.labels)

    @property
    def window(self) -> dict[str, datetime]:
        """From its first time to its last, as the lab's tools take it."""
        return {"start": self.times[0], "end": self.times[-1]}

    def __repr__(self) -> str:
        return (
            f"Stream({self.name!r}, {len(self):,} texts, {len(set(self.labels))} labels, "
            f"{self.times[0]:%Y-%m-%d} to {self.times[-1]:%Y-%m-%d})"
        )


def stream(folder: str | os.PathLike[str] | None = None) -> Stream:
    """Four years of news headlines, if ``folder`` has them, else sentences in a made-up order.

    folder : of public data sets, with ``huffpost_stream/stream.jsonl`` in it; its labels are the
        sections of a news site, whose mix and subjects changed much over the years
    The made-up stream is of 28 languages; after three fifths the northern ones become frequent, and
    in its last fifth people write three words at a time.

    A third of either where ``ASTERMIND_FAST`` is set.

    Raises InvalidInput if neither is there.
    """
    file = Path(folder) / _NEWS if folder is not None else None
    if file is None or not file.is_file():
        return _cut(languages())
    lines = shortened(file.read_text(encoding="utf-8").splitlines())
    rows = [json.loads(line) for line in lines]
    try:
        times = [datetime.fromisoformat(row["time"]).replace(tzinfo=UTC) for row in rows]
        texts, labels = ([row[name] for row in rows] for name in ("text", "label"))
    except (KeyError, TypeError, ValueError) as problem:
        raise InvalidInput("folder", f"{file} holds something else: {problem!r}") from None
    return Stream("news", "News Category Dataset v3 (Misra 2022)", times, texts, labels)


def _cut(examples: Examples) -> Stream:
    chance = random.Random(0)
    rows = list(examples)
    chance.shuffle(rows)
    north = [row for row in rows if row[1] in _NORTH]
    chosen = []
    rows = rows[:_SENTENCES]
    for place, (text, label) in enumerate(rows):
        if place >= 0.6 * len(rows) and chance.random() < 0.5:
            text, label = chance.choice(north)
        if place >= 0.8 * len(rows):
            text = " ".join(text.split()[:3])
        chosen.append((text, label))
    times = [_START + place * _APART for place in range(len(chosen))]
    texts, labels = zip(*chosen, strict=True)
    return Stream("sentences", f"{examples.source}, in a made-up order", times, texts, labels)
