"""Finding the local engine of a data folder, or starting it; asking how it is; stopping it.

An engine is believed only if it proves that it knows the secret of the folder (``proof.py``), so a
stale address, or a port that belongs to another program by now, misleads nobody. Of many processes
that find none, the one that gets the start lock starts it; the others find it when they get theirs.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from filelock import FileLock, Timeout

from astermind_lab.errors import StoreError, StoreLocked, StoreUnavailable
from astermind_lab.persistence.engine.place import Address, Place
from astermind_lab.persistence.engine.proof import (
    PATH,
    PROOF_HEADER,
    answer_proof,
    question_proof,
    same,
)
from astermind_lab.persistence.folder_lock import is_held
from astermind_lab.persistence.owner import describe_owner, is_running, owner_program

__all__ = [
    "LAST_WORDS",
    "EngineFailed",
    "EngineOptions",
    "engine_status",
    "ensure_engine",
    "stop_engine",
]

_ASK_SECONDS = 5.0
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.01
_KILLED = 9  # SIGKILL, which Windows has no name for
_LEAST_ROOM_BYTES = 1024 * 1024

ENGINE_PROGRAM = "astermind engine"
LAST_WORDS = "astermind engine: "  # before the reason of an engine that gives up

# The engines that this process has started: when one ends, somebody has to take note.
_started: list[subprocess.Popen[bytes]] = []


@atexit.register
def _let_them_go() -> None:
    """They are meant to outlive this process; Python would warn of it."""
    for process in _started:
        if process.poll() is None:
            process.returncode = 0


class EngineFailed(StoreUnavailable):
    """The engine was started and gave up, for a reason that will not go away by itself."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is started.

    kind : auto, embedded or surreal     port : 0 takes a free one
    idle_seconds : how long it lasts with nobody connected; 0 is for ever
    """

    kind: str = "auto"
    port: int = 0
    idle_seconds: float = 600.0


def engine_status(place: Place) -> dict[str, Any] | None:
    """What the engine says of itself: pid, url, uptime_s, connections, …; None if none answers."""
    address = place.address()
    return None if address is None else _ask(place, address)


def ensure_engine(place: Place, options: EngineOptions) -> dict[str, Any]:
    """The status of the engine, which is started if none answers.

    Raises StoreLocked if another program has the database open, StoreUnavailable if the engine
    cannot be started, with what it said.
    """
    place.make()
    status = engine_status(place)
    if status is not None:
        return status
    deadline = time.monotonic() + _START_SECONDS
    try:
        with FileLock(place.start_lock, timeout=_START_SECONDS, mode=0o600):
            return engine_status(place) or _start(place, options, deadline)
    except Timeout:
        raise StoreUnavailable(
            f"another process has been starting the engine of {place.data_dir} for "
            f"{_START_SECONDS:g} s; see {place.log}"
        ) from None
    except OSError as problem:
        raise StoreError(
            f"the folder {place.folder} cannot be written to: {problem.strerror or problem}"
        ) from None


def stop_engine(place: Place) -> int | None:
    """Ask the engine to stop, and wait until it has; its process id, None if none runs.

    Raises StoreUnavailable if it does not stop.
    """
    status = engine_status(place)
    if status is None:
        return None
    pid = int(status["pid"])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(pid) and (is_held(place.store) or engine_status(place) is not None):
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"the engine, process {pid}, did not stop within {_STOP_SECONDS:g} s; "
                f"see {place.log}"
            )
        time.sleep(_LOOK_AGAIN_SECONDS)
    return pid


def _start(place: Place, options: EngineOptions, deadline: float) -> dict[str, Any]:
    """Start an engine and wait until it answers; one that is just going is waited for first."""
    while True:
        if not is_held(place.store):
            process = _spawn(place, options)
            status = _wait_for(place, process, deadline)
            if status is not None:
                return status
        elif status := engine_status(place):
            return status
        elif time.monotonic() > deadline - _START_SECONDS + _ASK_SECONDS and _is_foreign(place):
            raise StoreLocked(
                f"{place.store} is in use by {describe_owner(place.store)}, which opened it as "
                "surrealkv://, for itself alone. Close it there, or let it use Lab.open()"
            )
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"the engine of {place.data_dir} does not answer; see {place.log}"
            )
        time.sleep(_LOOK_AGAIN_SECONDS)


def _is_foreign(place: Place) -> bool:
    """Whether another program holds the folder; an engine may be busy, starting or stopping."""
    return owner_program(place.store) not in (None, ENGINE_PROGRAM)


def _spawn(place: Place, options: EngineOptions) -> subprocess.Popen[bytes]:
    """An engine that outlives this process, and is not reached by its Ctrl-C."""
    command = [sys.executable, "-m", "astermind_lab.persistence.engine", str(place.data_dir)]
    command += ["--port", str(options.port), "--idle-seconds", str(options.idle_seconds)]
    command += ["--kind", options.kind]
    detached: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        flags = ("CREATE_NEW_PROCESS_GROUP", "DETACHED_PROCESS")
        detached = {"creationflags": sum(getattr(subprocess, flag, 0) for flag in flags)}
    _started[:] = [process for process in _started if process.poll() is None]
    with (place.folder / "start.err").open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=_environment(),
            close_fds=True,
            **detached,
        )
    _started.append(process)
    return process


def _environment() -> dict[str, str]:
    """Ours, without passwords, which the engine has no use for."""
    return {name: value for name, value in os.environ.items() if "PASSWORD" not in name.upper()}


def _wait_for(
    place: Place, process: subprocess.Popen[bytes], deadline: float
) -> dict[str, Any] | None:
    """The status of the engine just started; None if it found the folder taken."""
    while time.monotonic() < deadline:
        address = place.address()
        if address is not None and address.pid == process.pid:
            status = _ask(place, address)
            if status is not None:
                return status
        if process.poll() is not None:
            reason = _last_words(place)
            if "held by another process" in reason or process.returncode == -_KILLED:
                return None
            raise EngineFailed(f"the local engine could not be started: {reason}")
        time.sleep(_LOOK_AGAIN_SECONDS)
    return None


def _last_words(place: Place) -> str:
    with contextlib.suppress(OSError):
        text = (place.folder / "start.err").read_text(encoding="utf-8", errors="replace")
        said = [line for line in text.split("\n") if line.startswith(LAST_WORDS)]
        if said:
            return said[-1].removeprefix(LAST_WORDS)
    with contextlib.suppress(OSError):
        if shutil.disk_usage(place.data_dir).free < _LEAST_ROOM_BYTES:
            return f"no space is left on the disk of {place.data_dir}"
    return f"it said nothing; see {place.log}"


def _ask(place: Place, address: Address) -> dict[str, Any] | None:
    """The status of the engine at that address, if it is one and proves to be ours."""
    secret, nonce = place.secret(), secrets.token_hex(16)
    question = urlencode({"nonce": nonce, "proof": question_proof(secret, nonce)})
    where = urlsplit(address.url)
    connection = http.client.HTTPConnection(
        where.hostname or "", where.port or 0, timeout=_ASK_SECONDS
    )
    try:
        connection.request("GET", f"{PATH}?{question}")
        response = connection.getresponse()
        body = response.read(64 * 1024)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    proof = response.headers.get(PROOF_HEADER, "")
    if response.status != 200 or not same(proof, answer_proof(secret, nonce, body)):
        return None
    with contextlib.suppress(ValueError):
        status = json.loads(body)
        if isinstance(status, dict):
            return status
    raise StoreError(f"the engine at {address.url} answered in an unknown form")
