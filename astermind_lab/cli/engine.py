"""``astermind db start | stop | status | url | logs``: the local engine, by hand.

Nobody has to: whatever opens the lab starts it, and it ends by itself.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from typing import TYPE_CHECKING

import click

from astermind_lab.display import Table, View, plain
from astermind_lab.errors import NotFound
from astermind_lab.lab.engine import LocalEngine

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address

__all__ = ["commands"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")


def _engine(address: Address) -> LocalEngine:
    return LocalEngine(address.settings())


@click.command()
@_as_json
@click.pass_obj
def start(address: Address, as_json: bool) -> None:
    """Start the local engine, if it does not run."""
    _show(_engine(address).start(), as_json)


@click.command()
@_as_json
@click.pass_obj
def stop(address: Address, as_json: bool) -> None:
    """Stop the local engine; what was asked of it is answered first."""
    pid = _engine(address).stop()
    if as_json:
        click.echo(json.dumps({"running": False, "pid": pid}))
    else:
        click.echo("no engine was running" if pid is None else f"stopped process {pid}")


@click.command()
@_as_json
@click.pass_obj
def status(address: Address, as_json: bool) -> None:
    """How the local engine is: process, address, time since its start, connections."""
    found = _engine(address).status()
    if found is not None:
        _show(found, as_json)
    elif as_json:
        click.echo(json.dumps({"running": False, "pid": None}))
    else:
        click.echo("no engine is running; it starts when the lab is opened")


@click.command()
@click.pass_obj
def url(address: Address) -> None:
    """The address of the local engine, which is started if it does not run.

    Other programs sign in as the user astermind; the password is in the file engine/secret of the
    data folder.
    """
    click.echo(_engine(address).start()["url"])


@click.command()
@click.option("--lines", default=50, show_default=True, help="How many of the last lines.")
@click.pass_obj
def logs(address: Address, lines: int) -> None:
    """What the local engine has to say."""
    path = _engine(address).log
    if not path.exists():
        raise NotFound(f"there is no log yet: {path}; the engine writes it when it starts")
    with path.open(encoding="utf-8", errors="replace") as file:
        sys.stdout.writelines(deque(file, maxlen=max(0, lines)))


def _show(found: dict[str, object], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"running": True, **found}))
        return
    rows = [(key, str(value)) for key, value in found.items()]
    click.echo(plain(View("Local engine", parts=[Table(("what", "value"), rows)])))


commands = (start, stop, status, url, logs)
