"""An open store, and the models in memory beside it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from astermind_lab.clock import Clock, SystemClock
from astermind_lab.errors import NotFound, StoreUnavailable
from astermind_lab.lab.live import LiveModel, LiveModels, RecentVersions
from astermind_lab.lab.paths import Folders

if TYPE_CHECKING:
    from astermind_lab.persistence import ModelVersion, Store
    from astermind_lab.settings import Settings

__all__ = ["Session"]


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

        url : ``mem://``, ``surrealkv://FOLDER``, ``ws://HOST:PORT/rpc`` or ``wss://…``; None takes
            the setting ``database.url``, and without one a folder under the user's data folder
        settings : None reads them from the environment and the settings files
        folders : the only folders that tools may read and write; None allows whatever the user may

        Raises InvalidInput for an address that cannot be one, StoreLocked if the folder belongs to
        another process, StoreUnavailable if a server does not answer or refuses the sign-in.
        """
        from astermind_lab.persistence import Store
        from astermind_lab.settings import load_settings

        settings = settings or load_settings()
        clock = clock or SystemClock()
        if password is None and settings.database.password is not None:
            password = settings.database.password.get_secret_value()
        store = Store.open(
            url or settings.database.url or own_place(settings.data_dir),
            namespace=namespace or settings.database.namespace,
            database=database or settings.database.database,
            username=username or settings.database.username,
            password=password,
            clock=clock,
        )
        allowed = Folders() if folders is None else _only(folders)
        return cls(store, settings, clock, allowed)

    def close(self) -> None:
        """Let go of the store and of the models in memory; a second call does nothing."""
        with self._lock:
            store, self._store = self._store, None
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
    def url(self) -> str:
        """Where the lab keeps its records."""
        return self.store.url

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
            try:
                stored = self.stored(model_id, None)
            except NotFound as error:
                raise NotFound(f"{error}, and none of that name is in memory") from None
            return self.live.put_if_absent(self.read(stored))

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


def own_place(data_dir: Path) -> str:
    """The address of the lab's own folder, which is made if it is missing."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return f"surrealkv://{data_dir / 'lab'}"


def _only(folders: Sequence[str | os.PathLike[str]]) -> Folders:
    allowed = [Path(folder).expanduser().resolve() for folder in folders]
    return Folders(allowed, allowed[0] if allowed else None)
