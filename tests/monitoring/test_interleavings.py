"""Any order of logs, feedback, deletes, flushes and crashes: the log is what a plain model says.

The model does what was asked one after the other, in the order in which the spools, those of dead
programs included, reach the database.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from astermind_lab.core.tally import Features
from astermind_lab.errors import StoreUnavailable
from astermind_lab.monitoring import flusher as flushing
from astermind_lab.monitoring.recorder import Recorder, RecorderOptions
from astermind_lab.monitoring.spool import Fsync
from astermind_lab.persistence import Feedback, Prediction, Store
from tests.monitoring.unsteady import Unsteady, abandon, catch_up
from tests.persistence.counting import NOON, agree, miscounted

MACHINES = 25
STEPS = 30

moments = st.builds(
    lambda days, minutes, rest: NOON + timedelta(days=days, minutes=minutes, microseconds=rest),
    st.integers(0, 2),
    st.sampled_from([0, 1, 59, 60, 719]),
    st.sampled_from([0, 1, 30_000_000, 59_999_999]),
)
labels = st.sampled_from("abc")
truths = st.none() | labels
keys = st.sampled_from(["k", "l", "m"])
features = st.none() | st.binary(min_size=3, max_size=3).map(lambda v: Features("map", v))


@dataclass
class Model:
    """What should be in the database."""

    rows: dict[str, Prediction] = field(default_factory=dict)
    waiting: dict[tuple[str, str], str] = field(default_factory=dict)  # in the order of arrival

    def log(self, row: Prediction) -> None:
        name = str(row.record_id)
        if row.key is not None and any(row.key == known.key for known in self.rows.values()):
            return
        self.rows[name] = row
        early = [t for t in self.waiting if t in (("id", name), ("key", row.key))]
        for target in early:
            self.rows[name] = with_truth(row, self.waiting.pop(target))

    def hear(self, one: Feedback) -> None:
        target = ("key", str(one.key)) if one.prediction_id is None else ("id", one.prediction_id)
        for name, row in self.rows.items():
            if target in (("id", name), ("key", row.key)):
                self.rows[name] = with_truth(row, one.ground_truth)
                return
        self.waiting.pop(target, None)
        self.waiting[target] = one.ground_truth

    def delete(self, start: datetime, end: datetime) -> int:
        gone = [name for name, row in self.rows.items() if start <= row.timestamp <= end]
        for name in gone:
            del self.rows[name]
        return len(gone)

    def do(self, step: Prediction | Feedback) -> None:
        self.log(step) if isinstance(step, Prediction) else self.hear(step)


def with_truth(row: Prediction, truth: str) -> Prediction:
    return Prediction(**{**vars(row), "ground_truth": truth})


class Program:
    """A recorder, and what it was told that has not reached the database."""

    def __init__(self, store: Store, root: Path) -> None:
        self.way = Unsteady(store)
        self.way.away = True
        self.recorder = Recorder(store, root, RecorderOptions(fsync=Fsync.OS))
        self.on_the_way: list[Prediction | Feedback] = []

    @property
    def folder(self) -> str:
        return self.recorder._spool.folder.name

    def note_stored(self, programs: Mapping[str, Program], model: Model) -> None:
        """Do the same to the model, from whichever program it was."""
        for (spool, _), count in self.way.stored.items():
            source = programs[spool.partition("/")[0]].on_the_way
            for step in source[:count]:
                model.do(step)
            del source[:count]
        self.way.stored.clear()


class Interleavings(RuleBasedStateMachine):
    """Two programs on one database; each reaches it only while it flushes."""

    store: Store
    numbers = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.model_id = f"model {next(self.numbers)}"
        self.folder = tempfile.TemporaryDirectory(prefix="astermind-test-")
        self.model = Model()
        self.names: list[str] = []
        self.said = itertools.count()
        self.all: dict[str, Program] = {}
        self.programs = [self.program(), self.program()]

    def program(self) -> Program:
        made = Program(self.store, Path(self.folder.name))
        self.all[made.folder] = made
        return made

    @rule(
        which=st.integers(0, 1),
        some=st.lists(
            st.tuples(
                st.none() | keys,
                moments,
                st.sampled_from([None, "v1", "v2"]),
                labels,
                truths,
                st.sampled_from([0.0, 0.5, 0.97, 1.0]),
                st.none() | st.just(2.5),
                features,
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def log(self, which: int, some: list[tuple[Any, ...]]) -> None:
        rows = [
            Prediction(
                model_id=self.model_id,
                version=version,
                input=None,
                prediction=label,
                confidence=confidence,
                ground_truth=truth,
                latency_ms=latency_ms,
                timestamp=timestamp,
                key=key,
                features=drift,
            )
            for key, timestamp, version, label, truth, confidence, latency_ms, drift in some
        ]
        names = self.programs[which].recorder.record(rows)
        self.names += names
        self.programs[which].on_the_way += [
            Prediction(**{**vars(row), "record_id": name})
            for name, row in zip(names, rows, strict=True)
        ]

    def say(self, which: int, truth: str, name: str | None, key: str | None) -> None:
        when = NOON + timedelta(seconds=next(self.said))
        one = Feedback(self.model_id, truth, when, name, key)
        self.programs[which].recorder.give_feedback(one)
        self.programs[which].on_the_way.append(one)

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, 1), truth=labels, back=st.integers(0, 4))
    def say_by_id(self, which: int, truth: str, back: int) -> None:
        self.say(which, truth, self.names[-1 - back % len(self.names)], None)

    @rule(which=st.integers(0, 1), truth=labels, key=keys)
    def say_by_key(self, which: int, truth: str, key: str) -> None:
        self.say(which, truth, None, key)

    @rule(which=st.integers(0, 1))
    def flush(self, which: int) -> None:
        program = self.programs[which]
        program.way.away = False
        catch_up(program.recorder)
        program.way.away = True
        self.compare(program)

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        abandon(self.programs[which].recorder)
        self.programs[which] = self.program()

    @rule(which=st.integers(0, 1))
    def crash_after_the_first_commit(self, which: int) -> None:
        """It is done, but whoever did it could not take note of it any more."""
        program, other = self.programs[which], self.programs[1 - which]
        if not any(one.on_the_way for one in self.all.values() if one is not other):
            return
        program.way.dies, program.way.away = True, False
        while not program.way.died.is_set():
            with suppress(StoreUnavailable):
                program.recorder.flush()
        self.compare(program)
        self.crash(which)

    @rule(ends=st.tuples(moments, moments))
    def delete(self, ends: tuple[datetime, datetime]) -> None:
        start, end = sorted(ends)
        deleted = self.store.predictions.delete(self.model_id, start, end)
        assert deleted == self.model.delete(start, end)

    def compare(self, program: Program) -> None:
        program.note_stored(self.all, self.model)
        found = {str(row.record_id): row for row in self.store.predictions.window(self.model_id)}
        assert found == self.model.rows

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.end()
        finally:
            for program in self.programs:
                abandon(program.recorder)
            self.folder.cleanup()

    def end(self) -> None:
        for which in (0, 1):
            self.flush(which)
        assert not any(program.on_the_way for program in self.all.values())
        query = "SELECT * FROM _waiting WHERE model_id = $model_id"
        waiting = self.store._connection.first(query, model_id=self.model_id)
        told = {tuple(row["id"].id[1:]): row["ground_truth"] for row in waiting}
        assert told == self.model.waiting
        assert not miscounted(self.store, [self.model_id])
        edge = NOON + timedelta(days=1, minutes=60, microseconds=1)
        for window in ((None, None), (edge, None), (None, edge)):
            assert agree(self.store, *window, model_id=self.model_id)
        for program in self.programs:
            program.way.away = False
            program.recorder.close()
        left = list(Path(self.folder.name).iterdir())
        assert left == [], "no spool is left, and nothing was refused"


@pytest.fixture(params=["mem", "surrealkv"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = "mem://" if request.param == "mem" else f"surrealkv://{tmp_path / 'store'}"
    with Store.open(url) as opened:
        yield opened


def test_any_interleaving(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_PAUSES", (0.001, 0.01))
    machine = type("OnThisStore", (Interleavings,), {"store": store})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(max_examples=MACHINES, stateful_step_count=STEPS, deadline=None),
    )
