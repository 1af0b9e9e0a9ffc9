"""Every kind of bad argument is refused by name, every good one comes out in one form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.errors import InsufficientData, InvalidInput
from astermind_lab.lab import arguments as check

NAN = float("nan")


def refused(function: Callable[..., Any], value: object, *rest: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        function(value, "thing", *rest)
    assert caught.value.argument is not None
    assert caught.value.argument.startswith("thing")
    message = str(caught.value)
    assert message.startswith("thing")
    assert len(message) < 500
    message.encode()  # can be printed anywhere
    return message


@pytest.mark.parametrize("value", [None, 5, NAN, b"x", ["x"], "", " \t\n", "a\0b", "a\ud800b"])
def test_what_is_not_text(value: object) -> None:
    refused(check.text, value)
    refused(check.identifier, value)
    refused(check.label, value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_every_other_text_is_an_id(value: str) -> None:
    if value.isspace():
        refused(check.identifier, value)
    else:
        assert check.identifier(value, "thing") == value


def test_a_megabyte_of_text_is_fine_and_an_id_of_that_length_is_not() -> None:
    long = "é" * 1_000_000
    assert check.text(long, "thing") == long
    assert "at most 512" in refused(check.identifier, long)
    assert "at most 1,000" in refused(check.label, long)
    refused(check.text, "x" * 10_000_001)


def test_text_of_numpy_becomes_plain_text() -> None:
    assert type(check.text(np.str_("x"), "thing")) is str


@pytest.mark.parametrize("value", [0, 101, 10**30, 3.0, "3", True, None, NAN])
def test_what_is_not_a_whole_number_from_1_to_100(value: object) -> None:
    refused(check.whole_number, value, 1, 100)


def test_whole_numbers() -> None:
    assert check.whole_number(1, "thing", 1, 100) == 1
    assert type(check.whole_number(np.int64(100), "thing", 1, 100)) is int


@pytest.mark.parametrize("value", [-0.001, 1.001, NAN, float("inf"), "0.5", True, None, 10**400])
def test_what_is_not_a_confidence(value: object) -> None:
    refused(check.number_between, value, 0, 1)


def test_confidences() -> None:
    assert check.number_between(0, "thing", 0, 1) == 0.0
    assert type(check.number_between(np.float32(1), "thing", 0, 1)) is float


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_what_is_not_a_flag(value: object) -> None:
    refused(check.flag, value)


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, 5, [], ["ok", " "], ["ok", 5]])
def test_what_is_not_a_list_of_texts(value: object) -> None:
    refused(check.texts, value)


def test_the_item_at_fault_is_named() -> None:
    assert "item 2: is blank" in refused(check.texts, ["a", "b", ""])
    assert "item 1: label: is blank" in refused(check.examples, [("a", "b"), ("a", "")])
    assert "item 0: has no 'label'" in refused(check.examples, [{"text": "a"}])
    assert "Did you mean 'label'" in refused(check.examples, [{"text": "a", "lable": "b"}])


def test_names_are_each_once_and_in_order() -> None:
    assert check.names(["b", "a", "b"], "thing") == ("b", "a")
    assert check.names(None, "thing") == ()
    refused(check.names, "spam")


@pytest.mark.parametrize(
    "value",
    [None, [], "text", {"text": "a", "label": "b"}, ["ab"], [("a", "b", "c")], [5], [("a", NAN)]],
)
def test_what_are_not_examples(value: object) -> None:
    refused(check.examples, value)


def test_examples_as_objects_and_as_pairs() -> None:
    given = [{"text": "a", "label": "x"}, ("b", "y"), ["c", "x"]]
    assert check.examples(iter(given), "thing") == (["a", "b", "c"], ["x", "y", "x"])


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "2026-13-01",
        "2026-01-01T10:00:00",
        datetime(2026, 1, 1),
        5,
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_not_a_time(value: object) -> None:
    refused(check.moment, value)


def test_times_in_every_form_are_utc() -> None:
    midnight = datetime(2026, 1, 31, tzinfo=UTC)
    assert check.moment("2026-01-31", "thing") == midnight
    assert check.moment(date(2026, 1, 31), "thing") == midnight
    assert check.moment("2026-01-31T02:00:00+02:00", "thing") == midnight
    assert check.moment("2026-01-31T00:00:00Z", "thing") == midnight
    zone = timezone(timedelta(hours=-5))
    found = check.moment(datetime(2026, 1, 30, 19, tzinfo=zone), "thing")
    assert (found, found.tzinfo) == (midnight, UTC)


def test_windows() -> None:
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert check.window(None, "thing") == (None, None)
    assert check.window({"end": "2026-01-02"}, "thing") == (None, last)
    assert check.window((first, None), "thing") == (first, None)
    assert check.window({"start": first, "end": first}, "thing") == (first, first)
    assert "starts after it ends" in refused(check.window, {"start": last, "end": first})
    assert "Did you mean 'start'" in refused(check.window, {"strat": "2026-01-01"})
    assert "thing.end" in refused(check.window, {"end": "soon"})
    refused(check.window, "2026-01-01")


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [1],
        {"a": NAN},
        {"a": {"b": [object()]}},
        {1: "a"},
        {"": "a"},
        {"a": "\0"},
        {"a": "\ud800"},
        {"a": 2**63},
        {"a": "x" * 1_000_001},
    ],
)
def test_what_is_not_plain_data(value: object) -> None:
    refused(check.plain_mapping, value)


def test_plain_data_may_not_be_endless() -> None:
    nested: dict[str, Any] = {}
    nested["self"] = nested
    assert "levels deep" in refused(check.plain_mapping, nested)


def test_plain_data() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    given = {"a": [1, 2.5, None, True, ("x",)], "b": {"c": np.int64(3)}, "d": moment}
    assert check.plain_mapping(given, "thing") == {
        "a": [1, 2.5, None, True, ["x"]],
        "b": {"c": 3},
        "d": "2026-01-01T00:00:00+00:00",
    }
    assert check.plain_mapping(None, "thing") == {}


def test_choices() -> None:
    assert check.choices(None, "thing", ("a", "b")) == ("a", "b")
    assert check.choices(["b", "a", "b"], "thing", ("a", "b")) == ("a", "b")
    for bad in ("a", [], ["c"], [5]):
        refused(check.choices, bad, ("a", "b"))


def test_vectors() -> None:
    assert check.vector(np.array([1.0, 2.0], dtype=np.float32), "thing") == [1.0, 2.0]
    for bad in ([], [NAN], ["1"], "12", None):
        refused(check.vector, bad)


def test_errors_of_a_lower_layer_are_told_under_our_names() -> None:
    with (
        pytest.raises(InsufficientData, match=r"^training_data: too few") as caught,
        check.renamed(texts="training_data"),
    ):
        raise InsufficientData("texts", "too few")
    assert caught.value.argument == "training_data"


def test_an_array_is_not_a_description() -> None:
    for value in (np.array(["a", "b"]), np.array([]), 0, False, b""):
        with pytest.raises(InvalidInput, match=r"^description: "):
            check.description(value, "description")
    assert check.description(None, "description") == check.description("", "description") == ""


def test_a_long_way_into_the_data_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidInput, match=r"^metadata: .*… is not plain data") as caught:
        check.plain_mapping({"k" * 100_000: {"l" * 100_000: object()}}, "metadata")
    assert len(str(caught.value)) < 400
