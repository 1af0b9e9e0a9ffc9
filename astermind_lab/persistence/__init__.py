"""Everything the lab keeps, in SurrealDB.

``Store.open(url)`` gives an open database with its schema up to date, and four repositories on it:
``models`` (versions and their weights), ``datasets`` (labelled examples), ``embeddings`` (vectors
and the search for similar ones) and ``predictions`` (the log). A store is safe to use from many
threads. This is the only package that knows the database.
"""

from __future__ import annotations

from astermind_lab.persistence.datasets import Dataset, DatasetRepository
from astermind_lab.persistence.embedding_rows import EmbeddingHit, EmbeddingItem
from astermind_lab.persistence.embeddings import EmbeddingRepository
from astermind_lab.persistence.model_rows import ModelVersion, NewModelVersion
from astermind_lab.persistence.models import ModelRepository
from astermind_lab.persistence.predictions import Prediction, PredictionRepository
from astermind_lab.persistence.store import Store

__all__ = [
    "Dataset",
    "DatasetRepository",
    "EmbeddingHit",
    "EmbeddingItem",
    "EmbeddingRepository",
    "ModelRepository",
    "ModelVersion",
    "NewModelVersion",
    "Prediction",
    "PredictionRepository",
    "Store",
]
