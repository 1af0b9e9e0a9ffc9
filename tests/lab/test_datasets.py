"""Stored data sets."""

from __future__ import annotations

from collections import Counter

import pytest

from astermind_lab.errors import AlreadyExists, InvalidInput, NotFound
from astermind_lab.lab import Lab
from tests.lab.data import EXAMPLES


def test_a_data_set_comes_back_as_it_went_in(any_lab: Lab) -> None:
    stored = any_lab.store_training_dataset("set", EXAMPLES, {"source": "test"})
    assert list(stored.to_dict()) == ["success", "dataset_id", "examples", "record_id", "message"]
    assert stored.examples == len(EXAMPLES)
    plain = any_lab.load_training_dataset("set").to_dict()
    assert {"dataset_id", "examples", "size", "metadata"} <= set(plain)
    assert plain["examples"] == EXAMPLES
    assert (plain["size"], plain["metadata"]) == (len(EXAMPLES), {"source": "test"})
    assert plain["labels"] == Counter(e["label"] for e in EXAMPLES)


def test_pages(lab: Lab) -> None:
    lab.store_training_dataset("set", EXAMPLES)
    pages = [lab.load_training_dataset("set", offset=n, limit=40) for n in (0, 40, 80, 120)]
    assert [len(page.examples) for page in pages] == [40, 40, 10, 0]
    assert [e.to_dict() for page in pages for e in page.examples] == EXAMPLES
    for bad in ({"offset": -1}, {"limit": 0}, {"limit": 100_001}):
        with pytest.raises(InvalidInput, match=next(iter(bad))):
            lab.load_training_dataset("set", **bad)


def test_the_older_name_of_data_is_taken(lab: Lab) -> None:
    pairs = [(e["text"], e["label"]) for e in EXAMPLES]
    assert lab.store_training_dataset("set", training_data=pairs).examples == len(pairs)  # type: ignore[call-arg]


def test_an_id_is_used_once_until_it_is_deleted(lab: Lab) -> None:
    lab.store_training_dataset("set", EXAMPLES)
    with pytest.raises(AlreadyExists, match=r"^dataset_id: "):
        lab.store_training_dataset("set", EXAMPLES)
    assert [d.dataset_id for d in lab.list_training_datasets().datasets] == ["set"]
    lab.delete_training_dataset("set")
    assert lab.list_training_datasets().datasets == []
    for use in (lab.load_training_dataset, lab.delete_training_dataset):
        with pytest.raises(NotFound, match=r"^dataset_id: "):
            use("set")


@pytest.mark.parametrize("data", [[], None, "x", [{"text": "a"}], [("a", "\0")], [{"text": 1}]])
def test_bad_data_is_named_and_nothing_is_stored(lab: Lab, data: object) -> None:
    with pytest.raises(InvalidInput, match=r"^data: "):
        lab.store_training_dataset("set", data)  # type: ignore[arg-type]
    assert lab.list_training_datasets().datasets == []
