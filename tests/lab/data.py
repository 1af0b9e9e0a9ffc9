"""Labelled texts that a small model can learn."""

from __future__ import annotations

TOPICS = {
    "weather": ["rain", "sunny", "storm", "cloudy", "forecast", "snow"],
    "money": ["invoice", "payment", "refund", "bank", "price", "loan"],
    "food": ["pasta", "bread", "salad", "recipe", "kitchen", "soup"],
}
FRAMES = ["tell me about {}", "what of the {} today", "{} please", "I want more {}", "no {} here"]

EXAMPLES = [
    {"text": frame.format(word), "label": label}
    for frame in FRAMES
    for label, words in TOPICS.items()
    for word in words
]
SMALL = {"hiddenUnits": 64}
