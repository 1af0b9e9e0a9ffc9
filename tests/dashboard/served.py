"""A dashboard server on tiny pages, and the clients of an attacker, a stranger and a user."""

from __future__ import annotations

import asyncio
import html
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import websocket_connect

from astermind_lab.dashboard.listening import Listening
from astermind_lab.dashboard.serving import serving

PAGE = """
import panel as pn

said = pn.pane.Markdown("nothing yet")
button = pn.widgets.Button(label="Say it")
button.on_click(lambda event: said.param.update(object="said by the server"))
pn.Column("# {name}", button, said).servable(title="{name}")
"""
COMPONENT = "/components/panel.template.fast.list/FastListTemplate/_css/fast_list_template.css"
ROUTES = (
    "/",
    "/first",
    "/first/metadata",
    "/first/autoload.js?bokeh-autoload-element=x",
    "/first/static/js/bokeh.min.js",
    "/second",
    "/static/js/bokeh.min.js",
    "/static/extensions/panel/panel.min.js",
    COMPONENT,
    "/favicon.ico",
    "/nothing",
)


def write_pages(folder: Path) -> dict[str, Path]:
    """Two pages, each with a button."""
    files = {name: folder / f"{name}.py" for name in ("first", "second")}
    for name, file in files.items():
        file.write_text(PAGE.format(name=name))
    return files


class Client:
    """Asks the server at ``url`` and follows no redirects."""

    def __init__(self, url: str, http: AsyncHTTPClient | None = None) -> None:
        self.url = url
        self._http = http or SimpleAsyncHTTPClient(force_instance=True)

    async def get(self, path: str, **headers: str) -> HTTPResponse:
        return await self.fetch(path, headers=_headers(headers))

    async def post(self, path: str, body: str, **headers: str) -> HTTPResponse:
        return await self.fetch(path, method="POST", body=body, headers=_headers(headers))

    async def fetch(self, path: str, **options: Any) -> HTTPResponse:
        request = HTTPRequest(self.url + path, follow_redirects=False, **options)
        return await self._http.fetch(request, raise_error=False)

    async def token(self, path: str = "/first", **headers: str) -> str:
        """The session that a page is to be drawn for."""
        page = await self.get(path, **headers)
        assert page.code == 200, page.code
        return session_token(page.body.decode())

    async def hear(self, path: str, token: str, **headers: str) -> dict[str, Any]:
        """The first message of a web socket. Raises HTTPClientError if it is refused."""
        request = HTTPRequest(self.url.replace("http", "ws", 1) + path, headers=_headers(headers))
        socket = await websocket_connect(request, subprotocols=["bokeh", token])
        try:
            said = await asyncio.wait_for(socket.read_message(), 20)
            assert said is not None, "the server closed the web socket"
            message: dict[str, Any] = json.loads(said)
            return message
        finally:
            socket.close()
            while await socket.read_message() is not None:
                continue  # until it is closed

    async def refusal(self, token: str, path: str = "/first/ws", **headers: str) -> int:
        """The code with which the web socket is refused; 101 if it is not."""
        try:
            await self.hear(path, token, **headers)
        except HTTPClientError as error:
            return error.code
        return 101


@contextmanager
def server_in_a_thread(
    folder: Path, listening: Listening, token: str | None = None
) -> Iterator[str]:
    """The server in a thread with a loop of its own, for clients that have one already."""
    ready = threading.Event()
    ends: list[Callable[[], object]] = []

    async def all_of_it() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(ended.set))
        async with serving(write_pages(folder), listening, token):
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(all_of_it()))
    thread.start()
    try:
        assert ready.wait(60)
        yield listening.url_here
    finally:
        ends[0]()
        thread.join()


def commands_below(pid: int) -> dict[psutil.Process, list[str]]:
    """The running processes that a process started, however deep, and their command lines."""
    found = {}
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            found[child] = child.cmdline()
    return found


def session_token(page: str) -> str:
    """The session that this page is to be drawn for."""
    found = re.search(r'"token":"([^"]+)"', html.unescape(page))
    assert found, page[-500:]
    return found[1]


def _headers(named: dict[str, str]) -> HTTPHeaders:
    return HTTPHeaders({name.replace("_", "-"): value for name, value in named.items()})


def on_server(
    folder: Path,
    listening: Listening,
    talk: Callable[[Client], Awaitable[None]],
    token: str | None = None,
) -> None:
    """Run the talk while the server runs, in one loop."""

    async def all_of_it() -> None:
        async with serving(write_pages(folder), listening, token):
            await talk(Client(listening.url_here))

    asyncio.run(all_of_it())
