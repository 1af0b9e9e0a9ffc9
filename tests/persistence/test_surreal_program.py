"""The program ``surreal`` behind the local engine's door; the native engine plays its part."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from astermind_lab.errors import StoreUnavailable
from astermind_lab.persistence import Store
from astermind_lab.persistence.engine import EngineOptions, Place, engine_status, stop_engine
from tests.contracts.store_contract import (
    check_a_version_comes_back_as_it_was_stored,
    check_a_watcher_is_told_what_was_written,
)
from tests.persistence.native_server import NATIVE, NativeServer, installation
from tests.persistence.processes import kill

OPTIONS = EngineOptions(kind="surreal", idle_seconds=60.0)

# What ``surreal start --no-banner --bind HOST:PORT surrealkv://FOLDER`` does, as far as it matters.
# The engine of this version is sound on rocksdb only.
PROGRAM = """#!/bin/sh
test "$1 $2 $3" = "start --no-banner --bind" || exit 64
NATIVE_PORT="${{4##*:}}"
export NATIVE_PORT
cd '{installation}'
exec '{node}' '{script}' unused "rocksdb://${{5#surrealkv://}}/rocks"
"""


@pytest.fixture
def on_the_path(
    native_engine: NativeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program called surreal."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "surreal"
    program.write_text(
        PROGRAM.format(
            installation=installation(), node=shutil.which("node"), script=NATIVE / "server.mjs"
        )
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.usefixtures("on_the_path")
def test_the_program_serves_behind_the_same_door(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    url = f"local://{place.data_dir}"
    try:
        with Store.open(url, engine=OPTIONS) as store, Store.open(url) as other:
            status = engine_status(place)
            assert status is not None
            assert (status["kind"], status["connections"]) == ("surreal", 2)
            check_a_version_comes_back_as_it_was_stored(store)
            assert other.models.weights("m", "v1") == b"weights"
            check_a_watcher_is_told_what_was_written(store)
            kill(status["pid"])  # its child goes with it, and both come back
            assert other.models.weights("m", "v1") == b"weights"
    finally:
        assert stop_engine(place) is not None
    assert engine_status(place) is None


def test_without_the_program_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreUnavailable, match="no program 'surreal' on the PATH"):
        Store.open(f"local://{tmp_path / 'data'}", engine=OPTIONS, patience=0.1)


def test_a_program_that_does_not_start_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "surreal"
    program.write_text("#!/bin/sh\necho 'this is not the version you need' >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StoreUnavailable, match="did not start: this is not the version you need"):
        Store.open(f"local://{tmp_path / 'data'}", engine=OPTIONS, patience=0.1)
