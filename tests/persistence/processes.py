"""Other processes, for tests: a server to talk to, and programs to be killed."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import IO

from astermind_lab.persistence import Store

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
PATIENCE_SECONDS = 60


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Run Python code in a process of its own; it can import the package and the tests."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; returns exit code, output and error output."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def output(process: subprocess.Popen[str]) -> IO[str]:
    """The lines that a running process prints."""
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    return process.stdout


class Server:
    """The test server as a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        address = folder / f"{uuid.uuid4().hex}.address"
        self.process = subprocess.Popen([sys.executable, str(HERE / "rpc_server.py"), str(address)])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not address.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the test server did not start")
            time.sleep(0.02)
        self.url = address.read_text()

    def open(self, database: str | None = None) -> Store:
        """A store in a database of its own, or in the one that is named."""
        return Store.open(
            self.url, database=database or uuid.uuid4().hex, username="root", password="secret"
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
