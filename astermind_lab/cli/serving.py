"""``astermind mcp``: the lab for MCP clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astermind_lab.lab import Lab

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address

__all__ = ["mcp"]


@click.command()
@click.pass_obj
def mcp(address: Address) -> None:
    """Serve the tools to an MCP client, such as Claude Desktop, on standard input and output.

    Tools read and write files only in the folders of the setting allowed_paths and in the folder
    exports of the data folder.
    """
    from astermind_lab.mcp import serve

    serve(lambda: _open(address))


def _open(address: Address) -> Lab:
    """The lab, kept to the allowed folders."""
    settings = address.settings()
    exports = settings.data_dir / "exports"
    exports.mkdir(parents=True, exist_ok=True)
    return Lab.open(settings=settings, folders=[exports, *settings.allowed_paths])
