"""Files that are there complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from astermind_lab.errors import InvalidInput, shown

__all__ = ["write_whole"]


def write_whole(path: Path, write: Callable[[BinaryIO], None], argument: str) -> int:
    """Write a file so that it is there complete or not at all; returns its size in bytes.

    ``write`` may read back what it wrote; the file ends where it leaves off. Raises InvalidInput if
    the folder is missing or cannot be written to.
    """
    try:
        if path.is_dir():
            raise InvalidInput(argument, f"{shown(str(path), 200)} is a folder; name a file in it")
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
    except OSError as error:
        raise InvalidInput(argument, _why(path, error)) from None
    try:
        with os.fdopen(handle, "w+b") as file:
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
