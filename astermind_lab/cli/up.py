"""``astermind up``: the engine, the dashboards and a browser."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astermind_lab.lab import Lab

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address
    from astermind_lab.dashboard.listening import Listening
    from astermind_lab.settings import Dashboard, Settings

__all__ = ["up"]

_AGAIN = "ASTERMIND_UP_AGAIN"
_MEMORY = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "2"}


@click.command()
@click.option("--host", help="The address to listen at.  [default: 127.0.0.1, this machine only]")
@click.option("--port", type=int, help="The port; 0 takes a free one.  [default: 5006]")
@click.option("--no-browser", is_flag=True, help="Print the addresses, and open no browser.")
@click.option("--jupyter", is_flag=True, help="JupyterLab as well, on the current folder.")
@click.option(
    "--jupyter-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Its port.  [default: 8888, or a free one]",
)
@click.option(
    "--token",
    metavar="TEXT",
    help="What a browser has to show; better in the environment, ASTERMIND_DASHBOARD__TOKEN, "
    "where the list of processes does not show it.  [default: none on this machine; a new one "
    "at every start if others can reach it]",
)
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="HOST:PORT",
    help="A further name of this server in browsers, behind another server or a tunnel.",
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    help="Listen at a Unix socket instead, for a server that does the signing in, as JupyterLab.",
)
@click.pass_obj
def up(
    address: Address,
    host: str | None,
    port: int | None,
    no_browser: bool,
    jupyter: bool,
    jupyter_port: int | None,
    token: str | None,
    allow_origin: tuple[str, ...],
    socket: Path | None,
) -> None:
    """Start the engine and the dashboards, and open them in a browser, until Ctrl-C.

    Monitors that are due are evaluated meanwhile. Ctrl-C ends the dashboards, and JupyterLab if it
    was asked for; the engine goes on for other programs, and ends by itself when none is left.
    """
    _use_memory_that_comes_back()
    given = {"host": host, "port": port, "token": token, "allow_origins": allow_origin or None}
    settings = _settings(address, given)
    with closing(_listen(settings.dashboard, socket)) as listening:
        notebooks = _place_for(settings.dashboard, jupyter_port) if jupyter else None
        shown = None if socket is not None else _token(settings.dashboard, listening)
        with Lab.open(settings=settings) as lab:
            from astermind_lab.dashboard.running import Wish, run

            lab.keep_watch()
            wish = Wish(browser=not no_browser and socket is None, jupyter=notebooks)
            run(lab, listening, shown, wish, _say)


def _use_memory_that_comes_back() -> None:
    """Start this program anew, once, with the C library's memory in place of Python's own.

    Python's keeps a whole arena for a single object in it: fifty pages that were open at once leave
    half as much again behind, where the C library gives it back.
    """
    if os.environ.pop(_AGAIN, None) is not None:
        for name in _MEMORY:  # not for the programs that this one starts
            os.environ.pop(name, None)
    elif (
        sys.platform == "linux" and "up" in sys.orig_argv and _MEMORY.keys().isdisjoint(os.environ)
    ):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **_MEMORY, _AGAIN: "1"})


def _settings(address: Address, given: Mapping[str, object]) -> Settings:
    from astermind_lab.settings import load_settings

    own = {f"dashboard__{name}": value for name, value in given.items()}
    return load_settings(**address.overrides(), **own)


def _listen(dashboard: Dashboard, socket: Path | None) -> Listening:
    from astermind_lab.dashboard.listening import listen, listen_locally

    if socket is not None:
        return listen_locally(socket, dashboard.allow_origins)
    return listen(dashboard.host, dashboard.port, dashboard.allow_origins)


def _place_for(dashboard: Dashboard, port: int | None) -> Listening:
    from astermind_lab.dashboard.jupyterlab import place_for

    return place_for(dashboard.host, port)


def _token(dashboard: Dashboard, listening: Listening) -> str | None:
    """What a browser has to show."""
    if dashboard.token is not None:
        return dashboard.token.get_secret_value()
    return secrets.token_urlsafe() if listening.open_to_others else None


def _say(what: str, address: str) -> None:
    click.echo(f"{what:<11} {address}")
