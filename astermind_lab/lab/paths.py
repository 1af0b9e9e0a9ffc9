"""Files that a tool may read or write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from astermind_lab.errors import InvalidInput, shown

__all__ = ["Folders", "write_whole"]


@dataclass(frozen=True)
class Folders:
    """Where tools may read and write.

    allowed : the folders, with all that is in them; None means wherever the user may
    base : what a relative path is relative to; None means the current folder
    """

    allowed: Sequence[Path] | None = None
    base: Path | None = None

    def resolve(self, value: object, argument: str) -> Path:
        """The path with links and ``..`` resolved; InvalidInput if it leads out of the folders."""
        if not isinstance(value, str | os.PathLike) or not os.fspath(value):
            raise InvalidInput(argument, f"must be the path of a file, got {shown(value)}")
        try:
            given = Path(os.fsdecode(value)).expanduser()
            path = (self.base / given if self.base else given).resolve()
        except (ValueError, RuntimeError, OSError) as error:
            raise InvalidInput(argument, f"{shown(value)} is not a path: {error}") from None
        if self.allowed is not None and not any(
            path.is_relative_to(folder.resolve()) for folder in self.allowed
        ):
            raise InvalidInput(
                argument,
                f"{shown(str(path), 200)} is outside the allowed folders "
                f"({', '.join(map(str, self.allowed)) or 'none'}); the setting allowed_paths, or "
                "ASTERMIND_ALLOWED_PATHS in the environment, adds folders",
            )
        return path


def write_whole(path: Path, write: Callable[[BinaryIO], None], argument: str) -> int:
    """Write a file so that it is there complete or not at all; returns its size in bytes.

    Raises InvalidInput if the folder is missing or cannot be written to.
    """
    try:
        if path.is_dir():
            raise InvalidInput(argument, f"{shown(str(path), 200)} is a folder; name a file in it")
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
    except OSError as error:
        raise InvalidInput(argument, _why(path, error)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.replace(name, path)
        _sync_folder(path.parent)
    except BaseException as error:
        _remove(name)
        if isinstance(error, OSError):
            raise InvalidInput(argument, _why(path, error)) from None
        raise
    return size


def _why(path: Path, error: OSError) -> str:
    return f"cannot write {shown(str(path), 200)}: {error.strerror or error}"


def _remove(name: str) -> None:
    try:
        os.unlink(name)
    except FileNotFoundError:
        return


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the platform can open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
