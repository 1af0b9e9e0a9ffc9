"""How far slow work has come, told to whoever wants to hear it."""

from __future__ import annotations

from astermind_lab.tools import Progress

__all__ = ["growing"]


def growing(progress: Progress | None) -> Progress:
    """``progress``, told shares that never fall, or nobody."""
    reached = 0.0

    def report(share: float, doing: str) -> None:
        nonlocal reached
        reached = max(reached, min(1.0, share))
        if progress is not None:
            progress(reached, doing)

    return report
