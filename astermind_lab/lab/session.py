"""An open store, and the models in memory beside it."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from astermind_lab.clock import Clock, SystemClock
from astermind_lab.errors import NotFound, StoreUnavailable
from astermind_lab.lab.engine import engine_options
from astermind_lab.lab.following import Follower
from astermind_lab.lab.live import LiveModel, LiveModels, RecentVersions
from astermind_lab.lab.paths import Folders

if TYPE_CHECKING:
    from astermind_lab.monitoring.recorder import Recorder
    from astermind_lab.monitoring.retention import Rules
    from astermind_lab.monitoring.runner import Runner
    from astermind_lab.monitoring.webhook import Webhook
    from astermind_lab.persistence import ModelVersion, RecordChange, Store, Watch
    from astermind_lab.persistence.monitors import Alert, Monitor
    from astermind_lab.settings import Settings

__all__ = ["Session"]

_log = logging.getLogger(__name__)


class Session:
    """What the tools work on: the store, the models in memory, settings, clock and folders.

    ``Lab`` is this with the tools as its methods.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock, folders: Folders) -> None:
        self._store: Store | None = store
        self.settings = settings
        self.clock = clock
        self.folders = folders
        self.live = LiveModels()
        self._versions = RecentVersions()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._follower: Follower | None = None
        self._recorder: Recorder | None = None
        self._runner: Runner | None = None
        self._webhook: Webhook | None = None
        self.chance = random.Random()

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        namespace: str | None = None,
        database: str | None = None,
        username: str | None = None,
        password: str | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        folders: Sequence[str | os.PathLike[str]] | None = None,
    ) -> Self:
        """Open a lab; close it with ``close()`` or by ``with``.

        url : ``mem://``, ``surrealkv://FOLDER``, ``local://DATA_DIR``, ``ws://HOST:PORT/rpc`` or
            ``wss://…``; None takes the setting ``database.url``, and without one the local engine
            of the user's data folder, which every process on this machine shares; it is started
            if it does not run
        settings : None reads them from the environment and the settings files
        folders : the only folders that tools may read and write; None allows whatever the user may

        Raises InvalidInput for an address that cannot be one, StoreLocked if the folder belongs to
        another process, StoreUnavailable if a server does not answer or refuses the sign-in, or
        the local engine cannot be started.
        """
        from astermind_lab.persistence import Store
        from astermind_lab.settings import load_settings

        settings = settings or load_settings()
        clock = clock or SystemClock()
        if password is None and settings.database.password is not None:
            password = settings.database.password.get_secret_value()
        store = Store.open(
            url or settings.database.url or f"local://{settings.data_dir}",
            namespace=namespace or settings.database.namespace,
            database=database or settings.database.database,
            username=username or settings.database.username,
            password=password,
            clock=clock,
            engine=engine_options(settings),
            patience=settings.database.reconnect_timeout.total_seconds(),
        )
        allowed = Folders() if folders is None else _only(folders)
        lab = cls(store, settings, clock, allowed)
        lab.bring_home()
        return lab

    def close(self) -> None:
        """Let go of the store and of the models in memory; a second call does nothing."""
        with self._lock:
            store, self._store = self._store, None
            follower, self._follower = self._follower, None
            recorder, self._recorder = self._recorder, None
            runner, self._runner = self._runner, None
        if follower is not None:
            follower.close()
        if runner is not None:
            runner.close()
        if recorder is not None:
            recorder.close()
        self.live.clear()
        self._versions.clear()
        if store is not None:
            store.close()

    @property
    def store(self) -> Store:
        """The repositories; StoreUnavailable once the lab is closed."""
        store = self._store
        if store is None:
            raise StoreUnavailable("this lab is closed; open one again with Lab.open()")
        return store

    @property
    def recorder(self) -> Recorder:
        """Where predictions are logged; StoreUnavailable for a user who may only read."""
        from astermind_lab.monitoring.recorder import Recorder, RecorderOptions, spool_root
        from astermind_lab.monitoring.spool import Fsync

        if self._recorder is None:
            with self._lock:
                if self._recorder is None:
                    monitoring = self.settings.monitoring
                    options = RecorderOptions(
                        Fsync(monitoring.fsync), monitoring.spool_limit, monitoring.store_inputs
                    )
                    root = spool_root(self.store, self.settings.data_dir)
                    self.store.spooled.complete = self._add_features
                    self._recorder = Recorder(self.store, root, options)
            self.keep_watch()
        return self._recorder

    def _add_features(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add the drift features of logged texts, where their model is in memory."""
        wanted: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
        for row in rows:
            if "features" not in row and "input" in row:
                wanted.setdefault((row["model_id"], row.get("version")), []).append(row)
        for (model_id, version), some in wanted.items():
            model = self.live.get(model_id)
            if model is None or version not in (None, model.version):
                continue
            with model.guard.reading():
                drift = model.classifier.layer.drift
                texts = [row["input"] for row in some]
                values = model.classifier.answers(texts, drift_features=True).drift_features
            if drift is not None and values is not None:
                for row, one in zip(some, values, strict=True):
                    row["made_by"], row["features"] = drift.digest, one.tobytes()

    @property
    def rules(self) -> Rules:
        """What the settings say about retention."""
        from astermind_lab.monitoring.retention import Rules

        return Rules(**dict(self.settings.retention))

    def keep_watch(self) -> None:
        """From now on evaluate the monitors that are due, and remove what was kept long enough.

        Also what other programs made; each is done once, whichever program does it.
        """
        from astermind_lab.monitoring.runner import Runner

        store = self.store
        with self._lock:
            if self._runner is None and not store.read_only:
                retain = self._retain if self.rules else None
                self._runner = Runner(store, self.clock, self.tell, retain)

    def _retain(self) -> None:
        from astermind_lab.monitoring.retention import apply_rules

        apply_rules(self.store, self.rules, self.clock.now(), dry_run=False)

    def tell(self, monitor: Monitor, alert: Alert) -> None:
        """Tell an alert to the log and to the web address of its monitor."""
        from astermind_lab.monitoring.webhook import Webhook
        from astermind_lab.results.base import plain_data

        _log.warning("%s", alert.message)
        if monitor.webhook is not None:
            if self._webhook is None:
                self._webhook = Webhook(self.settings.monitoring.webhook_hosts)
            self._webhook.post(monitor.webhook, plain_data(vars(alert)))

    def on_alert(self, callback: Callable[[RecordChange], object]) -> Watch:
        """Call back with each new alert, whichever program found it, until the watch is closed.

        callback : called in a thread of its own with a change whose ``data`` is the alert
        """

        def told(change: RecordChange) -> None:
            if change.action == "create":
                callback(change)

        return self.watch("alerts", callback=told)

    def bring_home(self) -> None:
        """Store the predictions that programs left on disk which were ended before they could."""
        from astermind_lab.monitoring.flusher import left_behind
        from astermind_lab.monitoring.recorder import spool_root

        root = spool_root(self.store, self.settings.data_dir)
        if self.store.read_only:
            return
        if root is not None and left_behind(root):
            self.recorder.start_flush()
        elif self.settings.monitoring.store_inputs == "hash":  # its key is in the database
            self.recorder  # noqa: B018

    def flush(self) -> None:
        """Wait until the predictions that were logged here are in the database.

        Also those that programs left on disk which were ended before they could store them. Figures
        wait for that by themselves. Raises StoreUnavailable while the database is away.
        """
        if self._recorder is None:
            self.bring_home()
        if self._recorder is not None:
            self._recorder.flush()

    @property
    def url(self) -> str:
        """Where the lab keeps its records."""
        return self.store.url

    @property
    def shared(self) -> bool:
        """Whether other processes may use the same lab at the same time."""
        return self.store.shared

    def watch(
        self,
        table: str,
        since: str | None = None,
        callback: Callable[[RecordChange], object] | None = None,
    ) -> Watch:
        """The changes of a table, as any program makes them: an iterator that waits for the next.

        table : predictions, models, aliases, datasets, embeddings, metrics, feedback, workflows,
            scheduled_jobs, jobs, monitored_models, monitors or alerts
        since : the ``cursor`` of the last change that was dealt with; "start" is the oldest change
            that is kept; None is now
        callback : called with each change, in a thread of its own that ends with the watch

        Every change comes, those of one record in order; after a lost connection some may come
        twice. Close the watch, or use it in ``with``. Raises InvalidInput, StoreError.
        """
        watch = self.store.feed.watch(table, since)
        if callback is not None:
            watch.start(callback)
        return watch

    def find(self, model_id: str, version: str | None = None) -> LiveModel:
        """A model that can answer: the one in memory, else the stored one, which is then loaded.

        version : a stored version or an alias; None is the model in memory, else the latest stored
        Raises NotFound if there is none.
        """
        if version is None:
            return self.live.get(model_id) or self._load_latest(model_id)
        stored = self.stored(model_id, version)
        return self._versions.get(model_id, stored.version, lambda: self.read(stored))

    def _load_latest(self, model_id: str) -> LiveModel:
        with self._loading:
            there = self.live.get(model_id)
            if there is not None:
                return there
            if self._follower is None:  # before it is looked up, so that no later one is missed
                self._follower = Follower(self.store, self.live)
            try:
                stored = self.stored(model_id, None)
            except NotFound as error:
                raise NotFound(f"{error}, and none of that name is in memory") from None
            model = self.read(stored)
            model.follows = True
            return self.live.put_if_absent(model)

    def stored(self, model_id: str, version: str | None) -> ModelVersion:
        """What is known of a stored version or alias; NotFound names the argument at fault."""
        models = self.store.models
        try:
            return models.get(model_id, version)
        except NotFound as error:
            known = version is not None and models.versions(model_id, include_deleted=True)
            raise NotFound(f"{'version' if known else 'model_id'}: {error}") from None

    def read(self, stored: ModelVersion) -> LiveModel:
        """A stored version as a model of its own."""
        from astermind_lab.core import TextClassifier

        weights = self.store.models.weights(stored.model_id, stored.version)
        return LiveModel(
            model_id=stored.model_id,
            classifier=TextClassifier.from_bytes(weights),
            created=stored.created_at,
            description=stored.description,
            version=stored.version,
            dataset_id=stored.dataset_id,
            tags=tuple(stored.tags),
            metadata=dict(stored.metadata),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        name = type(self).__name__
        store = self._store
        if store is None:
            return f"{name}(closed)"
        return f"{name}({store.url!r}, {len(self.live.all())} models in memory)"


def _only(folders: Sequence[str | os.PathLike[str]]) -> Folders:
    allowed = [Path(folder).expanduser().resolve() for folder in folders]
    return Folders(allowed, allowed[0] if allowed else None)
