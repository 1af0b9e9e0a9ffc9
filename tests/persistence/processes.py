"""Other processes, for tests: a server to talk to, and programs to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from astermind_lab.persistence import Store
from astermind_lab.persistence.engine import USERNAME, EngineOptions, Place, ensure_engine

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
PATIENCE_SECONDS = 60
IDLE_SECONDS = 600.0  # an engine that a broken test leaves behind ends by itself


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
    """Wait for the end; returns exit code, output and error output.

    Output that a reader of single lines has left in his buffer is part of it.
    """
    out, process.stdout = process.stdout, None
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(out.read) if out is not None else None
        try:
            _, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        text = "" if rest is None else rest.result()
    if out is not None:
        out.close()
    return process.returncode, text, err


def output(process: subprocess.Popen[str]) -> IO[str]:
    """The lines that a running process prints."""
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    return process.stdout


class Server:
    """A local engine of its own, addressed as a server and killed like one."""

    url: str
    pid: int
    username: str = USERNAME
    password: str

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder / f"engine-{uuid.uuid4().hex}")
        status = ensure_engine(self.place, EngineOptions(idle_seconds=IDLE_SECONDS))
        self.url, self.pid = status["url"], status["pid"]
        self.password = self.place.secret()

    def open(self, database: str | None = None, patience: float = 10.0) -> Store:
        """A store in a database of its own, or in the one that is named."""
        return Store.open(
            self.url,
            database=database or uuid.uuid4().hex,
            username=self.username,
            password=self.password,
            patience=patience,
        )

    def stop(self) -> None:
        """Kill it, at once."""
        kill(self.pid)


def kill(pid: int) -> None:
    """End a process without a word, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
