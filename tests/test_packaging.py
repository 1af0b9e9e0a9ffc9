"""What is built from this folder holds everything that is needed to run it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(page.name for page in (ROOT / "dashboards").glob("*.py"))
NOT_SHIPPED = {"__pycache__", ".DS_Store"}

ASKED = """
import astermind_lab.dashboard.pages as pages, astermind_lab.dashboard.proxied as proxied
from pathlib import Path
print(pages.folder(), *[page.path.name for page in pages.listed()], sep="\\n")
assert Path(proxied.tile()["launcher_entry"]["icon_path"]).is_file()
"""


def built(kind: str, folder: Path) -> Path:
    """The wheel or the sdist, made by the build back end as pip makes it, without a network."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [file] = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(built("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_the_whole_package(wheel: Path) -> None:
    package = ROOT / "astermind_lab"
    files = {
        file.relative_to(ROOT)
        for file in package.rglob("*")
        if file.is_file() and not NOT_SHIPPED & set(file.parts)
    }
    kinds = {file.suffix for file in files}
    assert kinds >= {".py", ".surql", ".js", ".css", ".html", ".svg", ".typed"}
    assert [file for file in sorted(files) if not (wheel / file).is_file()] == []


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    [info] = wheel.glob("*.dist-info")
    assert {found.name for found in wheel.iterdir()} == {"astermind_lab", info.name}
    assert not [found for found in wheel.rglob("*") if NOT_SHIPPED & set(found.parts)]
    entries = (info / "entry_points.txt").read_text()
    assert "astermind = astermind_lab.cli:main" in entries
    assert "[jupyter_serverproxy_servers]\nastermind = " in entries


def test_an_installed_lab_finds_its_pages(wheel: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    folder, *pages = ran.stdout.split()
    assert folder == str(wheel / "astermind_lab" / "dashboard" / "pages")
    assert PAGES and sorted(pages) == PAGES


def test_the_source_archive_can_be_built_from(tmp_path: Path) -> None:
    with tarfile.open(built("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"pyproject.toml", "README.md", *(f"dashboards/{page}" for page in PAGES)}
