"""Where alerts may be posted to."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.monitoring import webhook
from astermind_lab.monitoring.webhook import Webhook, check_webhook


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://alerts.example/x", ["alerts.example"]),
        ("https://Alerts.Example:8443/x?y=1", ["alerts.example"]),
        ("http://alerts.example:81/", ["other", "ALERTS.example:81"]),
    ],
)
def test_allowed_hosts(url: str, hosts: list[str]) -> None:
    assert check_webhook(url, hosts) == url


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://alerts.example/x", []),
        ("http://alerts.example:82/", ["alerts.example:81"]),
        ("http://alerts.example.evil/", ["alerts.example"]),
        ("http://evil/?alerts.example", ["alerts.example"]),
        ("http://alerts.example@evil/", ["alerts.example"]),
        ("file:///etc/passwd", [""]),
        ("//alerts.example", ["alerts.example"]),
        ("http://[::1", ["::1"]),
        (5, ["5"]),
    ],
)
def test_all_else_is_refused(url: object, hosts: list[str]) -> None:
    with pytest.raises(InvalidInput, match=r"^webhook: "):
        check_webhook(url, hosts)


def test_a_redirect_is_not_followed_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths: list[str] = []

    class Away(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    monkeypatch.setattr(webhook, "_PAUSES", (0.0,))
    with HTTPServer(("127.0.0.1", 0), Away) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with caplog.at_level(logging.ERROR):
            url = f"http://127.0.0.1:{server.server_port}/first"
            Webhook(["127.0.0.1"]).post(url, {"a": 1}).join(20)
        server.shutdown()
    assert paths == ["/first", "/first"]
    assert "could not be delivered" in caplog.text


def test_hosts_that_are_not_allowed_any_more(caplog: pytest.LogCaptureFixture) -> None:
    Webhook([]).post("http://127.0.0.1:9/", {}).join(20)
    assert "was not delivered" in caplog.text
