"""The server of the dashboards: Panel's, in this process, behind a gate.

    async with serving(pages, listening, token):
        ...

Pages are run anew for every session that opens one; the lab is shared by all of them, see ``hub``.
Addresses in pages are relative, so that the server may stand behind another one, under any path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bokeh.core.validation import silence
from bokeh.core.validation.warnings import EMPTY_LAYOUT
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import build_applications
from panel.io.resources import DIST_DIR
from panel.io.server import get_static_routes
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from astermind_lab.dashboard.gate import Gate, Guarded, Rules
from astermind_lab.dashboard.listening import Listening
from astermind_lab.dashboard.theme import COOKIE

__all__ = ["serving"]


@asynccontextmanager
async def serving(
    pages: Mapping[str, Path], listening: Listening, token: str | None = None
) -> AsyncIterator[None]:
    """Serve the pages while the block runs; the sockets are closed after it.

    pages : names, as they stand in addresses, and files; the first one is shown at the root
    token : what a browser has to show; None is nothing
    """
    application = _application(pages, listening.origins)
    rules = Rules(listening.names, listening.origins, token, listening.port)
    http = HTTPServer(Gate(rules, application))
    http.add_socket(listening.socket)
    server = BaseServer(IOLoop.current(), application, http)
    server.start()
    try:
        yield
    finally:
        server.stop()
        await http.close_all_connections()


def _application(pages: Mapping[str, Path], origins: frozenset[str]) -> BokehTornado:
    silence(EMPTY_LAYOUT, True)
    first = next(iter(pages))
    return BokehTornado(
        build_applications({f"/{name}": str(path) for name, path in pages.items()}),
        extra_websocket_origins=[name if ":" in name else f"{name}:80" for name in origins],
        extra_patterns=[(r"/?", _Root, {"first": first}), *get_static_routes({})],
        use_index=False,
        ico_path=str(DIST_DIR / "images" / "favicon.ico"),
        transforms=[Guarded],
        # These go into the page, where scripts can read them; the sign-in cookie must not.
        include_cookies=[COOKIE],
        exclude_headers=["Authorization", "Cookie"],
    )


class _Root(RequestHandler):
    """``/`` is the first page; the address is relative, for it may be under the path of a proxy."""

    def initialize(self, first: str) -> None:
        self.first = first

    def get(self) -> None:
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"./{self.first}{query}")
