from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from astermind_lab.dashboard.hub import TABLES, Hub
from astermind_lab.errors import NotFound
from astermind_lab.lab import Lab

PATIENCE = 10.0


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub(Lab.open("mem://"))
    yield found
    found.close()


def log(lab: Lab, text: str) -> None:
    lab.log_prediction("m", text, "a", 0.9)
    lab.flush()


def test_the_same_question_is_asked_once_until_something_changes(hub: Hub) -> None:
    asked: list[int] = []

    def count(lab: Lab) -> int:
        asked.append(1)
        return lab.get_model_metrics("m").metrics.total_predictions

    heard = threading.Event()
    hub.listen(lambda table, model: heard.set() if (table, model) == ("predictions", "m") else None)
    tables = ("predictions",)
    assert hub.ask("n", count, tables).future.result(PATIENCE) == 0
    assert hub.ask("n", count, tables).future.result(PATIENCE) == 0
    assert len(asked) == 1
    log(hub.lab, "hello")
    assert heard.wait(PATIENCE)
    assert hub.ask("n", count, tables).future.result(PATIENCE) == 1
    assert len(asked) == 2


def test_an_answer_may_be_served_for_a_while_and_says_that_it_is_old(hub: Hub) -> None:
    heard = threading.Event()
    hub.listen(lambda table, model: heard.set() if table == "predictions" else None)
    first = hub.ask("n", lambda lab: object(), ("predictions",), max_age=60)
    first.future.result(PATIENCE)
    log(hub.lab, "hello")
    assert heard.wait(PATIENCE)
    second = hub.ask("n", lambda lab: object(), ("predictions",), max_age=60)
    assert second.future.result(PATIENCE) is first.future.result()
    assert second.stand != hub.stand(("predictions",))


def test_a_question_under_way_is_shared(hub: Hub) -> None:
    go = threading.Event()
    first = hub.ask("slow", lambda lab: go.wait(PATIENCE), ("models",))
    second = hub.ask("slow", lambda lab: False, ("models",))
    go.set()
    assert second.future.result(PATIENCE) is True
    assert first.future is second.future


def test_a_refused_question_is_asked_again(hub: Hub) -> None:
    def refuse(lab: Lab) -> None:
        raise NotFound("there is none")

    assert isinstance(hub.ask("q", refuse, ("models",)).future.exception(PATIENCE), NotFound)
    assert hub.ask("q", lambda lab: 1, ("models",)).future.result(PATIENCE) == 1


def test_listeners_hear_of_every_table_until_they_leave(hub: Hub) -> None:
    heard: list[str] = []
    arrived = threading.Semaphore(0)

    def listen(table: str, model: object) -> None:
        heard.append(table)
        arrived.release()

    leave = hub.listen(listen)
    hub.lab.store_training_dataset("d", [{"text": "a", "label": "x"}])
    assert arrived.acquire(timeout=PATIENCE)
    assert hub.sessions == 1
    leave()
    assert hub.sessions == 0
    assert heard[0] == "datasets"
    assert "datasets" in TABLES


def test_answers_do_not_pile_up(hub: Hub) -> None:
    for place in range(600):
        hub.ask(place, lambda lab: None, ("models",)).future.result(PATIENCE)
    assert len(hub._answers) <= 256
