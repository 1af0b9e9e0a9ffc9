"""The one list of tools, from which every face is made.

A method of ``Lab`` becomes a tool by the decorator ``@tool``. Its name, argument names, types and
required flags are those of its signature; its help is its docstring, where every argument stands on
a line of its own:

    model_id : the model, in memory or stored

From that the MCP server and the command line are generated, so a capability has one name and one
description. ``tools_of(Lab)`` gives the list, ``Tool.call`` runs one with arguments that came from
outside.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from astermind_lab.errors import InvalidInput, NotFound, nearest, shown

__all__ = ["PROGRESS", "Argument", "Progress", "Tool", "Wire", "find_tool", "tool", "tools_of"]

P = ParamSpec("P")
R = TypeVar("R")

Progress = Callable[[float, str], None]
PROGRESS = "progress"  # filled in by a face that can show it, never by its client
_MARK = "__astermind_tool__"
_ARGUMENT_LINE = re.compile(r"(?P<names>\w+(?:, \w+)*) : (?P<text>.+)")


@dataclass(frozen=True)
class Wire:
    """In ``Annotated[T, Wire(W)]``: Python takes T, clients that speak JSON are told W."""

    type: object


@dataclass(frozen=True)
class Argument:
    """One argument of a tool.

    type : what JSON clients send     doc : one line of help
    """

    name: str
    type: Any
    required: bool
    default: object
    doc: str

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The type's alternatives without None, each as its origin: ``(str,)``, ``(list,)``, …"""
        options = typing.get_args(self.type) if _is_union(self.type) else (self.type,)
        return tuple(typing.get_origin(o) or o for o in options if o is not types.NoneType)

    @property
    def is_text(self) -> bool:
        return str in self.kinds or typing.Literal in self.kinds

    def read(self, value: object) -> object:
        """The value itself, or what it holds if it is JSON inside a text.

        Some MCP clients send lists and objects as text.
        """
        if self.is_text or not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(self.name, f"{shown(value)} is not valid JSON: {error}") from None


@dataclass(frozen=True)
class Tool:
    """One capability of the lab.

    function : the method of Lab     slow : whether it may take seconds
    old_names : names of arguments that earlier clients use, to today's names
    """

    function: Callable[..., Any]
    slow: bool
    old_names: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def command(self) -> str:
        """The name as the command line writes it."""
        return self.name.replace("_", "-")

    @functools.cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """In the order of the signature, without the lab and without ``progress``."""
        hints = self._hints
        docs = self._documented[1]
        return tuple(
            Argument(
                name=name,
                type=_on_the_wire(hints[name]),
                required=parameter.default is inspect.Parameter.empty,
                default=None if parameter.default is inspect.Parameter.empty else parameter.default,
                doc=docs.get(name, ""),
            )
            for name, parameter in self._parameters.items()
            if name != PROGRESS
        )

    @property
    def returns(self) -> type[Any]:
        """The class of the result."""
        return typing.cast("type[Any]", self._hints["return"])

    @property
    def help(self) -> str:
        """The docstring without its lines about arguments and errors."""
        return self._documented[0]

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring on one line."""
        return " ".join(self.help.partition("\n\n")[0].split())

    @property
    def takes_progress(self) -> bool:
        return PROGRESS in self._parameters

    @functools.cached_property
    def _parameters(self) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(self.function).parameters
        return dict(list(parameters.items())[1:])

    @functools.cached_property
    def _hints(self) -> dict[str, Any]:
        # The type of the lab is known to type checkers only.
        lab = next(iter(self.function.__annotations__.values()))
        return typing.get_type_hints(self.function, localns={lab: object}, include_extras=True)

    @functools.cached_property
    def _documented(self) -> tuple[str, dict[str, str]]:
        return _split_docstring(inspect.getdoc(self.function) or "", set(self._parameters))

    @functools.cached_property
    def _names(self) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
        required = frozenset(
            name for name, p in self._parameters.items() if p.default is inspect.Parameter.empty
        )
        return tuple(self._parameters), frozenset(self._parameters), required

    def check_names(self, given: int, named: dict[str, Any]) -> dict[str, Any]:
        """The named arguments under today's names, given that ``given`` came by position.

        Raises InvalidInput for a name that is unknown, given twice, or missing.
        """
        order, known, required = self._names
        if not named.keys() <= known:
            named = self._renamed(named)
        if len(order) < given or not named.keys().isdisjoint(order[:given]):
            twice = next((n for n in order[:given] if n in named), "arguments")
            raise InvalidInput(twice, f"{self.name} was given it twice, or too many arguments")
        missing = [n for n in order[given:] if n in required and named.get(n) is None]
        if missing:
            raise InvalidInput(missing[0], f"{self.name} needs it; it was not given")
        return named

    def _renamed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in named.items():
            today = self.old_names.get(name, name)
            if today not in self._parameters:
                allowed = [n for n in self._parameters if n != PROGRESS]
                takes = f"It takes {', '.join(allowed)}." if allowed else "It takes none."
                hint = nearest(name, allowed)
                raise InvalidInput(name, f"{self.name} has no such argument.{hint or f' {takes}'}")
            if today in result or (today != name and today in named):
                raise InvalidInput(name, f"is an older name of {today!r}; give only one of them")
            result[today] = value
        return result

    def prepare(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments from a client as the method takes them; null means not given.

        Raises InvalidInput for a name that is unknown, given twice, or missing.
        """
        if PROGRESS in arguments:
            raise InvalidInput(PROGRESS, f"{self.name} has no such argument")
        named = {n: value for n, value in self._renamed(arguments).items() if value is not None}
        named = self.check_names(0, named)
        readers = {argument.name: argument for argument in self.arguments}
        return {name: readers[name].read(value) for name, value in named.items()}

    def call(
        self, lab: object, arguments: Mapping[str, Any], progress: Progress | None = None
    ) -> Any:
        """Run the tool with arguments from a client.

        Raises InvalidInput as ``prepare`` does, and whatever the method raises.
        """
        named = self.prepare(arguments)
        if progress is not None and self.takes_progress:
            named[PROGRESS] = progress
        return getattr(lab, self.name)(**named)


