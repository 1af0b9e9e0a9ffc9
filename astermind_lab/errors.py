"""Every error that a user of the lab can meet.

    AsterMindError
    ├── InvalidInput          an argument is wrong (also a ValueError)
    │   └── InsufficientData  the argument is right, there is just not enough of it
    ├── NotFound              an id, version or alias that does not exist (also a LookupError)
    ├── AlreadyExists         an id or version that is taken
    ├── ModelFileError        a model file that is damaged or not ours
    └── StoreError            the database
        ├── StoreLocked       the folder belongs to another process
        ├── StoreUnavailable  the server does not answer, or refuses the sign-in
        └── MigrationError    the schema in the store is not one this version can use

A message says what was wrong, what was given, what is allowed and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AlreadyExists",
    "AsterMindError",
    "InsufficientData",
    "InvalidInput",
    "MigrationError",
    "ModelFileError",
    "NotFound",
    "StoreError",
    "StoreLocked",
    "StoreUnavailable",
    "nearest",
    "shown",
]


class AsterMindError(Exception):
    """The root: catch this to catch everything the lab raises on purpose."""

    argument: str | None = None


class InvalidInput(AsterMindError, ValueError):
    """An argument is wrong; ``argument`` is its name and stands first in the message."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        argument = self.argument or ""
        return type(self), (argument, str(self).removeprefix(f"{argument}: "))


class InsufficientData(InvalidInput):
    """The argument is well formed, but holds too little to answer honestly."""


class NotFound(AsterMindError, LookupError):
    """An id, version or alias that does not exist."""


class AlreadyExists(AsterMindError):
    """An id or version that is taken; nothing was changed."""


class ModelFileError(AsterMindError):
    """A model file that is damaged, truncated, or of another format."""


class StoreError(AsterMindError):
    """The database refused or failed."""


class StoreLocked(StoreError):
    """The data folder is owned by another process."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, or refuses the sign-in."""


class MigrationError(StoreError):
    """The schema in the store cannot be brought to the one this version needs."""


def shown(value: object, limit: int = 60) -> str:
    """The value as an error message quotes it: one line, at most ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest allowed name, or an empty string."""
    found = difflib.get_close_matches(name, list(allowed), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
