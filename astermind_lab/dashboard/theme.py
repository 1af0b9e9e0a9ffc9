"""Light and dark: colours of the page, of charts and of series.

Series take the colours of Okabe and Ito (2008), which every kind of colour vision tells apart; the
dark ones are lightened. Right is blue and wrong is orange, as in ``astermind_lab.display``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import param
from bokeh.themes import Theme as BokehTheme
from panel.theme import DarkTheme, DefaultTheme
from panel.theme.native import Native

__all__ = ["COOKIE", "FONT", "Look", "Palette", "palette"]

COOKIE = "astermind_theme"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours as Bokeh and CSS take them. series : told apart in this order"""

    name: str
    page: str
    surface: str
    text: str
    quiet: str
    line: str
    grid: str
    right: str
    wrong: str
    series: tuple[str, ...]

    @property
    def css(self) -> str:
        """As custom properties of the page."""
        names = ("page", "surface", "text", "quiet", "line", "right", "wrong")
        own = "".join(f"--am-{name}:{getattr(self, name)};" for name in names)
        return f"{own}color-scheme:{self.name};"

    @property
    def bokeh(self) -> BokehTheme:
        """As a theme of charts."""
        axis = {
            "axis_line_color": self.line,
            "major_tick_line_color": self.line,
            "minor_tick_line_color": None,
            "major_label_text_color": self.quiet,
            "axis_label_text_color": self.quiet,
            "major_label_text_font": FONT,
            "axis_label_text_font": FONT,
            "axis_label_text_font_style": "normal",
            "major_label_text_font_size": "11.5px",
            "axis_label_text_font_size": "12px",
        }
        legend = {
            "label_text_color": self.text,
            "label_text_font": FONT,
            "label_text_font_size": "11.5px",
            "background_fill_alpha": 0.0,
            "border_line_alpha": 0.0,
            "spacing": 2,
            "padding": 2,
            "margin": 2,
            "glyph_width": 16,
        }
        return BokehTheme(
            json={
                "attrs": {
                    "Plot": {
                        "background_fill_alpha": 0.0,
                        "border_fill_alpha": 0.0,
                        "outline_line_alpha": 0.0,
                    },
                    "Axis": axis,
                    "Grid": {"grid_line_color": self.grid},
                    "Legend": legend,
                    "BaseColorBar": {
                        "background_fill_alpha": 0.0,
                        "major_label_text_color": self.quiet,
                    },
                    "Title": {"text_color": self.text, "text_font": FONT},
                }
            }
        )


LIGHT = Palette(
    name="light",
    page="#f6f7f9",
    surface="#ffffff",
    text="#1b1f24",
    quiet="#57606a",
    line="#c9d1d9",
    grid="#e6e9ed",
    right="#1f6feb",
    wrong="#b45309",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98"),
)
DARK = Palette(
    name="dark",
    page="#0f1318",
    surface="#171c23",
    text="#e6edf3",
    quiet="#9aa6b2",
    line="#38424d",
    grid="#242c35",
    right="#6cb0ff",
    wrong="#f0a04b",
    series=("#4fb0f0", "#ff9452", "#3ecf9f", "#e3a1c6", "#f2c14e", "#9ad7ff", "#8b949e"),
)


def palette(theme: str) -> Palette:
    """The colours of a theme: "dark", anything else is light."""
    return DARK if theme == "dark" else LIGHT


class _Light(DefaultTheme):
    bokeh_theme = param.ClassSelector(class_=(BokehTheme, str), default=LIGHT.bokeh)


class _Dark(DarkTheme):
    bokeh_theme = param.ClassSelector(class_=(BokehTheme, str), default=DARK.bokeh)


class Look(Native):
    """Panel's own look, with these colours."""

    _themes: ClassVar = {"default": _Light, "dark": _Dark}

    @classmethod
    def named(cls, name: str) -> Any:
        """The theme of that name, default or dark."""
        return cls._themes[name]
