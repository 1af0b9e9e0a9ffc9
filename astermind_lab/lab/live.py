"""The models that are in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import AlreadyExists, shown
from astermind_lab.lab.locks import ReadWriteLock

if TYPE_CHECKING:
    from astermind_lab.core import TextClassifier

__all__ = ["LiveModel", "LiveModels", "RecentVersions"]

_VERSIONS_KEPT = 8


@dataclass(eq=False)
class LiveModel:
    """A model in memory.

    version : the stored version it is equal to, None if there is none
    guard : held for reading to predict, for writing to change the classifier
    changing : held for the whole of a change, also while its outcome is stored; taken before guard
    revision : counts the changes
    follows : whether it was loaded as the latest version, and makes way for a later one
    """

    model_id: str
    classifier: TextClassifier
    created: datetime
    description: str = ""
    version: str | None = None
    dataset_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    last_used: datetime | None = None
    train_ms: float | None = None
    revision: int = 0
    follows: bool = False
    guard: ReadWriteLock = field(default_factory=ReadWriteLock)
    changing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def persisted(self) -> bool:
        return self.version is not None

    def copy(self) -> TextClassifier:
        """A classifier of its own, equal to this one now."""
        with self.guard.reading():
            return self.classifier.copy()

    def mark_stored(self, version: str, revision: int) -> None:
        """Say that ``version`` holds ``revision``; of no effect if the model has moved on."""
        with self.guard.writing():
            if self.revision == revision:
                self.version = version


class LiveModels:
    """Models in memory by id; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, LiveModel] = {}
        self._in_training: set[str] = set()

    def get(self, model_id: str) -> LiveModel | None:
        return self._models.get(model_id)

    def all(self) -> list[LiveModel]:
        with self._lock:
            return list(self._models.values())

    def put(self, model: LiveModel) -> None:
        with self._lock:
            self._models[model.model_id] = model

    def put_if_absent(self, model: LiveModel) -> LiveModel:
        """The model that is there afterwards: an earlier one stays."""
        with self._lock:
            return self._models.setdefault(model.model_id, model)

    def remove_if(self, model: LiveModel) -> None:
        """Remove a model unless another one has taken its place."""
        with self._lock:
            if self._models.get(model.model_id) is model:
                del self._models[model.model_id]

    def remove(self, model_id: str) -> LiveModel | None:
        with self._lock:
            return self._models.pop(model_id, None)

    def clear(self) -> None:
        with self._lock:
            self._models.clear()

    @contextmanager
    def claim(self, model_id: str, overwrite: bool) -> Iterator[None]:
        """Reserve an id while its model is made. Of several who try, one gets it.

        Raises AlreadyExists if the id is in memory and ``overwrite`` is false, or claimed.
        """
        with self._lock:
            if model_id in self._in_training:
                raise AlreadyExists(
                    f"model_id: {shown(model_id)} is being trained right now; "
                    "wait, or use another id"
                )
            if model_id in self._models and not overwrite:
                raise AlreadyExists(
                    f"model_id: a model {shown(model_id)} is in memory; "
                    "pass overwrite=true to replace it, or use another id"
                )
            self._in_training.add(model_id)
        try:
            yield
        finally:
            with self._lock:
                self._in_training.discard(model_id)


class RecentVersions:
    """The last few stored versions that were asked for by name; each is loaded once."""

    def __init__(self, size: int = _VERSIONS_KEPT) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], LiveModel] = OrderedDict()
        self._loading: dict[tuple[str, str], threading.Lock] = {}

    def get(self, model_id: str, version: str, load: Callable[[], LiveModel]) -> LiveModel:
        """The version, loaded by ``load`` unless it is here."""
        key = (model_id, version)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            loading = self._loading.setdefault(key, threading.Lock())
        try:
            with loading:
                kept = self._kept.get(key)
                if kept is None:
                    kept = load()
                    self._keep(key, kept)
                return kept
        finally:
            with self._lock:
                self._loading.pop(key, None)

    def _keep(self, key: tuple[str, str], model: LiveModel) -> None:
        with self._lock:
            self._kept[key] = model
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
