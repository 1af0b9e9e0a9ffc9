"""What to say to somebody who teaches a model."""

from __future__ import annotations

from collections.abc import Mapping

from astermind_lab.errors import shown

__all__ = ["LEAST_JUDGED", "advice"]

LEAST_JUDGED = 10
"""With fewer judged rows nothing is said of accuracy."""
_BETTER_LAYER = 400  # examples from which on a layer that has seen labels is better
_FEW = 3
_MOST_NAMED = 5


def advice(
    counts: Mapping[str, int], judged: int, *, unlabelled: bool, label_free: bool, left: int
) -> str:
    """What to know or do next, in plain words; an empty text for nothing.

    counts : the examples of each label     judged : how many of all are judged
    unlabelled : whether texts without labels are shown, else examples in doubt
    label_free : whether the hidden layer has seen no label     left : texts still to come

    >>> advice({"ham": 3, "spam": 4}, 7, unlabelled=True, label_free=True, left=100)
    'To say how accurate the model is takes 10 judged examples; there are 7.'
    """
    examples = sum(counts.values())
    if not left:
        return "Nothing is left to label. save() keeps what was taught."
    if sum(count > 0 for count in counts.values()) < 2:
        return "Two different labels are needed before the model can tell texts apart."
    if judged < LEAST_JUDGED:
        need = f"takes {LEAST_JUDGED} judged examples; there are {judged}"
        return f"To say how accurate the model is {need}."
    if not unlabelled:
        return ""
    if label_free and examples >= _BETTER_LAYER:
        return "There are labels enough for a better hidden layer: retrain()."
    rare = [shown(label, 30) for label, count in counts.items() if count < _FEW]
    if rare:
        more = " …" if len(rare) > _MOST_NAMED else ""
        return f"Fewer than {_FEW} examples: {', '.join(rare[:_MOST_NAMED])}{more}."
    return ""
