"""Labs to test on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", allowed_paths=(tmp_path,))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def lab(settings: Settings, clock: FixedClock) -> Iterator[Lab]:
    """A private lab in memory, with a clock that stands still."""
    with Lab.open("mem://", settings=settings, clock=clock) as opened:
        yield opened


@pytest.fixture(params=["mem", "surrealkv"])
def any_lab(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Lab]:
    """A lab in memory, then one in a folder."""
    url = "mem://" if request.param == "mem" else f"surrealkv://{tmp_path / 'store'}"
    with Lab.open(url, settings=settings) as opened:
        yield opened


@pytest.fixture
def trained(lab: Lab) -> Lab:
    """A lab whose model ``topics`` has been trained."""
    lab.train_classifier("topics", EXAMPLES, SMALL)
    return lab
