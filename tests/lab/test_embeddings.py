"""Collections of embeddings, and search."""

from __future__ import annotations

from typing import Any

import pytest

from astermind_lab.errors import InvalidInput, NotFound
from astermind_lab.lab import Lab
from tests.lab.data import EXAMPLES

ITEMS: list[dict[str, Any]] = [
    {"id": "x", "text": "east", "embedding": [1.0, 0.0], "metadata": {"side": {"of": "day"}}},
    {"item_id": "y", "text": "north", "embedding": [0.0, 2.0]},
    {"id": "z", "text": "north east", "embedding": [1.0, 1.0], "metadata": {"side": {"of": "day"}}},
]


def test_the_nearest_come_first(any_lab: Lab) -> None:
    stored = any_lab.store_embeddings("map", ITEMS)
    assert stored.to_dict() == {"success": True, "collection_name": "map", "stored_count": 3}
    found = any_lab.search_similar("map", query_embedding=[1, 0.1], top_k=2)
    plain = found.to_dict()
    assert list(plain) == ["collection_name", "results", "total_results"]
    assert list(plain["results"][0]) == ["item_id", "text", "metadata", "similarity"]
    assert [r["item_id"] for r in plain["results"]] == ["x", "z"]
    assert plain["results"][0]["similarity"] == pytest.approx(1 / 1.01**0.5, abs=1e-6)
    assert plain["results"][0]["metadata"] == {"side": {"of": "day"}}
    [collection] = any_lab.list_collections().collections
    assert (collection.collection_name, collection.dimension, collection.count) == ("map", 2, 3)


def test_filters_come_before_the_cut(lab: Lab) -> None:
    lab.store_embeddings("map", ITEMS)
    found = lab.search_similar("map", query_embedding=[0, 1], top_k=2, filters={"side.of": "day"})
    assert [r.item_id for r in found.results] == ["z", "x"]


def test_an_item_of_the_same_id_is_replaced(lab: Lab) -> None:
    lab.store_embeddings("map", ITEMS)
    lab.store_embeddings("map", [{"id": "x", "text": "south", "embedding": [0.0, -1.0]}])
    found = lab.search_similar("map", query_embedding=[0, -1], top_k=1).results[0]
    assert (found.item_id, found.text) == ("x", "south")


def test_a_model_embeds_texts_and_queries(trained: Lab) -> None:
    items = [{"id": str(n), "text": e["text"]} for n, e in enumerate(EXAMPLES)]
    trained.store_embeddings("faq", items, model_id="topics")
    query = EXAMPLES[7]["text"]
    for found in (
        trained.search_similar(model_id="topics", query_text=query),
        trained.search_similar("faq", model_id="topics", query_text=query),
    ):
        assert found.collection_name == "faq"
        assert found.results[0].text == query
        assert found.results[0].similarity == pytest.approx(1, abs=1e-6)
        assert found.total_results == 10


def test_the_collection_must_be_clear(trained: Lab) -> None:
    with pytest.raises(NotFound, match=r"^collection_name: "):
        trained.search_similar(model_id="topics", query_text="rain")
    for name in ("one", "two"):
        trained.store_embeddings(name, [{"id": "a", "text": "rain"}], model_id="topics")
    with pytest.raises(InvalidInput, match=r"^collection_name: .*'one', 'two'"):
        trained.search_similar(model_id="topics", query_text="rain")
    trained.store_embeddings("topics", [{"id": "a", "text": "rain"}], model_id="topics")
    assert trained.search_similar(model_id="topics", query_text="rain").collection_name == "topics"


