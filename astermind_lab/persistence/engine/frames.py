"""Reading just enough of a request to know what to do with it.

A request is a CBOR map of ``id``, ``method`` and ``params``. Bulk inserts are megabytes: to decode
and encode them again in Python would take longer than the insert. So of a map with exactly these
three keys in this order, which is what SDKs send, only the head is read, and the session is put in
front of it. Anything else is decoded and written anew; either way the session that a client names
is never the one that the engine sees.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from surrealdb.data.cbor import decode, encode

__all__ = ["BadFrame", "Request", "read_request"]

_MAP_OF_THREE, _MAP_OF_FOUR = 0xA3, b"\xa4"
_SESSION_KEY = b"\x67session\xd8\x25\x50"  # the text "session", then tag 37 (a uuid), 16 bytes
_TEXT, _ARRAY = 3, 4
_LONGEST_ID = 256


class BadFrame(ValueError):
    """Not a request of SurrealDB's protocol."""


@dataclass
class Request:
    """One request.

    number : its id, as the client sent it     text : of a query, its statements; else empty
    """

    number: Any
    method: str
    text: str
    session: Any
    _raw: bytes
    _decoded: dict[str, Any] | None = None

    @property
    def params(self) -> list[Any]:
        """The parameters; decodes the whole request."""
        if self._decoded is None:
            self._decoded = _decoded(self._raw)
        params = self._decoded.get("params")
        return list(params) if isinstance(params, list | tuple) else []

    def replace(self, params: list[Any]) -> None:
        """Other parameters in place of those that were sent."""
        self._decoded = {"params": params}

    def for_session(self, session: uuid.UUID) -> bytes:
        """The request as the engine gets it, in that session."""
        if self._decoded is None:
            return _MAP_OF_FOUR + _SESSION_KEY + session.bytes + self._raw[1:]
        message = {"id": self.number, "method": self.method, "session": session}
        return encode(message | {"params": self.params})


def read_request(frame: bytes | str) -> Request:
    """The request in a message; raises BadFrame."""
    if isinstance(frame, str):
        raise BadFrame("this engine speaks CBOR; ask for the subprotocol 'cbor'")
    try:
        request = _read_head(frame)
    except (IndexError, UnicodeDecodeError):
        request = None
    return request or _read_all(frame)


def _read_head(frame: bytes) -> Request | None:
    """The head of a request as SDKs write it, else None."""
    if not frame or frame[0] != _MAP_OF_THREE:
        return None
    key, at = _text(frame, 1)
    number, at = _text(frame, at) if key == "id" else (None, at)
    key, at = _text(frame, at) if number is not None else (None, at)
    method, at = _text(frame, at) if key == "method" else (None, at)
    key, at = _text(frame, at) if method is not None else (None, at)
    if method is None or number is None or key != "params" or len(number) > _LONGEST_ID:
        return None
    kind, count, at = _head(frame, at)
    if kind != _ARRAY:
        return None
    text = _text(frame, at)[0] if count and method == "query" else ""
    return None if text is None else Request(number, method, text, None, frame)


def _text(frame: bytes, at: int) -> tuple[str | None, int]:
    """The text that begins there and where it ends; None if something else begins there."""
    kind, size, start = _head(frame, at)
    if kind != _TEXT or start + size > len(frame):
        return None, at
    return frame[start : start + size].decode(), start + size


def _head(frame: bytes, at: int) -> tuple[int, int, int]:
    """Kind and size of the item that begins there, and where its content does (RFC 8949, 3)."""
    kind, size = frame[at] >> 5, frame[at] & 0x1F
    if size < 24:
        return kind, size, at + 1
    if size > 27:
        return -1, 0, at
    width = 1 << (size - 24)
    if at + 1 + width > len(frame):
        raise IndexError
    return kind, int.from_bytes(frame[at + 1 : at + 1 + width], "big"), at + 1 + width


def _read_all(frame: bytes) -> Request:
    message = _decoded(frame)
    method, params = message.get("method"), message.get("params")
    if not isinstance(method, str):
        raise BadFrame("a request needs a method")
    text = params[0] if isinstance(params, list | tuple) and params else ""
    text = str(text) if method == "query" else ""
    return Request(message.get("id"), method, text, message.get("session"), frame, message)


def _decoded(frame: bytes) -> dict[str, Any]:
    try:
        message = decode(frame)
    except Exception as problem:  # the codec raises whatever it stumbles over
        raise BadFrame(f"not CBOR: {type(problem).__name__}") from None
    if not isinstance(message, dict):
        raise BadFrame("a request is a map")
    return message
