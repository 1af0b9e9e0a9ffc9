"""Figures in large type, each with what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Tile", "tiles"]


@dataclass(frozen=True)
class Tile:
    """name : what it is     value : in large type     basis : what it rests on, in small type"""

    name: str
    value: str
    basis: str = ""


def tiles(items: Sequence[Tile]) -> str:
    """The tiles as HTML; they wrap to the width that there is."""
    cells = "".join(_tile(item) for item in items)
    style = "display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px 22px"
    return f'<dl style="{style};margin:2px 0 4px">{cells}</dl>'


def _tile(item: Tile) -> str:
    quiet = "color:var(--am-quiet);font-size:12.5px;line-height:1.35"
    big = "font-size:25px;font-weight:620;line-height:1.2;font-variant-numeric:tabular-nums"
    return (
        f'<div style="display:flex;flex-direction:column;min-width:0">'
        f'<dt style="{quiet}">{escape(item.name)}</dt>'
        f'<dd style="margin:0"><div style="{big}">{escape(item.value)}</div>'
        f'<div style="{quiet}">{escape(item.basis)}</div></dd></div>'
    )
