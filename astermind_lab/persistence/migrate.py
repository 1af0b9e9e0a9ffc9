"""Bring the schema of a store to the one this version of the package needs.

Migrations are the files ``migrations/NNNN_name.surql``: run once, in order, each in one transaction
with its line in the table ``_migration``, which keeps the SHA-256 of the file. Two programs that
start together both try; the line can be written once only, so one of them succeeds and the other
reads again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from surrealdb import RecordID

from astermind_lab.errors import MigrationError, StoreError, StoreUnavailable
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.faults import TableMissing

__all__ = ["Migration", "applied", "migrate", "packaged", "pending"]

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.surql\Z")
_ATTEMPTS = 20

_DEFINE_JOURNAL = """
DEFINE TABLE IF NOT EXISTS _migration SCHEMAFULL;
DEFINE FIELD IF NOT EXISTS name ON _migration TYPE string;
DEFINE FIELD IF NOT EXISTS digest ON _migration TYPE string;
DEFINE FIELD IF NOT EXISTS applied_at ON _migration TYPE datetime;
"""


@dataclass(frozen=True)
class Migration:
    """One numbered schema file."""

    number: int
    name: str
    script: str

    @property
    def digest(self) -> str:
        """SHA-256 of the script, the same whatever line ends the file has."""
        return hashlib.sha256(self.script.encode("utf-8")).hexdigest()


def packaged() -> list[Migration]:
    """The migrations that this version of the package ships, in order."""
    return sorted(_read_files(), key=lambda migration: migration.number)


def _read_files() -> Iterator[Migration]:
    for entry in files("astermind_lab.persistence").joinpath("migrations").iterdir():
        found = _FILE_NAME.match(entry.name)
        if found:
            script = entry.read_text(encoding="utf-8").replace("\r\n", "\n")
            yield Migration(int(found[1]), found[2], script)


def applied(connection: Connection) -> dict[int, dict[str, Any]]:
    """What was run on this store: number → {name, digest, applied_at}; reads only."""
    try:
        rows = connection.first("SELECT * FROM _migration")
    except TableMissing:
        return {}
    return {row["id"].id: row for row in rows}


def pending(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """The migrations still to run.

    Raises MigrationError where the store is newer than ``migrations``, or was made with others.
    """
    known = {migration.number: migration for migration in migrations}
    done = applied(connection)
    for number, row in sorted(done.items()):
        if number not in known:
            raise MigrationError(
                f"the store {connection.target.url} was written by a newer version of "
                f"astermind-lab (migration {number} {row['name']!r}; this version knows up to "
                f"{max(known, default=0)}). Upgrade with: pip install --upgrade astermind-lab"
            )
        if row["digest"] != known[number].digest:
            raise MigrationError(
                f"migration {number} {known[number].name!r} is not the one that made the store "
                f"{connection.target.url}: the file was changed after it ran. Reinstall "
                "astermind-lab, or open the store with the version that made it"
            )
    return [migration for migration in migrations if migration.number not in done]


def migrate(
    connection: Connection, now: datetime, migrations: Sequence[Migration] | None = None
) -> list[int]:
    """Run what is missing; returns the numbers that this call ran. Raises MigrationError."""
    wanted = packaged() if migrations is None else migrations
    ran: list[int] = []
    for _ in range(_ATTEMPTS + len(wanted)):
        waiting = pending(connection, wanted)
        if not waiting:
            return ran
        if _run(connection, waiting[0], now):
            ran.append(waiting[0].number)
    raise MigrationError(
        f"the schema of {connection.target.url} does not settle: another program keeps changing it"
    )


def _run(connection: Connection, migration: Migration, now: datetime) -> bool:
    """Run one migration; False if another program was faster."""
    journal = {"name": migration.name, "digest": migration.digest, "applied_at": now}
    try:
        connection.run(_DEFINE_JOURNAL)
        connection.run(
            "BEGIN TRANSACTION;\nCREATE $record CONTENT $journal RETURN NONE;\n"
            f"{migration.script}\n;COMMIT TRANSACTION;",
            record=RecordID("_migration", migration.number),
            journal=journal,
        )
    except StoreUnavailable:
        raise
    except StoreError as problem:
        if migration.number in applied(connection):
            return False
        raise _failure(connection, migration, problem) from None
    return True


def _failure(connection: Connection, migration: Migration, problem: StoreError) -> MigrationError:
    return MigrationError(
        f"migration {migration.number} {migration.name!r} failed on {connection.target.url}, and "
        f"nothing was changed: {problem}. If the database holds tables of another program, choose "
        "another database= or namespace="
    )
