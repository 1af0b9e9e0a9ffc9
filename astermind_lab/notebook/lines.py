"""What stands on the line of ``%elm``: a tool, and its arguments as on the command line.

    %elm predict tickets "where is my refund?" --top-k 5
    %elm train_classifier --model-id tickets --training-data $rows

``$rows`` or ``{rows}`` is the Python value of that name; a text that begins with a dollar sign is
written with two. Required arguments, and the first one, may come by position; variables may also
stand for the others, in the order of the tool's signature.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from astermind_lab.errors import InvalidInput, nearest, shown
from astermind_lab.options import kind_of, option_for, read_value
from astermind_lab.tools import Argument, Tool

__all__ = ["read_arguments", "split_line"]

_VARIABLE = re.compile(r"\$([^\W\d]\w*)|\{([^\W\d]\w*)\}")


def split_line(line: str) -> list[str]:
    """The words of a line; quotes and backslashes keep a word together.

    >>> split_line('predict tickets "where is it?"')
    ['predict', 'tickets', 'where is it?']
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidInput("line", f"{str(error).lower()} in {shown(line)}") from None


class _Value:
    """A Python value that a variable stood for."""

    def __init__(self, value: object) -> None:
        self.value = value


class _Written(click.ParamType[Any]):
    """What an option takes, or a variable in its place."""

    def __init__(self, usual: click.ParamType[Any], variables: Mapping[str, object]) -> None:
        self.name = usual.name
        self.usual = usual
        self.variables = variables

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        match = _VARIABLE.fullmatch(value)
        if match is None:
            text = value[1:] if value.startswith("$$") else value
            return self.usual.convert(text, param, ctx)
        name = match[1] or match[2]
        if name not in self.variables:
            self.fail(
                f"there is no variable {shown(name)}.{nearest(name, self.variables)}", param, ctx
            )
        return _Value(_plain(self.variables[name]))


def _plain(value: Any) -> Any:
    """A data frame as a list of records, a series or an array as a list; else the value."""
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return value.to_dict("records")
    return value.tolist() if hasattr(value, "tolist") else value


def read_arguments(
    tool: Tool, words: Sequence[str], variables: Mapping[str, object]
) -> dict[str, Any]:
    """The arguments that the words of a line give to a tool, without those that are not given.

    variables : what ``$name`` may stand for
    Raises InvalidInput, click.ClickException for what is wrong, click.exceptions.Exit after help.
    """
    options = {argument.name: option_for(argument) for argument in tool.arguments}
    for option in options.values():
        if not option.is_flag:
            option.type = _Written(option.type, variables)
    rest = click.Argument(["_rest"], nargs=-1, type=click.UNPROCESSED, metavar=_usage(tool))
    command = click.Command(tool.name, params=[*options.values(), rest], help=tool.help)
    with command.make_context(
        f"%elm {tool.name}",
        list(words),
        token_normalize_func=lambda name: name.replace("_", "-"),
        max_content_width=100,
    ) as context:
        written = dict(context.params)
        _place(tool, options, written, written.pop("_rest"), context)
    values = {a.name: _read(a, written[a.name]) for a in tool.arguments}
    return {name: value for name, value in values.items() if value is not None}


def _usage(tool: Tool) -> str:
    names = [a.name.upper() if a.required else f"[{a.name.upper()}]" for a in tool.arguments]
    required = [name for name in names if not name.startswith("[")]
    return " ".join(required or names[:1])


def _place(
    tool: Tool,
    options: Mapping[str, click.Option],
    written: dict[str, Any],
    words: Sequence[str],
    context: click.Context,
) -> None:
    """Give each word to the first argument that has no value yet; a list takes all that follow."""
    left = list(words)
    for argument in tool.arguments:
        kind, name = kind_of(argument), argument.name
        if not left:
            return
        if kind == "flag" or written[name] not in (None, ()):
            continue
        by_position = argument.required or argument is tool.arguments[0]
        if not by_position and not _VARIABLE.fullmatch(left[0]):
            continue
        option = options[name]
        taken = left if kind == "list" else left[:1]
        values = tuple(option.type.convert(word, option, context) for word in taken)
        written[name] = values if kind == "list" else values[0]
        left = left[len(taken) :]
    if left:
        raise InvalidInput("line", f"{shown(left[0])} is too much; put a text in quotes")


def _read(argument: Argument, written: Any) -> Any:
    """The value of an argument; a list is made of all that was written for it."""
    if isinstance(written, _Value):
        return written.value
    if not isinstance(written, tuple):
        return read_value(argument, written)
    items: list[Any] = [
        i.value if isinstance(i, _Value) else read_value(argument, (i,)) for i in written
    ]
    return [x for i in items for x in ([i] if isinstance(i, str) else i or ())] or None
