"""The program ``surreal`` in place of the embedded database, for those who have it.

It runs as a child of the engine's process, on a port of its own of this machine, and owns the same
folder. The door stays ours: address, secret, refusal of browsers, status, and the end when nobody
is connected. Behind it frames pass as they are; ``surreal`` itself refuses who is not signed in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from astermind_lab.errors import StoreUnavailable

__all__ = ["find_program", "relay", "running_program"]

PROGRAM = "surreal"
_HOST = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.02
_LAST_BYTES = 600
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)

_log = logging.getLogger(__name__)


def find_program() -> str | None:
    """Where ``surreal`` is on the PATH; None if it is not."""
    return shutil.which(PROGRAM)


@asynccontextmanager
async def running_program(
    folder: Path, log: Path, username: str, password: str, ended: asyncio.Event
) -> AsyncIterator[str]:
    """Run ``surreal`` on the folder; its address. ``ended`` is set if it ends by itself.

    Raises StoreUnavailable, with its last words, if it is not there or does not start.
    """
    path = find_program()
    if path is None:
        raise StoreUnavailable(
            "database.engine is surreal, but there is no program 'surreal' on the PATH. Install "
            "it, or set database.engine to embedded"
        )
    port = _free_port()
    address = f"{_HOST}:{port}"
    command = [path, "start", "--no-banner", "--bind", address, f"surrealkv://{folder}"]
    # In the environment, because every user may read the arguments of a process.
    secrets = {"SURREAL_USER": username, "SURREAL_PASS": password}
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **secrets},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    try:
        await _until_it_answers(process, f"ws://{address}/rpc", log)
        watcher = asyncio.create_task(_note_end(process, ended))
        yield f"ws://{address}/rpc"
        watcher.cancel()
    finally:
        await asyncio.to_thread(_stop, process)


async def relay(connection: ServerConnection, url: str) -> None:
    """Pass frames between a client and ``surreal`` until one of them goes."""
    async with connect(
        url,
        subprotocols=["cbor"],  # type: ignore[list-item]
        max_size=None,
        compression=None,
        ping_interval=None,
    ) as upstream:
        both = [_pass_on(connection, upstream), _pass_on(upstream, connection)]
        tasks = [asyncio.create_task(one) for one in both]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_on(
    source: ServerConnection | ClientConnection, to: ServerConnection | ClientConnection
) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for frame in source:
            await to.send(frame)


async def _until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, WebSocketException):
            async with connect(url, subprotocols=["cbor"]):  # type: ignore[list-item]
                return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    words = " ".join(log.read_bytes()[-_LAST_BYTES:].decode(errors="replace").split())
    raise StoreUnavailable(f"the program 'surreal' did not start: {words}")


async def _note_end(process: subprocess.Popen[bytes], ended: asyncio.Event) -> None:
    while process.poll() is None:
        await asyncio.sleep(0.1)
    _log.error("the program surreal ended by itself, with code %s", process.returncode)
    ended.set()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port: int = free.getsockname()[1]
    return port


def _die_with_parent() -> None:
    """So that no killed engine leaves a child behind that holds the folder (Linux)."""
    import ctypes

    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
