"""kill -9 of the engine, of writers and of the watcher, over and over, under full load.

Whatever was acknowledged is there in the end, once; of each life of a writer, at most the one call
that was under way is there without; and the watchers have seen it all. ASTERMIND_TEST_KILLS says
how often to kill, ASTERMIND_TEST_SEED repeats a run that failed, as far as chance allows.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from astermind_lab.persistence import Store
from astermind_lab.persistence.engine import Place
from tests.chaos.actors import STOP, act, batch_size, examples, open_store, read_ledger, weights
from tests.chaos.engines import engine_pids, wait_until
from tests.persistence.processes import finish, kill

KILLS = int(os.environ.get("ASTERMIND_TEST_KILLS", "12"))
SEED = int(os.environ.get("ASTERMIND_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

WRITERS = ("predictions", "models", "datasets")
VICTIMS = ("engine", "engine", "engine", "predictions", "models", "datasets", "watcher", "watcher")
LONGEST_PAUSE = 1.6
START_SECONDS = 30.0
SETTLE_SECONDS = 60.0


class Arena:
    """Processes at work on one store, and the hand that kills them."""

    def __init__(self, place: Place, folder: Path, chance: random.Random) -> None:
        self.place = place
        self.url = f"local://{place.data_dir}"
        self.folder = folder
        self.refusals: list[str] = []
        self._chance = chance
        self._lives: Counter[str] = Counter()
        self._running: dict[str, subprocess.Popen[str]] = {}
        folder.mkdir()

    def rage(self, kills: int) -> None:
        """Start all, then kill and start again, at random."""
        for role in (*WRITERS, "watcher"):
            self._start(role)
        deck: list[str] = []
        for _ in range(kills):
            time.sleep(self._chance.uniform(0.0, LONGEST_PAUSE))
            self._bury()
            deck = deck or self._chance.sample(VICTIMS, len(VICTIMS))
            self._kill(deck.pop())

    def settle(self, seen: Callable[[], bool]) -> None:
        """Let the writers end their last call, and the watcher see all of it."""
        (self.folder / STOP).touch()
        for role in WRITERS:
            self._leave(role)
        if not wait_until(seen, SETTLE_SECONDS, step=1.0):
            self.refusals.append("the watcher did not see everything")
        (self.folder / f"{STOP} watching").touch()
        self._leave("watcher")

    def end(self) -> None:
        """Leave nothing running."""
        for process in self._running.values():
            process.kill()
            process.communicate()

    def ledgers(self, role: str) -> Iterator[Path]:
        """Of each life of a writer."""
        yield from (self.folder / f"{role}-{n}" for n in range(self._lives[role]))

    def _start(self, role: str) -> None:
        ledger = self.folder / f"{role}-{self._lives[role]}"
        self._lives[role] += 1
        self._running[role] = act(role, self.url, ledger)

    def _kill(self, victim: str) -> None:
        if victim != "engine":
            self._running[victim].kill()
            self._running[victim].communicate()
            self._start(victim)
        elif wait_until(lambda: engine_pids(self.place), START_SECONDS):
            for pid in engine_pids(self.place):
                kill(pid)
        else:
            self.refusals.append(f"no engine was started within {START_SECONDS:g} s")

    def _bury(self) -> None:
        """Note and replace whoever ended without having been killed."""
        for role, process in list(self._running.items()):
            if process.poll() is not None:
                self._leave(role)
                self._start(role)

    def _leave(self, role: str) -> None:
        code, _, errors = finish(self._running.pop(role))
        if code:
            self.refusals.append(f"{role} ended with {code}: {errors.strip()[-2_000:]}")


@dataclass
class Verdict:
    """What became of what was acknowledged."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    def compare(self, arena: Arena, role: str, stored: Mapping[str, int]) -> None:
        """``stored`` : how often each name is there. Each life has names and numbers of its own."""
        left = Counter(stored)
        for ledger in arena.ledgers(role):
            done = [entry[0] for entry in read_ledger(ledger)]
            assert done == list(range(len(done)))
            for number in done:
                whole = batch_size(number) if role == "predictions" else 1
                found = left.pop(name := f"{ledger.name} {number}", 0)
                self.acknowledged[role] += whole
                self.lost += [name] if found < whole else []
                self.doubled += [name] if found > whole else []
            under_way = f"{ledger.name} {len(done)}"
            whole = batch_size(len(done)) if role == "predictions" else 1
            if left.pop(under_way, whole) != whole:
                self.strange.append(f"{under_way} is there in part, or twice")
        self.strange += [f"{name} was never acknowledged" for name in left]


