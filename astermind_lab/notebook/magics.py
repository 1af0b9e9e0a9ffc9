"""``%elm`` and ``%%elm``: the tools of the lab, written as on the command line.

%elm                                     what there is
%elm use mem://                          the lab that the magics work with
%elm predict tickets "where is it?"      any tool; the result shows itself and can be assigned
%elm teach tickets                       the widgets: teach, tune, explore

%%elm train_classifier tickets           a cell of labelled texts, or of one text a line
text,label
win money now,spam
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from astermind_lab.errors import AsterMindError, InvalidInput, NotFound, nearest, shown
from astermind_lab.lab import Lab
from astermind_lab.notebook.cells import read_examples, read_texts
from astermind_lab.notebook.lines import read_arguments, split_line
from astermind_lab.options import explained
from astermind_lab.tools import Progress, Tool, tools_of

__all__ = ["ElmMagics"]

_WIDGETS = ("teach", "tune", "explore")
_LABELLED = ("training_data", "examples", "data")
_PATIENCE = 0.5  # seconds before a bar appears
_HELP = """\
%elm TOOL ARGUMENTS      run a tool; arguments as --name value, or by position; $name is a variable
%elm use ADDRESS         work with another lab: mem://, surrealkv://FOLDER, ws://…, or $lab
%elm TOOL --help         what a tool takes
%%elm TOOL ARGUMENTS     the same with labelled texts, or one text a line, in the cell
"""


@magics_class
class ElmMagics(Magics):
    """The magics, and the lab that they share; it is opened when it is first needed."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._lab: Lab | None = None
        self._opened = False

    @no_var_expand
    @line_cell_magic
    def elm(self, line: str, cell: str | None = None) -> Any:
        """Run a tool of the lab: ``%elm predict tickets "where is it?"``; ``%elm`` alone is help.

        What is wrong is told in one line, as IPython's UsageError.
        """
        try:
            return self._run(split_line(line), cell)
        except click.exceptions.Exit:
            return None
        except click.ClickException as error:
            raise UsageError(_one_line(explained(error))) from None
        except AsterMindError as error:
            raise UsageError(_one_line(str(error))) from None
        except Exception as error:
            name = type(error).__name__
            raise UsageError(_one_line(f"internal error: {name}: {error}")) from None

    def close(self) -> None:
        """Close the lab if the magics opened it."""
        lab, self._lab = self._lab, None
        if lab is not None and self._opened:
            lab.close()

    @property
    def lab(self) -> Lab:
        """The lab in use."""
        if self._lab is None:
            self._lab, self._opened = Lab.open(), True
        return self._lab

    @property
    def _variables(self) -> Mapping[str, object]:
        """What the user of the shell has named, without what IPython puts there."""
        if self.shell is None:
            return {}
        names, hidden = self.shell.user_ns, self.shell.user_ns_hidden
        return {n: value for n, value in names.items() if hidden.get(n, names) is not value}

    def _run(self, words: Sequence[str], cell: str | None) -> Any:
        if not words or words[0] in ("help", "-h", "--help"):
            return click.echo(_help())
        name, rest = words[0], words[1:]
        if name in ("use", "open"):
            return self._use(rest)
        tool = _find(name)
        arguments = read_arguments(tool, rest, self._variables)
        if cell is not None:
            tool, arguments = _with_cell(tool, arguments, cell)
        tool.prepare(arguments)  # before the lab is opened, which takes longer
        with _progress(tool) as progress:
            return tool.call(self.lab, arguments, progress)

    def _use(self, words: Sequence[str]) -> Lab:
        """Work with the lab at an address, or with one that a variable holds."""
        if len(words) > 1:
            raise InvalidInput("line", f"{shown(words[1])} is too much; %elm use takes one address")
        given = words[0] if words else None
        if given is not None and given.startswith("$"):
            held = self._variables.get(given[1:])
            if not isinstance(held, Lab):
                raise InvalidInput(given, "is not a variable that holds a lab")
            lab, opened = held, False
        else:
            lab, opened = Lab.open(given), True
        if lab is not self._lab:
            self.close()
            self._lab, self._opened = lab, opened
        return lab


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _find(name: str) -> Tool:
    """The tool, or the method that gives a widget."""
    tools = {**tools_of(Lab), **_widget_tools()}
    wanted = name.replace("-", "_")
    if wanted not in tools:
        hint = nearest(wanted, [*tools, "use"]) or " %elm alone lists them."
        raise NotFound(f"there is no tool {shown(name)}.{hint}")
    return tools[wanted]


def _widget_tools() -> Mapping[str, Tool]:
    methods = {name: getattr(Lab, name, None) for name in _WIDGETS}
    return {name: Tool(m, False, {}) for name, m in methods.items() if inspect.isfunction(m)}


def _help() -> str:
    tools = tools_of(Lab)
    width = max(map(len, tools)) + 2
    rows = [f"  {name:<{width}}{tool.summary}" for name, tool in tools.items()]
    widgets = [f"  {name:<{width}}{tool.summary}" for name, tool in _widget_tools().items()]
    return "\n".join([_HELP, "Tools:", *rows, *(["", "Widgets:", *widgets] if widgets else [])])


def _with_cell(tool: Tool, arguments: Mapping[str, Any], cell: str) -> tuple[Tool, dict[str, Any]]:
    """The tool and its arguments with what the cell holds; predict of many texts is predict_many.

    Raises InvalidInput if the tool takes no texts, or has been given them on the line too.
    """
    names = {argument.name for argument in tool.arguments}
    name = next((n for n in (*_LABELLED, "texts", "text") if n in names), None)
    if name is None:
        raise InvalidInput("cell", f"{tool.name} takes none; write %elm with one sign")
    if name in arguments:
        raise InvalidInput(name, "is given on the line and in the cell; give it once")
    if name in _LABELLED:
        return tool, {**arguments, name: read_examples(cell)}
    texts = read_texts(cell)
    if not texts:
        raise InvalidInput("cell", "is empty; write one text a line below %%elm")
    if name == "texts":
        return tool, {**arguments, name: texts}
    if len(texts) == 1:
        return tool, {**arguments, name: texts[0]}
    if tool.name != "predict":
        raise InvalidInput("cell", f"{tool.name} takes one text, the cell holds {len(texts)}")
    return tools_of(Lab)["predict_many"], {**arguments, "texts": texts}


@contextmanager
def _progress(tool: Tool) -> Iterator[Progress | None]:
    """A bar for tools that report progress, if they take longer than a moment."""
    if not tool.takes_progress:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(
        total=1.0, delay=_PATIENCE, leave=False, bar_format="{desc} {percentage:3.0f}%|{bar}|"
    ) as bar:

        def report(part: float, doing: str) -> None:
            bar.set_description_str(doing, refresh=False)
            bar.update(max(0.0, part - bar.n))

        yield report
