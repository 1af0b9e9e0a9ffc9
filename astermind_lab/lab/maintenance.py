"""The store as a whole: its backup, a store made from one, its soundness, its schema.

These are no tools: they are for the person who looks after the lab, not for its clients.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from astermind_lab.clock import Clock, SystemClock
from astermind_lab.display import Fact, Table, View
from astermind_lab.lab.engine import engine_options
from astermind_lab.results.base import Result
from astermind_lab.tools import Progress

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence.maintenance import Where
    from astermind_lab.settings import Settings

__all__ = [
    "Problem",
    "SchemaChange",
    "StoreBackup",
    "StoreCheck",
    "StoreMigration",
    "StoreRecount",
    "StoreRestore",
    "backup",
    "check",
    "migrate",
    "recount",
    "restore",
]


class _Counted(Result):
    """A result that counts the records of each table."""

    path: str
    counts: Mapping[str, int]

    def _rows(self) -> int:
        return sum(self.counts.values())

    def _table(self) -> Table:
        """The tables, those of all collections as one."""
        shown: dict[str, int] = {}
        for table, count in self.counts.items():
            name = "embeddings, items" if table.startswith("embeddings_") else table.lstrip("_")
            shown[name] = shown.get(name, 0) + count
        return Table(("table", "records"), list(shown.items()))


@dataclass(frozen=True, repr=False, kw_only=True)
class StoreBackup(_Counted):
    """A store that is now in a file. ``incomplete`` names records that are damaged in both."""

    path: str
    size_bytes: int
    created_at: datetime
    migration: int
    counts: Mapping[str, int]
    incomplete: Sequence[str] = ()

    def short(self) -> str:
        return f"{self.path!r}, {self._rows():,} records, {self.size_bytes:,} bytes"

    def view(self) -> View:
        return View(
            f"Backup: {self._rows():,} records",
            facts=[Fact("file", self.path), Fact("size", self.size_bytes, "bytes")],
            parts=[self._table()] if self.counts else [],
            notes=[f"{one} is damaged in the store, and in the file" for one in self.incomplete],
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class StoreRestore(_Counted):
    """A store that was filled from a backup; ``migrated`` numbers the migrations run after it."""

    path: str
    created_at: datetime
    migrated: Sequence[int]
    counts: Mapping[str, int]

    def short(self) -> str:
        return f"{self.path!r}, {self._rows():,} records"

    def view(self) -> View:
        facts = [Fact("file", self.path), Fact("taken at", self.created_at)]
        return View(
            f"Restored: {self._rows():,} records, read back and compared",
            facts=facts,
            parts=[self._table()] if self.counts else [],
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class Problem(Result):
    """Something that is not as it should be; ``severity`` is ``damage`` or ``harmless``."""

    severity: str
    subject: str
    problem: str

    def short(self) -> str:
        return f"{self.severity}: {self.subject}: {self.problem}"


@dataclass(frozen=True, repr=False, kw_only=True)
class StoreCheck(Result):
    """What an inspection found; ``checked`` counts what was looked at."""

    damaged: bool
    findings: Sequence[Problem]
    checked: Mapping[str, int]

    def short(self) -> str:
        return f"{'damaged' if self.damaged else 'sound'}, {len(self.findings)} findings"

    def view(self) -> View:
        rows = [(one.severity, one.subject, one.problem) for one in self.findings]
        return View(
            "The store is damaged" if self.damaged else "The store is sound",
            facts=[Fact(name, number) for name, number in self.checked.items()],
            parts=[Table(("", "where", "what"), rows)] if rows else [],
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class SchemaChange(Result):
    """One migration."""

    number: int
    name: str

    def short(self) -> str:
        return f"{self.number}, {self.name!r}"


@dataclass(frozen=True, repr=False, kw_only=True)
class StoreMigration(Result):
    """The migrations that wait, or that were just run."""

    ran: bool
    migrations: Sequence[SchemaChange]

    def short(self) -> str:
        return f"{len(self.migrations)} {'ran' if self.ran else 'waiting'}"

    def view(self) -> View:
        if not self.migrations:
            return View("The schema is up to date")
        done = "were run" if self.ran else "wait; nothing was changed"
        rows = [(one.number, one.name) for one in self.migrations]
        return View(f"{len(rows)} migrations {done}", parts=[Table(("number", "name"), rows)])


def backup(
    lab: Session, path: str | os.PathLike[str], progress: Progress | None = None
) -> StoreBackup:
    """Write everything the store holds to one file, whole or not at all; others may go on writing.

    path : the file to write; it is replaced if it exists
    Raises InvalidInput, StoreError.
    """
    target = lab.folders.resolve(path, "path")
    summary = lab.store.backup(target, progress)
    return StoreBackup(
        path=str(target),
        size_bytes=summary.size_bytes,
        created_at=summary.created_at,
        migration=summary.migration,
        counts=summary.counts,
        incomplete=summary.incomplete,
    )


def restore(
    lab: Session, path: str | os.PathLike[str], progress: Progress | None = None
) -> StoreRestore:
    """Fill the store, which must be empty, from a file that ``backup`` wrote.

    Raises InvalidInput for a file that is cut, altered or from a newer version, AlreadyExists if
    the store holds anything, StoreError.
    """
    source = lab.folders.resolve(path, "path")
    summary = lab.store.restore(source, progress)
    return StoreRestore(
        path=str(source),
        created_at=summary.created_at,
        migrated=summary.migrated,
        counts=summary.counts,
    )


def check(lab: Session, progress: Progress | None = None) -> StoreCheck:
    """Look at everything the store holds, and say what is damaged or left over; changes nothing."""
    report = lab.store.check(progress)
    return StoreCheck(
        damaged=report.damaged,
        findings=[
            Problem(severity=one.severity, subject=one.subject, problem=one.problem)
            for one in report.findings
        ],
        checked=report.checked,
    )


@dataclass(frozen=True, repr=False, kw_only=True)
class StoreRecount(Result):
    """The prediction log, counted anew: predictions by model."""

    predictions: Mapping[str, int]

    def short(self) -> str:
        return f"{sum(self.predictions.values()):,} predictions counted"

    def view(self) -> View:
        rows = list(self.predictions.items())
        facts = [Fact("predictions", sum(self.predictions.values()))]
        return View("Counted anew", facts, [Table(("model", "predictions"), rows)] if rows else [])


def recount(lab: Session, progress: Progress | None = None) -> StoreRecount:
    """Count the prediction log anew, while nobody logs: for tallies that do not fit their rows."""
    lab.flush()
    known = lab.store.tallies.overview(lab.store.predictions.models())
    total = sum(one.predictions for one in known)

    def told(n: int) -> None:
        if progress is not None:
            progress(min(1.0, n / max(1, total)), f"{n:,} predictions")

    return StoreRecount(predictions=lab.store.recount(told))


def migrate(settings: Settings, plan: bool = False, clock: Clock | None = None) -> StoreMigration:
    """Bring the schema of the store up to date; with ``plan``, only say what that would run.

    Opening a lab does it as well. Raises MigrationError, and what opening a store raises.
    """
    from astermind_lab.persistence.maintenance import plan_at, run_at

    if plan:
        found = plan_at(_where(settings))
    else:
        found = run_at(_where(settings), (clock or SystemClock()).now())
    changes = [SchemaChange(number=one.number, name=one.name) for one in found]
    return StoreMigration(ran=not plan, migrations=changes)


def _where(settings: Settings) -> Where:
    from astermind_lab.persistence.maintenance import Where

    database = settings.database
    return Where(
        url=database.url or f"local://{settings.data_dir}",
        namespace=database.namespace,
        database=database.database,
        username=database.username,
        password=database.password.get_secret_value() if database.password else None,
        engine=engine_options(settings),
    )
