"""Where the server listens, and the names under which browsers may ask for it."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from astermind_lab.errors import InvalidInput, shown

__all__ = ["PROXY", "Listening", "listen", "listen_locally", "own_names"]

PROXY = "proxy"  # what a server before this one calls itself; see ``proxied``
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Listening:
    """A bound socket, at a host and a port, or at a file.

    names : every HOST:PORT that is this server; None is whatever is asked for
    origins : those whose pages may use it
    """

    socket: socket.socket
    origins: frozenset[str]
    names: frozenset[str] | None = None
    host: str = ""
    port: int = 0
    file: Path | None = None

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    @property
    def open_to_others(self) -> bool:
        """Whether other machines can reach it."""
        if self.file is not None:
            return False
        address = _plain(self.socket.getsockname()[0])
        return not ipaddress.ip_address(address).is_loopback

    @property
    def reachable(self) -> str:
        """An address by which this machine reaches it."""
        return "127.0.0.1" if _is_any(self.host) else self.host

    @property
    def url_here(self) -> str:
        """Its address for a browser on this machine."""
        return f"http://{_bracketed(self.reachable)}:{self.port}"

    @property
    def url(self) -> str:
        """Its address for a browser on any machine that reaches it."""
        if self.file is not None:
            return f"unix:{self.file}"
        host = socket.gethostname() if _is_any(self.host) else self.host
        return f"http://{_bracketed(host)}:{self.port}"


def listen(host: str, port: int, extra: Iterable[str] = ()) -> Listening:
    """Take a port, 0 for a free one, at an address of this machine.

    extra : further names under which browsers may ask
    Raises InvalidInput that says who has the port, or what is wrong with the address.
    """
    try:
        bound = _bound(host, port)
    except socket.gaierror:
        raise InvalidInput("host", f"{shown(host)} is not an address of this machine") from None
    except OSError as error:
        raise _refused(host, port, error) from None
    port = bound.getsockname()[1]
    names = frozenset(own_names(host, port, extra))
    return Listening(bound, names, names, host, port)


def listen_locally(path: Path, extra: Iterable[str] = ()) -> Listening:
    """Take a Unix socket, which only this user can open, for a server that stands before this one.

    extra : origins that are let through besides ``PROXY``
    Raises InvalidInput.
    """
    try:
        return Listening(_bound_file(path), frozenset({PROXY, *extra}), file=path)
    except OSError as error:
        reason = error.strerror or error
        raise InvalidInput("socket", f"cannot listen at {shown(str(path))}: {reason}") from None


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # of a name with addresses of both kinds, the one that every browser tries
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    both = family == socket.AF_INET6 and _is_any(host) and socket.has_dualstack_ipv6()
    bound = socket.create_server(address[:2], family=family, backlog=128, dualstack_ipv6=both)
    bound.setblocking(False)
    return bound


def _bound_file(path: Path) -> socket.socket:
    """A socket there, in place of one that a killed server left."""
    if path.is_socket():
        path.unlink()
    bound = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        bound.bind(str(path))
        bound.listen(128)
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(mask)
    bound.setblocking(False)
    return bound


def own_names(host: str, port: int, extra: Iterable[str] = ()) -> Iterator[str]:
    """Every HOST:PORT that is this server in the address bar of a browser, in lower case.

    >>> sorted(own_names("127.0.0.1", 5006))
    ['127.0.0.1:5006', '[::1]:5006', 'localhost:5006']
    """
    hosts = {*_LOOPBACK, host}
    if _is_any(host):
        hosts |= {socket.gethostname(), socket.getfqdn(), *_addresses()}
    for name in hosts:
        yield f"{_bracketed(name)}:{port}".lower()
        if port == 80:
            yield _bracketed(name).lower()
    yield from extra


def _addresses() -> Iterator[str]:
    """Those of the network cards of this machine."""
    for card in psutil.net_if_addrs().values():
        for found in card:
            if found.family in (socket.AF_INET, socket.AF_INET6):
                yield _plain(found.address)


def _refused(host: str, port: int, error: OSError) -> InvalidInput:
    if error.errno == errno.EADDRINUSE:
        return InvalidInput(
            "port",
            f"{port} at {host} is taken by {_holder(port)}. Name another one, or 0 for any that "
            "is free: --port 0",
        )
    if error.errno == errno.EACCES:
        return InvalidInput("port", f"{port} may not be taken by this user; choose one above 1023")
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidInput("host", f"{shown(host)} is not an address of this machine")
    return InvalidInput("host", f"cannot listen at {shown(host)}: {error.strerror}")


def _holder(port: int) -> str:
    """Who listens at a port, in words, as far as this user may know."""
    for process in psutil.process_iter():
        try:
            taken = process.net_connections(kind="tcp")
            if any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in taken):
                return f"process {process.pid}, {_called(process)}"
        except psutil.Error:
            continue
    return "a program of another user"


def _called(process: psutil.Process) -> str:
    # not its arguments: there may be a password among them
    command = process.cmdline()
    another = "up" in command and any("astermind" in word for word in command)
    return "another astermind up" if another else process.name()


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def _plain(address: str) -> str:
    """An address without the network card that IPv6 may name."""
    return address.partition("%")[0]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
