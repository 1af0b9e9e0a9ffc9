"""Keeps every test and notebook away from the settings and the records of whoever runs them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator

import pytest

FOREIGN = ("ASTERMIND_", "SURREALDB_", "ENABLE_PERSISTENCE", "LOG_PREDICTIONS")
OURS = "ASTERMIND_TEST_"  # what the tests themselves are told, such as the address of a server
FAST = "ASTERMIND_FAST"  # for notebooks: the data are shortened, and nothing else

fast = os.environ.get(FAST) or os.environ.get("CI") == "true"

_patch = pytest.MonkeyPatch()
_home = tempfile.TemporaryDirectory(prefix="astermind-test-", ignore_cleanup_errors=True)


def pytest_configure() -> None:
    # In the environment, because notebook kernels and second processes inherit only that.
    for name in [n for n in os.environ if n.startswith(FOREIGN) and not n.startswith(OURS)]:
        _patch.delenv(name)
    _patch.setenv("ASTERMIND_DATA_DIR", os.path.join(_home.name, "data"))
    _patch.setenv("XDG_CONFIG_HOME", os.path.join(_home.name, "config"))
    # Engines that tests start end soon after the last client has gone.
    _patch.setenv("ASTERMIND_DATABASE__IDLE_TIMEOUT", "5s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with pytest.MonkeyPatch.context() as patch:
        if fast and item.path.suffix == ".ipynb":
            patch.setenv(FAST, "1")
        return (yield)


def pytest_unconfigure() -> None:
    _patch.undo()
    _home.cleanup()
