"""The tools of the tests in a browser: that they find faults, and what they do without Chromium."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import tests.browser
from tests.browser import browser, chromium_path, open_page

PAGE = """<!doctype html><title>page</title><link rel="icon" href="data:,"><p>here</p>
<style>p { color: rgb(1, 2, 3) } @media (prefers-color-scheme: dark) { p { color: white } }</style>
"""
FAULTS = {
    "console.html": ("<script>console.error('said')</script>", "console: said"),
    "thrown.html": ("<script>throw new Error('thrown')</script>", "uncaught: thrown"),
    "missing.html": ("<script src='missing.js'></script>", "404"),
    "refused.html": ("<script src='http://127.0.0.1:9/x.js'></script>", "http://127.0.0.1:9/x.js"),
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def files_at(folder: Path) -> Iterator[str]:
    """The address under which the files of a folder are served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_faults_of_a_page_are_found(tmp_path: Path) -> None:
    (tmp_path / "well.html").write_text(PAGE)
    for name, (fault, _) in FAULTS.items():
        (tmp_path / name).write_text(PAGE + fault)
    with files_at(tmp_path) as url, browser() as chromium:
        well = open_page(chromium, f"{url}/well.html", width=400, height=300)
        well.assert_well()
        assert well.page.viewport_size == {"width": 400, "height": 300}
        for dark, colour in ((False, "rgb(1, 2, 3)"), (True, "rgb(255, 255, 255)")):
            page = open_page(chromium, f"{url}/well.html", dark=dark).page
            shown = page.evaluate("getComputedStyle(document.querySelector('p')).color")
            assert shown == colour
        for name, (_, expected) in FAULTS.items():
            opened = open_page(chromium, f"{url}/{name}")
            assert any(expected in fault for fault in opened.faults), (name, opened.faults)
            with pytest.raises(AssertionError):
                opened.assert_well()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without Chromium, on which programs can be put."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(tests.browser, "LOG", tmp_path / "chromium.log")
    monkeypatch.delenv("CI", raising=False)
    return programs


def put(folder: Path, name: str, shell: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{shell}\n")
    (folder / name).chmod(0o755)


def put_apt(folder: Path, install: str) -> None:
    """An apt-get of our own; sudo and env hand on to it."""
    put(folder, "sudo", 'shift; exec "$@"')
    put(folder, "env", 'export "$1"; shift; exec "$@"')
    put(folder, "apt-get", f'echo "apt-get $*"; [ "$1" = update ] || {{ {install}; }}')


def test_nothing_is_installed_on_a_machine_of_yours(bare: Path) -> None:
    put_apt(bare, "exit 3")
    with pytest.raises(pytest.skip.Exception, match=r"NO BROWSER.*sudo apt-get install chromium"):
        chromium_path()
    assert not tests.browser.LOG.exists()


def test_where_nobody_can_be_asked_it_is_installed_once(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    chromium = bare / "chromium"
    put_apt(bare, f"echo '#!/bin/sh' > {chromium}; /bin/chmod 755 {chromium}")
    assert [chromium_path() for _ in range(2)] == [str(chromium)] * 2
    said = tests.browser.LOG.read_text()
    assert said.count("install -y --no-install-recommends chromium") == 1
    assert said.startswith("apt-get update")


def test_where_it_cannot_be_installed_that_is_an_error(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    put_apt(bare, "echo E: no such package; exit 100")
    with pytest.raises(pytest.fail.Exception, match="no such package"):
        chromium_path()
    for program in bare.iterdir():
        program.unlink()
    with pytest.raises(pytest.fail.Exception, match="No such file"):
        chromium_path()
