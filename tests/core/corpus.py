"""Small made-up corpora for the tests of the core."""

from __future__ import annotations

import numpy as np

TOPICS = {
    "billing": ["invoice", "charge", "refund", "payment", "card", "amount", "bill", "fee", "price"],
    "travel": ["flight", "hotel", "ticket", "luggage", "airport", "train", "passport", "seat"],
    "weather": ["rain", "sunny", "wind", "storm", "cloud", "forecast", "snow", "heat", "fog"],
    "music": ["song", "album", "play", "artist", "guitar", "band", "concert", "melody", "drums"],
}
FILLER = ["please", "can", "you", "tell", "me", "about", "the", "my", "a", "is", "it", "what"]


def corpus(n: int, seed: int = 0, noise: float = 0.1) -> tuple[list[str], list[str]]:
    """n texts about four topics; a share ``noise`` of the labels is drawn at random."""
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    texts, labels = [], []
    for _ in range(n):
        topic = names[rng.integers(len(names))]
        words = list(rng.choice(FILLER, rng.integers(3, 8)))
        words += list(rng.choice(TOPICS[topic], rng.integers(1, 3)))
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(topic if rng.random() > noise else names[rng.integers(len(names))])
    return texts, labels
