"""One client: its sessions, its requests, its live queries, and what is on its way to it.

Life cycle: ``serve`` attaches a session to the engine before it reads the first frame, answers each
request in a task of its own, and detaches when the socket closes. Until somebody has signed in, a
socket may do nothing but sign in, for a few seconds and with small messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any

from surrealdb.data.cbor import decode, encode
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from astermind_lab.persistence.engine.embedded import Embedded, Refused
from astermind_lab.persistence.engine.frames import BadFrame, Request, read_request
from astermind_lab.persistence.engine.live import LiveQueries
from astermind_lab.persistence.engine.statements import Live, parse_kill, parse_live, split

__all__ = ["Socket"]

_SIGN_IN = frozenset({"signin", "authenticate"})
_BEFORE_SIGN_IN = _SIGN_IN | {"use", "ping", "version", "attach", "detach"}
_PATIENCE_SECONDS = 10.0
_SMALL_BYTES = 64 * 1024
_AT_ONCE = 64  # requests of one socket that are being answered
_MOST_SESSIONS = 32
_QUEUE_BYTES = 32 * 1024 * 1024
_QUEUE_LENGTH = 20_000
_POLICY, _TOO_BIG, _TRY_LATER = 1008, 1009, 1013

_log = logging.getLogger(__name__)


class Socket:
    """A client of the engine."""

    def __init__(self, connection: ServerConnection, engine: Embedded, live: LiveQueries) -> None:
        self._connection = connection
        self._engine = engine
        self._live = live
        self._sessions: dict[uuid.UUID | None, uuid.UUID] = {}
        self._signed_in = False
        self._queries: set[uuid.UUID] = set()
        self._outbox = _Outbox(connection)

    async def serve(self) -> None:
        """Answer requests until the client goes."""
        self._sessions[None] = await self._engine.attach()
        room = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._outbox.send())
                guard = tasks.create_task(self._expect_sign_in())
                with contextlib.suppress(ConnectionClosed):
                    async for frame in self._connection:
                        if not self._signed_in and len(frame) > _SMALL_BYTES:
                            await self._connection.close(_TOO_BIG, "sign in first")
                            break
                        await room.acquire()
                        task = tasks.create_task(self._answer(frame))
                        task.add_done_callback(lambda _: room.release())
                sender.cancel()
                guard.cancel()
        finally:
            for key in self._queries:
                self._live.kill(key)
            for session in self._sessions.values():
                with contextlib.suppress(Refused):
                    await self._engine.detach(session)

    async def _expect_sign_in(self) -> None:
        await asyncio.sleep(_PATIENCE_SECONDS)
        if not self._signed_in:
            reason = f"nobody signed in within {_PATIENCE_SECONDS:g} s"
            await self._connection.close(_POLICY, reason)

    async def _answer(self, frame: bytes | str) -> None:
        try:
            request = read_request(frame)
        except BadFrame as problem:
            await self._connection.close(_POLICY, str(problem))
            return
        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(await self._reply(request))

    async def _reply(self, request: Request) -> bytes:
        try:
            return await self._outcome(request)
        except Refused as problem:
            return _error(request.number, -32000, "Internal", str(problem))
        except Exception as problem:
            _log.exception("a %s request failed", request.method)
            return _error(request.number, -32603, "Internal", f"{type(problem).__name__}")

    async def _outcome(self, request: Request) -> bytes:
        if not self._signed_in and request.method not in _BEFORE_SIGN_IN:
            return _error(request.number, -32002, "NotAllowed", "Anonymous access not allowed")
        if request.method in _OWN:
            return await _OWN[request.method](self, request)
        session = self._session(request)
        if session is None:
            return _error(request.number, -32000, "NotFound", "there is no such session here")
        if request.text:
            await self._take_out_live(request, session)
        answer = await self._engine.execute(request, session)
        if request.method in _SIGN_IN and not self._signed_in:
            self._signed_in = decode(answer).get("error") is None
        return answer

    def _session(self, request: Request) -> uuid.UUID | None:
        named = None if request.session is None else _as_uuid(request.session)
        return self._sessions.get(named)

    async def _attach(self, request: Request) -> bytes:
        named = _as_uuid(request.session)
        if named is None or named in self._sessions or len(self._sessions) > _MOST_SESSIONS:
            return _error(request.number, -32602, "Validation", "attach needs a new session's uuid")
        self._sessions[named] = await self._engine.attach()
        return encode({"id": request.number, "result": None})

    async def _detach(self, request: Request) -> bytes:
        named = _as_uuid(request.session)
        session = None if named is None else self._sessions.pop(named, None)
        if session is None:
            return _error(request.number, -32000, "NotFound", "there is no such session here")
        await self._engine.detach(session)
        return encode({"id": request.number, "result": None})

    async def _list_sessions(self, request: Request) -> bytes:
        own = [name for name in self._sessions if name is not None]
        return encode({"id": request.number, "result": own})

    async def _start_live(self, request: Request) -> bytes:
        session = self._session(request)
        table, *rest = request.params or [None]
        if session is None or table is None:
            return _error(request.number, -32602, "Validation", "live needs a table")
        live = Live("DIFF" if rest and rest[0] is True else "*", "$live_table")
        key = await self._begin(live, session, {"live_table": str(table)})
        return encode({"id": request.number, "result": key})

    async def _end_live(self, request: Request) -> bytes:
        key = _as_uuid(request.params[0]) if request.params else None
        if not self._end(key):
            raise Refused(f"Cannot execute KILL statement using id: u'{key}'")
        return encode({"id": request.number, "result": None})

    async def _take_out_live(self, request: Request, session: uuid.UUID) -> None:
        """Start and end the live queries that a query asks for, and put their outcomes there."""
        statements = split(request.text)
        if statements is None:
            return
        bound = request.params[1] if len(request.params) > 1 else {}
        bound = bound if isinstance(bound, Mapping) else {}
        for place, statement in enumerate(statements):
            live, ended = parse_live(statement), parse_kill(statement)
            try:
                if live is not None:
                    statements[place] = f"RETURN u'{await self._begin(live, session, bound)}'"
                elif ended is not None:
                    [named] = await self._engine.ask(f"RETURN {ended}", session=session, **bound)
                    if not self._end(_as_uuid(named)):
                        raise Refused(f"Cannot execute KILL statement using id: {ended}")
                    statements[place] = "RETURN NONE"
            except Refused as problem:
                statements[place] = f"THROW {json.dumps(str(problem), ensure_ascii=False)}"
        request.replace([";".join(statements), dict(bound)])

    async def _begin(self, live: Live, session: uuid.UUID, bound: Mapping[str, Any]) -> uuid.UUID:
        key = await self._live.start(live, session, bound, self._outbox.put)
        self._queries.add(key)
        return key

    def _end(self, key: uuid.UUID | None) -> bool:
        if key is None:
            return False
        self._queries.discard(key)
        return self._live.kill(key)


_OWN = {
    "attach": Socket._attach,
    "detach": Socket._detach,
    "sessions": Socket._list_sessions,
    "live": Socket._start_live,
    "kill": Socket._end_live,
}


class _Outbox:
    """Notifications on their way to one client, in order; bounded."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._cut: asyncio.Task[None] | None = None

    def put(self, message: bytes) -> None:
        """Queue a notification; a client that lets too many lie is cut off."""
        if self._cut is not None:
            return
        self._waiting.append(message)
        self._bytes += len(message)
        self._filled.set()
        if self._bytes > _QUEUE_BYTES or len(self._waiting) > _QUEUE_LENGTH:
            self._waiting.clear()
            reason = f"{_QUEUE_LENGTH:,} notifications were not read in time"
            _log.warning("cut off a subscriber: %s", reason)
            self._cut = asyncio.ensure_future(self._connection.close(_TRY_LATER, reason))
            # A client that does not read does not answer the farewell either.
            transport = self._connection.transport
            asyncio.get_running_loop().call_later(1.0, transport.abort)

    async def send(self) -> None:
        """Send what is queued, for ever."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._waiting:
                    message = self._waiting.popleft()
                    self._bytes -= len(message)
                    await self._connection.send(message)


def _as_uuid(value: object) -> uuid.UUID | None:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError:
        return None


def _error(number: Any, code: int, kind: str, message: str) -> bytes:
    return encode({"id": number, "error": {"code": code, "kind": kind, "message": message}})
