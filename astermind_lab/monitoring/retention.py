"""Removing what has been kept as long as the settings say.

Tallies never go before the predictions that they count: as long as these are kept for ever, or
longer, so are their tallies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from astermind_lab.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from astermind_lab.persistence import Store

__all__ = ["Removed", "Rules", "apply_rules"]


@dataclass(frozen=True)
class Rules:
    """How long to keep predictions and metrics, and how many versions; None is for ever, all."""

    predictions: timedelta | None = None
    metrics: timedelta | None = None
    old_model_versions: int | None = None

    def __bool__(self) -> bool:
        return any(rule is not None for rule in vars(self).values())

    def edges(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Before which moments predictions, and metrics, are to go."""
        rows = None if self.predictions is None else now - self.predictions
        if self.metrics is None or rows is None:
            return rows, None
        return rows, min(now - self.metrics, rows)


@dataclass(frozen=True)
class Removed:
    """What went.

    predictions : by model     metrics : hours and days     versions : (model, name)
    """

    predictions: Mapping[str, int]
    metrics: int
    versions: list[tuple[str, str]]


def apply_rules(
    store: Store,
    rules: Rules,
    now: datetime,
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda n: None,
) -> Removed:
    """Remove what the rules say, or with ``dry_run`` only count it. Raises StoreError.

    progress : called with the number of predictions removed so far
    """
    rows, metrics = rules.edges(now)
    keep = store.retention
    predictions: Mapping[str, int] = {}
    if rows is not None:
        predictions = (
            keep.count_predictions(rows) if dry_run else keep.expire_predictions(rows, progress)
        )
    tallies = 0
    if metrics is not None:
        tallies = keep.count_tallies(metrics) if dry_run else keep.expire_tallies(metrics)
    return Removed(predictions, tallies, _versions(store, rules.old_model_versions, dry_run))


def _versions(store: Store, most: int | None, dry_run: bool) -> list[tuple[str, str]]:
    """All but the newest versions of each model, and those that an alias stands for."""
    if most is None:
        return []
    gone = []
    for model_id in sorted(one.model_id for one in store.models.latest()):
        named = set(store.models.aliases(model_id).values())
        for old in store.models.versions(model_id)[most:]:
            if old.version in named:
                continue
            if not dry_run:
                try:
                    store.models.purge(model_id, old.version)
                except (InvalidInput, NotFound):  # an alias has come, or it has gone, meanwhile
                    continue
            gone.append((model_id, old.version))
    return gone
