"""Data folders whose engine ends with the test, whatever became of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from astermind_lab.persistence import Store
from astermind_lab.persistence.engine import Place
from tests.chaos.actors import open_store
from tests.chaos.engines import kill_engines
from tests.chaos.rows import log, url


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A new data folder."""
    if not sys.platform.startswith("linux"):
        pytest.skip("which engines run is read from /proc, so these tests need Linux")
    made = Place(tmp_path / "data")
    yield made
    kill_engines(made)


@pytest.fixture
def running(place: Place) -> Iterator[Store]:
    """An open store on a running engine; holds number 0."""
    with open_store(url(place)) as store:
        log(store, 0)
        yield store
