"""The house rules that no single module can keep: packaging, imports, docstrings, notebooks."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import astermind_lab

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "astermind_lab"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = ["astermind_lab"] + [
    found.name for found in pkgutil.walk_packages(astermind_lab.__path__, "astermind_lab.")
]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
JUPYTER = {"IPython", "ipywidgets", "jupyter_client", "jupyterlab"}
PLOTTING = {"bokeh", "holoviews", "panel"}
NUMERIC = {"numpy", "pandas", "scipy", "sklearn"}
HEAVY = JUPYTER | PLOTTING | NUMERIC | {"mcp", "pydantic", "surrealdb", "surrealdb_embedded"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(code: str) -> str:
    """Run code in a fresh interpreter; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_conda_and_pip_are_given_the_same_packages() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["demo"], *extras["test"]]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    named = environment["dependencies"][-1]["pip"]
    own = re.compile(rf"{project['name']}\[")
    assert sorted(named) == sorted([r for r in wanted if not own.match(r)] + ["-e ."])


def test_conda_gets_a_python_that_the_package_allows() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = [d for d in environment["dependencies"] if str(d).startswith("python")]
    assert project["requires-python"] == f">={python.partition('=')[2]}"


def test_a_prerelease_is_named_where_one_is_needed() -> None:
    project = pyproject()["project"]
    assert isinstance(project, dict)
    (surrealdb,) = [d for d in project["dependencies"] if d.startswith("surrealdb")]
    assert surrealdb == "surrealdb[embedded]>=3.0.0b10,<4"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_resolves(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert [n for n in names if not hasattr(module, n)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Labb'"):
        _ = astermind_lab.Labb  # type: ignore[attr-defined]
    assert set(astermind_lab.__all__) <= set(dir(astermind_lab))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_module_says_what_it_is_about(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = run("import astermind_lab, sys; print(*{m.partition('.')[0] for m in sys.modules})")
    assert "astermind_lab" in loaded.split()
    assert HEAVY & set(loaded.split()) == set()


def test_the_core_does_without_the_lab_around_it() -> None:
    loaded = run("import astermind_lab.core, sys; print(*{m.split('.')[0] for m in sys.modules})")
    assert HEAVY & set(loaded.split()) == {"numpy", "scipy"}


def test_notebooks_are_kept_without_outputs() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        kept = [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None]
        assert not kept, f"{relative(path)} has outputs: jupyter nbconvert --clear-output --inplace"


def test_make_says_what_it_can_do() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = re.findall(r"^([a-z]+):.* ## ", makefile, re.MULTILINE)
    assert set(verbs) >= {"demo", "up", "test", "lab", "check", "bench", "help"}
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony and set(verbs) <= set(phony[1].split())
