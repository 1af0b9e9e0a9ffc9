"""Tools on the wire.

    client ── stdio ── LabServer ── worker thread ── Lab

The SDK does the protocol. ``LabServer`` says which tools there are and runs them: each call in a
worker thread, so that a training does not keep other calls waiting, with slow tools in a small pool
of their own, so that many trainings do not use up the threads either.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, redirect_stdout
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import CallToolResult, TextContent
from mcp.types import Tool as ToolOnTheWire

from astermind_lab import __version__
from astermind_lab.errors import AsterMindError
from astermind_lab.lab import Lab
from astermind_lab.mcp.schema import input_schema, output_schema
from astermind_lab.tools import Progress, Tool, find_tool, tools_of

__all__ = ["LabServer", "serve"]

_INSTRUCTIONS = (
    "AsterMind Lab trains text classifiers in about a second, says how accurate they are, keeps "
    "them as versions, and logs and measures predictions. Usual order: train_classifier (persist: "
    "true keeps the model), predict, log_prediction or predict with log_prediction: true, "
    "record_feedback, get_model_metrics, detect_drift; create_monitor looks on for drift and "
    "raises alerts. Every accuracy comes with a 95 % interval, the number of cases and how it "
    "was obtained. A model that is stored can be used at once; it need not be loaded first."
)
_SMALLEST_STEP = 0.02
_LOG_LINE = "%(asctime)s %(name)s %(levelname)s %(message)s"

_log = logging.getLogger(__name__)


class LabServer(MCPServer[None]):
    """An MCP server whose tools are those of ``Lab``; ``open_lab`` is called by the first of them.

    The lab is closed when the server stops.
    """

    def __init__(self, open_lab: Callable[[], Lab]) -> None:
        self._open_lab = open_lab
        self._lab: Lab | None = None
        self._opening = threading.Lock()
        self._slow = anyio.CapacityLimiter(max(2, os.cpu_count() or 1))
        super().__init__(
            "astermind-lab",
            title="AsterMind Lab",
            instructions=_INSTRUCTIONS,
            version=__version__,
            log_level="WARNING",
            lifespan=_life,
        )

    async def list_tools(self) -> list[ToolOnTheWire]:
        """Every tool with its schemas."""
        return list(_described())

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult:
        """Run a tool in a worker thread; what goes wrong is part of the answer."""
        stopped = threading.Event()
        try:
            tool = find_tool(Lab, name)
            progress = _progress(context, stopped) if tool.takes_progress else None
            result = await anyio.to_thread.run_sync(
                functools.partial(self._run, tool, arguments, progress),
                limiter=self._slow if tool.slow else None,
                abandon_on_cancel=True,
            )
        except anyio.get_cancelled_exc_class():
            stopped.set()
            raise
        except AsterMindError as error:
            return _failed(name, str(error))
        except Exception as error:
            _log.exception("tool %r failed", name)
            return _failed(name, f"internal error ({type(error).__name__}); see the server's log")
        return CallToolResult(content=[_as_text(result)], structured_content=result)

    def _run(
        self, tool: Tool, arguments: Mapping[str, Any], progress: Progress | None
    ) -> dict[str, Any]:
        result: dict[str, Any] = tool.call(self.lab(), arguments, progress).to_dict()
        return result

    def lab(self) -> Lab:
        """The lab, opened now if it is not open yet."""
        with self._opening:
            if self._lab is None:
                self._lab = self._open_lab()
                self._lab.keep_watch()
            return self._lab

    def close(self) -> None:
        """Close the lab if it was opened."""
        with self._opening:
            lab, self._lab = self._lab, None
        if lab is not None:
            lab.close()


@asynccontextmanager
async def _life(server: MCPServer[None]) -> AsyncIterator[None]:
    """While clients are served, whatever prints goes to standard error.

    The SDK does the same for the file descriptor; this is for Python's own buffer, which would
    otherwise be written out to the client at the end.
    """
    with redirect_stdout(sys.stderr):
        yield


@functools.cache
def _described() -> tuple[ToolOnTheWire, ...]:
    return tuple(
        ToolOnTheWire(
            name=tool.name,
            description=tool.help,
            input_schema=input_schema(tool),
            output_schema=output_schema(tool),
        )
        for tool in tools_of(Lab).values()
    )


def _as_text(value: Mapping[str, Any]) -> TextContent:
    return TextContent(type="text", text=json.dumps(value, ensure_ascii=False, allow_nan=False))


def _failed(name: str, reason: str) -> CallToolResult:
    shown = reason.encode("utf-8", "backslashreplace").decode()
    return CallToolResult(content=[_as_text({"error": shown, "tool": name})], is_error=True)


class _Stopped(AsterMindError):
    """The client has withdrawn its call."""


def _progress(context: Context[None, Any] | None, stopped: threading.Event) -> Progress:
    """Progress from a worker thread to the client; ends the work when the client has gone."""
    reported = -1.0

    def report(share: float, doing: str) -> None:
        nonlocal reported
        if stopped.is_set():
            raise _Stopped("the client withdrew the call")
        if context is None or share - reported < _SMALLEST_STEP:
            return
        reported = share
        anyio.from_thread.run(context.report_progress, share, 1.0, doing)

    return report


def serve(open_lab: Callable[[], Lab]) -> None:
    """Serve one client on standard input and output until it closes them."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=_LOG_LINE)
    server = LabServer(open_lab)
    try:
        server.run("stdio")
    finally:
        server.close()
