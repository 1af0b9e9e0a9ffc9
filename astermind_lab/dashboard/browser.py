"""Opening an address in the browser of the user."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

__all__ = ["opened"]


@contextmanager
def opened(url: str) -> Iterator[None]:
    """Open an address, if there is a screen to open it on.

    The browser is given a file that leads to it, for there may be a token in the address, and
    everybody on this machine can see what programs are started with. The file goes after the block.
    """
    if not _has_screen():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="astermind-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "dashboards.html"
        file.write_text(f'<meta http-equiv="refresh" content="0; url={escape(url)}">\n')
        # some browsers keep the caller waiting until they are closed
        threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
        yield


def _has_screen() -> bool:
    """Whether a browser would be a window; one in this terminal would be in the way."""
    wanted = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in wanted)
