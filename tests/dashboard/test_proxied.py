"""The dashboards inside a real JupyterLab: tile, pages, web sockets, and who is turned away."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from astermind_lab.dashboard import pages
from astermind_lab.dashboard.jupyterlab import environment, jupyterlab, place_for
from astermind_lab.errors import AsterMindError, InvalidInput
from astermind_lab.settings import Settings, load_settings
from tests.dashboard.served import Client, commands_below

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0  # of the first page, which starts an engine and a server


async def signed_in(client: Client, token: str) -> dict[str, str]:
    """What a browser sends after it has been at the address that JupyterLab printed."""
    answer = await client.get(f"/lab?token={token}")
    cookies = SimpleCookie()
    for line in answer.headers.get_list("Set-Cookie"):
        cookies.load(line)
    return {"Cookie": "; ".join(f"{name}={found.value}" for name, found in cookies.items())}


async def talk(client: Client, token: str) -> None:
    refused = await client.get("/astermind/live")
    assert refused.code == 302 and "/login" in refused.headers["Location"]
    browser = await signed_in(client, token)

    info = json.loads((await client.get("/server-proxy/servers-info", **browser)).body)
    [tile] = [one for one in info["server_processes"] if one["name"] == "astermind"]
    assert tile["launcher_entry"]["title"] == "AsterMind Lab"
    icon = await client.get("/server-proxy/icon/astermind", **browser)
    assert icon.code == 200 and b"<svg" in icon.body

    root = await client.fetch("/astermind/", headers=browser, request_timeout=PATIENCE_SECONDS)
    first = pages.listed()[0].name
    assert (root.code, root.headers["Location"]) == (302, f"./{first}")
    page = f"/astermind/{first}"
    session = await client.token(page, **browser)
    script = await client.get("/astermind/static/js/bokeh.min.js", **browser)
    assert script.code == 200

    own = {**browser, "Origin": client.url}
    assert (await client.hear(f"{page}/ws", session, **own))["msgtype"] == "ACK"
    port = urlsplit(client.url).port
    for origin in ("http://evil.example", f"http://127.0.0.1:{port}0", "http://proxy"):
        foreign = {**browser, "Origin": origin}
        assert await client.refusal(session, f"{page}/ws", **foreign) == 403, origin
    assert await client.refusal(session, f"{page}/ws", Origin=client.url) == 403


def servers() -> list[psutil.Process]:
    """JupyterLab and what it started, without the engine, which others may use."""
    found = commands_below(os.getpid())
    return [one for one, command in found.items() if {"jupyterlab", "up"} & set(command)]


def test_the_dashboards_in_jupyterlab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=tmp_path / "data")
    running: list[psutil.Process] = []

    async def all_of_it() -> None:
        async with jupyterlab(settings, place_for(HOST, 0)) as url:
            place = urlsplit(url)
            client = Client(f"{place.scheme}://{place.netloc}")
            await talk(client, place.query.removeprefix("token="))
            running.extend(servers())

    asyncio.run(all_of_it())
    assert len(running) == 2
    _, alive = psutil.wait_procs(running, timeout=PATIENCE_SECONDS)
    assert alive == []


def test_a_jupyterlab_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    (tmp_path / "jupyter_server_config.py").write_text("c.ServerApp.certfile = '/no/such/file'\n")

    async def start() -> None:
        async with jupyterlab(Settings(data_dir=tmp_path), place_for(HOST, 0)):
            pytest.fail("it should not have started")

    with pytest.raises(AsterMindError, match=r"jupyterlab\.log says why: .*/no/such/file"):
        asyncio.run(start())


def test_its_usual_port_may_be_taken_but_not_the_one_that_was_named() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInput, match=rf"jupyter_port: {port} at .*--jupyter-port 0"):
            place_for(HOST, port)
    assert place_for(HOST).port and place_for(HOST, port).port == port


def test_another_process_is_told_which_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path / "data",
        database__url="ws://db.example:8000/rpc",
        database__username="ada",
        database__password="s3cret",
    )
    monkeypatch.chdir(tmp_path)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings().database == settings.database
    assert load_settings().data_dir == settings.data_dir
    unset = environment(Settings(data_dir=tmp_path))
    assert set(unset) == {
        "ASTERMIND_DATA_DIR",
        "ASTERMIND_DATABASE__NAMESPACE",
        "ASTERMIND_DATABASE__DATABASE",
    }
