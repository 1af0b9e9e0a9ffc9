"""A JupyterLab server of its own, and a notebook that is open in a browser."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

_START = 60.0
_QUIET = {"fetchNews": "false", "checkForUpdates": False}
_NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"


@dataclass(frozen=True)
class Server:
    """Where JupyterLab listens, and the folder that it shows."""

    url: str
    token: str
    folder: Path


@contextmanager
def jupyterlab(place: Path) -> Iterator[Server]:
    """JupyterLab on a free port of this machine; all it reads and writes is in ``place``."""
    folder = place / "notebooks"
    folder.mkdir(parents=True)
    settings = place / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(_QUIET))
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
        *("--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"),
    ]
    with (place / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=_environment(place), stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _await(f"{url}/api/status?token={token}", process, place / "server.log")
            yield Server(url, token, folder)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _environment(place: Path) -> dict[str, str]:
    own = {
        "ASTERMIND_DATA_DIR": place / "data",
        "IPYTHONDIR": place / "ipython",
        "JUPYTERLAB_SETTINGS_DIR": place / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": place / "workspaces",
        "JUPYTER_CONFIG_DIR": place / "config",
        "JUPYTER_DATA_DIR": place / "share",
        "JUPYTER_RUNTIME_DIR": place / "runtime",
    }
    return {**os.environ, **{name: str(value) for name, value in own.items()}}


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-4000:]}")


def write_notebook(path: Path, sources: Sequence[str]) -> None:
    """A notebook of code cells."""
    import nbformat

    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


class Notebook:
    """A notebook in a page of JupyterLab."""

    def __init__(self, page: Page, server: Server, name: str) -> None:
        self.page = page
        page.goto(f"{server.url}/lab/tree/{name}?reset&token={server.token}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.connectionStatus === 'connected'",
            timeout=60_000,
        )

    def run_all(self) -> None:
        """Run every cell, one after the other."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        errors = [o for o in self.outputs() if o["output_type"] == "error"]
        assert not errors, errors

    def outputs(self) -> list[Any]:
        """The outputs of all cells as they would be saved."""
        cells = self.page.evaluate(f"{_NOTEBOOK}.model.toJSON().cells")
        return [output for cell in cells for output in cell["outputs"]]

    def untouched(self) -> Any:
        """What keys meant for a notebook would change: its cells, their kinds, mode, selection."""
        return self.page.evaluate(
            f"""() => {{
                const notebook = {_NOTEBOOK};
                const cells = notebook.model.toJSON().cells.map((cell) => [
                    cell.cell_type, cell.source, cell.execution_count ?? null]);
                return [cells, notebook.mode, notebook.activeCellIndex];
            }}"""
        )

    def widget(self, name: str) -> Locator:
        """The widget of that class, once it is drawn."""
        found = self.page.locator(f".astermind.{name}").first
        found.wait_for(timeout=60_000)
        return found
