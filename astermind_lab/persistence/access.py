"""How a database is reached, and the way in: engine or socket, sign-in, namespace, database."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from surrealdb import AsyncSurreal, escape_identifier
from surrealdb.errors import TransportError

from astermind_lab.errors import InvalidInput, StoreError, StoreLocked, StoreUnavailable
from astermind_lab.persistence.engine import USERNAME, EngineOptions, Place, ensure_engine
from astermind_lab.persistence.faults import is_locked, one_line, read_reply, translate
from astermind_lab.persistence.folder_lock import FolderBusy, FolderLock
from astermind_lab.persistence.opening import open_client
from astermind_lab.persistence.owner import describe_owner
from astermind_lab.persistence.target import Target

__all__ = ["Access", "Credentials", "SignInRefused", "enter", "leave", "take_folder"]

# A silent peer is noticed after this long, in seconds.
_KEEPALIVE = {"ping_interval": 20.0, "ping_timeout": 20.0}
_FAREWELL_SECONDS = 2.0


class SignInRefused(StoreUnavailable):
    """The server knows no such user, or not with that password."""


class Credentials:
    """A user name and password; both or neither, and never shown."""

    def __init__(self, username: str | None = None, password: str | None = None) -> None:
        if (username is None) != (password is None):
            missing = "username" if username is None else "password"
            raise InvalidInput(missing, "username and password are given together or not at all")
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, '…')"


@dataclass(frozen=True)
class Access:
    """Where a store is, which database, as whom, and how patiently.

    engine : how a local engine is started, if that is what the target is
    patience : for how many seconds a lost connection is opened again before callers are told
    """

    target: Target
    namespace: str
    database: str
    credentials: Credentials
    engine: EngineOptions
    patience: float


def take_folder(target: Target) -> FolderLock | None:
    """Hold the folder of a store in this process; raises StoreLocked."""
    if target.folder is None:
        return None
    try:
        return FolderLock(target.folder)
    except FolderBusy:
        raise _in_use(target) from None
    except OSError as problem:
        raise StoreError(
            f"the folder {target.folder} cannot be opened: {problem.strerror or problem}"
        ) from None


async def enter(access: Access) -> Any:
    """A client that is signed in and has chosen its database.

    Raises StoreLocked, StoreUnavailable and StoreError as ``Connection.open`` does.
    """
    target = access.target
    url, credentials = target.engine_url, access.credentials
    if target.data_dir is not None:
        place = Place(target.data_dir)
        status = await asyncio.to_thread(ensure_engine, place, access.engine)
        url, credentials = str(status["url"]), Credentials(USERNAME, place.secret())
    try:
        client = await open_client(lambda: AsyncSurreal(url, **_client_options(target)), target)
    except Exception as problem:
        raise _cannot_open(target, problem) from None
    try:
        socket = getattr(client, "socket", None)
        if target.is_server:
            await _sign_in(client, access, credentials)
            await _create_missing(client, access.namespace, access.database)
        await client.use(access.namespace, access.database)
        if getattr(client, "socket", None) is not socket:  # opened by the SDK, and not signed in
            raise StoreUnavailable(f"the connection to {target.url} was lost while signing in")
    except BaseException as problem:
        with suppress(Exception):
            await leave(client)
        raise translate(problem) if isinstance(problem, Exception) else problem from None
    return client


async def leave(client: Any) -> None:
    """Close a client; a peer that does not answer is not waited for long.

    The SDK drops a socket whose farewell breaks off without closing it, so that is done here.
    """
    socket = getattr(client, "socket", None)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(client.close(), _FAREWELL_SECONDS)
    finally:
        if socket is not None:
            socket.transport.abort()  # of no effect on one that is closed


def _client_options(target: Target) -> dict[str, Any]:
    """Answers in one piece: streamed ones need a newer server and bring nothing for our pages."""
    return {"streaming": False, **_KEEPALIVE} if target.is_server else {}


def _cannot_open(target: Target, problem: Exception) -> StoreError:
    if target.folder is None:
        return StoreUnavailable(
            f"no SurrealDB answers at {target.url}: {one_line(str(problem))}. "
            "Is the server running, and the address right?"
        )
    if is_locked(problem):
        return _in_use(target)
    return StoreError(f"the folder {target.folder} cannot be opened: {one_line(str(problem))}")


def _in_use(target: Target) -> StoreLocked:
    assert target.folder is not None
    return StoreLocked(
        f"{target.folder} is in use by {describe_owner(target.folder)}. Close it there, "
        "name another folder, or share the data: Lab.open() without an address, or a server "
        "(ws://HOST:PORT)"
    )


async def _sign_in(client: Any, access: Access, credentials: Credentials) -> None:
    """Sign in as a user of the database, of the namespace or of the whole server."""
    if credentials.username is None:
        return
    namespace, database = access.namespace, access.database
    user = {"username": credentials.username, "password": credentials.password}
    refusal = ""
    scopes: tuple[dict[str, str], ...] = (
        {"namespace": namespace, "database": database},
        {"namespace": namespace},
        {},
    )
    for scope in scopes[2:] if access.target.data_dir else scopes:
        try:
            await client.signin({**scope, **user})
        except Exception as problem:
            if isinstance(problem, TransportError):
                raise
            refusal = one_line(str(problem))
        else:
            return
    raise SignInRefused(
        f"{access.target.url} refused the sign-in of {credentials.username!r} as a user of "
        f"database {database!r}, of namespace {namespace!r} and of the server ({refusal}). "
        "Check username and password"
    )


async def _create_missing(client: Any, namespace: str, database: str) -> None:
    """Create the namespace and the database where the user may; others must find them there."""
    for statement in (
        f"DEFINE NAMESPACE IF NOT EXISTS {escape_identifier(namespace)}",
        f"USE NS {escape_identifier(namespace)}; "
        f"DEFINE DATABASE IF NOT EXISTS {escape_identifier(database)}",
    ):
        try:
            read_reply(await client.query_raw(statement, {}))
        except StoreError:
            continue
