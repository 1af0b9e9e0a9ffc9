"""``astermind demo``: the demonstration on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from astermind_lab.demo.corpus import languages
from astermind_lab.demo.examples import Examples
from astermind_lab.demo.files import read_examples
from astermind_lab.demo.report import findings, next_steps, remarks
from astermind_lab.demo.telling import Teller
from astermind_lab.errors import InvalidInput

if TYPE_CHECKING:
    from astermind_lab.settings import Settings

__all__ = ["demo"]


class Address(Protocol):
    """Which lab the command line speaks of."""

    def settings(self) -> Settings:
        """The settings in force."""

    def overrides(self) -> Mapping[str, Any]:
        """What was given on the command line, under the names of the settings."""


@click.command()
@click.option("--data", metavar="FILE", help="A .csv or .jsonl file of labelled texts.")
@click.option("--text-column", metavar="NAME", help="Its column of texts.  [default: found]")
@click.option("--label-column", metavar="NAME", help="Its column of labels.  [default: found]")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_obj
def demo(
    address: Address,
    data: str | None,
    text_column: str | None,
    label_column: str | None,
    as_json: bool,
) -> None:
    """Teach a classifier, measure it, store it, and ask it again from a second process.

    The text is real: sentences in 28 languages that a package ships, or a file of yours, whose
    columns are text and label unless others are named. A fifth is held out to measure on.
    """
    tell = Teller(silent=as_json)
    tell.say("Which language is this sentence?\n" if data is None else f"Labels of {data}\n")
    with tell.step("read") as step:
        examples = _examples(data, text_column, label_column)
        step.figure = f"{len(examples):,} texts, {len(examples.counts):,} labels"
        step.figure += f", from {examples.source}" if data is None else ""
    # now that the arguments are known to be right: it takes a while to load
    from astermind_lab.demo.story import run

    outcome = run(examples, address.settings(), tell)
    if as_json:
        click.echo(json.dumps(outcome.to_dict(), ensure_ascii=False, allow_nan=False))
        return
    for view in findings(outcome):
        tell.show(view)
    for remark in remarks(outcome):
        tell.remark(remark)
    tell.say(f"\n{next_steps(outcome, address.overrides().get('database__url'))}")


def _examples(data: str | None, text_column: str | None, label_column: str | None) -> Examples:
    if data is not None:
        return read_examples(Path(data), text_column, label_column)
    for argument, given in (("text_column", text_column), ("label_column", label_column)):
        if given is not None:
            raise InvalidInput(argument, "is only of use with --data FILE")
    return languages()