def _noted(arena: Arena, role: str) -> set[str]:
    """The names of what a writer was told is stored."""
    return {
        name for path in arena.ledgers(role) for entry in read_ledger(path) for name in entry[1]
    }


def _seen(arena: Arena, table: str) -> list[list[str]]:
    return read_ledger(arena.folder / f"seen {table}")


def _all_seen(arena: Arena) -> bool:
    predictions = {entry[1] for entry in _seen(arena, "predictions")}
    moves = {entry[4] for entry in _seen(arena, "aliases")}
    return _noted(arena, "predictions") <= predictions and _noted(arena, "models") <= moves


def _out_of_order(entries: list[list[str]]) -> list[str]:
    """Versions that an alias was seen to take before an earlier one; a sight may be repeated."""
    sights: defaultdict[str, list[int]] = defaultdict(list)
    for _, _, _, alias, version in entries:
        number = int(version.rpartition(" ")[2])
        if number not in sights[alias]:
            sights[alias].append(number)
    return [alias for alias, numbers in sights.items() if numbers != list(range(len(numbers)))]


def _look(store: Store, arena: Arena) -> Verdict:
    verdict = Verdict()
    rows = list(store.predictions.window("m"))
    verdict.compare(arena, "predictions", Counter(row.input for row in rows))
    verdict.lost += sorted(_noted(arena, "predictions") - {str(row.record_id) for row in rows})
    versions = [one.version for one in reversed(store.models.versions("m"))]
    verdict.compare(arena, "models", Counter(versions))
    order = [(life, int(n)) for life, _, n in (name.rpartition(" ") for name in versions)]
    for ledger in arena.ledgers("models"):
        numbers = [number for life, number in order if life == ledger.name]
        verdict.strange += [] if numbers == sorted(numbers) else [f"{ledger.name} out of order"]
    for name in versions:
        if store.models.weights("m", name) != weights(name):
            verdict.strange.append(f"the weights of {name}")
    names = [one.dataset_id for one in store.datasets.list()]
    verdict.compare(arena, "datasets", Counter(names))
    for name in names:
        if list(store.datasets.examples(name)) != list(examples(name)):
            verdict.strange.append(f"the examples of {name}")
    return verdict


def test_nothing_acknowledged_is_lost_and_nothing_comes_twice(place: Place, tmp_path: Path) -> None:
    arena = Arena(place, tmp_path / "ledgers", random.Random(SEED))
    began = time.monotonic()
    try:
        arena.rage(KILLS)
        arena.settle(lambda: _all_seen(arena))
    finally:
        arena.end()
    with open_store(arena.url) as store:
        verdict = _look(store, arena)
    took = time.monotonic() - began
    print(
        f"{KILLS} kills in {took:.0f} s, seed {SEED}: {dict(verdict.acknowledged)} acknowledged, "
        f"{len(verdict.lost)} lost, {len(verdict.doubled)} twice, "
        f"{len(arena.refusals)} refusals; {dict(arena._lives)} lives"
    )
    told = f"seed {SEED}"
    assert not arena.refusals, "\n\n".join([told, *arena.refusals])
    assert (verdict.lost, verdict.doubled, verdict.strange) == ([], [], []), told
    assert _out_of_order(_seen(arena, "aliases")) == [], told
    assert all(verdict.acknowledged[role] for role in WRITERS), told
