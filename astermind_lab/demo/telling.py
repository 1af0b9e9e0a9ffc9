"""One line for each step of the demonstration, and a bar on the terminal while it lasts."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from astermind_lab.display import View, plain

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Step", "Teller"]

_NAME, _FIGURE, _TIME = 15, 52, 8
_BAR = "{desc:<34} {percentage:3.0f}% |{bar:30}|"


class Step:
    """A step under way: what it found is said once it is over.

    figure : what stands on its line     seconds : how long it took; None measures it
    """

    def __init__(self, name: str, bar: tqdm[NoReturn] | None) -> None:
        self.name = name
        self.figure = ""
        self.seconds: float | None = None
        self._bar = bar

    def progress(self, share: float, doing: str) -> None:
        """Move the bar; share : 0 to 1, what is done     doing : what is being done."""
        if self._bar is not None:
            self._bar.bar_format = _BAR
            self._bar.set_description_str(f"{self.name:<{_NAME}} {doing}", refresh=False)
            self._bar.update(max(0.0, share - self._bar.n))


class Teller:
    """Tells people what happens; a silent one tells nobody."""

    def __init__(self, silent: bool = False) -> None:
        self.silent = silent

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step and its line, which is printed when it ends well."""
        bar = self._bar(name)
        step = Step(name, bar)
        start = time.perf_counter()
        try:
            yield step
        finally:
            if bar is not None:
                bar.close()
        seconds = time.perf_counter() - start if step.seconds is None else step.seconds
        self.line(name, step.figure, duration(seconds))

    def line(self, name: str, figure: str, took: str = "") -> None:
        """A line of three columns."""
        self.say(f"{name:<{_NAME}} {figure:<{_FIGURE}} {took:>{_TIME}}".rstrip())

    def say(self, text: str = "") -> None:
        """Text as it is."""
        if not self.silent:
            click.echo(text)

    def show(self, view: View) -> None:
        """A view, below an empty line."""
        self.say(f"\n{plain(view)}")

    def remark(self, text: str) -> None:
        """A sentence or two, below an empty line."""
        self.say("\n" + textwrap.fill(f"note: {text}", 80))

    def _bar(self, name: str) -> tqdm[NoReturn] | None:
        if self.silent or not (sys.stderr.isatty() and sys.stdout.isatty()):
            return None
        from tqdm import tqdm

        return tqdm(total=1.0, leave=False, desc=f"{name:<{_NAME}} …", bar_format="{desc}")


def duration(seconds: float) -> str:
    """A time as people read it.

    >>> duration(0.0123), duration(2.345)
    ('12 ms', '2.3 s')
    """
    return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
