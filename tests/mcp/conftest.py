"""One server process for all tests of a module: that it lives on is part of what is tested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.data import EXAMPLES, SMALL
from tests.mcp.client import Conversation, conversation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """A conversation with a server that has a model ``topics``."""
    folder: Path = tmp_path_factory.mktemp("server")
    with conversation(folder) as talk:
        talk.ask("train_classifier", model_id="topics", training_data=EXAMPLES, config=SMALL)
        yield talk
        answer = talk.ask("predict", model_id="topics", text="rain")
        assert answer["predictions"][0]["category"] == "weather"
