"""What stands around the cards of every page: head, navigation, colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import panel as pn
from panel.io.resources import _env as environment  # that knows Panel's base template and macros
from panel.viewable import Viewable

from astermind_lab.dashboard.card import Card
from astermind_lab.dashboard.pages import PageFile, listed
from astermind_lab.dashboard.theme import Look, Palette

__all__ = ["Shell"]

_HERE = Path(__file__).parent


class Shell(pn.Template):
    """The page: its cards, and beside them named parts.

    Panel's own template lists everything in it anew with each part that is added; this one is
    never shown that way, so it does not.
    """

    def __init__(
        self, page: PageFile, look: Palette, cards: Sequence[Card], parts: Mapping[str, Viewable]
    ) -> None:
        theme = Look.named("dark" if look.name == "dark" else "default")
        super().__init__(_compiled(), design=Look, theme=theme, location=True)
        heads = []
        for place, card in enumerate(cards):
            name = f"card{place}"
            heads.append({"name": name, "title": card.title, "size": card.size})
            self.add_panel(name, card.panel)
        for name, part in parts.items():
            self.add_panel(name, part)
        self._render_variables |= {
            "pages": listed(),
            "page": page,
            "palette": look,
            "cards": heads,
            "shell_css": _read("shell.css"),
            "early_js": _read("shell_early.js"),
            "late_js": _read("shell_late.js"),
        }

    def __repr__(self, *_: Any) -> str:
        return f"Shell({', '.join(self._render_items)})"


@cache
def _compiled() -> Any:
    return environment.from_string(_read("shell.html"))


@cache
def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
