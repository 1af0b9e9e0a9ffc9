"""What a store URL means: memory, a folder, a local engine, or a server.

mem://                     in this process, gone on close
local://DATA_DIR           the local engine of a data folder, shared by every process on this
                           machine; it is started if it does not run
surrealkv://PATH           a folder, in this process; PATH is taken literally (spaces, ``%`` and
                           any script are fine, ``~`` is the home folder), relative paths count
                           from the current folder
ws://HOST:PORT[/rpc]       a SurrealDB server or cluster
wss://…                    the same, encrypted
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.persistence.engine.place import Place

__all__ = ["LOG_BYTES", "Target", "folder_target", "local_place", "parse_url"]

# A store is opened anew when its log has grown so far. The engine keeps as much in memory, and its
# writes stall for ever at twice the size of its memtable: 64 MiB on the smallest machines.
LOG_BYTES = 48 * 1024 * 1024
_SPARE_BYTES = 4 * 1024 * 1024
# Without a limit the engine sizes its cache from the machine and takes more than a gigabyte.
BLOCK_CACHE_BYTES = 64 * 1024 * 1024
_CACHE_OPTION = "block_cache_capacity"
_CACHE_VARIABLE = "SURREAL_SURREALKV_BLOCK_CACHE_CAPACITY"
_OPTIONS = re.compile(r"[a-z_]+=[^&?]*(&[a-z_]+=[^&?]*)*\Z")
_STORE_MARKS = ("LOCK", "manifest")
_OWNER_MARK = "owner."  # a note of ours that a killed process may leave

_ALLOWED = "mem://, surrealkv://FOLDER, local://DATA_DIR, ws://HOST:PORT or wss://HOST:PORT"


@dataclass(frozen=True)
class Target:
    """A checked URL: ``url`` as it may be shown, ``engine_url`` as the engine wants it.

    folder : of a store in this process     data_dir : of a local engine, which knows its address
    """

    url: str
    engine_url: str
    folder: Path | None = None
    data_dir: Path | None = None

    @property
    def in_memory(self) -> bool:
        """Whether the data is in this process only."""
        return self.engine_url == "mem://"

    @property
    def log_bytes(self) -> int:
        """Bytes in the write-ahead log of the store in this process; 0 where there is none."""
        total = 0
        if self.folder is not None:
            with suppress(OSError), os.scandir(self.folder / "wal") as entries:
                for entry in entries:  # a file may go meanwhile
                    total += entry.stat().st_size
        return total

    @property
    def has_room(self) -> bool:
        """Whether the disk has room for the log once more, which opening may copy."""
        if self.folder is None:
            return True
        return shutil.disk_usage(self.folder).free > self.log_bytes + _SPARE_BYTES

    @property
    def has_log(self) -> bool:
        """Whether the store in this process has a write-ahead log, which may need a repair.

        Having repaired one, the engine (3.2.4) goes on writing to the file that it has just
        replaced, and all that is lost at the next kill. So a store with a log is opened twice.
        """
        log = None if self.folder is None else self.folder / "wal"
        return log is not None and log.is_dir() and any(log.iterdir())

    @property
    def is_server(self) -> bool:
        """Whether other processes may use the same database at the same time."""
        return self.engine_url.startswith(("ws://", "wss://", "local://"))


def parse_url(url: str) -> Target:
    """Read a store URL; raises InvalidInput("url") and says which forms are allowed."""
    if not isinstance(url, str) or not url.strip():
        raise InvalidInput("url", f"a store URL is needed: {_ALLOWED}, got {shown(url)}")
    scheme, mark, rest = url.strip().partition("://")
    if scheme == "mem" and mark and not rest.strip("/"):
        return Target(url="mem://", engine_url="mem://")
    if scheme == "surrealkv" and mark:
        return _open_folder(rest)
    if scheme == "local" and mark:
        return _local_target(rest)
    if scheme in ("ws", "wss") and mark:
        return _server_target(url.strip())
    # Only the scheme is quoted: what follows it may hold a password.
    given = shown(f"{scheme}://…" if mark else scheme)
    raise InvalidInput("url", f"a store URL is {_ALLOWED}, got {given}")


def local_place(url: str) -> Place | None:
    """The place of the local engine that a URL names; None for a URL of another kind."""
    data_dir = parse_url(url).data_dir
    return None if data_dir is None else Place(data_dir)


def folder_target(folder: Path) -> Target:
    """The store in a folder whose name may hold anything but ``?``; raises InvalidInput."""
    return _folder_with(folder, "")


def _open_folder(rest: str) -> Target:
    path, mark, options = rest.partition("?")
    if mark and not _OPTIONS.match(options):
        raise InvalidInput(
            "url",
            "the path of a surrealkv:// store cannot hold '?', which begins options such as "
            f"?{_CACHE_OPTION}={BLOCK_CACHE_BYTES}; rename the folder",
        )
    return _folder_with(_path("surrealkv", path), options)


def _local_target(rest: str) -> Target:
    data_dir = _path("local", rest)
    if data_dir == data_dir.parent:
        raise InvalidInput("url", f"{data_dir} is the root folder; name a folder of its own")
    if data_dir.exists() and not data_dir.is_dir():
        raise InvalidInput("url", f"{data_dir} is a file; a data folder is needed")
    url = f"local://{data_dir}"
    return Target(url=url, engine_url=url, data_dir=data_dir)


def _path(scheme: str, path: str) -> Path:
    if not path.strip():
        raise InvalidInput("url", f"{scheme}:// names no folder; write {scheme}://./lab")
    if "\0" in path:
        raise InvalidInput("url", f"the path of a {scheme}:// store cannot hold a null character")
    return Path(os.path.abspath(Path(path).expanduser()))


def _folder_with(folder: Path, options: str) -> Target:
    if "?" in str(folder):
        raise InvalidInput(
            "url", f"the folder {shown(str(folder))} cannot be used: '?' in its path"
        )
    _refuse_foreign(folder)
    if _CACHE_OPTION not in options and _CACHE_VARIABLE not in os.environ:
        options = "&".join(filter(None, (options, f"{_CACHE_OPTION}={BLOCK_CACHE_BYTES}")))
    engine_url = f"surrealkv://{folder}" + (f"?{options}" if options else "")
    return Target(url=f"surrealkv://{folder}", engine_url=engine_url, folder=folder)


def _refuse_foreign(folder: Path) -> None:
    """The engine would scatter its files into any folder it is given, a home folder included."""
    if folder == folder.parent:
        raise InvalidInput("url", f"{folder} is the root folder; name a folder of its own")
    if folder.exists() and not folder.is_dir():
        raise InvalidInput("url", f"{folder} is a file; a surrealkv:// store is a folder")
    if _has_any(folder / "sstables") and not _has_any(folder / "manifest"):
        # The engine would take it for an empty store, and clear away the tables.
        raise InvalidInput(
            "url",
            f"the store in {folder} has lost its manifest, without which its tables cannot be "
            "read; nothing was changed. Restore a backup into another folder: astermind db restore",
        )
    if not folder.is_dir() or any((folder / mark).exists() for mark in _STORE_MARKS):
        return
    try:
        empty = all(entry.name.startswith(_OWNER_MARK) for entry in folder.iterdir())
    except OSError as problem:
        raise InvalidInput("url", f"the folder {folder} cannot be read: {problem}") from problem
    if not empty:
        raise InvalidInput(
            "url", f"the folder {folder} holds other files; name an empty or a new folder"
        )


def _has_any(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is not None
    except OSError:
        return False


def _server_target(url: str) -> Target:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as problem:
        raise InvalidInput(
            "url", f"not a server address ({problem}); allowed: ws://HOST:PORT"
        ) from None
    if parts.username or parts.password or "@" in parts.netloc:
        raise InvalidInput(
            "url", "leave the user name and password out of it; give username= and password="
        )
    if not host:
        raise InvalidInput("url", f"{shown(url)} names no host; allowed: ws://HOST:PORT")
    return Target(url=url, engine_url=url)
