"""The tool machinery, on a class of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest

from astermind_lab.errors import InvalidInput, NotFound
from astermind_lab.tools import Progress, Wire, find_tool, tool, tools_of


class Shop:
    @tool(slow=True, old_names={"colour_name": "colour"})
    def paint(
        self: Shop,
        colour: str,
        coats: int = 1,
        mix: Mapping[str, float] | None = None,
        wait: bool = False,
        path: Annotated[bytes, Wire(str)] = b"",
        finish: Literal["matt", "gloss"] = "matt",
        progress: Progress | None = None,
    ) -> tuple[Any, ...]:
        """Paint the shop.

        It dries in an hour.

        colour : what it
            will be
        coats, mix : how often, and of what
        wait : until it is dry
        Raises InvalidInput.
        """
        if progress is not None:
            progress(1.0, "done")
        return colour, coats, mix, wait

    @tool()
    def close(self: Shop) -> None:
        """Close the shop."""

    def not_a_tool(self) -> None: ...


PAINT = find_tool(Shop, "paint")


def test_the_list_is_in_order_and_holds_only_tools() -> None:
    assert list(tools_of(Shop)) == ["paint", "close"]
    assert PAINT.command == "paint"
    assert PAINT.slow
    assert not find_tool(Shop, "close").slow


def test_an_unknown_tool_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(NotFound, match=r"'pant'.*Did you mean 'paint'"):
        find_tool(Shop, "pant")


def test_arguments_come_from_the_signature_and_the_docstring() -> None:
    found = {a.name: a for a in PAINT.arguments}
    assert list(found) == ["colour", "coats", "mix", "wait", "path", "finish"]
    assert [a.required for a in PAINT.arguments] == [True] + [False] * 5
    assert found["colour"].doc == "what it will be"
    assert found["coats"].doc == found["mix"].doc == "how often, and of what"
    assert found["coats"].default == 1
    assert found["path"].type is str
    assert found["path"].is_text
    assert found["finish"].is_text
    assert not found["mix"].is_text


def test_help_is_the_docstring_without_the_arguments() -> None:
    assert PAINT.summary == "Paint the shop."
    assert PAINT.help == "Paint the shop.\n\nIt dries in an hour."


def test_the_method_still_takes_positions_names_and_older_names() -> None:
    shop = Shop()
    assert shop.paint("red", 2) == ("red", 2, None, False)
    assert shop.paint(colour="red", wait=True) == ("red", 1, None, True)
    assert shop.paint(colour_name="red") == ("red", 1, None, False)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "argument", "message"),
    [
        ({"color": "red"}, "color", "Did you mean 'colour'"),
        ({"zzz": 1, "colour": "red"}, "zzz", "It takes colour, coats"),
        ({}, "colour", "was not given"),
        ({"colour": None}, "colour", "was not given"),
        ({"colour": "red", "colour_name": "blue"}, "colour_name", "older name of 'colour'"),
        ({"colour": "red", "mix": "{broken"}, "mix", "not valid JSON"),
        ({"colour": "red", "progress": 1}, "progress", "no such argument"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    arguments: dict[str, object], argument: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        PAINT.call(Shop(), arguments)
    assert caught.value.argument == argument


def test_python_callers_are_told_the_same() -> None:
    with pytest.raises(InvalidInput, match="color: paint has no such argument"):
        Shop().paint(color="red")  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match=r"colour: paint needs it"):
        Shop().paint()  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match=r"colour: .*twice"):
        Shop().paint("red", colour="blue")  # type: ignore[misc]


def test_null_means_not_given() -> None:
    assert PAINT.call(Shop(), {"colour": "red", "coats": None}) == ("red", 1, None, False)


def test_json_inside_text_is_read_where_no_text_is_meant() -> None:
    arguments = {"colour": "[1]", "mix": ' {"red": 1}'}
    assert PAINT.call(Shop(), arguments) == ("[1]", 1, {"red": 1}, False)


def test_progress_is_given_by_the_face() -> None:
    seen: list[tuple[float, str]] = []
    assert PAINT.takes_progress
    PAINT.call(Shop(), {"colour": "red"}, lambda share, doing: seen.append((share, doing)))
    assert seen == [(1.0, "done")]
    find_tool(Shop, "close").call(Shop(), {}, lambda share, doing: None)
