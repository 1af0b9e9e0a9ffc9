"""One open page: its cards ask the hub when something changed, and show the answers.

Everything that touches a document runs on the server's loop with the session's lock; questions are
answered in the hub's threads. Answers come back by ``add_next_tick_callback``, the one call of a
document that other threads may make. While a page is being made such a call can get lost, so a slow
beat looks as well.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from panel.io import hold
from panel.io.state import set_curdoc

from astermind_lab.dashboard.card import INTERNAL, Card, Question
from astermind_lab.dashboard.hub import Answer, Hub
from astermind_lab.dashboard.view import View
from astermind_lab.errors import AsterMindError, StoreUnavailable

if TYPE_CHECKING:
    from bokeh.document import Document

    from astermind_lab.lab import Lab

__all__ = ["Session"]

_log = logging.getLogger(__name__)

_FIRST_PAINT_SECONDS = 0.3  # that the first answers may take before the page is sent without them
_TOGETHER_MS = 50  # changes that come within it are asked about once
_BEAT_MS = 1000
_SLOW_SECONDS = 2.5  # an answer that takes longer makes the page say so


class Session:
    """Keeps the cards of a page up to date until the page is closed."""

    def __init__(self, hub: Hub, document: Document, cards: Sequence[Card], view: View) -> None:
        self._hub = hub
        self._document = document
        self._cards = list(cards)
        self.view = view
        self.on_health: Callable[[str], None] = lambda problem: None
        self._due = set(self._cards)
        self._asked: dict[Card, tuple[Answer, float]] = {}
        self._last: dict[Card, float] = {}
        self._scheduled = False
        self._closed = False
        self._health = ""
        for card in self._cards:
            card.renew = partial(self.renew, card)
            card.act = self.act
        self._leave = hub.listen(self._changed)
        document.add_periodic_callback(self._beat, _BEAT_MS)

    def first_paint(self) -> None:
        """Ask everything, and show what is answered quickly before the page is sent."""
        self._ask_due()
        deadline = time.monotonic() + _FIRST_PAINT_SECONDS
        for card, (answer, _) in list(self._asked.items()):
            try:
                answer.future.exception(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                continue
            self._take(card, answer)

    def look_at(self, view: View) -> None:
        """Show something else."""
        if view != self.view:
            self.view = view
            for card in self._cards:
                card.loading()
            self._renew(self._cards)

    def renew(self, card: Card) -> None:
        """Ask again for one card, because what it asks has changed."""
        self._renew([card])

    def act(
        self, work: Callable[[Lab], Any], done: Callable[[AsterMindError | None], None]
    ) -> None:
        """Change something in the lab, off the loop; then ``done`` hears what went wrong, if so."""

        def told(future: Future[Any]) -> None:
            self._on_loop(partial(self._acted, future, done))

        self._hub.submit(work).add_done_callback(told)

    def _acted(self, future: Future[Any], done: Callable[[AsterMindError | None], None]) -> None:
        problem = future.exception()
        if problem is not None and not isinstance(problem, AsterMindError):
            _log.error("an action failed", exc_info=problem)
            problem = AsterMindError(INTERNAL)
        with set_curdoc(self._document), hold(self._document):
            done(problem)

    def close(self) -> None:
        """Hear of changes no more."""
        self._closed = True
        self._leave()
        self._asked.clear()

    def _renew(self, cards: Sequence[Card]) -> None:
        for card in cards:
            self._due.add(card)
            self._last.pop(card, None)
            self._asked.pop(card, None)
        self._ask_due()

    def _changed(self, table: str, model_id: str | None) -> None:
        """In a thread of the hub: note what a change concerns."""
        if table == "predictions" and model_id not in (None, self.view.model):
            return
        concerned = [card for card in self._cards if table in card.tables]
        if concerned:
            self._due.update(concerned)
            self._schedule(_TOGETHER_MS)

    def _schedule(self, milliseconds: float) -> None:
        if self._scheduled or self._closed:
            return
        self._scheduled = True
        self._on_loop(lambda: self._document.add_timeout_callback(self._ask_due, int(milliseconds)))

    def _on_loop(self, work: Callable[[], Any]) -> None:
        try:
            self._document.add_next_tick_callback(work)
        except RuntimeError:  # the loop has ended
            self.close()

    def _ask_due(self) -> None:
        """Ask for what is due, no card more often than it wants; the rest waits."""
        self._scheduled = False
        if self._closed:
            return
        now, wait = time.monotonic(), 0.0
        for card in list(self._due):
            left = self._last.get(card, 0.0) + card.every - now
            if card in self._asked:
                continue  # when it is answered, it is asked again
            if left > 0:
                wait = min(wait, left) if wait else left
                continue
            self._due.discard(card)
            self._ask(card, now)
        if wait:
            self._schedule(1000 * wait)

    def _beat(self) -> None:
        self._collect()
        self._ask_due()
        self._watch_health(time.monotonic())

    def _ask(self, card: Card, now: float) -> None:
        self._last[card] = now
        if card.needs_model and not self.view.model:
            key, question = _nothing(card)
        else:
            key, question = card.question(self.view, datetime.now(UTC))
        answer = self._hub.ask(key, question, card.tables, card.every)
        self._asked[card] = answer, now
        answer.future.add_done_callback(partial(_wake, weakref.ref(self)))

    def _collect(self) -> None:
        """Show the answers that have come."""
        for card, (answer, _) in list(self._asked.items()):
            if answer.future.done():
                self._take(card, answer)

    def _take(self, card: Card, answer: Answer) -> None:
        """Show an answer, unless the card has asked something else since."""
        if self._closed or self._asked.get(card, (None,))[0] is not answer:
            return
        del self._asked[card]
        problem = answer.future.exception()
        with set_curdoc(self._document), hold(self._document):
            if problem is None:
                self._show(card, answer.future.result())
                self._say_health("")
            else:
                self._failed(card, problem)
        if answer.stand != self._hub.stand(card.tables):
            self._due.add(card)
        if card in self._due:
            self._schedule(_TOGETHER_MS)

    def _show(self, card: Card, found: Any) -> None:
        try:
            card.answered(found)
        except Exception as problem:  # one card that cannot draw must not take the page with it
            self._failed(card, problem)

    def _failed(self, card: Card, problem: BaseException) -> None:
        if isinstance(problem, StoreUnavailable):
            self._say_health(str(problem))
            self._due.add(card)
            self._last[card] = time.monotonic()
            return
        if not isinstance(problem, AsterMindError):
            _log.error("a card failed: %s", type(card).__name__, exc_info=problem)
        card.failed(problem)

    def _watch_health(self, now: float) -> None:
        if any(now - since > _SLOW_SECONDS for _, since in self._asked.values()):
            self._say_health("The database has not answered for some seconds.")

    def _say_health(self, problem: str) -> None:
        if problem != self._health:
            self._health = problem
            self.on_health(problem)


def _nothing(card: Card) -> Question:
    return ("no model", card.tables), lambda lab: None


def _wake(session: weakref.ref[Session], _: Future[Any]) -> None:
    """In a thread of the hub: an answer has come.

    An answer keeps its callbacks as long as the hub keeps it, and must not keep closed pages.
    """
    found = session()
    if found is not None:
        found._on_loop(found._collect)
