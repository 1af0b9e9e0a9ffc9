"""The MCP server: the lab's tools for Claude and other clients.

``astermind mcp`` speaks the protocol on standard input and output. Every tool of the lab is there,
under its own name, with a schema for its arguments and for its answer. The lab itself is opened by
the first call, so that a client is greeted at once.
"""

from __future__ import annotations

from astermind_lab.mcp.server import LabServer, serve

__all__ = ["LabServer", "serve"]
