"""``astermind up`` as a process: what it prints, what it opens, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from astermind_lab.cli.up import _token
from astermind_lab.dashboard.listening import listen
from astermind_lab.lab.engine import LocalEngine
from astermind_lab.settings import Dashboard, Settings
from tests.cli.conftest import Program
from tests.dashboard.served import commands_below

START_SECONDS = 90.0
END_SECONDS = 20.0


class Running:
    """A process of ``astermind up``, and the lines that it has printed."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.errors = folder / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "astermind_lab", "up", "--port", "0", *options],
                cwd=folder,
                env={
                    **os.environ,
                    "ASTERMIND_DATA_DIR": str(folder / "data"),
                    "PYTHONPATH": str(Path(__file__).parents[2]),
                    **environment,
                },
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._patience = threading.Timer(START_SECONDS, self.process.kill)
        self._patience.start()

    def lines(self, count: int) -> dict[str, str]:
        """What runs, and its address."""
        assert self.process.stdout is not None
        read = [self.process.stdout.readline() for _ in range(count)]
        assert all(read), self.errors.read_text()
        return dict(line.split() for line in read)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal it and what a terminal would signal with it; its exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(END_SECONDS)

    def close(self) -> None:
        self._patience.cancel()
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(folder: Path, *options: str, **environment: str) -> Iterator[Running]:
    up = Running(folder, *options, **environment)
    try:
        yield up
    finally:
        up.close()


def servers_of(up: Running) -> list[psutil.Process]:
    """The children of it that are not the engine, which others may use."""
    found = commands_below(up.process.pid)
    return [one for one, c in found.items() if "astermind_lab.persistence.engine" not in c]


def code_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_it_prints_addresses_that_answer_and_ends_with_what_it_started(
    tmp_path: Path, program: Program
) -> None:
    jupyter = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME")}
    options = ("--no-browser", "--jupyter", "--jupyter-port", "0")
    with running(tmp_path, *options, **jupyter) as up:
        said = up.lines(3)
        assert list(said) == ["dashboards", "JupyterLab", "lab"]
        assert said["lab"] == f"local://{tmp_path / 'data'}"
        assert code_of(said["dashboards"]) == 200
        assert code_of(said["JupyterLab"]) == 200
        notebooks = said["JupyterLab"].partition("/lab")[0]
        assert code_of(f"{notebooks}/api/status?token=another") == 403
        port = said["dashboards"].rstrip("/").rpartition(":")[2]
        second = program("up", "--no-browser", "--port", port)
        assert second.code == 2 and second.out == ""
        assert f"port: {port} at 127.0.0.1 is taken by process {up.process.pid}" in second.err
        assert "another astermind up" in second.err and "--port 0" in second.err
        assert code_of(said["dashboards"]) == 200
        children = servers_of(up)
        assert len(children) == 1
        assert up.end() == 0
        _, alive = psutil.wait_procs(children, timeout=END_SECONDS)
        assert alive == []
        assert up.errors.read_text() == ""


BROWSER = """#!{python}
import pathlib, socket, sys, urllib.parse
file = pathlib.Path(urllib.parse.urlsplit(sys.argv[1]).path)
with socket.create_connection(("127.0.0.1", {port})) as told:
    mode = oct(file.parent.stat().st_mode)
    told.sendall("\\n".join([sys.argv[1], mode, file.read_text()]).encode())
"""


def test_the_browser_is_given_a_file_for_the_token_is_secret(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    with socket.create_server(("127.0.0.1", 0)) as told:
        told.settimeout(START_SECONDS)
        port = told.getsockname()[1]
        browser.write_text(BROWSER.format(python=sys.executable, port=port))
        browser.chmod(0o700)
        token = {"ASTERMIND_DASHBOARD__TOKEN": "kept to ourselves"}
        with running(tmp_path, BROWSER=str(browser), **token) as up:
            address = up.lines(2)["dashboards"]
            assert address.endswith("/?token=kept+to+ourselves")
            assert code_of(address.partition("?")[0]) == 403
            assert code_of(address.replace("our", "your")) == 403
            connection, _ = told.accept()
            with connection, connection.makefile() as heard:
                opened, mode, page = heard.read().split("\n", 2)
            assert "kept" not in opened and mode.endswith("700")
            assert f"url={address}" in page
            assert up.end(signal.SIGTERM) == 0
    assert not Path(opened.removeprefix("file://")).exists()


def test_it_ends_soon_though_its_database_is_away(tmp_path: Path) -> None:
    engine = LocalEngine(Settings(data_dir=tmp_path / "elsewhere"))
    database = {
        "ASTERMIND_DATABASE__URL": str(engine.start()["url"]),
        "ASTERMIND_DATABASE__USERNAME": "astermind",
        "ASTERMIND_DATABASE__PASSWORD": (tmp_path / "elsewhere/engine/secret").read_text().strip(),
    }
    with running(tmp_path, "--no-browser", **database) as up:
        said = up.lines(2)
        assert said["lab"] == database["ASTERMIND_DATABASE__URL"]
        assert code_of(said["dashboards"]) == 200
        engine.stop()
        assert code_of(said["dashboards"]) == 200
        assert up.end() == 0


def test_what_is_wrong_is_said_before_anything_starts(program: Program) -> None:
    for options, message in {
        ("--token", "s3cret!"): "dashboard.token: should be a text of at least 8 characters",
        ("--port", "70000"): "dashboard.port: ",
        ("--host", "no such host"): "host: 'no such host' is not an address of this machine",
        ("--allow-origin", "http://a.example/"): "dashboard.allow_origins: ",
        ("--socket", "/no/such/folder/socket"): "socket: cannot listen at",
        ("--jupyter-port", "x"): "jupyter_port: ",
    }.items():
        outcome = program("up", "--no-browser", *options)
        assert outcome.code == 2 and message in outcome.err, outcome
        assert "s3cret" not in outcome.err
    assert not (program.folder / "data").exists()


def test_a_token_is_made_where_others_can_come() -> None:
    for host, needed in {"127.0.0.1": False, "0.0.0.0": True}.items():
        listening = listen(host, 0)
        try:
            made = {_token(Dashboard(), listening) for _ in range(2)}
            chosen = _token(Dashboard(token="one of our own"), listening)  # type: ignore[arg-type]
        finally:
            listening.close()
        assert chosen == "one of our own"
        assert len(made) == 2 and None not in made if needed else made == {None}