def tool(
    *, slow: bool = False, old_names: Mapping[str, str] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a method of Lab a tool; it then refuses unknown and missing arguments by name."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        described = Tool(function, slow, old_names or {})

        @functools.wraps(function)
        def method(*args: P.args, **kwargs: P.kwargs) -> R:
            named = described.check_names(len(args) - 1, kwargs)
            return function(*args, **named)

        setattr(method, _MARK, described)
        return method

    return decorate


@functools.cache
def tools_of(owner: type) -> Mapping[str, Tool]:
    """Every tool of a class by name, in the order in which the class lists them."""
    marked = {name: getattr(value, _MARK, None) for name, value in vars(owner).items()}
    return types.MappingProxyType({n: t for n, t in marked.items() if isinstance(t, Tool)})


def find_tool(owner: type, name: str) -> Tool:
    """The tool of that name; NotFound names the nearest one."""
    tools = tools_of(owner)
    if name not in tools:
        raise NotFound(f"there is no tool {shown(name)}.{nearest(name, tools)}")
    return tools[name]


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _on_the_wire(annotation: Any) -> Any:
    """The annotation with every ``Annotated[T, Wire(W)]`` replaced by W, other marks dropped."""
    if typing.get_origin(annotation) is typing.Annotated:
        base, *marks = typing.get_args(annotation)
        wires = [mark.type for mark in marks if isinstance(mark, Wire)]
        return wires[0] if wires else _on_the_wire(base)
    if _is_union(annotation):
        return typing.Union[tuple(_on_the_wire(a) for a in typing.get_args(annotation))]  # noqa: UP007
    return annotation


def _split_docstring(text: str, names: set[str]) -> tuple[str, dict[str, str]]:
    """The docstring for users of the tool, and its lines about arguments by argument.

    What it raises is for programmers and left out.
    """
    kept: list[str] = []
    docs: dict[str, str] = {}
    current: list[str] = []
    for line in text.partition("\nRaises ")[0].splitlines():
        match = _ARGUMENT_LINE.fullmatch(line)
        if match and set(match["names"].split(", ")) <= names:
            current = match["names"].split(", ")
            docs.update(dict.fromkeys(current, match["text"].strip()))
        elif current and line.startswith("    "):
            docs.update({name: f"{docs[name]} {line.strip()}" for name in current})
        else:
            current = []
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip(), docs
