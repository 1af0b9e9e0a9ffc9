"""Who may come in: one gate before everything that the server answers.

    request ── asked for under a name of ours? ── from a page of ours? ── signed in? ── the pages
                         │ no                            │ no                  │ no
                        403                             403             the sign-in page, 403

It stands before the routes, so that nothing is forgotten: pages, web sockets, static files. The
first question defeats DNS rebinding, the second pages of other sites. The third is asked if there
is a token: whoever shows it is given a signed cookie, and the token leaves the address bar.

A page of another site cannot show these pages inside its own either.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import (
    Application,
    OutputTransform,
    RequestHandler,
    create_signed_value,
    decode_signed_value,
)

__all__ = ["Gate", "Guarded", "Rules"]

_log = logging.getLogger(__name__)

_ARGUMENT = "token"
_SIGNED_IN = "yes"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>Sign in · AsterMind Lab</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center; margin: 0;
  min-height: 100vh; }}
main {{ width: min(22rem, 90vw); }}
input, button {{ font: inherit; box-sizing: border-box; width: 100%; padding: .5rem .75rem; }}
button {{ margin-top: .75rem; }}
[role=alert] {{ color: light-dark(#a30000, #ff9d8f); min-height: 1.5em; }}
</style>
<main><h1>AsterMind Lab</h1>
<form method="post"><label for="token">Token, as <code>astermind up</code> printed it</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button><p role="alert">{problem}</p></form></main></html>
"""


@dataclass(frozen=True)
class Rules:
    """Whom the gate lets in.

    names : the only HOST:PORT under which pages may be asked for; None is any
    origins : those of the pages that may open a web socket
    token : what has to be shown; None is nothing
    port : goes into the name of the cookie, for a browser has one jar for all ports of a machine
    """

    names: frozenset[str] | None
    origins: frozenset[str]
    token: str | None = None
    port: int = 0

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"astermind_signed_in_{self.port}"

    def refusal(self, request: HTTPServerRequest) -> str:
        """Why a request comes from where none should; empty if it does not."""
        host = request.host.lower()
        if self.names is not None and host not in self.names:
            return f"This server is not {host!r}; if it should be: --allow-origin {host!r}"
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2].lower() not in self.origins:
            return f"Pages of {origin!r} may not use this server"
        return ""

    def matches(self, shown: str) -> bool:
        """Whether that is the token; how long the answer takes does not tell how near it was."""
        return hmac.compare_digest((self.token or "").encode(), shown.encode())

    def signed_in(self, request: HTTPServerRequest) -> bool:
        """Whether the request carries the cookie that a right token was exchanged for."""
        cookie = request.cookies.get(self.cookie)
        if self.token is None or cookie is None:
            return self.token is None
        value = decode_signed_value(self.token, self.cookie, cookie.value)
        return value == _SIGNED_IN.encode()


class Gate(Router):
    """Lets requests through to the application behind it, or answers them itself."""

    def __init__(self, rules: Rules, behind: Application) -> None:
        self._rules = rules
        self._behind = behind
        self._stranger = _answering(_Refused, rules)
        self._guest = _answering(_SignIn, rules)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        """Who answers a request."""
        if self._rules.refusal(request):
            return self._stranger.find_handler(request)
        offers = self._rules.token is not None and _ARGUMENT in request.query_arguments
        if offers or not self._rules.signed_in(request):
            return self._guest.find_handler(request)
        return self._behind.find_handler(request)


class Guarded(OutputTransform):
    """What is added to every answer: only pages of this server may show it in a frame."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The headers that browsers go by."""
        headers["Content-Security-Policy"] = "frame-ancestors 'self'"
        headers["Referrer-Policy"] = "same-origin"
        headers["X-Content-Type-Options"] = "nosniff"
        return status_code, headers, chunk


def _answering(handler: type[_Handler], rules: Rules) -> Application:
    everything = [(r".*", handler, {"rules": rules})]
    return Application(everything, transforms=[Guarded], log_function=lambda handler: None)


class _Handler(RequestHandler):
    """Any method, at any address."""

    def initialize(self, rules: Rules) -> None:
        self.rules = rules

    def prepare(self) -> None:
        self.set_header("Cache-Control", "no-store")


class _Refused(_Handler):
    def prepare(self) -> None:
        super().prepare()
        refusal = self.rules.refusal(self.request)
        _log.warning("refused a request from %s: %s", self.request.remote_ip, refusal)
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{refusal}\n")


class _SignIn(_Handler):
    def get(self) -> None:
        """The sign-in page, or the way in for an address with the token."""
        shown = self.get_query_argument(_ARGUMENT, None)
        upgrade = self.request.headers.get("Upgrade", "").lower()
        if shown is None or upgrade == "websocket":
            self._ask("")
        else:
            self._try(shown)

    def post(self) -> None:
        """What the sign-in page sends."""
        self._try(self.get_body_argument(_ARGUMENT, ""))

    def _try(self, shown: str) -> None:
        if not self.rules.matches(shown):
            _log.warning("a wrong token was shown from %s", self.request.remote_ip)
            self._ask("That is not the token.")
            return
        name = self.rules.cookie
        self.set_cookie(
            name,
            create_signed_value(self.rules.token or "", name, _SIGNED_IN),
            httponly=True,
            samesite="Lax",
            secure=self.request.headers.get("X-Forwarded-Proto") == "https",
        )
        self.redirect(self._here(), status=303)

    def _here(self) -> str:
        """This address without the token; relative, so that it cannot lead to another machine."""
        rest = {k: v for k, v in self.request.query_arguments.items() if k != _ARGUMENT}
        query = urlencode(rest, doseq=True)
        return f"./{self.request.path.rpartition('/')[2]}{'?' if query else ''}{query}"

    def _ask(self, problem: str) -> None:
        self.set_status(403)
        self.finish(_PAGE.format(problem=escape(problem)))
