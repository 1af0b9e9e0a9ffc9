"""AsterMind Lab: text classifiers that train in a second and know how good they are.

``Lab`` is the one service object: it trains, stores, predicts and measures. ``TextClassifier`` is
the engine underneath, an Extreme Learning Machine whose readout is solved in closed form, for
those who want neither a database nor ids. Names are loaded when they are first asked for, so that
importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astermind_lab.core import ElmConfig, TextClassifier
    from astermind_lab.errors import AsterMindError
    from astermind_lab.lab import Lab

__all__ = ["AsterMindError", "ElmConfig", "Lab", "TextClassifier", "__version__"]

__version__ = "0.1.0"

_HOMES = {
    "AsterMindError": "astermind_lab.errors",
    "ElmConfig": "astermind_lab.core",
    "Lab": "astermind_lab.lab",
    "TextClassifier": "astermind_lab.core",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
