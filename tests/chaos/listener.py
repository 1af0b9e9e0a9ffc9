"""Somebody else's program on a port of ours, that keeps what it is sent."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Astermind-Proof: 00\r\n\r\n{}"
_MOST_BYTES = 64 * 1024


class Listener:
    """Listens on a port of 127.0.0.1 and answers everything with the same words."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._socket.accept()
            with peer:
                peer.settimeout(1.0)
                try:
                    said = peer.recv(_MOST_BYTES)
                    if said == b"end":
                        return
                    self.heard.append(said)
                    peer.sendall(_ANSWER)
                except OSError:
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"end")
        self._thread.join()
        self._socket.close()
