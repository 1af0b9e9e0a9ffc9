"""What the lab answers: one frozen dataclass per kind of answer.

Each prints as one line, shows itself in a notebook, reads as a table with ``str()``, and gives its
plain data with ``to_dict()`` under the keys that every face documents.
"""

from __future__ import annotations

from astermind_lab.results.base import Result
from astermind_lab.results.data import (
    Collection,
    Collections,
    DatasetItem,
    DatasetList,
    DeletedDataset,
    Example,
    LoadedDataset,
    SimilarItem,
    SimilarItems,
    StoredDataset,
    StoredEmbeddings,
)
from astermind_lab.results.drift import (
    ConditionalEstimate,
    DetectorFinding,
    DriftAnalysis,
    DriftReport,
    EstimatedAccuracy,
)
from astermind_lab.results.models import (
    CategoryScore,
    DeletedModel,
    Embedding,
    ModelItem,
    ModelList,
    Prediction,
    Predictions,
    Receipt,
    SavedModel,
    TrainedModel,
    UpdatedModel,
)
from astermind_lab.results.monitoring import (
    Averages,
    ConfusionMatrix,
    MetricPoint,
    Metrics,
    MetricSeries,
    ModelMetrics,
    Quantiles,
)
from astermind_lab.results.recording import (
    DeletedPredictions,
    FeedbackGiven,
    LoggedPrediction,
    TimeRange,
)
from astermind_lab.results.versions import (
    AliasChange,
    Aliases,
    ExportedModel,
    ImportedModel,
    LoadedModel,
    ModelVersions,
    StoredModel,
    TaggedVersion,
    TaggedVersions,
    VersionChange,
    VersionItem,
)

__all__ = [
    "AliasChange",
    "Aliases",
    "Averages",
    "CategoryScore",
    "Collection",
    "Collections",
    "ConditionalEstimate",
    "ConfusionMatrix",
    "DatasetItem",
    "DatasetList",
    "DeletedDataset",
    "DeletedModel",
    "DeletedPredictions",
    "DetectorFinding",
    "DriftAnalysis",
    "DriftReport",
    "Embedding",
    "EstimatedAccuracy",
    "Example",
    "ExportedModel",
    "FeedbackGiven",
    "ImportedModel",
    "LoadedDataset",
    "LoadedModel",
    "LoggedPrediction",
    "MetricPoint",
    "MetricSeries",
    "Metrics",
    "ModelItem",
    "ModelList",
    "ModelMetrics",
    "ModelVersions",
    "Prediction",
    "Predictions",
    "Quantiles",
    "Receipt",
    "Result",
    "SavedModel",
    "SimilarItem",
    "SimilarItems",
    "StoredDataset",
    "StoredEmbeddings",
    "StoredModel",
    "TaggedVersion",
    "TaggedVersions",
    "TimeRange",
    "TrainedModel",
    "UpdatedModel",
    "VersionChange",
    "VersionItem",
]
