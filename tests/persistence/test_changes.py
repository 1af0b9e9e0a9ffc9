"""The pieces of the feed and of the engine's wire, each by itself."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from surrealdb.data.cbor import decode, encode

from astermind_lab.persistence.changes import ChangeSet, Generations, Jump
from astermind_lab.persistence.engine.frames import BadFrame, read_request
from astermind_lab.persistence.engine.proof import answer_proof, question_proof, same
from astermind_lab.persistence.engine.statements import Live, parse_kill, parse_live, split
from astermind_lab.persistence.turns import Turn, Turns, turn_of

# Positions, where the clock was set back


def read_all(feed: Sequence[int], clock: Generations, since: int, limit: int) -> list[int]:
    """Positions of a feed of stamps from one on, read page by page as the readers do."""
    found: list[int] = []
    on: int | None = since
    while on is not None:
        stamp = on & (2**64 - 1)
        page = [ChangeSet(one, ()) for one in sorted(feed) if one >= stamp][:limit]
        mine, on = clock.step(on, page)
        found += [one.stamp for one in mine]
    return found


@given(
    st.lists(st.lists(st.integers(1, 60), unique=True, max_size=12), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_a_feed_is_read_in_the_order_of_writing_whatever_the_clock_did(
    written: list[list[int]], limit: int
) -> None:
    feed: list[int] = []
    jumps: list[Jump] = []
    order: list[int] = []
    for number, stamps in enumerate(written):
        fresh = sorted(set(stamps) - set(feed))
        if number:  # opened again at a time of its own, with its clock at the first new stamp
            since = fresh[0] if fresh else 0
            later = frozenset(one for one in feed if one >= since)
            jumps.append(Jump(since, later))
        feed += fresh
        order += fresh
    clock = Generations(jumps)
    positions = read_all(feed, clock, 0, limit)
    assert [one & (2**64 - 1) for one in positions] == order
    assert positions == sorted(positions)
    for place, position in enumerate(positions):
        assert read_all(feed, clock, position + 1, limit) == positions[place + 1 :]


# Turns


def test_what_a_query_needs_a_turn_for() -> None:
    assert turn_of("SHOW CHANGES FOR TABLE t SINCE 0") is Turn.READING_FEED
    assert turn_of("use ns a; show\n changes for database since 1") is Turn.READING_FEED
    for text in ("CREATE t", "BEGIN; RETURN 1", "LET $x = (update t)", "RETURN fn::mine()"):
        assert turn_of(text) is Turn.WRITING
    for text in ("SELECT created FROM t", "RETURN 1", "INFO FOR DB", "SELECT * FROM updates"):
        assert turn_of(text) is None


def test_writers_and_readers_of_the_feed_never_meet_and_none_waits_for_ever() -> None:
    async def work() -> None:
        turns = Turns()
        running: dict[Turn, int] = {Turn.WRITING: 0, Turn.READING_FEED: 0}
        most = dict(running)
        finished: list[Turn] = []

        async def take(kind: Turn, other: Turn) -> None:
            async with turns.take(kind):
                running[kind] += 1
                most[kind] = max(most[kind], running[kind])
                assert not running[other]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                running[kind] -= 1
            finished.append(kind)

        pair = (Turn.WRITING, Turn.READING_FEED)
        tasks = [
            asyncio.create_task(take(pair[n // 3 % 2], pair[1 - n // 3 % 2])) for n in range(60)
        ]
        cancelled = [tasks[n] for n in (7, 20, 33, 34)]
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert len(finished) == 60 - len(cancelled)
        assert most == {Turn.WRITING: 3, Turn.READING_FEED: 3}
        async with turns.take(Turn.READING_FEED):  # nothing is left behind
            pass
        async with turns.take(None):
            pass

    asyncio.run(work())


# The wire

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.text(min_size=1, max_size=300), st.text(), st.lists(ANYTHING, max_size=3))
def test_a_request_reaches_the_engine_as_it_was_sent_but_in_its_session(
    number: str, text: str, more: list[Any]
) -> None:
    session = uuid.uuid4()
    message = {"id": number, "method": "query", "params": [text, *more]}
    request = read_request(encode(message))
    assert (request.number, request.method, request.text) == (number, "query", text)
    sent = decode(request.for_session(session))
    assert sent.pop("session") == session
    assert encode(sent) == encode(message)


@pytest.mark.parametrize("key", ["session", "first"])
def test_a_session_that_is_named_is_never_the_one_that_the_engine_sees(key: str) -> None:
    own, foreign = uuid.uuid4(), uuid.uuid4()
    message: dict[str, Any] = {"id": "1", "method": "ping", "params": []}
    named = {"session": foreign}
    frame = encode({**message, **named} if key == "session" else {**named, **message})
    request = read_request(frame)
    assert request.session == foreign
    assert decode(request.for_session(own))["session"] == own
    # A key in pieces: the text "session" as two chunks.
    pieces = b"\x7f\x63ses\x64sion\xff" + encode(str(foreign))
    request = read_request(b"\xa4" + encode(message)[1:] + pieces)
    assert request.for_session(own).count(own.bytes) == 1
    assert foreign.bytes not in request.for_session(own)


def test_other_numbers_and_shapes_are_read_too() -> None:
    for number in (7, "x" * 1_000, None, [1]):
        request = read_request(encode({"id": number, "method": "ping"}))
        assert (request.number, request.method, request.params) == (number, "ping", [])
    assert read_request(encode({"id": 1, "method": "query", "params": [7]})).text == "7"


@given(st.binary(max_size=40))
def test_whatever_comes_is_a_request_or_refused(frame: bytes) -> None:
    try:
        read_request(frame)
    except BadFrame as problem:
        assert str(problem)


def test_a_proof_fits_one_question_one_answer_and_one_secret() -> None:
    proofs = [
        question_proof("secret", "1"),
        question_proof("secret", "2"),
        question_proof("other", "1"),
        answer_proof("secret", "1", b""),
        answer_proof("secret", "1", b"{}"),
        answer_proof("secret", "2", b"{}"),
    ]
    assert len(set(proofs)) == 6
    assert same(proofs[0], question_proof("secret", "1")) and not same(proofs[0], "é")


# Statements


def test_statements_without_live_and_kill_are_left_alone() -> None:
    assert split("SELECT alive, skill FROM t; RETURN 'LIV'") is None


def test_statements_are_split_outside_of_strings_comments_and_brackets() -> None:
    text = (
        "LIVE SELECT * FROM t; RETURN ';'; -- a; b\n RETURN { LET $x = 1; $x }; RETURN `;`;"
        ' /* ; */ RETURN ⟨;⟩; RETURN "\\";"; # ;\n KILL $k'
    )
    found = split(text)
    assert found is not None
    assert [one.strip()[:6] for one in found] == [
        *("LIVE S", "RETURN", "-- a; ", "RETURN", "/* ; *", "RETURN", "# ;\n K"),
    ]
    assert ";".join(found) == text


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("LIVE SELECT * FROM t", Live("*", "t")),
        ("live select diff from t", Live("diff", "t")),
        ("-- why\nLIVE SELECT DIFF FROM type::table($t)", Live("DIFF", "type::table($t)")),
        (
            "LIVE SELECT a, (SELECT b FROM c) AS from_c FROM `from` WHERE n > 2 AND x = 'WHERE'",
            Live("a, (SELECT b FROM c) AS from_c", "`from`", "n > 2 AND x = 'WHERE'"),
        ),
        ("LIVE SELECT * FROM t FETCH a, b", Live("*", "t", "", "a, b")),
        ("LIVE SELECT *", None),
        ("SELECT * FROM t", None),
        ("LET $x = 'LIVE SELECT * FROM t'", None),
    ],
)
def test_live_queries_are_read(text: str, live: Live | None) -> None:
    assert parse_live(text) == live


def test_kill_is_read() -> None:
    assert parse_kill(" kill u'abc' ") == "u'abc'"
    assert parse_kill("KILL $id") == "$id"
    assert parse_kill("SELECT kill FROM t") is None
