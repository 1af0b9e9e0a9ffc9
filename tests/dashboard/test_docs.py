"""The page of one's own in docs/dashboards.md is a page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from astermind_lab.dashboard import hub
from astermind_lab.dashboard.listening import listen
from astermind_lab.dashboard.serving import serving
from astermind_lab.lab import Lab
from tests.dashboard.served import Client

DOCS = Path(__file__).parent.parent.parent / "docs" / "dashboards.md"


@pytest.fixture
def lab() -> Iterator[Lab]:
    opened = Lab.open("mem://")
    hub.use(lambda: opened)
    yield opened
    hub.close()
    hub.use(Lab.open)


def test_the_page_in_the_docs_runs(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lab.log_prediction("m", "text", "a", 0.9)
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    page = tmp_path / "counts.py"
    page.write_text(code, encoding="utf-8")

    async def shown() -> str:
        with closing(listen("127.0.0.1", 0, ())) as listening:
            async with serving({"counts": page}, listening):
                return (await Client(listening.url_here).get("/counts")).body.decode()

    assert "<title>Counts · AsterMind Lab</title>" in asyncio.run(shown())
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
