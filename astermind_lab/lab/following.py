"""Models that were loaded as the latest version make way when a later one is stored, by anybody."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from astermind_lab.errors import NotFound, StoreError
from astermind_lab.lab.live import LiveModel, LiveModels

if TYPE_CHECKING:
    from astermind_lab.persistence import Store

__all__ = ["Follower"]

_LOOK_SECONDS, _LOOK_OFTEN_SECONDS = 30.0, 1.0

_log = logging.getLogger(__name__)


class Follower:
    """Looks after the models in memory that follow the store, in a thread of its own."""

    def __init__(self, store: Store, live: LiveModels) -> None:
        self._store = store
        self._live = live
        self._closed = threading.Event()
        self._hints = store.hints("models")
        threading.Thread(target=self._follow, name="astermind-follow", daemon=True).start()

    def close(self) -> None:
        """Look after them no more."""
        self._closed.set()
        self._hints.close()

    def _follow(self) -> None:
        while not self._closed.is_set():
            self._hints.wait(_LOOK_SECONDS if self._hints.healthy else _LOOK_OFTEN_SECONDS)
            try:
                for model in self._live.all():
                    if model.follows and not self._closed.is_set() and self._is_outdated(model):
                        self._live.remove_if(model)
            except StoreError as problem:
                if not self._closed.is_set():
                    _log.info("cannot look for later versions: %s", problem)

    def _is_outdated(self, model: LiveModel) -> bool:
        """Whether another version is the latest now; one that was changed here is left alone."""
        if model.version is None or model.revision:
            return False
        try:
            return self._store.models.get(model.model_id).version != model.version
        except NotFound:
            return True
