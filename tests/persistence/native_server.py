"""An engine with live queries of its own, for tests: Node, and SurrealDB's package from npm.

The engine in the Python wheel refuses LIVE; this one does not. On first use ``native/package.json``
is installed into a folder of the environment, named by its digest, and kept there. What npm said is
in ``npm.log`` beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import sys
import time
import uuid
from functools import cache
from pathlib import Path
from typing import IO

from filelock import FileLock
from surrealdb import AsyncSurreal

from tests.persistence.processes import PATIENCE_SECONDS, Server

NATIVE = Path(__file__).parent / "native"
CACHE = Path(sys.prefix) / "native-engine"
OLDEST_NODE = 18
ATTEMPTS = 3
INSTALL_SECONDS = 300
INSTALL = ("install", "--omit=peer", "--ignore-scripts", "--no-package-lock", "--no-audit")


class NativeServer(Server):
    """The native engine's server as a process that can be killed, and that ends with this one."""

    username, password = "root", "secret"

    def __init__(self, folder: Path, data: str | None = None) -> None:
        """Serve ``data``, by default a new folder.

        ``data`` is rocksdb://FOLDER, where a server keeps its data too. surrealkv://FOLDER and
        mem:// work as well, but this version loses updates there when transactions meet.
        """
        reason = why_not()
        if reason is not None:
            raise RuntimeError(reason)
        address = folder / f"{uuid.uuid4().hex}.address"
        data = data or f"rocksdb://{address.with_suffix('.data')}"
        log = address.with_suffix(".log")  # this engine prints the time of every transaction
        with log.open("w") as lines:
            self.process = subprocess.Popen(
                [_program("node"), str(NATIVE / "server.mjs"), str(address), data],
                stdin=subprocess.PIPE,
                stdout=lines,
                stderr=lines,
                cwd=installation(),
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not address.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the native server did not start: {_end_of(log)}")
            time.sleep(0.02)
        self.url = address.read_text()
        self.pid = self.process.pid

    def clear(self) -> None:
        """Remove every database: this engine confuses the vector indexes of several."""
        asyncio.run(self._remove_namespaces())

    async def _remove_namespaces(self) -> None:
        async with AsyncSurreal(self.url, streaming=False) as client:
            await client.signin({"username": "root", "password": "secret"})
            for name in (await client.query("INFO FOR ROOT").first())["namespaces"]:
                await client.query("REMOVE NAMESPACE $name", {"name": name}).first()

    def stop(self) -> None:
        super().stop()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


@cache
def why_not() -> str | None:
    """Why the native engine cannot run here; None if it can. The first call may install it."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            return f"the native engine needs Node {OLDEST_NODE} or newer: there is no {name} here"
    said = subprocess.run([_program("node"), "--version"], capture_output=True, text=True).stdout
    if int(said.strip().removeprefix("v").partition(".")[0] or 0) < OLDEST_NODE:
        return f"the native engine needs Node {OLDEST_NODE} or newer: this one is {said.strip()!r}"
    try:
        CACHE.mkdir(exist_ok=True)
        with FileLock(CACHE / "install.lock"):
            return None if installation().exists() else _install()
    except OSError as problem:
        return f"the native engine cannot be installed: {problem}"


def _program(name: str) -> str:
    return shutil.which(name) or name


def installation() -> Path:
    digest = hashlib.sha256((NATIVE / "package.json").read_bytes()).hexdigest()
    return CACHE / digest[:16]


def _install() -> str | None:
    draft = installation().with_suffix(".draft")
    log = CACHE / "npm.log"
    for _ in range(ATTEMPTS):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        shutil.copy(NATIVE / "package.json", draft)
        with log.open("a") as lines:
            fetched = _succeeds(draft, lines, "npm", *INSTALL)
            if fetched and _succeeds(draft, lines, "node", str(NATIVE / "server.mjs")):
                draft.rename(installation())
                return None
    return f"the native engine could not be installed, see {log}: {_end_of(log)}"


def _succeeds(folder: Path, log: IO[str], program: str, *arguments: str) -> bool:
    command = [_program(program), *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=log, stderr=log, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _end_of(log: Path) -> str:
    return log.read_text()[-500:].strip()
