"""Telling an alert to a web address, if its host is one of those that the settings allow."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from astermind_lab.errors import InvalidInput, shown

__all__ = ["Webhook", "check_webhook"]

_SECONDS = 5.0
_PAUSES = (1.0, 5.0)  # seconds between attempts

_log = logging.getLogger(__name__)


def check_webhook(url: object, hosts: Sequence[str], argument: str = "webhook") -> str:
    """The address, if it may be called; raises InvalidInput.

    hosts : the setting ``monitoring.webhook_hosts``: names, each with or without a port
    """
    parts, port = None, None
    if isinstance(url, str):
        with suppress(ValueError):  # brackets or a port that cannot be
            found = urlsplit(url)
            parts, port = found, found.port
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(argument, f"{shown(url)} is no http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(argument, "an address with a password in it would be shown to readers")
    name = parts.hostname.lower()
    if not {name, f"{name}:{port}"} & {host.lower() for host in hosts}:
        allowed = ", ".join(hosts) or "none"
        raise InvalidInput(
            argument,
            f"the host {shown(name)} is not allowed (allowed: {allowed}). Add it to the setting "
            "monitoring.webhook_hosts",
        )
    return str(url)


class Webhook:
    """Posts JSON, in threads of its own, and does not follow redirects."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = tuple(hosts)
        self._opener = urllib.request.build_opener(_Stay)

    def post(self, url: str, content: Mapping[str, Any]) -> threading.Thread:
        """Send it; what goes wrong is logged. The thread ends when it was sent, or given up."""
        thread = threading.Thread(
            target=self._deliver, args=(url, content), name="astermind-webhook", daemon=True
        )
        thread.start()
        return thread

    def _deliver(self, url: str, content: Mapping[str, Any]) -> None:
        try:
            check_webhook(url, self._hosts)  # the settings may have changed since it was set up
        except InvalidInput as problem:
            _log.error("an alert was not delivered: %s", problem)
            return
        request = urllib.request.Request(
            url,
            json.dumps(content).encode(),
            {"Content-Type": "application/json", "User-Agent": "astermind-lab"},
        )
        for pause in (*_PAUSES, None):
            try:
                with self._opener.open(request, timeout=_SECONDS):
                    return
            except (OSError, ValueError, urllib.error.URLError) as problem:
                if pause is None:
                    _log.error("an alert could not be delivered to %s: %s", url, problem)
                else:
                    time.sleep(pause)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect could lead to a host that is not allowed: it counts as a failure."""
        return None
