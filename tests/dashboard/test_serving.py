"""The server of the dashboards, asked by real clients: who comes in, and who does not."""

from __future__ import annotations

import socket
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from bokeh.util.token import get_token_payload
from tornado.httpclient import HTTPResponse
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.web import create_signed_value

from astermind_lab.dashboard.listening import PROXY, listen, listen_locally
from astermind_lab.errors import InvalidInput
from tests.dashboard.served import COMPONENT, ROUTES, Client, on_server

TOKEN = "a token of our own"
HOST = "127.0.0.1"


def cookie_of(response: HTTPResponse) -> SimpleCookie:
    return SimpleCookie(response.headers.get("Set-Cookie", ""))


async def signed_in(client: Client) -> str:
    """The cookie that the token is exchanged for, as a browser sends it."""
    answer = await client.get(f"/first?token={TOKEN.replace(' ', '+')}")
    assert answer.code == 303
    [(name, found)] = cookie_of(answer).items()
    return f"{name}={found.value}"


# On this machine


def test_a_page_and_its_web_socket(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        root = await client.get("/?model=m")
        assert (root.code, root.headers["Location"]) == (302, "./first?model=m")
        for page in ("/first", "/second"):
            token = await client.token(page)
            message = await client.hear(f"{page}/ws", token, Origin=client.url)
            assert message["msgtype"] == "ACK"
        for path in ("/static/js/bokeh.min.js", COMPONENT, "/favicon.ico"):
            assert (await client.get(path)).code == 200, path

    on_server(tmp_path, listen(HOST, 0), talk)


def test_it_answers_under_every_name_of_this_machine_and_no_other(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        port = client.url.rpartition(":")[2]
        for name in ("localhost", "127.0.0.1", "[::1]", "LocalHost"):
            own = f"{name}:{port}"
            token = await client.token(Host=own)
            assert await client.refusal(token, Host=own, Origin=f"http://{own}") == 101
        evil = (
            "evil.example",
            f"evil.example:{port}",
            "localhost",
            f"localhost:{port}.evil.example",
        )
        for name in evil:
            for path in ROUTES:
                assert (await client.get(path, Host=name)).code == 403, (name, path)
            assert await client.refusal(token, Host=name) == 403
            same = {"Host": name, "Origin": f"http://{name}"}
            assert await client.refusal(token, **same) == 403

    on_server(tmp_path, listen(HOST, 0), talk)


@pytest.mark.parametrize("opened_wide", [False, True])
def test_pages_of_others_may_not_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened_wide: bool
) -> None:
    if opened_wide:  # Bokeh heeds it; the gate does not
        monkeypatch.setenv("BOKEH_ALLOW_WS_ORIGIN", "*")

    async def talk(client: Client) -> None:
        port = int(client.url.rpartition(":")[2])
        token = await client.token()
        for origin in (
            "http://evil.example",
            f"http://evil.example:{port}",
            f"http://{HOST}:{port - 1}",
            f"http://{HOST}",
            "null",
            "",
            "http://[",
        ):
            assert await client.refusal(token, Origin=origin) == 403, origin
            for path in ROUTES:
                assert (await client.get(path, Origin=origin)).code == 403, (origin, path)

    on_server(tmp_path, listen(HOST, 0), talk)


def test_a_further_name_can_be_allowed(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        for name in ("lab.example", "lab.example:8443"):
            own = {"Host": name, "Origin": f"https://{name}"}
            token = await client.token(Host=name)
            assert await client.refusal(token, **own) == 101
        assert (await client.get("/first", Host="lab.example:8444")).code == 403

    on_server(tmp_path, listen(HOST, 0, ["lab.example", "lab.example:8443"]), talk)


def test_nobody_may_frame_the_pages(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        for path in (*ROUTES, "/first?token=x"):
            for answer in (await client.get(path), await client.get(path, Host="evil.example")):
                assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"

    on_server(tmp_path, listen(HOST, 0), talk)


# With a token


def test_without_the_token_nothing_is_to_be_had(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        for path in ROUTES:
            for answer in (await client.get(path), await client.post(path, "")):
                assert answer.code == 403, path
                assert b'name="token"' in answer.body
                assert "Set-Cookie" not in answer.headers
            assert (await client.fetch(path, method="PUT", body="")).code == 405
        token = await client.token(Cookie=await signed_in(client))
        shown = TOKEN.replace(" ", "+")
        for refused in ({}, {"Origin": client.url}, {"Cookie": "astermind=yes"}):
            assert await client.refusal(token, **refused) == 403
        assert await client.refusal(token, f"/first/ws?token={shown}") == 403

    on_server(tmp_path, listen(HOST, 0), talk, TOKEN)


def test_the_token_is_exchanged_for_a_cookie(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        answer = await client.get("/first?model=a+b&token=a+token+of+our+own&window=1h")
        assert answer.code == 303
        assert answer.headers["Location"] == "./first?model=a+b&window=1h"
        [found] = cookie_of(answer).values()
        assert found["httponly"] and found["samesite"] == "Lax" and found["path"] == "/"
        assert not found["secure"] and TOKEN not in found.value
        cookie = await signed_in(client)
        for path in ROUTES:
            expected = {"/": 302, "/nothing": 404}.get(path, 200)
            assert (await client.get(path, Cookie=cookie)).code == expected, path
        token = await client.token(Cookie=cookie)
        own = {"Cookie": cookie, "Origin": client.url}
        assert await client.refusal(token, **own) == 101
        assert await client.refusal(token, Cookie=cookie, Origin="http://evil") == 403
        assert (await client.get("/first", Cookie=cookie, Host="evil.example")).code == 403

    on_server(tmp_path, listen(HOST, 0), talk, TOKEN)


def test_the_sign_in_page_takes_the_token(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        wrong = await client.post("/second?model=m", "token=another")
        assert wrong.code == 403 and "Set-Cookie" not in wrong.headers
        assert b"That is not the token." in wrong.body
        right = await client.post("/second?model=m", f"token={TOKEN}", Origin=client.url)
        assert (right.code, right.headers["Location"]) == (303, "./second?model=m")
        foreign = await client.post("/second", f"token={TOKEN}", Origin="http://evil.example")
        assert foreign.code == 403 and "Set-Cookie" not in foreign.headers
        secure = await client.post("/first", f"token={TOKEN}", X_Forwarded_Proto="https")
        assert [found["secure"] for found in cookie_of(secure).values()] == [True]

    on_server(tmp_path, listen(HOST, 0), talk, TOKEN)


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/x", "/javascript:alert(1)", "/"]
)
def test_signing_in_leads_nowhere_else(tmp_path: Path, path: str) -> None:
    async def talk(client: Client) -> None:
        for shown in ("a+token+of+our+own", "wrong"):
            answer = await client.get(f"{path}?token={shown}")
            where = answer.headers.get("Location", "./")
            assert where.startswith("./") and "evil" not in where.partition("evil.example")[2]
            assert "//" not in where

    on_server(tmp_path, listen(HOST, 0), talk, TOKEN)


def test_a_cookie_of_another_making_is_worth_nothing(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        name, _, value = (await signed_in(client)).partition("=")
        assert name.endswith(client.url.rpartition(":")[2])
        forged = {
            f"{name}=yes",
            f"{name}=",
            f"{name}={value[:-1]}0" if not value.endswith("0") else f"{name}={value[:-1]}1",
            f"{name}={create_signed_value('another token', name, 'yes').decode()}",
            f"{name}={create_signed_value(TOKEN, 'another name', 'yes').decode()}",
            f"{name}={create_signed_value(TOKEN, name, 'no').decode()}",
            f"another={value}",
        }
        for cookie in forged:
            assert (await client.get("/first", Cookie=cookie)).code == 403, cookie
        assert (await client.get("/first", Cookie=f"{name}={value}")).code == 200

    on_server(tmp_path, listen(HOST, 0), talk, TOKEN)


def test_the_cookie_is_not_in_the_page(tmp_path: Path) -> None:
    """Bokeh puts headers and cookies of the request into the page, where any script can read."""

    async def talk(client: Client) -> None:
        cookie = await signed_in(client)
        page = await client.get(
            "/first", Cookie=f"{cookie}; astermind_theme=dark; other=1", Authorization="Basic x"
        )
        payload = get_token_payload(await client.token(Cookie=cookie))
        assert "Authorization" not in payload["headers"] and "Cookie" not in payload["headers"]
        assert cookie.partition("=")[2].encode() not in page.body
        themed = await client.token(Cookie=f"{cookie}; astermind_theme=dark; other=1")
        assert get_token_payload(themed)["cookies"] == {"astermind_theme": "dark"}

    on_server(tmp_path, listen(HOST, 0), talk, TOKEN)


# Behind another server


class _At(Resolver):
    """Every name is that socket."""

    def initialize(self, path: str) -> None:
        self.path = path

    async def resolve(self, *_: object, **__: object) -> list[tuple[int, str]]:
        return [(socket.AF_UNIX, self.path)]


def test_at_a_unix_socket_the_name_is_that_of_the_other_server(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listening = listen_locally(path, ["lab.example"])

    async def talk(_: Client) -> None:
        http = SimpleAsyncHTTPClient(force_instance=True, resolver=_At(str(path)))
        client = Client("http://hub.example", http)
        assert (await client.get("/first")).code == 200
        assert (await client.get("/first", Origin=f"http://{PROXY}")).code == 200
        assert (await client.get("/first", Origin="https://lab.example")).code == 200
        assert (await client.get("/first", Origin="http://hub.example")).code == 403

    on_server(tmp_path, listening, talk)
    assert path.stat().st_mode & 0o077 == 0
    listening.close()
    assert not path.exists()


# Where it listens


def test_who_can_reach_it() -> None:
    for host, others in {"127.0.0.1": False, "localhost": False, "0.0.0.0": True}.items():
        listening = listen(host, 0)
        try:
            assert listening.open_to_others is others
            assert listening.names is not None
            assert f"127.0.0.1:{listening.port}" in listening.names
            named = f"{socket.gethostname()}:{listening.port}".lower()
            assert (named in listening.names) is others or socket.gethostname() == "localhost"
        finally:
            listening.close()


def test_a_port_that_is_taken() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInput, match=rf"port: {port} at {HOST} is taken by process \d+"):
            listen(HOST, port)


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "256.1.1.1"])
def test_an_address_of_another_machine(host: str) -> None:
    with pytest.raises(InvalidInput, match=r"host: .* is not an address of this machine"):
        listen(host, 0)


def test_a_socket_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "missing" / "socket", tmp_path / "file", tmp_path / ("x" * 200)):
        with pytest.raises(InvalidInput, match="socket: cannot listen"):
            listen_locally(path)
    assert (tmp_path / "file").exists()
