"""A real MCP client on a real server process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """The environment of a server that keeps everything in ``folder``."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "ASTERMIND_DATABASE__URL": "mem://",
        "ASTERMIND_DATA_DIR": str(folder / "data"),
        "ASTERMIND_ALLOWED_PATHS": str(folder),
        "HOME": str(folder),
        **extra,
    }


@dataclass(frozen=True)
class Conversation:
    """A client that is connected, used from ordinary functions."""

    portal: BlockingPortal
    client: Client
    folder: Path

    def call(self, tool: str, arguments: dict[str, Any], **options: Any) -> CallToolResult:
        """The raw answer of a tool."""

        async def call() -> CallToolResult:
            return await self.client.call_tool(tool, arguments, **options)

        return self.portal.call(call)

    def ask(self, tool: str, **arguments: Any) -> Any:
        """The answer of a tool that must succeed; the text must say the same."""
        result = self.call(tool, arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content == json.loads(text_of(result))
        return result.structured_content

    def fail(self, tool: str, **arguments: Any) -> str:
        """The reason that a tool, which must fail, gives."""
        result = self.call(tool, arguments)
        assert result.is_error
        content = json.loads(text_of(result))
        assert list(content) == ["error", "tool"]
        assert content["tool"] == tool
        assert "Traceback" not in content["error"]
        assert len(content["error"]) < 1_500
        return str(content["error"])


def text_of(result: CallToolResult) -> str:
    """The one text block of an answer."""
    [block] = result.content
    assert block.type == "text"
    return block.text


@contextmanager
def conversation(folder: Path, mode: str = "auto", **extra: str) -> Iterator[Conversation]:
    """Start a server as a client does, connect, and stop it at the end."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "astermind_lab", "mcp"],
        env=environment(folder, **extra),
        cwd=folder,
    )
    client = Client(server, mode=mode, read_timeout_seconds=PATIENCE)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(client) as connected,
    ):
        yield Conversation(portal, connected, folder)
