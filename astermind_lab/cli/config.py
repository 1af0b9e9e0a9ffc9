"""``astermind config``: the settings in force."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from astermind_lab.display import Table, View, plain

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address

__all__ = ["config"]


@click.group()
def config() -> None:
    """Show the settings."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_obj
def show(address: Address, as_json: bool) -> None:
    """Every setting with its value and where it comes from; passwords are not shown."""
    from astermind_lab.settings import describe

    found = describe(**address.overrides())
    if as_json:
        click.echo(json.dumps([asdict(item) for item in found], ensure_ascii=False))
        return
    rows = [(item.key, item.value, item.origin) for item in found]
    click.echo(plain(View("Settings", parts=[Table(("setting", "value", "from"), rows)])))
