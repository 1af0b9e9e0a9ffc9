"""Live updates: what any program writes, in order, and nothing of it missed.

``Feed.watch(table, since=cursor)`` gives the changes of a table. What it reads is the change feed
of the database, from a cursor on; a notification only says that it is worth looking. So a lost
notification costs a moment and a broken connection nothing: the watcher reads on from where it was.
After a break a change can come twice, never not at all.

    local engine, server    a live query, on a socket of its own   ─┐
    in this process         every write of this process            ─┼─> one thread reads on,
    where neither works     a look every fifth of a second         ─┘   for all watchers

Life cycle: the first ``watch`` tries out on a table of its own, ``_beacon``, whether changes and
notifications arrive here, which decides what is used. The thread ends with the store.

On a server nobody can say that no earlier change will still show up (``changes.py``), so the last
seconds are read again there, and changes that were seen are passed over.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence

from surrealdb import RecordID

from astermind_lab.errors import InvalidInput, StoreError, nearest, shown
from astermind_lab.persistence.changes import (
    MOST_SETS,
    ChangeSet,
    Generations,
    read_sets,
    show_changes,
    stamp_of_millisecond,
)
from astermind_lab.persistence.clock_jumps import READ_JUMPS, generations
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.hints import Hints, hints_for
from astermind_lab.persistence.watch import RecordChange, Watch

__all__ = ["KEPT_DAYS", "WATCHABLE", "Feed", "RecordChange", "Watch"]

WATCHABLE = (
    *("models", "aliases", "datasets", "embeddings", "predictions", "metrics", "feedback"),
    *("workflows", "scheduled_jobs", "jobs", "monitored_models", "monitors", "alerts"),
)
KEPT_DAYS = 3  # as the schema says; a server removes what is older

_BEACON = "_beacon"
_BEACON_SECONDS = 2.0
_LOOK_SECONDS = {"live": 5.0, "writes": 5.0, "polling": 0.2}
_OVERLAP_MS = 3_000
_PAGE_SETS = 200
_BUFFERED = 20_000
_A_DAY_MS = 86_400_000

_log = logging.getLogger(__name__)


class Feed:
    """The changes of one store, for any number of watchers; safe to use from many threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._arrivals: deque[ChangeSet] = deque()
        self._buffered = 0  # changes in the arrivals that are kept
        self.total = 0  # of arrivals so far; they are numbered from 0
        self.complete_from = 0  # all changes from this stamp on are, or will be, among them
        self.head = 0  # the stamp to read on from
        self._seen: set[int] = set()
        self._known: tuple[int, Generations] | None = None
        self._hints: Hints | None = None
        self._closed = threading.Event()
        self.problem: str | None = None
        self.mode = "not started"

    def watch(self, table: str, since: str | None = None) -> Watch:
        """The changes of a table from now on, or those after a cursor.

        since : the ``cursor`` of the last change that was dealt with; "start" is the oldest change
            that is kept; None is now
        Raises InvalidInput for a table that has no feed and for a cursor that is none or too old,
        StoreError if changes do not arrive here.
        """
        if table not in WATCHABLE:
            hint = nearest(str(table), WATCHABLE)
            raise InvalidInput(
                "table", f"{shown(table)} cannot be watched.{hint} Allowed: {', '.join(WATCHABLE)}"
            )
        position = None if since is None else _read_cursor(since)
        self._start()
        if position is not None:
            self._refuse_expired(position[0])
        hints = self._hints
        if hints is not None:
            hints.attend(table)
        return Watch(self, table, position)

    def close(self) -> None:
        """End all watchers; closing twice is no error."""
        self._closed.set()
        with self._lock:
            hints, self._hints = self._hints, None
        if hints is not None:
            hints.close()
        self.nudge()

    @property
    def closed(self) -> bool:
        return self._closed.is_set() or self._connection.closed

    # What watchers ask for

    def arrived(self, number: int) -> list[ChangeSet] | None:
        """The arrivals from ``number`` on; None if some of them are not kept any more."""
        with self._news:
            first = self.total - len(self._arrivals)
            if number < first:
                return None
            return [self._arrivals[place] for place in range(number - first, len(self._arrivals))]

    def joined(self, stamp: int) -> int | None:
        """The number of the first arrival from a stamp on; None if some are not kept any more."""
        with self._news:
            if stamp < self.complete_from:
                return None
            first = self.total - len(self._arrivals)
            later = (n for n, one in enumerate(self._arrivals, first) if one.stamp >= stamp)
            return next(later, self.total)

    def wait(self, number: int, seconds: float, closed: threading.Event) -> None:
        """Wait for the arrival of that number, for ``seconds`` at the most."""
        with self._news:
            self._news.wait_for(
                lambda: self.total > number or closed.is_set() or self.closed, seconds
            )

    def nudge(self) -> None:
        """Let those who wait look again whether they were closed."""
        with self._news:
            self._news.notify_all()

    def read(self, since: int, limit: int = _PAGE_SETS) -> list[ChangeSet]:
        """A page of the feed from a position on, straight from the database; empty at the end."""
        on: int | None = since
        while on is not None:
            rows = self._connection.first(show_changes(on, limit))
            found, on = self._generations().step(on, read_sets(rows, limit))
            if found:
                return found
        return []

    @property
    def overlap(self) -> int:
        """How far, in stamps, a reader goes back when it goes on."""
        return stamp_of_millisecond(_OVERLAP_MS) if self._unordered else 0

    # The thread that reads

    def _generations(self) -> Generations:
        """Read again after each break: the database may have been opened anew, at another time."""
        links = self._connection.links_made
        if self._known is None or self._known[0] != links:
            self._known = links, generations(self._connection.first(READ_JUMPS))
        return self._known[1]

    @property
    def _unordered(self) -> bool:
        target = self._connection.target
        return target.is_server and target.data_dir is None

    def _start(self) -> None:
        with self._lock:
            if self.closed:
                raise StoreError(f"the store {self._connection.target.url} is closed")
            if self._hints is not None:
                return
            hints = hints_for(self._connection)
            try:
                self.head = self._end_of_feed()
                self.complete_from = self.head
                self.mode = self._try_out(hints)
            except BaseException:
                hints.close()
                raise
            self._hints = hints
            threading.Thread(target=self._follow, name="astermind-feed", daemon=True).start()

    def _end_of_feed(self) -> int:
        """A stamp after all that was written; what was written in the overlap counts as seen."""
        now: int = self._connection.first("RETURN time::millis(time::now())")
        since = self._generations().newest(max(0, stamp_of_millisecond(now) - self.overlap))
        while sets := self.read(since, MOST_SETS):
            since = sets[-1].stamp + 1
            if self._unordered:
                self._seen.update(one.stamp for one in sets)
        return since

    def _try_out(self, hints: Hints) -> str:
        """Write a beacon and see what comes of it; the mode to work in."""
        if self._connection.read_only:
            return hints.mode
        hints.attend(_BEACON)
        beacon = RecordID(_BEACON, uuid.uuid4().hex)
        self._connection.write("UPSERT $beacon SET lit = true RETURN NONE", beacon=beacon)
        try:
            noticed = hints.wait(_BEACON_SECONDS)
            self._expect(beacon)
        finally:
            self._connection.write("DELETE $beacon RETURN NONE", beacon=beacon)
            hints.ignore(_BEACON)
        if not noticed:
            _log.warning("no notifications arrive; looking every fifth of a second instead")
        return hints.mode if noticed else "polling"

    def _expect(self, beacon: RecordID) -> None:
        """Raises StoreError unless the beacon is in the feed."""
        deadline = time.monotonic() + _BEACON_SECONDS
        since = self.head
        while time.monotonic() < deadline:
            sets = self.read(since, MOST_SETS)
            if any(change.record == beacon for one in sets for change in one.changes):
                return
            if not sets:
                time.sleep(0.02)
            elif not self._unordered:
                since = sets[-1].stamp + 1
        raise StoreError(
            f"the change feed of {self._connection.target.url} stays silent, so nothing can be "
            "watched there. That is a known fault of server 3.1.2; upgrade the server"
        )

    def _follow(self) -> None:
        hints = self._hints
        while hints is not None and not self.closed:
            try:
                self._take_in()
                self.problem = None
            except StoreError as problem:
                if self.problem is None and not self._closed.is_set():
                    _log.warning("changes do not arrive at present: %s", problem)
                self.problem = str(problem)
            hints.wait(_LOOK_SECONDS[self.mode if hints.healthy else "polling"])
        self.nudge()

    def _take_in(self) -> None:
        """Read all that is new."""
        since = self.head - self.overlap
        while not self.closed and (sets := self.read(since)):
            self._arrive([one for one in sets if one.stamp not in self._seen])
            since = sets[-1].stamp + 1

    def _arrive(self, sets: Sequence[ChangeSet]) -> None:
        if not sets:
            return
        self.head = max(self.head, sets[-1].stamp + 1)
        if self._unordered:
            horizon = self.head - 2 * self.overlap
            self._seen = {stamp for stamp in self._seen if stamp >= horizon}
            self._seen.update(one.stamp for one in sets)
        with self._news:
            for one in sets:
                if one.changes:
                    self._arrivals.append(one)
                    self.total += 1
                    self._buffered += len(one.changes)
            while self._buffered > _BUFFERED and len(self._arrivals) > 1:
                gone = self._arrivals.popleft()
                self._buffered -= len(gone.changes)
                self.complete_from = max(self.complete_from, gone.stamp + 1 + self.overlap)
            self._news.notify_all()

    def _refuse_expired(self, stamp: int) -> None:
        if not self._unordered or not stamp:
            return
        now: int = self._connection.first("RETURN time::millis(time::now())")
        if stamp < stamp_of_millisecond(now - KEPT_DAYS * _A_DAY_MS):
            raise InvalidInput(
                "since",
                f"the cursor is older than {KEPT_DAYS} days, and a server keeps no older changes. "
                "Read the table as it is, and watch from now on",
            )


def _read_cursor(cursor: str) -> tuple[int, int]:
    """Stamp and number of changes of that transaction that were dealt with."""
    if cursor == "start":
        return 0, 0
    stamp, _, place = str(cursor).partition(".")
    with contextlib.suppress(ValueError):
        if stamp.isascii() and stamp.isdigit() and place.isascii() and place.isdigit():
            return int(stamp), int(place)
    raise InvalidInput(
        "since", f'{shown(cursor)} is no cursor; give the cursor of a change, or "start"'
    )
