"""The pages: every file of the folder ``dashboards`` is one."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["PageFile", "described", "folder", "listed"]


@dataclass(frozen=True)
class PageFile:
    """A page. title, about : of its docstring, "Title: what it shows."     order : ORDER in it"""

    name: str
    title: str
    about: str
    order: int
    path: Path


def folder() -> Path:
    """Where the pages are: inside an installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "pages"
    return installed if installed.is_dir() else package.parent.parent / "dashboards"


def listed() -> list[PageFile]:
    """Every page, in the order of the navigation."""
    found = [described(path) for path in folder().glob("[a-z]*.py")]
    return sorted(found, key=lambda page: (page.order, page.name))


@cache
def described(path: Path) -> PageFile:
    """What a page says about itself; it is not run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    first = (ast.get_docstring(tree) or path.stem.capitalize()).partition("\n")[0]
    title, _, about = first.partition(": ")
    order = 100
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if names == ["ORDER"] and isinstance(node.value.value, int):
                order = node.value.value
    about = about[:1].upper() + about[1:]
    return PageFile(path.stem, title.rstrip("."), about, order, path)
