"""A measured share together with how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from astermind_lab.errors import InsufficientData, InvalidInput, shown

__all__ = ["Estimate", "Method", "wilson"]

Method = Literal["leave-one-out", "held-out", "feedback", "logged"]
_METHODS = get_args(Method)
_Z = 1.959963984540054  # the 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval, how many cases it rests on, and how it was obtained.

    value, low, high : shares in [0, 1], low ≤ value ≤ high; of a latency milliseconds
    n : number of cases     method : "leave-one-out", "held-out", "feedback" (predictions whose
        truth became known) or "logged" (a figure that needs no truth)
    """

    value: float
    low: float
    high: float
    n: int
    method: Method

    @classmethod
    def proportion(cls, correct: int, n: int, method: Method) -> Estimate:
        """``correct`` of ``n``, with Wilson's interval.

        Wilson's interval stays inside [0, 1] and keeps its coverage near the ends.

        >>> Estimate.proportion(9, 10, "held-out")
        0.900 (0.596–0.982, n=10, held-out)

        Raises InsufficientData if n is 0; InvalidInput if the numbers do not fit together.
        Source: Wilson 1927; Brown, Cai & DasGupta 2001.
        """
        if method not in _METHODS:
            raise InvalidInput("method", f"{shown(method)} is not one of {', '.join(_METHODS)}")
        if n == 0:
            raise InsufficientData("n", "a share needs at least one case")
        if not 0 <= correct <= n:
            raise InvalidInput("correct", f"must lie between 0 and n = {n}, got {shown(correct)}")
        low, high = wilson(correct / n, n)
        return cls(correct / n, low, high, n, method)

    def to_dict(self) -> dict[str, object]:
        """Plain data: ``{"value", "low", "high", "n", "method"}``."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "method": self.method,
        }

    def __repr__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f}, n={self.n:,}, {self.method})"


def wilson(value: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was measured on ``n`` cases.

    >>> [round(end, 3) for end in wilson(0.9, 10)]
    [0.596, 0.982]

    Source: Wilson 1927; Brown, Cai & DasGupta 2001.
    """
    spread = _Z * _Z / n
    centre = (value + spread / 2) / (1 + spread)
    reach = _Z * math.sqrt(value * (1 - value) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if value == 0 else max(0.0, centre - reach)
    return low, 1.0 if value == 1 else min(1.0, centre + reach)
