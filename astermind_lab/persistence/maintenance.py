"""What is done to a store before it is opened as usual: which migrations wait, and running them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from astermind_lab.persistence.connection import Connection, Credentials
from astermind_lab.persistence.engine import EngineOptions
from astermind_lab.persistence.migrate import Migration, migrate, packaged, pending
from astermind_lab.persistence.target import parse_url

__all__ = ["Where", "connected", "plan", "plan_at", "run_at"]


@dataclass(frozen=True)
class Where:
    """Which store, and as whom; the arguments of ``Store.open``."""

    url: str
    namespace: str
    database: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    engine: EngineOptions | None = None


def plan(connection: Connection) -> list[Migration]:
    """The migrations that have not run, in order; reads only. Raises MigrationError."""
    return pending(connection, packaged())


def plan_at(where: Where) -> list[Migration]:
    """The migrations that a store has not run; a folder that does not exist is not made."""
    target = parse_url(where.url)
    folder = target.folder or target.data_dir
    if folder is not None and not folder.exists():
        return packaged()
    with connected(where) as connection:
        return plan(connection)


def run_at(where: Where, now: datetime) -> list[Migration]:
    """Run the migrations that wait, and return them. Raises MigrationError."""
    with connected(where) as connection:
        ran = migrate(connection, now)
    return [one for one in packaged() if one.number in ran]


@contextmanager
def connected(where: Where) -> Iterator[Connection]:
    """A connection to a store whose schema is left as it is; raises as ``Store.open`` does."""
    target = parse_url(where.url)
    credentials = Credentials(where.username, where.password)
    if target.folder is not None:
        target.folder.mkdir(parents=True, exist_ok=True)
    connection = Connection.open(
        target, where.namespace, where.database, credentials, engine=where.engine
    )
    try:
        yield connection
    finally:
        connection.close()
