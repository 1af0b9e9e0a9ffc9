"""One watcher of a table, and the changes it gives.

Records that take several transactions to write (models, data sets) are changes only once they are
visible, and their inner bookkeeping is left out: what comes is what a user of the lab can see.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from surrealdb import RecordID

from astermind_lab.persistence.changes import Change, ChangeSet, millisecond_of_stamp
from astermind_lab.persistence.values import from_database, plain_moment, record_name

if TYPE_CHECKING:
    from astermind_lab.persistence.feed import Feed

__all__ = ["RecordChange", "Watch"]

_LONGEST_WAIT = 3600.0
_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VISIBLE = {"models": "active", "datasets": "ready"}
_INNER: Mapping[str, frozenset[str]] = {
    "models": frozenset({"uid", "status", "leftovers", "touched", "revision", "seq", "parts"}),
    "datasets": frozenset({"uid", "status", "leftovers", "touched", "seq", "characters"}),
    "embeddings": frozenset({"items"}),
    "predictions": frozenset({"features", "made_by"}),
    "metrics": frozenset({"data", "features", "rev"}),
}


@dataclass(frozen=True)
class RecordChange:
    """A record that was created, updated or deleted.

    action : create, update or delete     data : the record now, of a deleted one as it last was
    at : when it was written, by the clock of the database     cursor : give it as ``since``
    """

    table: str
    action: str
    record_id: str
    data: Mapping[str, Any]
    at: datetime
    cursor: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data; times as ISO 8601."""
        return {**vars(self), "data": _json(self.data), "at": self.at.isoformat()}


class Watch:
    """The changes of a table: an iterator that waits for the next one. Use it in ``with``.

    cursor : of the last change that was given, or where the watch began; resumes there
    """

    def __init__(self, feed: Feed, table: str, position: tuple[int, int] | None) -> None:
        """Use ``Feed.watch``. position : a stamp, and how many of its changes were dealt with."""
        self.table = table
        self._feed = feed
        self._closed = threading.Event()
        self._waiting: deque[RecordChange] = deque()
        self._stamp, self._done = position or (feed.head, 0)
        self.cursor = _cursor(self._stamp, self._done)
        self._number = feed.total if position is None else None  # of the next arrival, once joined
        self._from = max(0, self._stamp - feed.overlap)  # where to read on, until then

    def read(self, timeout: float | None = None) -> list[RecordChange]:
        """The changes that there are; waits for the first, for ``timeout`` seconds at the most.

        An empty list after a timeout, or when the watch or the store was closed. Raises StoreError
        if the database is out of reach while older changes are read.
        """
        found = [*self._waiting] or self._found(timeout)
        self._waiting.clear()
        if found:
            self.cursor = found[-1].cursor
        return found

    def start(self, callback: Callable[[RecordChange], object]) -> None:
        """Call back for each change, in a thread that ends with the watch.

        An error that the callback raises is logged; the next change comes all the same.
        """
        threading.Thread(
            target=self._serve, args=(callback,), name=f"astermind-{self.table}", daemon=True
        ).start()

    def _serve(self, callback: Callable[[RecordChange], object]) -> None:
        while not self.closed:
            try:
                for change in self:
                    callback(change)
            except Exception:
                _log.exception("a watcher of %s failed", self.table)

    def close(self) -> None:
        """End the iteration; closing twice is no error."""
        self._closed.set()
        self._feed.nudge()

    @property
    def closed(self) -> bool:
        return self._closed.is_set() or self._feed.closed

    def __iter__(self) -> Iterator[RecordChange]:
        return self

    def __next__(self) -> RecordChange:
        while not self._waiting:
            if self.closed:
                raise StopIteration
            self._waiting.extend(self._found(None))
        change = self._waiting.popleft()
        self.cursor = change.cursor
        return change

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Watch({self.table!r}{', closed' if self.closed else ''})"

    def _found(self, timeout: float | None) -> list[RecordChange]:
        """Changes not given yet; waits for them."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not self.closed:
            number = self._number
            found = self._older() if number is None else self._arrived(number)
            if found:
                return found
            if self._number is None or self._number != number:
                continue  # there may be more without waiting
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._feed.wait(number or 0, min(left, _LONGEST_WAIT), self._closed)
        return []

    def _arrived(self, number: int) -> list[RecordChange]:
        """What has arrived from ``number`` on; if that was too much to keep, it is read again."""
        arrivals = self._feed.arrived(number)
        if arrivals is None:
            self._number = None
            self._from = max(0, self._stamp + 1 - self._feed.overlap)
            return []
        self._number = number + len(arrivals)
        return [change for one in arrivals for change in self._visible(one)]

    def _older(self) -> list[RecordChange]:
        """A page of what was written before; at its end the watch joins the arrivals."""
        edge = self._feed.complete_from
        if self._from >= edge:
            self._number = self._feed.joined(self._from)
            if self._number is not None:
                return []
        sets = self._feed.read(self._from)
        self._from = sets[-1].stamp + 1 if sets else max(self._from, edge)
        return [change for one in sets for change in self._visible(one)]

    def _visible(self, one: ChangeSet) -> Sequence[RecordChange]:
        """The changes of a transaction that a user can see and was not given before."""
        skip = self._done if one.stamp == self._stamp else 0
        if one.stamp > self._stamp:
            self._stamp, self._done = one.stamp, 0
        return [
            seen
            for place, change in enumerate(one.changes)
            if place >= skip and change.record.table_name == self.table
            if (seen := _as_seen(change, one.stamp, place + 1)) is not None
        ]


def _as_seen(change: Change, stamp: int, done: int) -> RecordChange | None:
    """The change as a user sees it; None for one that cannot be seen."""
    table = change.record.table_name
    action = _action(table, change)
    if action is None:
        return None
    inner = _INNER.get(table, frozenset())
    return RecordChange(
        table=table,
        action=action,
        record_id=record_name(change.record),
        data={key: _plain(value) for key, value in change.data.items() if key not in inner},
        at=_EPOCH + timedelta(milliseconds=millisecond_of_stamp(stamp)),
        cursor=_cursor(stamp, done),
    )


def _action(table: str, change: Change) -> str | None:
    """What happened, for those who see a record only while its status says so."""
    shown = _VISIBLE.get(table)
    if shown is None:
        return change.action
    visible = change.data.get("status") == shown
    altered = {str(patch.get("path", "")).split("/")[1:2][0] for patch in change.undo or ()}
    if change.action != "update":
        return change.action if visible else None
    if "status" in altered:
        return "create" if visible else "delete" if change.data["status"] != "loading" else None
    return "update" if visible and altered - _INNER[table] - {"id"} else None


def _plain(value: Any) -> Any:
    """The value without the classes of the SDK."""
    if isinstance(value, RecordID):
        return record_name(value)
    if isinstance(value, datetime):
        return plain_moment(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return from_database(value)


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list) else value


def _cursor(stamp: int, done: int) -> str:
    return f"{stamp}.{done}"
