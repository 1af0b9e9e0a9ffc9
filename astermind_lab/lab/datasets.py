"""Stored data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.results import (
    DatasetItem,
    DatasetList,
    DeletedDataset,
    Example,
    LoadedDataset,
    StoredDataset,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session

__all__ = [
    "delete_training_dataset",
    "list_training_datasets",
    "load_training_dataset",
    "store_training_dataset",
]

_LARGEST_PAGE = 100_000


@tool(slow=True, old_names={"training_data": "data"})
def store_training_dataset(
    lab: Session, dataset_id: str, data: ExampleData, metadata: Mapping[str, Any] | None = None
) -> StoredDataset:
    """Store labelled texts as a data set, all of them or none.

    dataset_id : the name of the data set; a name that is taken is refused
    data : the labelled texts
    metadata : any plain data to keep with it
    Raises InvalidInput, AlreadyExists.
    """
    dataset_id = check.identifier(dataset_id, "dataset_id")
    about = check.plain_mapping(metadata, "metadata")
    texts, labels = check.examples(data, "data")
    with check.blaming("dataset_id"):
        stored = lab.store.datasets.add(dataset_id, zip(texts, labels, strict=True), about)
    return StoredDataset(
        dataset_id=dataset_id,
        examples=stored.size,
        record_id=stored.record_id,
        message=f"Stored {stored.size:,} examples as {shown(dataset_id)}.",
    )


@tool(slow=True)
def load_training_dataset(
    lab: Session, dataset_id: str, offset: int = 0, limit: int = 10_000
) -> LoadedDataset:
    """The examples of a data set, page by page, in the order they were stored.

    dataset_id : the data set
    offset : how many examples to pass over
    limit : how many examples to return at most, 1 to 100,000; size says how many there are
    Raises InvalidInput, NotFound.
    """
    dataset_id = check.identifier(dataset_id, "dataset_id")
    offset = check.whole_number(offset, "offset", 0, 2**53)
    limit = check.whole_number(limit, "limit", 1, _LARGEST_PAGE)
    with check.blaming("dataset_id"):
        stored = lab.store.datasets.get(dataset_id)
        page = lab.store.datasets.examples(dataset_id, offset=offset, limit=limit)
    return LoadedDataset(
        dataset_id=dataset_id,
        examples=[Example(text=text, label=label) for text, label in page],
        size=stored.size,
        metadata=stored.metadata,
        labels=stored.labels,
        offset=offset,
    )


@tool()
def list_training_datasets(lab: Session) -> DatasetList:
    """Every stored data set: its size, labels and metadata."""
    items = [
        DatasetItem(
            dataset_id=stored.dataset_id,
            size=stored.size,
            labels=stored.labels,
            metadata=stored.metadata,
            created_at=stored.created_at,
        )
        for stored in lab.store.datasets.list()
    ]
    return DatasetList(datasets=items)


@tool(slow=True)
def delete_training_dataset(lab: Session, dataset_id: str) -> DeletedDataset:
    """Delete a data set with its examples. Models trained on it stay.

    dataset_id : the data set
    Raises InvalidInput, NotFound.
    """
    dataset_id = check.identifier(dataset_id, "dataset_id")
    with check.blaming("dataset_id"):
        lab.store.datasets.delete(dataset_id)
    return DeletedDataset(dataset_id=dataset_id, message=f"Deleted {shown(dataset_id)}.")
