"""What a detector found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer of one detector about two windows.

    status : "ok", or "insufficient_data", where nothing else is said
    statistic : how far apart the windows are, and ``measure`` what that is, in words
    threshold : from where on the statistic matters
    p_value : how often chance alone gives so large a statistic where nothing drifted
    baseline_n, current_n : what the answer rests on
    note : in plain words, where there is something to say
    """

    detector: str
    measure: str
    status: str
    baseline_n: int
    current_n: int
    threshold: float
    statistic: float | None = None
    p_value: float | None = None
    note: str = ""

    @property
    def large(self) -> bool:
        """Whether the statistic is past its threshold."""
        return self.statistic is not None and self.statistic > self.threshold
