"""The dashboards inside JupyterLab: a tile in the launcher, and every page under ``/astermind/``.

    browser ── JupyterLab, which knows its user ── Unix socket ── the dashboards

jupyter-server-proxy starts the server when the first page is asked for, and ends it with
JupyterLab. The socket is in a folder that only this user can open, so no browser reaches it but
through JupyterLab: that checks who asks, and from which page a web socket is opened. What passed is
given the origin that the dashboards know; theirs is the second lock, not the first.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from astermind_lab.dashboard.listening import PROXY

__all__ = ["tile"]

_SOCKET = "{unix_socket}"  # which the proxy fills in
_START_SECONDS = 60  # that the first start may take, with the local engine


def tile() -> dict[str, Any]:
    """What jupyter-server-proxy asks of the entry point ``astermind``."""
    python = sys.executable.replace("{", "{{").replace("}", "}}")  # the rest is a template
    return {
        "command": [python, "-m", "astermind_lab", "up", "--no-browser", "--socket", _SOCKET],
        "unix_socket": True,
        "timeout": _START_SECONDS,
        "request_headers_override": {"Origin": f"http://{PROXY}"},
        "new_browser_tab": False,
        "launcher_entry": {
            "title": "AsterMind Lab",
            "icon_path": str(Path(__file__).with_name("tile.svg")),
            "category": "Notebook",  # elsewhere JupyterLab leaves the icon out
            "path_info": "astermind/",
        },
    }
