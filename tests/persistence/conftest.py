"""Stores to test on: memory, a folder, the local engine, a native engine, any server you name.

"native" is an engine with live queries of its own, which needs Node and is skipped without it; with
CI=true in the environment it must run.

Set ASTERMIND_TEST_SURREAL_URL (and …_USERNAME, …_PASSWORD; root and root by default) to run the
whole contract against a real server as well.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from astermind_lab.persistence import Store
from tests.persistence.native_server import NativeServer, why_not
from tests.persistence.processes import Server

REAL_SERVER = os.environ.get("ASTERMIND_TEST_SURREAL_URL", "")
KINDS = ["mem", "surrealkv", "local", "native", *(["server"] if REAL_SERVER else [])]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def native_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeServer]:
    reason = why_not()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    started = NativeServer(tmp_path_factory.mktemp("native"))
    yield started
    started.stop()


@pytest.fixture
def native_server(native_engine: NativeServer) -> Iterator[NativeServer]:
    yield native_engine
    native_engine.clear()


@pytest.fixture
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Store]:
    """Opens an empty store of a kind."""

    def opened(kind: str) -> Store:
        if kind == "mem":
            return Store.open("mem://")
        if kind == "surrealkv":
            return Store.open(f"surrealkv://{tmp_path / 'store'}")
        if kind == "local":
            server: Server = request.getfixturevalue("server")
            return Store.open(f"local://{server.place.data_dir}", database=uuid.uuid4().hex)
        if kind == "native":
            native: NativeServer = request.getfixturevalue("native_server")
            return native.open()
        return Store.open(
            REAL_SERVER,
            database=f"test_{uuid.uuid4().hex}",
            username=os.environ.get("ASTERMIND_TEST_SURREAL_USERNAME", "root"),
            password=os.environ.get("ASTERMIND_TEST_SURREAL_PASSWORD", "root"),
        )

    return opened


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, open_store: Callable[[str], Store]) -> Iterator[Store]:
    """An empty store of every kind in turn."""
    with open_store(request.param) as opened:
        yield opened
