"""Arguments of a tool as people write them: options of a command line or of a notebook's magic."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args

import click

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.tools import Argument

__all__ = ["Kind", "explained", "kind_of", "long_fields", "option_for", "read_value"]

Kind = Literal["text", "whole", "number", "flag", "list", "json"]

_LONGEST_FIELD = 2**31 - 1

_HINTS: Mapping[Kind, str] = {
    "list": "Repeat it for several, or give @FILE or - for standard input.",
    "json": "JSON, @FILE (.json, .jsonl, .csv) or - for standard input.",
}


def kind_of(argument: Argument) -> Kind:
    """How the argument is written on a command line."""
    kinds = argument.kinds
    if bool in kinds:
        return "flag"
    if argument.is_text:
        return "text"
    if int in kinds:
        return "whole"
    if float in kinds:
        return "number"
    return "list" if _is_list_of_text(argument.type) else "json"


def _is_list_of_text(annotation: Any) -> bool:
    options = [annotation, *get_args(annotation)]
    return any(get_args(option) == (str,) for option in options)


def option_for(argument: Argument) -> click.Option:
    """The option of an argument. It has no default: the tool knows its own."""
    kind = kind_of(argument)
    name = argument.name.replace("_", "-")
    types: Mapping[Kind, click.ParamType[Any]] = {"whole": click.INT, "number": click.FLOAT}
    return click.Option(
        [f"--{name}/--no-{name}" if kind == "flag" else f"--{name}", argument.name],
        type=None if kind == "flag" else types.get(kind, click.STRING),
        multiple=kind == "list",
        default=None,
        help=_help(argument, kind),
        metavar={"list": "TEXT", "json": "JSON"}.get(kind),
    )


def _help(argument: Argument, kind: Kind) -> str:
    text = argument.doc[:1].upper() + argument.doc[1:] + "."
    if kind in _HINTS:
        text += f" {_HINTS[kind]}"
    if argument.required:
        text += "  [required]"
    elif argument.default not in (None, False):
        text += f"  [default: {argument.default}]"
    return text


def read_value(argument: Argument, value: Any) -> Any:
    """What was written on the command line, as the tool takes it; None if nothing was.

    Raises InvalidInput for a file that cannot be read and for text that is not JSON.
    """
    kind = kind_of(argument)
    if kind == "list":
        return [item for written in value for item in _list(written, argument.name)] or None
    if kind == "json" and value is not None:
        return _loaded(value, argument.name)
    return value


def explained(error: click.ClickException) -> str:
    """Click's complaint as ``argument: message``."""
    if isinstance(error, click.NoSuchOption):
        near = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
        return f"{error.option_name}: there is no such option.{near}"
    if isinstance(error, click.MissingParameter):
        return error.format_message()
    if isinstance(error, click.BadParameter) and error.param is not None and error.param.name:
        return f"{error.param.name}: {error.message}"
    return error.format_message()


def _list(written: str, argument: str) -> list[Any]:
    if written == "-" or (written.startswith("@") and len(written) > 1):
        content = _content(written, argument)
        lines = [line for line in map(_unended, content.split("\n")) if line.strip()]
        return _json_list(content) or lines
    return _json_list(written) or [written]


def _unended(line: str) -> str:
    return line.removesuffix("\r")


def _json_list(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _loaded(written: str, argument: str) -> Any:
    if not written.startswith("@") and written != "-":
        return _parse(written, argument, "the value")
    content = _content(written, argument)
    if written.endswith(".jsonl"):
        lines = enumerate(content.split("\n"), start=1)
        return [_parse(line, argument, f"line {n}") for n, line in lines if line.strip()]
    if written.endswith(".csv"):
        return _rows(content, argument)
    return _parse(content, argument, "the file")


def _parse(text: str, argument: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InvalidInput(
            argument, f"{what} is not JSON: {reason}, in {shown(text.strip(), 40)}"
        ) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _rows(content: str, argument: str) -> Sequence[Mapping[str, Any]]:
    try:
        with long_fields():
            return list(csv.DictReader(StringIO(content, newline=""), strict=True))
    except csv.Error as error:
        raise InvalidInput(argument, f"the file is not CSV: {error}") from None


@contextmanager
def long_fields() -> Iterator[None]:
    """Let CSV hold fields of any length, for as long as this lasts."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _content(written: str, argument: str) -> str:
    """Standard input for ``-``, the file for ``@FILE``, as text."""
    try:
        raw = sys.stdin.buffer.read() if written == "-" else Path(written[1:]).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(argument, f"cannot read {shown(written[1:], 200)}: {reason}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(argument, f"{shown(written, 200)} is not text in UTF-8") from None