@pytest.mark.parametrize(
    "items",
    [
        [],
        "x",
        [5],
        [{"id": "a", "text": "b"}],
        [{"id": "a", "text": "b", "embedding": [float("nan"), 1]}],
        [{"id": "a", "text": "b", "embedding": []}],
        [{"id": "a", "text": "b", "embedding": [0.0, 0.0]}],
        [{"id": "a", "text": "b", "embedding": [1.0]}],
        [{"id": "a", "item_id": "a", "text": "b", "embedding": [1.0, 2.0]}],
        [{"id": "a", "text": " ", "embedding": [1.0, 2.0]}],
        [{"text": "b", "embedding": [1.0, 2.0]}],
        [{"id": "a", "text": "b", "embeding": [1.0, 2.0]}],
        [ITEMS[0], {"id": "b", "text": "c", "embedding": [1.0, 2.0, 3.0]}],
    ],
)
def test_bad_items_are_named_and_nothing_is_stored(lab: Lab, items: object) -> None:
    lab.store_embeddings("map", ITEMS[:1])
    with pytest.raises(InvalidInput, match=r"^items: "):
        lab.store_embeddings("map", items)  # type: ignore[arg-type]
    assert lab.list_collections().collections[0].count == 1


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({}, "query_text"),
        ({"query_text": "a"}, "model_id"),
        ({"query_embedding": [1, 0], "query_text": "a"}, "query_text"),
        ({"query_embedding": [1, 0, 0]}, "query_embedding"),
        ({"query_embedding": [0, 0]}, "query_embedding"),
        ({"query_embedding": [1, float("inf")]}, "query_embedding"),
        ({"query_embedding": [1, 0], "top_k": 0}, "top_k"),
        ({"query_embedding": [1, 0], "filters": "side"}, "filters"),
        ({"query_embedding": [1, 0], "collection_name": "no such"}, "collection_name"),
    ],
)
def test_bad_queries_are_named(lab: Lab, arguments: dict[str, Any], argument: str) -> None:
    lab.store_embeddings("map", ITEMS)
    with pytest.raises((InvalidInput, NotFound)) as caught:
        lab.search_similar(**{"collection_name": "map", **arguments})
    assert str(caught.value).startswith(f"{argument}: ")


def test_without_a_name_the_collection_of_the_same_layer_is_meant(trained: Lab) -> None:
    texts = [{"id": e["text"], "text": e["text"]} for e in EXAMPLES[:9]]
    size = len(trained.generate_embedding("topics", "rain").embedding)
    trained.store_embeddings("by hand", [{"id": "x", "text": "x", "embedding": [1.0] * size}])
    with pytest.raises(NotFound, match=r"^collection_name: .*embedded by 'topics'"):
        trained.search_similar(model_id="topics", query_text="rain")
    trained.store_embeddings("faq", texts, model_id="topics")
    assert trained.search_similar(model_id="topics", query_text="rain").collection_name == "faq"
    vector = trained.generate_embedding("topics", "rain").embedding
    asked = trained.search_similar(model_id="topics", query_embedding=vector)
    assert asked.collection_name == "faq"
    with pytest.raises(InvalidInput, match=r"^collection_name: .*several fit"):
        trained.search_similar(query_embedding=vector)
    trained.store_embeddings("second", texts, model_id="topics")
    with pytest.raises(InvalidInput, match=r"^collection_name: .*several fit"):
        trained.search_similar(model_id="topics", query_text="rain")


def test_a_model_trained_again_does_not_find_what_it_embedded_before(trained: Lab) -> None:
    items = [{"id": e["text"], "text": e["text"]} for e in EXAMPLES[:9]]
    trained.store_embeddings("faq", items, model_id="topics")
    trained.add_examples("topics", [("umbrella", "weather")])
    assert trained.search_similar(model_id="topics", query_text="rain").collection_name == "faq"
    trained.train_classifier("topics", EXAMPLES[::2], {"hiddenUnits": 64}, overwrite=True)
    with pytest.raises(NotFound, match=r"^collection_name: .*as it is now"):
        trained.search_similar(model_id="topics", query_text="rain")
    trained.store_embeddings("faq", items, model_id="topics")
    assert trained.search_similar(model_id="topics", query_text="rain").collection_name == "faq"


def test_no_similarity_is_beyond_one(lab: Lab) -> None:
    vectors = [[0.1 * n, 0.7, 0.3 + n, 1e-3 * n] for n in range(1, 60)]
    items = [{"id": str(n), "text": "t", "embedding": v} for n, v in enumerate(vectors)]
    lab.store_embeddings("map", items)
    for vector in vectors:
        best = lab.search_similar("map", query_embedding=vector, top_k=1).results[0].similarity
        assert 0.999 < best <= 1
        ends = lab.search_similar("map", query_embedding=[-x for x in vector], top_k=59).results
        assert all(-1 <= item.similarity <= 1 for item in ends)
