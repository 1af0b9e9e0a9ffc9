"""``Store``: one open database with the lab's schema, and its repositories."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from surrealdb import RecordID

from astermind_lab.clock import Clock, SystemClock
from astermind_lab.errors import InvalidInput
from astermind_lab.persistence.access import Credentials
from astermind_lab.persistence.connection import PATIENCE_SECONDS, Connection
from astermind_lab.persistence.datasets import DatasetRepository
from astermind_lab.persistence.embeddings import EmbeddingRepository
from astermind_lab.persistence.engine import EngineOptions
from astermind_lab.persistence.feed import Feed
from astermind_lab.persistence.feedback import FeedbackRepository
from astermind_lab.persistence.hints import Hints, hints_for
from astermind_lab.persistence.migrate import migrate
from astermind_lab.persistence.models import ModelRepository
from astermind_lab.persistence.monitors import AlertRepository, MonitorRepository
from astermind_lab.persistence.owner import forget_owner, record_owner
from astermind_lab.persistence.predictions import PredictionRepository
from astermind_lab.persistence.recount import count_earlier_predictions, recount
from astermind_lab.persistence.retention import RetentionRepository
from astermind_lab.persistence.spooled import SpooledWrites
from astermind_lab.persistence.tallies import TallyRepository
from astermind_lab.persistence.target import Target, parse_url

if TYPE_CHECKING:
    from astermind_lab.persistence.backup import BackupSummary
    from astermind_lab.persistence.check import CheckReport
    from astermind_lab.persistence.restore import RestoreSummary
    from astermind_lab.tools import Progress

__all__ = ["Store"]

_log = logging.getLogger(__name__)

# A write by a user who may not is answered with success, and changes nothing.
_MAY_WRITE = "RETURN array::len((UPSERT _counter:sign_in SET n = 1 RETURN VALUE n)) > 0"


class Store:
    """An open database; safe to use from many threads. Closes as a context manager.

    models, datasets, embeddings, predictions, feedback : the repositories
    tallies : windows over the log     spooled : the log's way from disk
    retention : what is removed in time     monitors, alerts : what is looked after, and found
    feed : live updates
    """

    models: ModelRepository
    datasets: DatasetRepository
    embeddings: EmbeddingRepository
    predictions: PredictionRepository
    feedback: FeedbackRepository
    tallies: TallyRepository
    spooled: SpooledWrites
    retention: RetentionRepository
    monitors: MonitorRepository
    alerts: AlertRepository
    feed: Feed

    def __init__(self, connection: Connection, clock: Clock) -> None:
        """Use ``Store.open``, which also brings the schema up to date."""
        self._connection = connection
        self._clock = clock
        self.models = ModelRepository(connection, clock)
        self.datasets = DatasetRepository(connection, clock)
        self.embeddings = EmbeddingRepository(connection, clock)
        self.predictions = PredictionRepository(connection, clock)
        self.feedback = FeedbackRepository(connection, self.predictions, clock)
        self.tallies = TallyRepository(connection)
        self.retention = RetentionRepository(connection, self.predictions)
        self.monitors = MonitorRepository(connection)
        self.alerts = AlertRepository(connection)
        self.spooled = SpooledWrites(connection, self.predictions, self.feedback)
        self.feed = Feed(connection)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        namespace: str = "astermind",
        database: str = "lab",
        username: str | None = None,
        password: str | None = None,
        clock: Clock | None = None,
        engine: EngineOptions | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> Store:
        """Open ``mem://``, ``surrealkv://FOLDER``, ``local://DATA_DIR`` or ``ws://HOST:PORT``.

        username, password : of a server's user (of the database, the namespace or the whole
            server); a database in this process and the local engine ignore them
        engine : how the local engine is started, if it has to be
        patience : for how many seconds a lost connection is opened again before callers are told

        Raises InvalidInput for a bad argument, StoreLocked for a folder that another process holds,
        StoreUnavailable for a server that is away or refuses the sign-in, MigrationError for a
        schema that this version cannot use.
        """
        target = parse_url(url)
        credentials = Credentials(username, password)
        clock = clock or SystemClock()
        _make_folder(target)
        connection = Connection.open(
            target, namespace, database, credentials, engine=engine, patience=patience
        )
        try:
            if target.folder is not None:
                record_owner(target.folder, clock.now())
            migrate(connection, clock.now())
            connection.read_only = target.is_server and not connection.first(_MAY_WRITE)
            _warn_of_half_a_restore(connection)
            store = cls(connection, clock)
            if not connection.read_only:
                count_earlier_predictions(connection, store.predictions)
        except BaseException:
            _close(connection)
            raise
        return store

    def hints(self, table: str) -> Hints:
        """Hints that a table may have changed, for those who look at it themselves; close them."""
        hints = hints_for(self._connection)
        hints.attend(table)
        return hints

    def backup(self, path: Path, progress: Progress | None = None) -> BackupSummary:
        """Write everything to one file, while others go on writing; see ``backup.py``."""
        from astermind_lab.persistence.backup import backup

        return backup(self._connection, path, self._clock.now(), progress)

    def restore(self, path: Path, progress: Progress | None = None) -> RestoreSummary:
        """Fill this store, which must be empty, from such a file; see ``restore.py``."""
        from astermind_lab.persistence.restore import restore

        return restore(self._connection, path, self._clock.now(), progress)

    def check(self, progress: Progress | None = None) -> CheckReport:
        """Look for damage; changes nothing; see ``check.py``."""
        from astermind_lab.persistence.check import check

        return check(self._connection, progress)

    def recount(self, progress: Callable[[int], None] = lambda n: None) -> dict[str, int]:
        """Count the prediction log anew, while nobody logs; see ``recount.py``."""
        return recount(self._connection, self.predictions, progress)

    @property
    def url(self) -> str:
        """Where the store is; holds no secrets."""
        return self._connection.target.url

    @property
    def shared(self) -> bool:
        """Whether other processes may use the same database at the same time."""
        return self._connection.target.is_server

    @property
    def read_only(self) -> bool:
        """Whether the signed-in user may read, but not write."""
        return self._connection.read_only

    @property
    def folder(self) -> Path | None:
        """Of a store in this process, where it is; None for one in memory and for servers."""
        return self._connection.target.folder

    @property
    def data_dir(self) -> Path | None:
        """The data folder of a local engine; None for other stores."""
        return self._connection.target.data_dir

    @property
    def identity(self) -> str:
        """The same for the same database, whoever opens it: address, namespace and database."""
        access = self._connection.access
        return json.dumps([self.url, access.namespace, access.database])

    def salt(self) -> bytes:
        """16 bytes of this database's own, made by the first who asks."""
        numbers = [secrets.randbits(63), secrets.randbits(63)]
        records = [RecordID("_counter", f"salt {place}") for place in (0, 1)]
        made = [{"id": r, "n": n} for r, n in zip(records, numbers, strict=True)]
        self._connection.write("INSERT IGNORE INTO _counter $made RETURN NONE", made=made)
        found = self._connection.first("SELECT VALUE n FROM $records", records=records)
        return b"".join(int(n).to_bytes(8, "big") for n in found)

    def close(self) -> None:
        """Close the database; closing twice is no error. What was in ``mem://`` is gone."""
        self.feed.close()
        _close(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.url!r}{', closed' if self._connection.closed else ''})"


def _warn_of_half_a_restore(connection: Connection) -> None:
    from astermind_lab.persistence.restore import unfinished_restore

    path = unfinished_restore(connection)
    if path is not None:
        _log.warning(
            "%s holds only a part of %s: a restore broke off. Run it again: astermind db restore",
            connection.target.url,
            path,
        )


def _make_folder(target: Target) -> None:
    if target.folder is None:
        return
    try:
        target.folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InvalidInput(
            "url", f"the folder {target.folder} cannot be made: {problem.strerror or problem}"
        ) from None


def _close(connection: Connection) -> None:
    folder = connection.target.folder
    if folder is not None and not connection.closed:
        forget_owner(folder)
    connection.close()
