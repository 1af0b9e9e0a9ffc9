"""The engine's process: owns the folder, listens on 127.0.0.1, ends when it is of no use.

    client ── WebSocket, SurrealDB's RPC in CBOR ── Socket ── Embedded ── lab/

Life cycle: take the folder, open the database, listen, announce the address; serve until SIGTERM,
SIGINT, or until nobody has been connected for the idle time; then take the address back, answer
what was asked, close the database, let go of the folder. A process that is killed leaves the
address behind, and nothing that would mislead anybody: the folder's lock goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
import os
import platform
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from astermind_lab import __version__
from astermind_lab.persistence.engine.embedded import Embedded
from astermind_lab.persistence.engine.launch import ENGINE_PROGRAM
from astermind_lab.persistence.engine.live import LiveQueries
from astermind_lab.persistence.engine.place import USERNAME, Address, Place
from astermind_lab.persistence.engine.proof import (
    PATH,
    PROOF_HEADER,
    answer_proof,
    question_proof,
    same,
)
from astermind_lab.persistence.engine.socket import Socket
from astermind_lab.persistence.engine.surreal import relay, running_program
from astermind_lab.persistence.engine.upkeep import Upkeep
from astermind_lab.persistence.folder_lock import FolderLock
from astermind_lab.persistence.owner import forget_owner, record_owner
from astermind_lab.persistence.target import folder_target

__all__ = ["EngineServer"]

HOST = "127.0.0.1"
_LARGEST_BYTES = 256 * 1024 * 1024
_MOST_CLIENTS = 1_000
_FAREWELL_SECONDS = 10.0
_IDLE_STEPS = 10

_log = logging.getLogger(__name__)


class EngineServer:
    """One engine at its work."""

    def __init__(
        self, place: Place, port: int = 0, idle_seconds: float = 600.0, kind: str = "embedded"
    ) -> None:
        """port : 0 takes a free one     idle_seconds : 0 never ends for want of clients.

        kind : embedded, or surreal for the program of that name
        """
        self._place = place
        self._kind = kind
        self._port = port
        self._idle_seconds = idle_seconds
        self._secret = place.secret()
        self._sockets: set[ServerConnection] = set()
        self._alone_since = time.monotonic()
        self._began = time.monotonic()
        self._url = ""
        self._address: Address | None = None
        self._leaving = asyncio.Event()

    async def run(self) -> None:
        """Serve until it is time to go. Raises FolderBusy, OSError, or what the engine says."""
        self._place.store.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FolderLock(self._place.store)
        try:
            if self._kind == "surreal":
                await self._run_program()
            else:
                await self._own_folder()
        finally:
            forget_owner(self._place.store)
            lock.release()

    async def _own_folder(self) -> None:
        target = folder_target(self._place.store)
        engine = Embedded(target)
        live = LiveQueries(engine)
        engine.written = live.wake
        await engine.open(USERNAME, self._secret)
        pump = asyncio.create_task(live.pump())
        upkeep = asyncio.create_task(Upkeep(engine, live, target, self._leave).run())
        try:
            await self._serve(lambda connection: Socket(connection, engine, live).serve())
        finally:
            upkeep.cancel()
            pump.cancel()
            await engine.close()
            _log.info("closed")

    async def _run_program(self) -> None:
        program = running_program(
            self._place.store,
            self._place.folder / "surreal.log",
            USERNAME,
            self._secret,
            self._leaving,
        )
        async with program as url:
            await self._serve(lambda connection: relay(connection, url))
        _log.info("closed")

    async def _serve(self, talk: Callable[[ServerConnection], Awaitable[None]]) -> None:
        """Let clients in until it is time to go."""
        record_owner(self._place.store, datetime.now(UTC), ENGINE_PROGRAM)
        async with await self._listen(talk) as server:
            self._announce(server)
            await self._until_leaving()
            self._place.withdraw(os.getpid())
            await self._say_farewell(server)

    async def _listen(self, talk: Callable[[ServerConnection], Awaitable[None]]) -> Server:
        async def converse(connection: ServerConnection) -> None:
            self._sockets.add(connection)
            try:
                await talk(connection)
            finally:
                self._sockets.discard(connection)
                self._alone_since = time.monotonic()

        return await serve(
            converse,
            HOST,
            self._port,
            subprotocols=["cbor"],  # type: ignore[list-item]
            process_request=self._at_the_door,
            compression=None,
            max_size=_LARGEST_BYTES,
            ping_interval=20,
            ping_timeout=60,
            server_header=None,
        )

    def _announce(self, server: Server) -> None:
        port = server.sockets[0].getsockname()[1]
        self._url = f"ws://{HOST}:{port}/rpc"
        self._address = Address(
            url=self._url,
            pid=os.getpid(),
            kind=self._kind,
            version=__version__,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._place.announce(self._address)
        _log.info("listening at %s", self._url)

    async def _until_leaving(self) -> None:
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT"):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(getattr(signal, name), self._leave, f"asked to ({name})")
        step = max(0.05, min(1.0, self._idle_seconds / _IDLE_STEPS))
        while not self._leaving.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), step)
            if not self._place.folder.is_dir():
                self._leave(f"{self._place.folder} is gone")
            else:
                self._mend_files()
            alone = 0.0 if self._sockets else time.monotonic() - self._alone_since
            if self._idle_seconds and alone > self._idle_seconds:
                self._leave(f"nobody was connected for {self._idle_seconds:g} s")

    def _mend_files(self) -> None:
        """Write address and secret again if somebody has removed or altered them."""
        try:
            self._place.keep_secret(self._secret)
            if self._address is not None and self._place.address() != self._address:
                self._place.announce(self._address)
        except OSError as problem:
            _log.warning("the files of the engine cannot be written: %s", problem)

    def _leave(self, why: str) -> None:
        if not self._leaving.is_set():
            _log.info("stopping: %s", why)
            self._leaving.set()

    async def _say_farewell(self, server: Server) -> None:
        server.close(close_connections=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), _FAREWELL_SECONDS)

    def _at_the_door(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse browsers and other hosts, answer for the status; None lets a client in."""
        if "Origin" in request.headers:
            return _plain(http.HTTPStatus.FORBIDDEN, b"not for browsers\n")
        host = request.headers.get("Host", "").rpartition(":")[0]
        if host not in (HOST, "localhost"):
            return _plain(http.HTTPStatus.FORBIDDEN, b"only for this machine\n")
        parts = urlsplit(request.path)
        if parts.path == PATH:
            return self._status(parse_qs(parts.query))
        if parts.path not in ("/rpc", "/rpc/", "/"):
            return _plain(http.HTTPStatus.NOT_FOUND, b"nothing here\n")
        if len(self._sockets) >= _MOST_CLIENTS:
            return _plain(http.HTTPStatus.SERVICE_UNAVAILABLE, b"too many clients\n")
        return None

    def _status(self, query: dict[str, list[str]]) -> Response:
        nonce, proof = (query.get(name, [""])[0] for name in ("nonce", "proof"))
        if not nonce or not same(proof, question_proof(self._secret, nonce)):
            return _plain(http.HTTPStatus.FORBIDDEN, b"not without the secret\n")
        status: dict[str, Any] = {
            "pid": os.getpid(),
            "url": self._url,
            "kind": self._kind,
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._began, 3),
            "connections": len(self._sockets),
            "idle_timeout_s": self._idle_seconds,
            "data_dir": str(self._place.data_dir),
            "python": platform.python_version(),
        }
        body = json.dumps(status).encode()
        return _plain(http.HTTPStatus.OK, body, answer_proof(self._secret, nonce, body))


def _plain(status: http.HTTPStatus, body: bytes, proof: str | None = None) -> Response:
    headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
    headers["Content-Type"] = "text/plain; charset=utf-8"
    if proof is not None:
        headers[PROOF_HEADER] = proof
    return Response(status.value, status.phrase, headers, body)
