"""AsterMind Lab: text classifiers that train in a second and know how good they are.

``Lab`` is the one service object: it trains, stores, predicts and measures. ``TextClassifier`` is
the engine underneath, an Extreme Learning Machine whose readout is solved in closed form, for
those who want neither a database nor ids. Names are loaded when they are first asked for, so that
importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

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


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext astermind_lab``: the widgets, and the magics ``%elm`` and ``%%elm``."""
    from astermind_lab.notebook import load_extension

    load_extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext astermind_lab``."""
    from astermind_lab.notebook import unload_extension

    unload_extension(shell)


def _show_in_notebook() -> None:
    """In IPython, let the objects that have a widget show themselves as one."""
    ask: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = ask() if ask is not None else None
    if shell is not None:
        from astermind_lab.notebook import register

        register(shell)


_show_in_notebook()
