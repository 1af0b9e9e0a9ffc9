"""The files of a local engine, in the data folder.

lab/                 the database
engine/secret        the password, made once; only the user may read it
engine/address.json  where the engine listens and who it is, while it runs
engine/engine.log    what it has to say
engine/start.lock    held by whoever is starting one
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from astermind_lab.errors import StoreError
from astermind_lab.persistence.folder_lock import is_held

__all__ = ["USERNAME", "Address", "Place"]

USERNAME = "astermind"
_SECRET_BYTES = 32
_MENDED_SECONDS = 3.0


@dataclass(frozen=True)
class Address:
    """Where an engine listens; ``kind`` is embedded or surreal."""

    url: str
    pid: int
    kind: str
    version: str
    started: str


@dataclass(frozen=True)
class Place:
    """The local engine of one data folder."""

    data_dir: Path

    @property
    def store(self) -> Path:
        return self.data_dir / "lab"

    @property
    def folder(self) -> Path:
        return self.data_dir / "engine"

    @property
    def log(self) -> Path:
        return self.folder / "engine.log"

    @property
    def start_lock(self) -> Path:
        return self.folder / "start.lock"

    def make(self) -> None:
        """Make the folders; raises StoreError."""
        try:
            for folder in (self.data_dir, self.folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise StoreError(
                f"the data folder {self.data_dir} cannot be made: {problem.strerror or problem}. "
                "Set ASTERMIND_DATA_DIR to a folder that you may write to"
            ) from None

    def secret(self) -> str:
        """The password of this engine, made on first use; whole or not there at all."""
        path = self.folder / "secret"
        deadline = time.monotonic() + _MENDED_SECONDS
        while (found := self._read_secret(path)) is None and is_held(self.store):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)  # the engine that runs writes it again
        if found is not None:
            return found
        path.unlink(missing_ok=True)  # of no use, and no engine knows another one
        draft = self.folder / f".secret-{secrets.token_hex(8)}"
        _write_private(draft, secrets.token_hex(_SECRET_BYTES))
        try:
            os.link(draft, path)  # fails if another process was faster
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        found = self._read_secret(path)
        if found is None:
            raise StoreError(f"{path} holds no password; delete it, and a new one is made")
        return found

    def keep_secret(self, secret: str) -> None:
        """See to it that the file says what the running engine knows."""
        path = self.folder / "secret"
        if self._read_secret(path) != secret:
            draft = self.folder / f".secret-{secrets.token_hex(8)}"
            _write_private(draft, secret)
            draft.replace(path)

    def address(self) -> Address | None:
        """What the last engine said of itself; it may be gone."""
        try:
            known = json.loads((self.folder / "address.json").read_text(encoding="utf-8"))
            address = Address(**known)
            if isinstance(address.pid, int) and urlsplit(address.url).port:
                return address
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return None

    def announce(self, address: Address) -> None:
        """Say where the engine listens."""
        draft = self.folder / f".address-{secrets.token_hex(8)}"
        _write_private(draft, json.dumps(asdict(address)))
        draft.replace(self.folder / "address.json")

    def withdraw(self, pid: int) -> None:
        """Take the address back, if it is that process's."""
        known = self.address()
        if known is not None and known.pid == pid:
            with contextlib.suppress(OSError):
                (self.folder / "address.json").unlink(missing_ok=True)

    @staticmethod
    def _read_secret(path: Path) -> str | None:
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        if len(text) < _SECRET_BYTES or not text.isalnum():
            return None
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return text


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
