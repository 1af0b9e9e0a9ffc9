"""IPython to run magics in, and labs for its variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A private lab with a model ``topics``."""
    with Lab.open("mem://", settings=Settings(data_dir=tmp_path / "data")) as opened:
        opened.train_classifier("topics", EXAMPLES, SMALL)
        yield opened


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """The IPython of this process, as ``get_ipython()`` finds it; it writes no history."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config()
    config.HistoryManager.enabled = False
    opened = InteractiveShell.instance(config=config)
    yield opened
    opened.run_line_magic("unload_ext", "astermind_lab")
    opened.restore_sys_module_state()
    InteractiveShell.clear_instance()
