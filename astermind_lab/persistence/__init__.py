"""Everything the lab keeps, in SurrealDB.

``Store.open(url)`` gives an open database with its schema up to date, and the repositories on it:
``models`` (versions and their weights), ``datasets`` (labelled examples), ``embeddings`` (vectors
and the search for similar ones), ``predictions`` (the log), ``feedback`` (truths that come later)
and ``tallies`` (windows over the log); ``feed`` gives live updates. A store is safe to use from
many threads. This is the only package that knows the database.

Names are loaded when they are first asked for: the process of the local engine, which should start
in a moment, needs few of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astermind_lab.persistence.alias_rows import AliasMove
    from astermind_lab.persistence.datasets import Dataset, DatasetRepository
    from astermind_lab.persistence.embedding_rows import EmbeddingHit, EmbeddingItem
    from astermind_lab.persistence.embeddings import EmbeddingRepository
    from astermind_lab.persistence.engine import EngineOptions
    from astermind_lab.persistence.feed import Feed
    from astermind_lab.persistence.feedback import Feedback, FeedbackRepository
    from astermind_lab.persistence.model_rows import ModelVersion, NewModelVersion
    from astermind_lab.persistence.models import ModelRepository
    from astermind_lab.persistence.predictions import Prediction, PredictionRepository
    from astermind_lab.persistence.store import Store
    from astermind_lab.persistence.tallies import TallyRepository, Totals
    from astermind_lab.persistence.target import local_place
    from astermind_lab.persistence.watch import RecordChange, Watch

__all__ = [
    "AliasMove",
    "Dataset",
    "DatasetRepository",
    "EmbeddingHit",
    "EmbeddingItem",
    "EmbeddingRepository",
    "EngineOptions",
    "Feed",
    "Feedback",
    "FeedbackRepository",
    "ModelRepository",
    "ModelVersion",
    "NewModelVersion",
    "Prediction",
    "PredictionRepository",
    "RecordChange",
    "Store",
    "TallyRepository",
    "Totals",
    "Watch",
    "local_place",
]

_HOMES = {
    "AliasMove": "alias_rows",
    "Dataset": "datasets",
    "DatasetRepository": "datasets",
    "EmbeddingHit": "embedding_rows",
    "EmbeddingItem": "embedding_rows",
    "EmbeddingRepository": "embeddings",
    "EngineOptions": "engine",
    "Feed": "feed",
    "Feedback": "feedback",
    "FeedbackRepository": "feedback",
    "ModelRepository": "models",
    "ModelVersion": "model_rows",
    "NewModelVersion": "model_rows",
    "Prediction": "predictions",
    "PredictionRepository": "predictions",
    "RecordChange": "watch",
    "Store": "store",
    "TallyRepository": "tallies",
    "Totals": "tallies",
    "Watch": "watch",
    "local_place": "target",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
