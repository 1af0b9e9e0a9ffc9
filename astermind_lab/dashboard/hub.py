"""What a dashboard server shares among its sessions: the lab, its changes, and answers.

There is one hub per server. It watches each table once, however many pages are open; sessions are
told which table changed and ask again. The same question of several sessions is answered once.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from astermind_lab.lab import Lab
from astermind_lab.memory import give_memory_back

if TYPE_CHECKING:
    from astermind_lab.lab import RecordChange, Watch

__all__ = ["TABLES", "Answer", "Hub", "close", "hub", "use"]

TABLES = (
    "aliases",
    "alerts",
    "datasets",
    "models",
    "monitored_models",
    "monitors",
    "predictions",
)
_WORKERS = 4
_ANSWERS = 256
_TIDY_SECONDS = 5.0

Listener = Callable[[str, Any], None]


@dataclass(frozen=True)
class Answer:
    """An answer that is there or under way.

    stand : how many changes its tables had seen when it was asked     at : when that was
    """

    future: Future[Any]
    stand: int
    at: float


class Hub:
    """Watches, listeners, and the answers that are still true."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._lock = threading.Lock()
        self._revisions: Counter[str] = Counter()
        self._listeners: set[Listener] = set()
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._tidying: threading.Timer | None = None
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="astermind-dashboard")
        self._watches: list[Watch] = [
            lab.watch(table, callback=partial(self._changed, table)) for table in TABLES
        ]

    def close(self) -> None:
        """End the watches and close the lab."""
        for watch in self._watches:
            watch.close()
        if self._tidying is not None:
            self._tidying.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.lab.close()

    @property
    def sessions(self) -> int:
        """How many pages listen."""
        return len(self._listeners)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener(table, model_id)`` of changes, in threads of the hub.

        Returns what ends that.
        """
        with self._lock:
            self._listeners.add(listener)
        return partial(self._leave, listener)

    def _leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)
            if self._tidying is None:
                self._tidying = threading.Timer(_TIDY_SECONDS, self._tidy)
                self._tidying.daemon = True
                self._tidying.start()

    def _tidy(self) -> None:
        """Closed pages are knots of references, and the C library keeps what they have left."""
        with self._lock:
            self._tidying = None
        gc.collect()
        give_memory_back()

    def _changed(self, table: str, change: RecordChange) -> None:
        with self._lock:
            self._revisions[table] += 1
            listeners = list(self._listeners)
        for listener in listeners:
            listener(table, change.data.get("model_id"))

    def submit(self, work: Callable[[Lab], Any]) -> Future[Any]:
        """Do something with the lab in a thread of the hub."""
        return self._pool.submit(work, self.lab)

    def stand(self, tables: Iterable[str]) -> int:
        """How many changes these tables have seen."""
        return sum(self._revisions[table] for table in tables)

    def ask(
        self,
        key: Hashable,
        question: Callable[[Lab], Any],
        tables: Iterable[str],
        max_age: float = 0.0,
    ) -> Answer:
        """The answer to a question: one that is still true, or under way, or a new one.

        key : the same for the same question     tables : what it rests on
        max_age : seconds that an answer may be served after one of the tables changed
        One whose ``stand`` is not that of its tables by now should be asked for again.
        """
        with self._lock:
            now, stand = time.monotonic(), self.stand(tables)
            known = self._answers.get(key)
            if known is None or not _still_good(known, stand, now - max_age):
                known = Answer(self.submit(question), stand, now)
                self._answers[key] = known
            self._answers.move_to_end(key)
            while len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
            return known


def _still_good(known: Answer, stand: int, since: float) -> bool:
    if not known.future.done():
        return True
    if known.future.cancelled() or known.future.exception() is not None:
        return False
    return known.stand == stand or known.at > since


_lock = threading.Lock()
_hub: Hub | None = None
_opener: Callable[[], Lab] = Lab.open


def use(opener: Callable[[], Lab]) -> None:
    """Let the hub open its lab this way; of no effect once it is open."""
    global _opener
    _opener = opener


def hub() -> Hub:
    """The hub of this server, which opens the lab when the first page is asked for.

    Raises StoreError if the lab cannot be opened; the next call tries again.
    """
    global _hub
    with _lock:
        if _hub is None:
            _hub = Hub(_opener())
        return _hub


def close() -> None:
    """Close the hub, if there is one."""
    global _hub
    with _lock:
        found, _hub = _hub, None
    if found is not None:
        found.close()
