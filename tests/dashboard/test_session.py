from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import panel as pn
import pytest
from bokeh.document import Document

from astermind_lab.dashboard.card import Card, Question
from astermind_lab.dashboard.hub import Hub
from astermind_lab.dashboard.session import Session
from astermind_lab.dashboard.view import View
from astermind_lab.errors import InvalidInput, StoreUnavailable
from astermind_lab.lab import Lab

PATIENCE = 10.0


class Echo(Card):
    """Shows what it is given to show, or fails with it."""

    title = "Echo"
    every = 0.0

    def __init__(self) -> None:
        self.answer: Any = "first"
        self.shown: list[Any] = []
        super().__init__()

    def build(self) -> Any:
        return pn.pane.HTML("")

    def question(self, view: View, now: datetime) -> Question:
        answer = self.answer

        def ask(lab: Lab) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ("echo", view.model, str(answer)), ask

    def show(self, answer: Any) -> str:
        if answer == "undrawable":
            raise ValueError("cannot draw this")
        self.shown.append(answer)
        return ""


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub(Lab.open("mem://"))
    yield found
    found.close()


@pytest.fixture
def session(hub: Hub) -> Iterator[Session]:
    """In a document without a server, whose callbacks never run: only the beat is heard."""
    found = Session(hub, Document(), [Echo()], View("m"))
    yield found
    found.close()


def settle(session: Session) -> None:
    """Wait for what was asked, then beat once."""
    for answer, _ in session._asked.values():
        answer.future.exception(PATIENCE)
    session._beat()


def card_of(session: Session) -> Echo:
    [card] = session._cards
    assert isinstance(card, Echo)
    return card


def test_the_first_paint_has_the_answers(session: Session) -> None:
    session.first_paint()
    assert card_of(session).shown == ["first"]


def test_an_answer_whose_call_got_lost_is_shown_with_the_next_beat(session: Session) -> None:
    session._ask_due()
    settle(session)
    assert card_of(session).shown == ["first"]


def test_a_change_is_asked_about(hub: Hub, session: Session) -> None:
    session.first_paint()
    heard = threading.Event()
    hub.listen(lambda table, model: heard.set() if table == "predictions" else None)
    card_of(session).answer = "second"
    hub.lab.log_prediction("m", "text", "a", 0.5)
    hub.lab.flush()
    assert heard.wait(PATIENCE)
    session._beat()
    settle(session)
    assert card_of(session).shown[-1] == "second"


def test_changes_of_another_model_are_not_asked_about(session: Session) -> None:
    session.first_paint()
    session._changed("predictions", "other")
    session._changed("models", "m")
    assert not session._due
    session._changed("predictions", "m")
    assert session._due


def test_what_is_looked_at_now_wins_over_what_was_asked_before(session: Session) -> None:
    card = card_of(session)
    session._ask_due()
    [(old, _)] = session._asked.values()
    card.answer = "of the other"
    session.look_at(View("other"))
    old.future.exception(PATIENCE)
    session._take(card, old)
    assert card.shown == []
    settle(session)
    assert card.shown == ["of the other"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (InvalidInput("model_id", "is blank"), "model_id: is blank"),
        ("undrawable", "Something went wrong in the dashboard"),
        (RuntimeError("secret path"), "Something went wrong in the dashboard"),
    ],
)
def test_a_card_that_fails_says_so_and_takes_nothing_with_it(
    answer: Any, said: str, session: Session
) -> None:
    card = card_of(session)
    card.answer = answer
    session.first_paint()
    assert said in str(card._note.object)
    assert "secret" not in str(card._note.object)
    card.answer = "well again"
    card.renew()
    settle(session)
    assert card.shown == ["well again"]
    assert card._note.object == ""


def test_a_database_that_is_away_is_told_and_the_picture_stays(session: Session) -> None:
    told: list[str] = []
    session.on_health = told.append
    session.first_paint()
    card = card_of(session)
    card.answer = StoreUnavailable("the database is away")
    card.renew()
    settle(session)
    assert told == ["the database is away"]
    assert card._note.object == ""
    card.answer = "back"
    settle(session)
    settle(session)
    assert told == ["the database is away", ""]
    assert card.shown == ["first", "back"]


def test_an_action_tells_how_it_ended(hub: Hub, session: Session) -> None:
    ended: list[Any] = []
    future = hub.submit(lambda lab: lab.delete_monitor("none"))
    future.exception(PATIENCE)
    session._acted(future, ended.append)
    assert "monitor_id" in str(ended[0])
    future = hub.submit(lambda lab: lab.list_models())
    future.exception(PATIENCE)
    session._acted(future, ended.append)
    assert ended[1] is None


def test_a_closed_session_does_nothing_more(hub: Hub, session: Session) -> None:
    session.close()
    assert hub.sessions == 0
    session._changed("predictions", "m")
    session._ask_due()
    assert not session._asked


def test_answers_that_are_kept_do_not_keep_the_pages_that_asked(hub: Hub) -> None:
    session = Session(hub, Document(), [Echo()], View("m"))
    session.first_paint()
    session.close()
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    assert hub._answers
