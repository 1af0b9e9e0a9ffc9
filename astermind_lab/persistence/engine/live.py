"""Live queries: telling each subscriber what has changed, as a SurrealDB server does.

The embedded engine has no live queries, but it keeps a feed of changes. Every write wakes the
pump; it reads on from where it stopped, once for all subscribers of a database, and puts a
notification into the queue of each. A queue is bounded: a subscriber that does not read is cut off,
and told why.

A table gets a change feed, if it has none, when the first live query on it starts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from surrealdb import escape_identifier
from surrealdb.data.cbor import encode

from astermind_lab.persistence.changes import (
    Change,
    ChangeSet,
    Generations,
    read_sets,
    show_changes,
    stamp_of_millisecond,
)
from astermind_lab.persistence.clock_jumps import READ_JUMPS, generations
from astermind_lab.persistence.engine.embedded import Embedded, Refused
from astermind_lab.persistence.engine.statements import Live

__all__ = ["LiveQueries", "LiveQuery"]

_FEED = "CHANGEFEED 3d INCLUDE ORIGINAL"
_FEWEST, _MOST = 4, 512  # transactions read at once: one of them may hold thousands of rows
_QUICK_SECONDS, _LONG_SECONDS = 0.01, 0.05
_PAUSE_SECONDS = 0.002  # lets a burst of small writes gather

_log = logging.getLogger(__name__)


@dataclass
class LiveQuery:
    """One live query of one socket.

    session : the engine session it was asked for in     bound : the parameters of its condition
    deliver : takes a notification; its queue is bounded
    """

    key: uuid.UUID
    place: tuple[str, str]
    table: str
    live: Live
    session: uuid.UUID
    bound: Mapping[str, Any]
    deliver: Callable[[bytes], None]


@dataclass
class _Database:
    """The live queries of one database, and how far its feed was read."""

    cursor: int
    generations: Generations
    queries: dict[uuid.UUID, LiveQuery] = field(default_factory=dict)
    limit: int = 64


class LiveQueries:
    """All live queries of the engine, and the pump that serves them."""

    def __init__(self, engine: Embedded) -> None:
        self._engine = engine
        self._databases: dict[tuple[str, str], _Database] = {}
        self._homes: dict[uuid.UUID, tuple[str, str]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something may have been written."""
        if self._homes:
            self._woken.set()

    async def start(
        self,
        live: Live,
        session: uuid.UUID,
        bound: Mapping[str, Any],
        deliver: Callable[[bytes], None],
    ) -> uuid.UUID:
        """Begin a live query; raises Refused with what the engine says against it."""
        place, table = await self._check(live, session, bound)
        await self._give_feed(place, table)
        query = LiveQuery(uuid.uuid4(), place, table, live, session, dict(bound), deliver)
        database = self._databases.get(place)
        if database is None:
            known = await self._generations(place)
            database = _Database(await self._now(place, known), known)
            database = self._databases.setdefault(place, database)
        database.queries[query.key] = query
        self._homes[query.key] = place
        return query.key

    async def read_clock_jumps(self) -> None:
        """The database was opened again, and the clock had been set back."""
        for place, database in self._databases.items():
            database.generations = await self._generations(place)
        self.wake()

    def kill(self, key: uuid.UUID) -> bool:
        """End a live query; False if there is none of that name."""
        place = self._homes.pop(key, None)
        if place is None:
            return False
        database = self._databases[place]
        query = database.queries.pop(key)
        if not database.queries:
            del self._databases[place]
        query.deliver(_notification(key, _KILLED, _NONE, _NONE))
        return True

    async def pump(self) -> None:
        """Serve the subscribers for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            for place, database in list(self._databases.items()):
                try:
                    while await self._serve(place, database):
                        pass
                except Refused as problem:
                    _log.warning("the change feed of %s could not be read: %s", place, problem)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _check(
        self, live: Live, session: uuid.UUID, bound: Mapping[str, Any]
    ) -> tuple[tuple[str, str], str]:
        """Where the query belongs and its table, if the session may read that, and it is sound."""
        source = _table_expression(live.source)
        where = f"WHERE {live.condition}" if live.condition else ""
        fields = "*" if live.is_diff else live.fields
        fetch = f"FETCH {live.fetch}" if live.fetch else ""
        namespace, database, table, _ = await self._engine.ask(
            f"RETURN session::ns(); RETURN session::db(); RETURN type::string({source}); "
            f"SELECT {fields} FROM [] {where} {fetch};",
            session=session,
            **bound,
        )
        # Raises for a table that is not there, and for one that the session may not read.
        await self._engine.ask(
            f"SELECT id FROM {escape_identifier(table)} LIMIT 1", session=session
        )
        return (namespace, database), table

    async def _give_feed(self, place: tuple[str, str], table: str) -> None:
        [tables] = await self._ask(place, "RETURN (INFO FOR DB).tables")
        definition = tables.get(table, "")
        if "CHANGEFEED" not in definition or "INCLUDE ORIGINAL" not in definition:
            await self._ask(place, f"ALTER TABLE {escape_identifier(table)} {_FEED}")

    async def _generations(self, place: tuple[str, str]) -> Generations:
        try:
            [rows] = await self._ask(place, READ_JUMPS)
        except Refused:  # a database that is not the lab's has no such table
            rows = []
        return generations(rows)

    async def _now(self, place: tuple[str, str], known: Generations) -> int:
        """A position after all that has been written."""
        newest = known.newest(stamp_of_millisecond(int(time.time() * 1000)))
        while sets := await self._read(place, newest, _MOST, known):
            newest = sets[-1].stamp + 1
        return newest

    async def _serve(self, place: tuple[str, str], database: _Database) -> bool:
        """Read on by one step and tell the subscribers; whether there may be more."""
        start = time.perf_counter()
        sets = await self._read(place, database.cursor, database.limit, database.generations)
        if not sets:
            return False
        database.cursor = sets[-1].stamp + 1
        by_table = _by_table(sets)
        for query in list(database.queries.values()):
            changes = by_table.get(query.table)
            if changes:
                await self._notify(query, changes)
        took = time.perf_counter() - start
        if took > _LONG_SECONDS:
            database.limit = max(_FEWEST, database.limit // 2)
        elif took < _QUICK_SECONDS:
            database.limit = min(_MOST, database.limit * 2)
        return True

    async def _notify(self, query: LiveQuery, changes: Sequence[_Told]) -> None:
        try:
            outcomes = await self._outcomes(query, changes)
        except Refused as problem:
            _log.warning("a live query on %s could not be answered: %s", query.table, problem)
            return
        for told, outcome in zip(changes, outcomes, strict=True):
            if outcome is not None and query.key in self._homes:
                query.deliver(told.notification(query.key, outcome))

    async def _outcomes(self, query: LiveQuery, changes: Sequence[_Told]) -> list[bytes | None]:
        """What each change means for the query, encoded; None for one that it does not see."""
        live = query.live
        if live.is_plain:
            return [told.whole for told in changes]
        statement = _OUTCOMES.format(
            fields="*" if live.is_diff else live.fields,
            where=f"WHERE {live.condition}" if live.condition else "",
            fetch=f"FETCH {live.fetch}" if live.fetch else "",
        )
        rows = [told.change.data for told in changes]
        undo = [told.change.undo or [] for told in changes]
        bound = {**query.bound, "rows": rows, "undo": undo}
        found, patches = await self._engine.ask(statement, session=query.session, **bound)
        return [
            None if one is None else encode(_patches(told.change, patch) if live.is_diff else one)
            for told, one, patch in zip(changes, found, patches, strict=True)
        ]

    async def _read(
        self, place: tuple[str, str], since: int, limit: int, known: Generations
    ) -> list[ChangeSet]:
        on: int | None = since
        while on is not None:
            [rows] = await self._ask(place, show_changes(on, limit))
            found, on = known.step(on, read_sets(rows, limit))
            if found:
                return found
        return []

    async def _ask(self, place: tuple[str, str], statements: str, **bound: Any) -> list[Any]:
        namespace, database = map(escape_identifier, place)
        return (await self._engine.ask(f"USE NS {namespace} DB {database}; {statements}", **bound))[
            1:
        ]


# A row can stand in a FROM, so conditions name its fields as they do in any SELECT.
_OUTCOMES = """
RETURN $rows.map(|$row| (SELECT {fields} FROM ONLY $row {where} {fetch}));
RETURN $rows.map(|$row, $place| value::diff(value::patch($row, $undo[$place]), $row));
"""


def _patches(change: Change, forward: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The patches that a subscriber to DIFF gets, the same as from a server."""
    if change.action == "update":
        return forward
    now = change.data if change.action == "create" else None
    return [{"op": "replace", "path": "", "value": now}]


