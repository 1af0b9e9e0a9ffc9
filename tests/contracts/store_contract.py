"""What every store must do, whatever stands behind its URL.

Each ``check_…`` function takes an open, empty store. ``CHECKS`` lists them all, and the tests run
the list against every kind of URL.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from queue import Queue
from typing import Any

import numpy as np
import pytest

from astermind_lab.core.tally import Features
from astermind_lab.errors import (
    AlreadyExists,
    InvalidInput,
    ModelFileError,
    NotFound,
    StoreError,
)
from astermind_lab.persistence import (
    AliasMove,
    EmbeddingItem,
    Feedback,
    NewModelVersion,
    Prediction,
    RecordChange,
    Store,
    Watch,
)
from astermind_lab.persistence.monitors import Monitor
from astermind_lab.persistence.wanted import Wanted

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

# Ids and texts that must come back as they went in.
HARD_TEXTS = [
    "plain",
    "with 'single', \"double\" and `back` quotes",
    "⟨angle⟩ \\ backslash \\\\ twice \\",
    "two\nlines\tand\r\ncarriage returns",
    "emoji 😀 👩‍👩‍👧 and 日本語 عربى עברית",
    "'; REMOVE TABLE models; --",
    "models:[1, 2]..=[3]; DELETE models",
    "$record",
    " leading and trailing ",
    "zero\0byte and \x01 \x1f \x7f",
    "é and e\u0301",
    "123",
    "1e5",
    "NONE",
    "true",
    "long " * 2_000,
]


def version(model_id: str = "m", name: str = "v1", **fields: Any) -> NewModelVersion:
    known: dict[str, Any] = {
        "model_type": "elm-ridge",
        "categories": ("yes", "no"),
        "training_examples": 12,
    }
    return NewModelVersion(model_id, name, **(known | fields))


def prediction(place: int = 0, **fields: Any) -> Prediction:
    known: dict[str, Any] = {
        "model_id": "m",
        "version": "v1",
        "input": f"input {place}",
        "prediction": "ab"[place % 2],
        "confidence": 0.75,
        "ground_truth": ("a", "b", None)[place % 3],
        "latency_ms": 0.5,
        "timestamp": NOON + timedelta(seconds=place),
        "metadata": {},
    }
    return Prediction(**(known | fields))


# Models


def check_a_version_comes_back_as_it_was_stored(store: Store) -> None:
    new = version(
        config={"hidden_units": 512, "activation": None, "deep": [{"x": 1.5}, [True, None]]},
        metrics={"accuracy": {"value": 0.9, "low": 0.8, "n": 12}},
        metadata={"author": "Ada", "ünïcode 😀": {"id": 7, "": 0}},
        tags=["fast", "tested", "fast"],
        description="A first try",
        dataset_id="intents",
        created_at=NOON,
    )
    stored = store.models.add(new, b"weights")
    assert stored == store.models.get("m", "v1") == store.models.get("m")
    assert stored.config == new.config and stored.metrics == new.metrics
    assert stored.metadata == new.metadata
    assert stored.categories == ("yes", "no") and stored.tags == ("fast", "tested")
    assert (stored.description, stored.dataset_id, stored.training_examples) == (
        "A first try",
        "intents",
        12,
    )
    assert stored.created_at == NOON and stored.created_at.tzinfo is UTC
    assert (stored.status, stored.size_bytes) == ("active", 7)
    assert stored.record_id == 'models:["m", "v1"]'


def check_weights_of_several_parts_come_back_exactly(store: Store) -> None:
    weights = os.urandom(17 * 1024 * 1024 + 3)
    stored = store.models.add(version(), weights)
    assert stored.size_bytes == len(weights)
    assert store.models.weights("m", "v1") == weights


def check_damaged_weights_are_refused(store: Store) -> None:
    store.models.add(version(), b"weights")
    store._connection.run("UPDATE model_weights SET data = $data", data=b"weightz")
    with pytest.raises(ModelFileError, match="damaged"):
        store.models.weights("m", "v1")


def check_a_version_is_stored_once(store: Store) -> None:
    store.models.add(version(), b"first")
    with pytest.raises(AlreadyExists, match="'v1' of model 'm'"):
        store.models.add(version(), b"second")
    assert store.models.weights("m", "v1") == b"first"
    assert len(store.models.versions("m")) == 1


def check_one_of_many_racing_threads_stores_a_version(store: Store) -> None:
    def attempt(number: int) -> str:
        try:
            store.models.add(version(), f"weights {number}".encode())
        except AlreadyExists:
            return "refused"
        return "stored"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(16)))
    assert outcomes.count("stored") == 1
    winner = outcomes.index("stored")
    assert store.models.weights("m", "v1") == f"weights {winner}".encode()
    assert store._connection.first("SELECT count() FROM model_weights GROUP ALL") == [{"count": 1}]


def check_the_latest_is_the_one_stored_last(store: Store) -> None:
    for name, created in (("v9", NOON), ("v10", NOON - timedelta(days=400)), ("a", NOON)):
        store.models.add(version(name=name, created_at=created), b"w")
    assert store.models.get("m").version == "a"
    assert [one.version for one in store.models.versions("m")] == ["a", "v10", "v9"]
    store.models.add(version("other"), b"w")
    assert [(one.model_id, one.version) for one in store.models.latest()] == [
        ("other", "v1"),
        ("m", "a"),
    ]


def check_aliases_stand_for_versions_and_move(store: Store) -> None:
    for name in ("v1", "v2", "gone"):
        store.models.add(version(name=name), name.encode())
    store.models.set_alias("m", "best", "v1")
    assert store.models.get("m", "best").version == "v1"
    store.models.set_alias("m", "best", "v2")
    assert store.models.weights("m", "best") == b"v2"
    store.models.set_alias("m", "champion", "v1")
    store.models.delete("m", "gone")
    for name in ("v1", "gone"):
        with pytest.raises(InvalidInput, match=r"^alias: .* is the name of a version"):
            store.models.set_alias("m", name, "v2")
    with pytest.raises(AlreadyExists, match=r"'champion' is an alias of model 'm'.*nothing was"):
        store.models.add(version(name="champion"), b"w")
    assert store.models.aliases("m") == {"best": "v2", "champion": "v1"}
    store.models.delete_alias("m", "best")
    assert store.models.aliases("m") == {"champion": "v1"}
    assert store.models.aliases("unknown") == {}
    with pytest.raises(NotFound, match="Did you mean 'champion'"):
        store.models.delete_alias("m", "champoin")
    with pytest.raises(NotFound, match="v3"):
        store.models.set_alias("m", "best", "v3")
    with pytest.raises(NotFound, match="no version of model 'x'"):
        store.models.set_alias("x", "best", "v1")


def past(store: Store, alias: str, model_id: str = "m") -> list[str]:
    return [move.version for move in store.models.alias_moves(model_id)[alias]]


def check_an_alias_remembers_its_moves_and_rolls_back(store: Store) -> None:
    for name in ("v1", "v2", "v3"):
        store.models.add(version(name=name), b"w")
        store.models.set_alias("m", "best", name)
    first = store.models.alias_moves("m")["best"]
    assert [move.version for move in first] == ["v3", "v2", "v1"]
    assert all(move.at.tzinfo is not None for move in first)
    assert first[0].at >= first[1].at >= first[2].at
    store.models.set_alias("m", "best", "v3")
    assert store.models.alias_moves("m")["best"] == first
    store.models.set_alias("m", "other", "v1")
    assert store.models.roll_back_alias("m", "best") == "v2"
    assert store.models.get("m", "best").version == "v2"
    assert store.models.alias_moves("m")["best"] == first[1:]
    assert store.models.roll_back_alias("m", "best") == "v1"
    with pytest.raises(NotFound, match=r"'best' of model 'm' stands for 'v1', and remembers no"):
        store.models.roll_back_alias("m", "best")
    with pytest.raises(NotFound, match=r"has no alias 'bset'.*'best'"):
        store.models.roll_back_alias("m", "bset")
    assert store.models.aliases("m") == {"best": "v1", "other": "v1"}
    assert past(store, "other") == ["v1"]
    store.models.delete_alias("m", "best")
    store.models.set_alias("m", "best", "v2")
    assert past(store, "best") == ["v2"]


def check_a_roll_back_passes_over_what_was_deleted(store: Store) -> None:
    for name in ("v1", "v2", "v3", "v4"):
        store.models.add(version(name=name), b"w")
    for name in ("v1", "v2", "v1", "v3", "v2", "v4"):
        store.models.set_alias("m", "best", name)
    store.models.delete("m", "v2")
    store.models.purge("m", "v3")
    assert past(store, "best") == ["v4", "v2", "v3", "v1", "v2", "v1"]
    assert store.models.roll_back_alias("m", "best") == "v1"
    assert past(store, "best") == ["v1", "v2", "v1"]
    with pytest.raises(NotFound):  # what it stood for before, and is there, it stands for now
        store.models.roll_back_alias("m", "best")
    assert past(store, "best") == ["v1", "v2", "v1"]
    store.models.restore("m", "v2")
    assert store.models.roll_back_alias("m", "best") == "v2"
    with pytest.raises(InvalidInput, match=r"^version: .*'best'"):
        store.models.delete("m", "v2")


def check_an_alias_remembers_so_many_moves(store: Store) -> None:
    for name in ("a", "b"):
        store.models.add(version(name=name), b"w")
    for number in range(27):
        store.models.set_alias("m", "best", "ab"[number % 2])
    assert past(store, "best") == ["a", "b"] * 10
    moves = [AliasMove("ab"[number % 2], NOON) for number in range(27)]
    store.models.set_alias("m", "new", "a", moves)
    assert store.models.alias_moves("m")["new"] == moves[:20]
    store.models.set_alias("m", "new", "b", moves[1:])
    assert past(store, "new") == ["b", *["a", "b"] * 9, "a"]
    with pytest.raises(ValueError, match="the first move"):
        store.models.set_alias("m", "new", "a", moves[1:])


def check_an_alias_of_before_there_was_a_history(store: Store) -> None:
    for name in ("v1", "v2"):
        store.models.add(version(name=name), b"w")
    store.models.set_alias("m", "best", "v1")
    [before] = store.models.alias_moves("m")["best"]
    store._connection.write("UPDATE aliases SET history = NONE RETURN NONE")
    assert store.models.alias_moves("m") == {"best": [before]}
    with pytest.raises(NotFound, match="remembers no version"):
        store.models.roll_back_alias("m", "best")
    store.models.set_alias("m", "best", "v1")
    store.models.set_alias("m", "best", "v2")
    assert past(store, "best") == ["v2", "v1"]
    assert store.models.alias_moves("m")["best"][1] == before
    assert store.models.roll_back_alias("m", "best") == "v1"


def check_many_movers_and_no_move_is_forgotten(store: Store) -> None:
    names = [f"v{number}" for number in range(12)]
    for name in ["first", *names]:
        store.models.add(version(name=name), b"w")
    store.models.set_alias("m", "best", "first")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: store.models.set_alias("m", "best", name), names))
    moves = past(store, "best")
    assert (sorted(moves[:-1]), moves[-1]) == (sorted(names), "first")
    with ThreadPoolExecutor(6) as pool:
        back = list(pool.map(lambda _: store.models.roll_back_alias("m", "best"), names))
    assert sorted(back) == sorted(moves[1:])
    assert past(store, "best") == ["first"]


def check_a_roll_back_and_a_deletion_never_meet(store: Store) -> None:
    store.models.add(version(name="keep"), b"w")
    store.models.add(version(name="now"), b"w")
    for number in range(20):
        name = f"v{number}"
        store.models.add(version(name=name), b"w")
        for one in ("keep", name, "now"):
            store.models.set_alias("m", "champion", one)

        def delete(name: str = name) -> None:
            with suppress(InvalidInput):
                store.models.delete("m", name)

        with ThreadPoolExecutor(2) as pool:
            back = pool.submit(store.models.roll_back_alias, "m", "champion")
            pool.submit(delete).result()
        assert back.result() in ("keep", name)
        assert store.models.get("m", store.models.aliases("m")["champion"]).status == "active"


def check_deleted_versions_are_hidden_until_restored(store: Store) -> None:
    for name in ("v1", "v2"):
        store.models.add(version(name=name, tags=["t"]), b"w")
    store.models.set_alias("m", "champion", "v2")
    with pytest.raises(InvalidInput, match=r"^version: .*'champion'"):
        store.models.delete("m", "v2")
    store.models.delete_alias("m", "champion")
    store.models.delete("m", "v2")
    assert store.models.get("m").version == "v1"
    assert [one.version for one in store.models.versions("m")] == ["v1"]
    assert [one.status for one in store.models.versions("m", include_deleted=True)] == [
        "deleted",
        "active",
    ]
    assert [one.version for one in store.models.with_tag("t")] == ["v1"]
    with pytest.raises(NotFound, match="deleted; restore it"):
        store.models.get("m", "v2")
    with pytest.raises(NotFound):
        store.models.delete("m", "v2")
    with pytest.raises(AlreadyExists):
        store.models.add(version(name="v2"), b"w")
    store.models.restore("m", "v2")
    store.models.restore("m", "v2")
    assert store.models.get("m").version == "v2"
    with pytest.raises(NotFound):
        store.models.restore("m", "v3")


def check_an_alias_and_a_deletion_never_meet(store: Store) -> None:
    store.models.add(version(name="keep"), b"w")
    for number in range(20):
        name = f"v{number}"
        store.models.add(version(name=name), b"w")

        def alias(name: str = name) -> None:
            try:
                store.models.set_alias("m", "champion", name)
            except NotFound:
                return

        def delete(name: str = name) -> None:
            try:
                store.models.delete("m", name)
            except InvalidInput:
                return

        with ThreadPoolExecutor(2) as pool:
            for job in (pool.submit(alias), pool.submit(delete)):
                job.result()
        for target in store.models.aliases("m").values():
            assert store.models.get("m", target).status == "active"


def check_tags_are_found_exactly(store: Store) -> None:
    store.models.add(version(name="v1", tags=["prod", "eu"]), b"w")
    store.models.add(version("other", name="v2", tags=["prod"]), b"w")
    store.models.add(version(name="v3", tags=["production"]), b"w")
    assert [one.version for one in store.models.with_tag("prod")] == ["v2", "v1"]
    assert store.models.with_tag("pro") == []


def check_missing_models_say_what_exists(store: Store) -> None:
    with pytest.raises(NotFound, match="Stored models: none"):
        store.models.get("m")
    store.models.add(version("intents"), b"w")
    with pytest.raises(NotFound, match="Did you mean 'intents'"):
        store.models.get("intnets")
    with pytest.raises(NotFound, match=r"no version or alias 'v2'.*'v1'"):
        store.models.get("intents", "v2")
    assert store.models.versions("unknown") == [] and store.models.with_tag("x") == []


def check_bad_model_fields_are_named(store: Store) -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"x": deep}
    bad: list[tuple[str, NewModelVersion, Any]] = [
        ("model_id", version(" \n"), b"w"),
        ("model_id", version("x" * 20_000), b"w"),
        ("model_id", version("half \ud800 pair"), b"w"),
        ("version", version(name=""), b"w"),
        ("version", version(name=7), b"w"),  # type: ignore[arg-type]
        ("categories", version(categories=["a", ""]), b"w"),
        ("categories", version(categories="ab"), b"w"),
        ("training_examples", version(training_examples=-1), b"w"),
        ("tags", version(tags=["\t"]), b"w"),
        ("metadata", version(metadata={"a": object()}), b"w"),
        ("metadata", version(metadata={1: "a"}), b"w"),
        ("metadata", version(metadata={"a": 2**64}), b"w"),
        ("metadata", version(metadata=deep), b"w"),
        ("metrics", version(metrics=[1]), b"w"),
        ("created_at", version(created_at=NOON.replace(tzinfo=None)), b"w"),
        ("weights", version(), b""),
        ("weights", version(), "text"),
    ]
    for argument, new, weights in bad:
        with pytest.raises(InvalidInput) as caught:
            store.models.add(new, weights)
        assert caught.value.argument == argument, str(caught.value)
        assert len(str(caught.value)) < 400
    assert store.models.latest() == []


# Data sets


def check_a_data_set_comes_back_in_order(store: Store) -> None:
    pairs = [(f"text {place}", f"label {place % 7}") for place in range(3_110)]
    heard: list[int] = []
    stored = store.datasets.add("d", iter(pairs), {"source": "test"}, heard.append)
    assert (stored.size, stored.metadata) == (3_110, {"source": "test"})
    assert list(stored.labels) == [f"label {place}" for place in range(7)]
    assert sum(stored.labels.values()) == 3_110 and stored.labels["label 0"] == 445
    assert heard == sorted(heard) and heard[-1] == 3_110 and len(heard) > 2
    assert list(store.datasets.examples("d")) == pairs
    assert list(store.datasets.examples("d", offset=1_999, limit=3)) == pairs[1_999:2_002]
    assert list(store.datasets.examples("d", offset=3_109)) == pairs[3_109:]
    assert list(store.datasets.examples("d", offset=9_999)) == []
    assert list(store.datasets.examples("d", limit=0)) == []
    assert store.datasets.get("d") == stored and store.datasets.list() == [stored]


def check_a_data_set_is_stored_once(store: Store) -> None:
    store.datasets.add("d", [("a", "x")])
    with pytest.raises(AlreadyExists, match="'d'"):
        store.datasets.add("d", [("b", "y")])
    assert list(store.datasets.examples("d")) == [("a", "x")]


def check_a_data_set_that_breaks_off_leaves_nothing(store: Store) -> None:
    def broken(end: Any, after: int) -> Iterator[Any]:
        yield from ((f"text {place}", "x") for place in range(after))
        yield end

    with pytest.raises(InvalidInput, match=r"^examples: row 1600"):
        store.datasets.add("d", broken(None, after=1_600))
    for end in (("", "x"), ("text", " "), ("text",), "ab", None, ("text", 3), ("\ud800", "x")):
        with pytest.raises(InvalidInput, match=r"^examples: row 2"):
            store.datasets.add("d", broken(end, after=2))
    with pytest.raises(InvalidInput, match=r"^examples: there is none"):
        store.datasets.add("d", [])

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.datasets.add("d", [("a", "x")], progress=stop)
    assert store.datasets.list() == []
    with pytest.raises(NotFound):
        store.datasets.get("d")
    counted = store._connection.run(
        "SELECT count() FROM datasets GROUP ALL; SELECT count() FROM examples GROUP ALL"
    )
    assert counted == [[{"count": 0}], [{"count": 0}]]
    assert store.datasets.add("d", [("a", "x")]).size == 1


def check_a_deleted_data_set_is_gone(store: Store) -> None:
    store.datasets.add("d", ((f"text {place}", "x") for place in range(5_100)))
    store.datasets.add("e", [("keep", "y")])
    reading = store.datasets.examples("d")
    next(reading)
    store.datasets.delete("d")
    with pytest.raises(NotFound, match="no data set 'd'"):
        store.datasets.examples("d")
    with pytest.raises(NotFound):
        store.datasets.delete("d")
    with pytest.raises(StoreError, match="deleted while it was being read"):
        list(reading)
    assert store._connection.first("SELECT count() FROM examples GROUP ALL") == [{"count": 1}]
    assert store.datasets.add("d", [("new", "z")]).labels == {"z": 1}


def check_data_sets_are_listed_as_they_were_stored(store: Store) -> None:
    for name in ("b", "a", "c"):
        store.datasets.add(name, [("text", "label")])
    assert [one.dataset_id for one in store.datasets.list()] == ["b", "a", "c"]
    with pytest.raises(InvalidInput, match=r"^offset"):
        store.datasets.examples("a", offset=-1)
    with pytest.raises(InvalidInput, match=r"^limit"):
        store.datasets.examples("a", limit=1.5)  # type: ignore[arg-type]


def check_one_of_many_racing_threads_stores_a_data_set(store: Store) -> None:
    def attempt(number: int) -> str:
        try:
            store.datasets.add("d", ((f"{number} {place}", "x") for place in range(1_600)))
        except AlreadyExists:
            return "refused"
        return "stored"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(attempt, range(6)))
    assert outcomes.count("stored") == 1
    winner = outcomes.index("stored")
    assert list(store.datasets.examples("d"))[-1] == (f"{winner} 1599", "x")
    assert store._connection.first("SELECT count() FROM examples GROUP ALL") == [{"count": 1_600}]


def check_very_long_texts_fit(store: Store) -> None:
    pairs = [("long " * 200_000, "a"), ("short", "b"), ("é" * 1_000_000, "a")]
    store.datasets.add("d", pairs)
    assert list(store.datasets.examples("d")) == pairs
    with pytest.raises(InvalidInput, match="at most"):
        store.datasets.add("e", [("x" * (16 * 1024 * 1024 + 1), "a")])


# Embeddings


def _cosines(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    return vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)


def _filled(store: Store, n: int = 600, dimension: int = 24) -> np.ndarray:
    vectors = np.random.default_rng(7).standard_normal((n, dimension))
    count = store.embeddings.add(
        "c",
        (
            EmbeddingItem(
                f"i{place}",
                f"text {place}",
                vectors[place].tolist(),
                {
                    "group": place % 3,
                    "select": float(place % 2),
                    "deep": {"er": {"rare": place // 100}},
                    "a.b": place % 2,
                    "ké y": str(place % 2),
                    "flag": place % 2 == 0,
                    "list": [place % 2, None],
                    "null": None,
                },
            )
            for place in range(n)
        ),
    )
    assert count == n
    return vectors


def check_search_finds_what_brute_force_finds(store: Store) -> None:
    vectors = _filled(store)
    queries = np.random.default_rng(8).standard_normal((10, 24))
    for query in queries:
        truth = _cosines(vectors, query)
        hits = store.embeddings.search("c", query.tolist(), top_k=8)
        assert [hit.item_id for hit in hits] == [f"i{i}" for i in np.argsort(-truth)[:8]]
        np.testing.assert_allclose([hit.similarity for hit in hits], np.sort(truth)[::-1][:8])
    hit = store.embeddings.search("c", vectors[5], top_k=1)[0]
    assert (hit.item_id, hit.text, hit.metadata["deep"]) == ("i5", "text 5", {"er": {"rare": 0}})
    assert hit.similarity == pytest.approx(1.0, abs=1e-12)


def check_filters_come_before_the_cut(store: Store) -> None:
    vectors = _filled(store)
    place = np.arange(len(vectors))
    query = np.random.default_rng(9).standard_normal(24)
    truth = _cosines(vectors, query)
    cases: list[tuple[dict[str, Any], np.ndarray]] = [
        ({"group": 1}, place % 3 == 1),
        ({"deep.er.rare": 4}, place // 100 == 4),
        ({"group": 2, "deep.er.rare": 0}, (place % 3 == 2) & (place < 100)),
        ({"a.b": 1}, place % 2 == 1),
        ({"deep": {"er": {"rare": 5}}}, place // 100 == 5),
        ({"missing": None}, place >= 0),
        ({"null": None}, place >= 0),
        ({"group": None}, place < 0),
        ({"select": 1}, place % 2 == 1),
        ({"ké y": "1"}, place % 2 == 1),
        ({"ké y": 1}, place < 0),
        ({"flag": True}, place % 2 == 0),
        ({"flag": 1}, place < 0),
        ({"list": [1, None]}, place % 2 == 1),
        ({"list": (0, None), "group": 0}, (place % 2 == 0) & (place % 3 == 0)),
        ({"deep.er": {"rare": 3}}, place // 100 == 3),
        ({"deep.er.rare.x": 3}, place < 0),
        ({"group.x": 3}, place < 0),
        ({"group": "1"}, place < 0),
        ({"missing": 1}, place < 0),
        ({"metadata] OR [1": 1}, place < 0),
    ]
    for filters, mask in cases:
        hits = store.embeddings.search("c", query, top_k=12, filters=filters)
        expected = [i for i in np.argsort(-truth) if mask[i]][:12]
        assert [hit.item_id for hit in hits] == [f"i{i}" for i in expected], filters


def check_an_item_is_replaced_by_its_id(store: Store) -> None:
    store.embeddings.add("c", [EmbeddingItem("i", "old", [1.0, 0.0], {"a": 1})])
    store.embeddings.add("c", [EmbeddingItem("i", "new", [0.0, 1.0], {"b": 2})])
    twice = [EmbeddingItem("j", "first", [1, 1]), EmbeddingItem("j", "last", [1, 2])]
    assert store.embeddings.add("c", twice) == 1
    assert store.embeddings.collections() == {"c": (2, 2)}
    hits = store.embeddings.search("c", [0.0, 1.0], top_k=5)
    assert [(hit.item_id, hit.text, hit.metadata) for hit in hits] == [
        ("i", "new", {"b": 2}),
        ("j", "last", {}),
    ]


def check_collections_stand_apart(store: Store) -> None:
    store.embeddings.add("a", [EmbeddingItem("i", "in a", [1.0, 0.0])])
    store.embeddings.add("b", [EmbeddingItem("i", "in b", [1.0, 0.0, 0.0])])
    assert store.embeddings.collections() == {"a": (2, 1), "b": (3, 1)}
    assert store.embeddings.search("b", [1, 0, 0])[0].text == "in b"
    store.embeddings.delete("a")
    assert store.embeddings.collections() == {"b": (3, 1)}
    with pytest.raises(NotFound, match="no collection 'a'"):
        store.embeddings.search("a", [1.0, 0.0])
    with pytest.raises(NotFound):
        store.embeddings.delete("a")
    store.embeddings.add("a", [EmbeddingItem("i", "again", [1.0, 0.0, 0.0, 0.0])])
    assert store.embeddings.collections()["a"] == (4, 1)
    assert store.embeddings.add("none", []) == 0 and "none" not in store.embeddings.collections()


def check_bad_embeddings_are_named_and_nothing_is_stored(store: Store) -> None:
    store.embeddings.add("c", [EmbeddingItem("i", "text", [1.0, 0.0])])
    good = EmbeddingItem("good", "text", [1.0, 1.0])
    bad: list[tuple[str, EmbeddingItem]] = [
        ("embedding", replace(good, vector=[1.0, 2.0, 3.0])),
        ("embedding", replace(good, vector=[0.0, 0.0])),
        ("embedding", replace(good, vector=[1.0, math.nan])),
        ("embedding", replace(good, vector=[1.0, math.inf])),
        ("embedding", replace(good, vector=[1e300, 1e300])),
        ("embedding", replace(good, vector=[1e-300, 0.0])),
        ("embedding", replace(good, vector=["1", "2"])),  # type: ignore[list-item]
        ("embedding", replace(good, vector=[[1.0], [2.0]])),  # type: ignore[list-item]
        ("embedding", replace(good, vector=[])),
        ("item_id", replace(good, item_id=" ")),
        ("text", replace(good, text="")),
        ("metadata", replace(good, metadata={"a": object()})),
    ]
    for argument, item in bad:
        with pytest.raises(InvalidInput) as caught:
            store.embeddings.add("c", [good, item])
        assert caught.value.argument == argument, str(caught.value)
    with pytest.raises(InvalidInput, match=r"^embedding: collection 'c' holds vectors of 2"):
        store.embeddings.add("c", [replace(good, vector=[1.0, 2.0, 3.0])])
    with pytest.raises(InvalidInput, match=r"^items: one call"):
        store.embeddings.add(
            "big", (EmbeddingItem(str(i), "t", np.ones(60_000)) for i in range(100))
        )
    assert store.embeddings.collections() == {"c": (2, 1)}
    for vector in ([1.0], [0.0, 0.0], [math.nan, 1.0], "ab"):
        with pytest.raises(InvalidInput, match=r"^vector"):
            store.embeddings.search("c", vector)  # type: ignore[arg-type]
    for top_k in (0, -1, 1.5, True, 10**9):
        with pytest.raises(InvalidInput, match=r"^top_k"):
            store.embeddings.search("c", [1.0, 0.0], top_k=top_k)  # type: ignore[arg-type]


def check_threads_may_begin_a_collection_together(store: Store) -> None:
    def attempt(number: int) -> int:
        return store.embeddings.add("c", [EmbeddingItem(f"i{number}", "t", [1.0, number])])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 24
    assert store.embeddings.collections() == {"c": (2, 24)}
    assert len(store.embeddings.search("c", [1.0, 0.0], top_k=100)) == 24


# Predictions


def check_predictions_come_back_in_time_order(store: Store) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    rows = [
        prediction(2, metadata={"trace": {"id": "x", "n": None}}),
        prediction(0, version=None, ground_truth=None, latency_ms=None),
        prediction(1, timestamp=(NOON + timedelta(seconds=1)).astimezone(east), confidence=1),
    ]
    names = store.predictions.add_many(rows)
    assert len(set(names)) == 3 and all(name.startswith("predictions:[") for name in names)
    read = list(store.predictions.window("m"))
    assert [row.input for row in read] == ["input 0", "input 1", "input 2"]
    assert [row.record_id for row in read] == [names[1], names[2], names[0]]
    assert read[0] == replace(rows[1], record_id=names[1])
    assert read[2] == replace(rows[0], record_id=names[0])
    assert all(row.timestamp.tzinfo is UTC for row in read)
    assert store.predictions.add_many([]) == []


def check_windows_include_both_ends(store: Store) -> None:
    store.predictions.add_many([prediction(place) for place in range(10)])
    store.predictions.add_many([prediction(3, model_id="other"), prediction(4, version="v2")])
    start, end = NOON + timedelta(seconds=3), NOON + timedelta(seconds=6)

    def seconds(*window: Any, **more: Any) -> list[int]:
        found = store.predictions.window("m", *window, **more)
        return [int((row.timestamp - NOON).total_seconds()) for row in found]

    assert seconds(start, end) == [3, 4, 4, 5, 6]
    assert store.predictions.count("m", start, end) == 5
    assert seconds(start, end, version="v2") == [4]
    assert seconds(None, start) == [0, 1, 2, 3]
    assert seconds(end, None) == [6, 7, 8, 9]
    assert seconds(start, start) == [3]
    assert seconds(end + timedelta(days=1), None) == []
    assert store.predictions.count("m") == 11 and store.predictions.count("unknown") == 0
    with pytest.raises(InvalidInput, match=r"^start"):
        store.predictions.window("m", end, start)
    with pytest.raises(InvalidInput, match=r"^end"):
        store.predictions.count("m", None, NOON.replace(tzinfo=None))


def check_long_windows_are_read_in_pages(store: Store) -> None:
    same_moment = [prediction(timestamp=NOON, input=f"same {place}") for place in range(2_100)]
    spread = [prediction(place) for place in range(1, 1_000)]
    far = [prediction(timestamp=datetime(year, 1, 1, tzinfo=UTC)) for year in (1, 1999, 9999)]
    for rows in (same_moment, spread, far):
        store.predictions.add_many(rows)
    read = list(store.predictions.window("m"))
    assert len(read) == store.predictions.count("m") == 2_100 + 999 + 3
    assert [row.timestamp for row in read] == sorted(row.timestamp for row in read)
    assert [row.input for row in read[2:2_102]] == [row.input for row in same_moment]
    assert (read[0].timestamp.year, read[-1].timestamp.year) == (1, 9999)


def check_counts_agree_with_counting_by_hand(store: Store) -> None:
    rows = [prediction(place) for place in range(200)]
    store.predictions.add_many(rows)
    minute = store.tallies.window("m", NOON, NOON + timedelta(seconds=59))
    assert minute.total.pairs == {(t, p): 10 for t in ("a", "b", None) for p in ("a", "b")}
    assert store.tallies.window("m").total.n == 200
    assert not store.tallies.window("unknown").by_version


def check_bad_predictions_are_named_and_nothing_is_logged(store: Store) -> None:
    bad: list[tuple[str, dict[str, Any]]] = [
        ("model_id", {"model_id": ""}),
        ("version", {"version": " "}),
        ("input", {"input": "\ud83d"}),
        ("prediction", {"prediction": None}),
        ("confidence", {"confidence": 1.01}),
        ("confidence", {"confidence": math.nan}),
        ("confidence", {"confidence": "0.5"}),
        ("ground_truth", {"ground_truth": ""}),
        ("latency_ms", {"latency_ms": -1.0}),
        ("timestamp", {"timestamp": NOON.replace(tzinfo=None)}),
        ("timestamp", {"timestamp": "2026-01-01"}),
        ("metadata", {"metadata": {"a": {1, 2}}}),
    ]
    for argument, fields in bad:
        with pytest.raises(InvalidInput, match=r"row 1; nothing was logged") as caught:
            store.predictions.add_many([prediction(), prediction(**fields)])
        assert caught.value.argument == argument
    assert store.predictions.count("m") == 0


def check_the_newest_predictions_are_listed_page_by_page(store: Store) -> None:
    rows = [
        prediction(
            place,
            key=f"k{place}" if place % 50 == 0 else None,
            version=f"v{place % 2}",
            timestamp=NOON + place * timedelta(milliseconds=110),  # crowded minutes
        )
        for place in range(900)
    ]
    rows += [prediction(place, version=None, input="Ünlike") for place in range(0, 86_400, 1_200)]
    store.predictions.add_many(rows)
    every = list(store.predictions.window("m"))[::-1]
    conditions: list[tuple[Wanted, Callable[[Prediction], bool]]] = [
        (Wanted(), lambda row: True),
        (Wanted(versions=["v1"]), lambda row: row.version == "v1"),
        (Wanted(correct=True), lambda row: row.prediction == row.ground_truth),
        (
            Wanted(predictions=["a"], ground_truth="b"),
            lambda row: row.prediction == "a" and row.ground_truth == "b",
        ),
        (Wanted(search="ÜNLIKE"), lambda row: row.input == "Ünlike"),
    ]
    for wanted, fits in conditions:
        found: list[Prediction] = []
        before = None
        while before is not None or not found:
            page = store.predictions.newest("m", wanted, before=before, limit=150)
            found += page.predictions
            before = page.following
        assert found == [row for row in every if fits(row)], wanted
    assert store.predictions.newest("m", Wanted(predictions=["c"])).predictions == []


def check_steps_and_samples_of_the_log(store: Store) -> None:
    rows = [prediction(place // 10, version=(None, "v1")[place % 2]) for place in range(900)]
    features = Features("map", b"\x01\xff")
    rows += [prediction(place, features=features) for place in range(0, 600, 30)]
    store.predictions.add_many(rows)
    end = NOON + timedelta(minutes=10)
    steps = store.tallies.series("m", "6s", NOON, end, features=True)
    expected: dict[datetime, int] = {}
    for row in rows:
        at = row.timestamp - timedelta(seconds=row.timestamp.second % 6)
        expected[at] = expected.get(at, 0) + 1
    assert {at: tally.n for at, tally in steps} == expected
    assert sum(int(tally.features["map"].n.sum()) for _, tally in steps if tally.features) == 20
    alone = store.tallies.series("m", "6s", NOON, end, versions=[None])
    assert sum(tally.n for _, tally in alone) == 450
    sample = store.predictions.spread("m", most=200)
    assert 60 < len(sample) <= 200
    ids = {row.record_id for row in store.predictions.window("m")}
    assert {one.record_id for one in sample} <= ids


# Ids and texts are data


def check_hard_texts_are_kept_everywhere(store: Store) -> None:
    for place, text in enumerate(HARD_TEXTS):
        stored = store.models.add(
            version(text, text, categories=[text], tags=[text], dataset_id=text), b"w"
        )
        assert store.models.get(text, text) == stored == store.models.get(text)
        assert (stored.model_id, stored.version, stored.categories) == (text, text, (text,))
        store.models.set_alias(text, f"{text}!", text)
        assert store.models.aliases(text) == {f"{text}!": text}
        data = store.datasets.add(text, [(text, text), ("x", "y")], {text: text})
        assert list(store.datasets.examples(text)) == [(text, text), ("x", "y")]
        assert data.labels == {text: 1, "y": 1} and data.metadata == {text: text}
        store.embeddings.add(
            text, [EmbeddingItem(text, text, [1.0, place], {text: text}), _decoy(place)]
        )
        [hit] = store.embeddings.search(text, [1.0, place], filters={text: text})
        assert (hit.item_id, hit.text, hit.metadata) == (text, text, {text: text})
        row = prediction(
            model_id=text, version=text, input=text, prediction=text, ground_truth=text
        )
        store.predictions.add_many([row])
        [read] = store.predictions.window(text, version=text)
        assert replace(read, record_id=None) == row
        assert store.tallies.window(text).total.pairs == {(text, text): 1}
    assert {one.model_id for one in store.models.latest()} == set(HARD_TEXTS)
    assert {one.dataset_id for one in store.datasets.list()} == set(HARD_TEXTS)
    assert set(store.embeddings.collections()) == set(HARD_TEXTS)
    assert len(store.models.with_tag(HARD_TEXTS[5])) == 1


def _decoy(place: int) -> EmbeddingItem:
    return EmbeddingItem("decoy", "decoy", [1.0, place], {"other": 1})


def check_record_ids_lead_back_to_the_record(store: Store) -> None:
    for text in HARD_TEXTS:
        stored = store.models.add(version(text, text), b"w")
        [logged] = store.predictions.add_many([prediction(model_id=text)])
        [found], [row] = store._connection.run(
            "SELECT VALUE version FROM type::record($model);"
            "SELECT VALUE input FROM type::record($row)",
            model=stored.record_id,
            row=logged,
        )
        assert (found, row) == (text, "input 0")


# Many threads


def check_many_threads_read_and_write(store: Store) -> None:
    def work(number: int) -> int:
        name = f"model {number}"
        store.models.add(version(name), name.encode() * 100)
        store.datasets.add(name, [(f"{name} {place}", "x") for place in range(50)])
        store.predictions.add_many([prediction(place, model_id=name) for place in range(20)])
        store.embeddings.add("shared", [EmbeddingItem(name, name, [1.0, number])])
        assert store.models.weights(name, "v1") == name.encode() * 100
        assert list(store.datasets.examples(name))[-1] == (f"{name} 49", "x")
        assert len(list(store.predictions.window(name))) == 20
        assert store.embeddings.search("shared", [1.0, number], top_k=1)[0].item_id == name
        return number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(24))) == list(range(24))
    assert len(store.models.latest()) == len(store.datasets.list()) == 24
    assert store.embeddings.collections() == {"shared": (2, 24)}


# The feed

SOON = 20.0  # seconds, for what arrives at once unless something is wrong


def changes_of(watch: Watch, count: int) -> list[RecordChange]:
    """The next changes, at least so many; fails if they do not come."""
    found: list[RecordChange] = []
    while len(found) < count:
        more = watch.read(timeout=SOON)
        assert more, f"{len(found)} of {count} changes came"
        found += more
    return found


def check_a_watcher_is_told_what_was_written(store: Store) -> None:
    store.predictions.add_many([prediction(0, input="before")])
    with store.feed.watch("predictions") as watch:
        ids = store.predictions.add_many([prediction(place) for place in range(1, 4)])
        found = changes_of(watch, 3)
    assert [change.record_id for change in found] == ids
    assert {change.action for change in found} == {"create"}
    assert {change.table for change in found} == {"predictions"}
    assert found[0].data["input"] == "input 1" and found[0].data["id"] == ids[0]
    assert found[0].data["timestamp"] == NOON + timedelta(seconds=1)
    assert found[0].at.tzinfo is UTC
    assert watch.closed and watch.read() == [] and list(watch) == []


def check_a_watcher_goes_on_from_its_cursor(store: Store) -> None:
    watch = store.feed.watch("predictions")
    start = watch.cursor
    store.predictions.add_many([prediction(place) for place in range(5)])
    for place in range(5, 8):
        store.predictions.add_many([prediction(place)])
    inputs = [change.data["input"] for change in changes_of(watch, 8)]
    assert inputs == [f"input {place}" for place in range(8)]
    for since, first in ((start, 0), (None, 8)):
        again = store.feed.watch("predictions", since=since or watch.cursor)
        store.predictions.add_many([prediction(first, input="the last one")])
        told = [change.data["input"] for change in changes_of(again, 1 if first else 9)]
        # A server may tell twice what was written in the last seconds.
        assert told[-1] == "the last one" and set(told) >= {f"input {n}" for n in range(first, 8)}
        again.close()
    first = store.feed.watch("predictions", since="start")
    assert changes_of(first, 1)[0].data["input"] == "input 0"
    first.close()
    watch.close()


def check_a_cursor_in_the_middle_of_a_transaction_is_exact(store: Store) -> None:
    watch = store.feed.watch("predictions")
    store.predictions.add_many([prediction(place) for place in range(4)])
    cursors = [change.cursor for change in changes_of(watch, 4)]
    assert len(set(cursors)) == 4
    with store.feed.watch("predictions", since=cursors[1]) as rest:
        told = [change.data["input"] for change in changes_of(rest, 2)]
    assert told[-2:] == ["input 2", "input 3"]
    watch.close()


def check_each_watcher_sees_its_table_however_busy_the_others_are(store: Store) -> None:
    with store.feed.watch("aliases") as quiet:
        store.models.add(version(), b"w")
        for place in range(0, 3_000, 100):
            store.predictions.add_many([prediction(place + n) for n in range(100)])
        store.models.set_alias("m", "champion", "v1")
        [change] = changes_of(quiet, 1)
        assert (change.action, change.data["alias"]) == ("create", "champion")
        store.models.delete_alias("m", "champion")
        [change] = changes_of(quiet, 1)
        assert change.action == "delete"


def check_a_watcher_sees_models_and_data_sets_as_users_do(store: Store) -> None:
    with store.feed.watch("models") as models, store.feed.watch("datasets") as datasets:
        store.models.add(version(description="first"), os.urandom(9_000_000))
        [change] = changes_of(models, 1)
        assert (change.action, change.data["version"]) == ("create", "v1")
        assert change.data["description"] == "first"
        assert not {"uid", "leftovers", "touched", "seq", "status"} & change.data.keys()
        store.models.set_alias("m", "champion", "v1")  # alters the row, not what a user sees of it
        store.models.delete_alias("m", "champion")
        store.models.delete("m", "v1")
        store.models.restore("m", "v1")
        actions = [change.action for change in changes_of(models, 2)]
        assert actions == ["delete", "create"]
        store.datasets.add("d", [("text", "label")] * 3_200)
        [change] = changes_of(datasets, 1)
        assert (change.action, change.data["size"]) == ("create", 3_200)
        with pytest.raises(InvalidInput):
            store.datasets.add("broken", [("text", "label"), ("", "label")])
        store.datasets.delete("d")
        [change] = changes_of(datasets, 1)
        assert (change.action, change.data["dataset_id"]) == ("delete", "d")


def check_many_writers_and_no_change_is_missed(store: Store) -> None:
    """The trap: a change gets its place in the feed before others can see it."""
    store.models.add(version(), b"weights")
    with store.feed.watch("aliases") as watch, ThreadPoolExecutor(9) as pool:

        def write(writer: int) -> list[str]:
            names = [f"{writer} {n}" for n in range(40)]
            for name in names:
                store.models.set_alias("m", name, "v1")
            return names

        reading = pool.submit(changes_of, watch, 8 * 40)
        written = [name for names in pool.map(write, range(8)) for name in names]
        told = [change.data["alias"] for change in reading.result()]
    assert sorted(told) == sorted(written)


def check_pages_of_the_feed_do_not_cut_transactions(store: Store) -> None:
    """The trap: a prediction and its tallies are one transaction, and a page can end within it."""
    written = [store.predictions.add_many([prediction(place)])[0] for place in range(301)]
    with store.feed.watch("predictions", since="start") as watch:
        assert [change.record_id for change in changes_of(watch, 301)] == written


def check_feedback_reaches_rows_and_figures(store: Store) -> None:
    first, second = store.predictions.add_many(
        [prediction(0, ground_truth=None), prediction(1, ground_truth=None, key="k")]
    )
    given = [
        Feedback("m", "a", NOON, prediction_id=first),
        Feedback("m", "a", NOON, key="k"),
        Feedback("m", "b", NOON, key="later"),
    ]
    assert store.feedback.give(given) == [True, True, False]
    assert store.tallies.window("m").total.pairs == {("a", "a"): 1, ("a", "b"): 1}
    store.predictions.add_many([prediction(3, ground_truth=None, key="later")])
    store.feedback.sweep()
    assert store.tallies.window("m").total.pairs[("b", "b")] == 1
    assert store.feedback.give([Feedback("m", "b", NOON, key="k")]) == [True]
    assert [row.ground_truth for row in store.predictions.window("m")] == ["a", "b", "b"]
    assert store.tallies.window("m").total.pairs == {("a", "a"): 1, ("b", "b"): 2}
    assert store.predictions.add_many([prediction(1, key="k")]) == [second]
    assert store.predictions.count("m") == 3


def check_crowded_minutes_add_up(store: Store) -> None:
    rows = [
        prediction(place, timestamp=NOON + timedelta(milliseconds=37 * place))
        for place in range(1_500)
    ]
    for start in range(0, len(rows), 250):
        store.predictions.add_many(rows[start : start + 250])
    for low, high in ((0, 1_499), (3, 250), (777, 778), (800, 1_444)):
        window = rows[low].timestamp, rows[high].timestamp
        assert store.tallies.window("m", *window).total.n == high - low + 1
    assert store.predictions.delete("m", rows[100].timestamp, rows[899].timestamp) == 800
    assert store.tallies.window("m").total.n == 700
    assert store.tallies.window("m", rows[90].timestamp, rows[909].timestamp).total.n == 20


def check_a_spool_is_taken_in_once(store: Store) -> None:
    names, payloads = store.spooled.pack([prediction(place) for place in range(5)])
    assert store.spooled.position("s/1") == 0
    for _ in range(2):  # sent again, as after an answer that was lost
        store.spooled.take_in("s/1", 0, 300, payloads[:3])
        assert store.spooled.position("s/1") == 300
    store.spooled.take_in("s/1", 300, 500, payloads[3:])
    assert [row.record_id for row in store.predictions.window("m")] == names
    assert store.tallies.window("m").total.n == 5
    with pytest.raises(StoreError, match="was read up to 500"):
        store.spooled.take_in("s/1", 300, 900, payloads)


def check_a_due_monitor_is_claimed_by_one(store: Store) -> None:
    monitor = Monitor(
        monitor_id="q'⟩",
        model_id="m",
        version=None,
        detectors=["labels"],
        baseline={"start": NOON},
        window=60,
        schedule="5m",
        created_at=NOON,
        due=NOON,
    )
    store.monitors.add(monitor)
    with pytest.raises(AlreadyExists):
        store.monitors.add(monitor)
    assert store.monitors.get("q'⟩") == monitor
    later = NOON + timedelta(minutes=5)
    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(lambda _: store.monitors.claim(monitor, later), range(6)))
    assert sum(won) == 1 and store.monitors.get("q'⟩").due == later
    assert store.monitors.claim_turn("t", timedelta(hours=1), NOON)
    assert not store.monitors.claim_turn("t", timedelta(hours=1), later)
    assert store.monitors.claim_turn("t", timedelta(hours=1), NOON + timedelta(hours=2))
    store.monitors.delete("q'⟩")
    assert store.monitors.list() == []


def check_what_retention_removes_stays_in_the_figures(store: Store) -> None:
    store.predictions.add_many([prediction(place) for place in range(50)])
    assert store.retention.expire_predictions(NOON + timedelta(hours=2)) == {"m": 50}
    assert store.predictions.count("m") == 0
    assert store.tallies.window("m").total.n == 50
    ragged = NOON + timedelta(seconds=7), NOON + timedelta(seconds=9)
    assert store.tallies.window("m", *ragged).total.n == 50


def check_a_callback_is_called_for_each_change(store: Store) -> None:
    told: Queue[str] = Queue()

    def tell(change: RecordChange) -> None:
        told.put(change.data["input"])
        if change.data["input"] == "input 0":
            raise RuntimeError("a fault of the callback")

    watch = store.feed.watch("predictions")
    watch.start(tell)
    store.predictions.add_many([prediction(place) for place in range(3)])
    assert [told.get(timeout=SOON) for _ in range(3)] == ["input 0", "input 1", "input 2"]
    watch.close()


def check_what_cannot_be_watched_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"^table: 'prediction'.*Did you mean 'predictions'"):
        store.feed.watch("prediction")
    for cursor in ("", "yesterday", "1", "1.", "-1.0", "1.0.0"):
        with pytest.raises(InvalidInput, match=r"^since: "):
            store.feed.watch("predictions", since=cursor)


CHECKS: list[Callable[[Store], None]] = [
    check for name, check in list(globals().items()) if name.startswith("check_")
]
