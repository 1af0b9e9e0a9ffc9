"""``astermind db``: the store as a whole, and the local engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from astermind_lab.cli import engine
from astermind_lab.lab import maintenance
from astermind_lab.results.base import Result
from astermind_lab.tools import Progress

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address

__all__ = ["db", "json_option", "print_result"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")


@click.group()
def db() -> None:
    """Save, restore, check and migrate the store; look after the local engine."""


for command in engine.commands:
    db.add_command(command)


@db.command()
@click.argument("file")
@json_option
@click.pass_obj
def backup(address: Address, file: str, as_json: bool) -> None:
    """Write everything the store holds to FILE, while others may go on writing."""
    with address.open() as lab, _bar() as progress:
        result = maintenance.backup(lab, file, progress)
    print_result(result, as_json)


@db.command()
@click.argument("file")
@json_option
@click.pass_obj
def restore(address: Address, file: str, as_json: bool) -> None:
    """Fill an empty store from FILE, which `backup` wrote."""
    with address.open() as lab, _bar() as progress:
        result = maintenance.restore(lab, file, progress)
    print_result(result, as_json)


@db.command()
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Look for damage and leftovers; exit code 1 if anything is damaged."""
    with ctx.obj.open() as lab, _bar() as progress:
        result = maintenance.check(lab, progress)
    print_result(result, as_json)
    if result.damaged:
        ctx.exit(1)


@db.command()
@json_option
@click.pass_obj
def recount(address: Address, as_json: bool) -> None:
    """Count the prediction log anew, while no program logs.

    For a log whose figures do not fit its rows, however that came to be.
    """
    with address.open() as lab, _bar() as progress:
        result = maintenance.recount(lab, progress)
    print_result(result, as_json)


@db.command()
@click.option("--plan", is_flag=True, help="Only say which migrations would run.")
@json_option
@click.pass_obj
def migrate(address: Address, plan: bool, as_json: bool) -> None:
    """Bring the schema up to date, as opening the lab does too."""
    print_result(maintenance.migrate(address.settings(), plan), as_json)


def print_result(result: Result, as_json: bool) -> None:
    """A table for people, one line of JSON for programs."""
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        click.echo(str(result))


@contextmanager
def _bar() -> Iterator[Progress | None]:
    """A bar on standard error, if a person is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=1.0, bar_format="{desc:<24} {percentage:3.0f}% |{bar:30}|") as bar:

        def report(share: float, doing: str) -> None:
            bar.set_description_str(doing, refresh=False)
            bar.update(max(0.0, share - bar.n))

        yield report
