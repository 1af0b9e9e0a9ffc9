"""Values on their way into the database and out of it, with any text there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from surrealdb import RecordID

from astermind_lab.errors import InvalidInput
from astermind_lab.persistence import EmbeddingItem, NewModelVersion, Prediction, Store
from astermind_lab.persistence.values import (
    MAX_ID_BYTES,
    check_id,
    check_moment,
    check_object,
    check_text,
    from_database,
    record_name,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80).filter(
    lambda text: not text.isspace()
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
)
OBJECTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text("ab.$é\0", max_size=4), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=5,
)
QUICK = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store, on disk, for all examples of all tests."""
    with Store.open(f"surrealkv://{tmp_path_factory.mktemp('values') / 'store'}") as store:
        yield store


@QUICK
@given(value=OBJECTS)
def test_any_object_round_trips(kept: Store, value: dict[str, Any]) -> None:
    stored = check_object("metadata", value)
    [back, [row]] = kept._connection.run(
        "RETURN $one; UPSERT workflows:x CONTENT { kept: $one }", one=stored
    )
    assert from_database(back) == value
    assert from_database(row["kept"]) == value
    assert json.dumps(from_database(back), sort_keys=True) == json.dumps(value, sort_keys=True)


@QUICK
@given(texts=st.lists(TEXTS, min_size=2, max_size=5, unique=True))
def test_any_texts_are_ids_of_different_records(kept: Store, texts: list[str]) -> None:
    kept._connection.run("DELETE models; DELETE aliases")
    for text in texts:
        stored = kept.models.add(
            NewModelVersion(text, text, "elm-ridge", [text], 1, tags=[text]), text.encode()
        )
        kept.models.set_alias(text, text + "!", text)
        assert (stored.model_id, stored.version, stored.tags) == (text, text, (text,))
    for text in texts:
        assert [one.version for one in kept.models.versions(text)] == [text]
        assert kept.models.weights(text, text + "!") == text.encode()
        assert kept.models.with_tag(text)[0].model_id == text
    assert {one.model_id for one in kept.models.latest()} == set(texts)


@QUICK
@given(texts=st.lists(TEXTS, min_size=1, max_size=5, unique=True))
def test_any_texts_are_examples_items_and_inputs(kept: Store, texts: list[str]) -> None:
    name = texts[0]
    pairs = [(text, label) for text in texts for label in texts]
    data = kept.datasets.add(name, pairs)
    assert list(kept.datasets.examples(name)) == pairs
    assert data.labels == dict.fromkeys(texts, len(texts))
    kept.datasets.delete(name)

    kept.embeddings.add(
        name, [EmbeddingItem(text, text, [1.0, n], {text: n}) for n, text in enumerate(texts)]
    )
    for n, text in enumerate(texts):
        [hit] = kept.embeddings.search(name, [1.0, 0.5], filters={text: n})
        assert (hit.item_id, hit.text) == (text, text)
    kept.embeddings.delete(name)

    when = datetime(2026, 1, 1, tzinfo=UTC)
    kept._connection.run("DELETE predictions")
    kept.predictions.add_many(
        [Prediction(name, t, t, t, 0.5, t, None, when + timedelta(n)) for n, t in enumerate(texts)]
    )
    assert [row.input for row in kept.predictions.window(name)] == texts
    assert {truth for truth, _ in kept.tallies.window(name).total.pairs} == set(texts)


@QUICK
@given(moments=st.lists(st.datetimes(timezones=st.timezones()), min_size=1, max_size=20))
def test_any_times_are_kept_in_order(kept: Store, moments: list[datetime]) -> None:
    kept._connection.run("DELETE predictions")
    usable = []
    for moment in moments:
        try:
            usable.append(check_moment("timestamp", moment))
        except InvalidInput:
            continue  # in UTC it is before the year 1 or after 9999
    kept.predictions.add_many(
        [Prediction("m", None, "i", "p", 0.5, None, None, moment) for moment in usable]
    )
    assert [row.timestamp for row in kept.predictions.window("m")] == sorted(usable)
    for bound in usable[:3]:
        assert kept.predictions.count("m", bound, None) == sum(t >= bound for t in usable)
        assert kept.predictions.count("m", None, bound) == sum(t <= bound for t in usable)


@QUICK
@given(text=TEXTS, number=st.integers(-(2**63), 2**63 - 1))
def test_record_names_lead_back(kept: Store, text: str, number: int) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    for part in (text, number, [text, number], [text, moment, [number]]):
        record = RecordID("models", part)
        assert kept._connection.first("RETURN type::record($n)", n=record_name(record)) == record


def test_numpy_values_become_plain_ones() -> None:
    stored = check_object(
        "metrics",
        {
            "f": np.float32(0.5),
            "i": np.int64(3),
            "b": np.bool_(True),
            "t": (1, 2),
            "s": np.str_("x"),
        },
    )
    assert stored == {"f": 0.5, "i": 3, "b": True, "t": [1, 2], "s": "x"}
    assert [type(value) for value in stored.values()] == [float, int, bool, list, str]


def test_limits_are_told() -> None:
    assert check_id("model_id", "é" * (MAX_ID_BYTES // 2)) == "é" * (MAX_ID_BYTES // 2)
    with pytest.raises(InvalidInput, match=r"^model_id: the text takes 16,386 bytes, at most"):
        check_id("model_id", "é" * (MAX_ID_BYTES // 2 + 1))
    with pytest.raises(InvalidInput, match=r"^text: character 1 of 'a\\ud800' is half of"):
        check_text("text", "a\ud800")
    with pytest.raises(InvalidInput, match=r"^metadata: .* got complex at '.a\[1\].b'"):
        check_object("metadata", {"a": [0, {"b": 1j}]})