def _table_expression(source: str) -> str:
    """The source of a live query as an expression: a name is quoted, ``$x`` and calls stay."""
    name = source.strip()
    if name.startswith("$") or "(" in name:
        return name
    if name[:1] in ("`", "⟨"):
        name = name[1:-1].replace("\\`", "`").replace("\\⟩", "⟩").replace("\\\\", "\\")
    return json.dumps(name, ensure_ascii=False)


_KILLED, _NONE = encode("KILLED"), encode(None)


class _Told:
    """A change on its way to several subscribers; encoded once for all of them."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._record = encode(change.record)
        self._action = encode(change.action.upper())
        self._whole: bytes | None = None

    @property
    def whole(self) -> bytes:
        if self._whole is None:
            self._whole = encode(self.change.data)
        return self._whole

    def notification(self, key: uuid.UUID, outcome: bytes) -> bytes:
        return _notification(key, self._action, self._record, outcome)


def _notification(key: uuid.UUID, action: bytes, record: bytes, result: bytes) -> bytes:
    """``{result: {id, action, record, result, session}}`` in CBOR, as a server sends it."""
    return b"".join(
        (
            b"\xa1\x66result\xa5\x62id\xd8\x25\x50",
            key.bytes,
            b"\x66action",
            action,
            b"\x66record",
            record,
            b"\x66result",
            result,
            b"\x67session",
            _NONE,
        )
    )


def _by_table(sets: Sequence[ChangeSet]) -> dict[str, list[_Told]]:
    told: dict[str, list[_Told]] = {}
    for one in sets:
        for change in one.changes:
            told.setdefault(change.record.table_name, []).append(_Told(change))
    return told
