"""The program: its own commands, and one for every tool."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

import click

from astermind_lab import __version__
from astermind_lab.errors import AsterMindError, nearest, shown
from astermind_lab.lab import Lab
from astermind_lab.options import explained, option_for, read_value
from astermind_lab.tools import Progress, Tool, tools_of

if TYPE_CHECKING:
    from astermind_lab.settings import Settings

__all__ = ["Address", "cli", "main"]

# Commands that are not tools, and where they are; each is imported when it is asked for.
_PROGRAM: Mapping[str, str] = {
    "demo": "astermind_lab.demo.command:demo",
    "up": "astermind_lab.cli.up:up",
    "config": "astermind_lab.cli.config:config",
    "db": "astermind_lab.cli.database:db",
    "mcp": "astermind_lab.cli.serving:mcp",
    "monitor": "astermind_lab.cli.watching:monitor",
    "watch": "astermind_lab.cli.watching:watch",
    "version": "astermind_lab.cli.program:version",
}


@dataclass(frozen=True)
class Address:
    """Which lab the command line speaks of; None leaves it to the settings.

    There is no option for a password: it would show in the list of processes. Set it in the
    environment, ASTERMIND_DATABASE__PASSWORD, or in the settings file.
    """

    url: str | None = None
    namespace: str | None = None
    database: str | None = None
    username: str | None = None

    def settings(self) -> Settings:
        """The settings in force, with the options given on the command line."""
        from astermind_lab.settings import load_settings

        return load_settings(**self.overrides())

    def overrides(self) -> dict[str, Any]:
        """The options as ``load_settings`` takes them."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return {f"database__{name}": value for name, value in given.items()}

    def open(self) -> Lab:
        """The lab."""
        return Lab.open(settings=self.settings())


class _Program(click.Group):
    """Commands are found by name when they are needed, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_PROGRAM, *(tool.command for tool in tools_of(Lab).values())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _PROGRAM:
            module, _, name = _PROGRAM[cmd_name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        tool = tools_of(Lab).get(cmd_name.replace("-", "_"))
        return _command(tool) if tool is not None else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = nearest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command {shown(args[0])}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        tools = [(tool.command, tool.summary) for tool in tools_of(Lab).values()]
        own = [(name, self.get_command(ctx, name)) for name in _PROGRAM]
        program = [(name, found.get_short_help_str(200)) for name, found in own if found]
        width = max(len(name) for name, _ in tools)
        for title, rows in (("Tools", tools), ("Program", program)):
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    help="The lab: mem://, surrealkv://FOLDER, local://DATA_DIR, ws://HOST:PORT/rpc or wss://….",
)
@click.option("--namespace", help="SurrealDB namespace.")
@click.option("--database", help="SurrealDB database.")
@click.option("--username", help="SurrealDB user; the password comes from the settings.")
@click.pass_context
def cli(ctx: click.Context, /, **address: str | None) -> None:
    """AsterMind Lab: text classifiers that train in a second and know how good they are."""
    ctx.obj = Address(**address)


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"astermind-lab {__version__}")


def _command(tool: Tool) -> click.Command:
    """The command of a tool."""
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print one line of JSON.")

    @click.pass_obj
    def run(address: Address, /, as_json: bool, **written: Any) -> None:
        arguments = {a.name: read_value(a, written[a.name]) for a in tool.arguments}
        tool.prepare(arguments)  # before the lab is opened, which takes longer
        with address.open() as lab, _progress(tool) as progress:
            result = tool.call(lab, arguments, progress)
        if as_json:
            click.echo(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False))
        else:
            click.echo(str(result))
        if getattr(result, "persisted", True) is False:
            click.echo("note: not stored, so it is gone now; --persist keeps it", err=True)

    return click.Command(
        tool.command,
        callback=run,
        params=[*(option_for(argument) for argument in tool.arguments), as_json],
        help=tool.help,
        short_help=tool.summary,
    )


@contextmanager
def _progress(tool: Tool) -> Iterator[Progress | None]:
    """A bar on standard error for tools that report progress, if a person is looking."""
    if not tool.takes_progress or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=1.0, bar_format="{desc:<24} {percentage:3.0f}% |{bar:30}|") as bar:

        def report(share: float, doing: str) -> None:
            bar.set_description_str(doing, refresh=False)
            bar.update(max(0.0, share - bar.n))

        yield report


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program; exit code 0, or 2 for what the user can mend, or 1 for a fault of ours."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # one that cannot show a sign shows "?" for it
            stream.reconfigure(errors="replace")
    sys.exit(_outcome(lambda: cli.main(arguments, prog_name="astermind", standalone_mode=False)))


def _outcome(run: Callable[[], Any]) -> int:
    try:
        code = run()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _complain(explained(error))
    except AsterMindError as error:
        return _complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        return _complain("stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; there is nobody to tell
        return 1
    except Exception as error:
        return _complain(f"internal error: {type(error).__name__}: {error}", 1)
    return code if isinstance(code, int) else 0


def _complain(reason: str, code: int = 2) -> int:
    line = " ".join(reason.encode("utf-8", "backslashreplace").decode().split())
    click.echo(f"astermind: {line}", err=True)
    return code
