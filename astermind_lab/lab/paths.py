"""Files that a tool may read or write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.whole_files import write_whole

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
