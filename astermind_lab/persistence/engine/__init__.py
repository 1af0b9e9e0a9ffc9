"""The local engine: one process of this machine owns the database, all others are its clients.

An embedded database has exactly one owner. So one small process in the background owns the folder
and serves SurrealDB's own RPC protocol on 127.0.0.1; notebooks, dashboards, Claude's server and
workers connect to it with the ordinary SDK, and cannot tell it from a server. Nobody has to start
it: ``ensure_engine`` finds it, or starts it; it ends by itself when nobody has used it for a while.

    place.py       its files: address, secret, log         launch.py   find, start, ask, stop
    server.py      the process: door, status, end          socket.py   one client
    embedded.py    the database and its sessions           live.py     live queries
    frames.py, statements.py, proof.py                     the wire
"""

from __future__ import annotations

from astermind_lab.persistence.engine.launch import (
    EngineFailed,
    EngineOptions,
    engine_status,
    ensure_engine,
    stop_engine,
)
from astermind_lab.persistence.engine.place import USERNAME, Place

__all__ = [
    "USERNAME",
    "EngineFailed",
    "EngineOptions",
    "Place",
    "engine_status",
    "ensure_engine",
    "stop_engine",
]
