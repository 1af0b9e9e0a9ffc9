"""kill -9 of programs that record, and of their engine: what they were told is recorded is there.

Programs log through ``Lab`` as fast as they can, with keys and without, and give feedback; each
writes what was acknowledged to a pipe. In the end a fresh lab must hold all of it, once, and the
tallies must say what a recount does. ASTERMIND_TEST_ROUNDS says how many programs to kill,
ASTERMIND_TEST_SEED repeats a run that failed, as far as chance allows.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from astermind_lab.errors import StoreUnavailable
from astermind_lab.lab import Lab
from astermind_lab.monitoring.flusher import left_behind
from astermind_lab.monitoring.recorder import spool_root
from astermind_lab.persistence.engine import Place
from astermind_lab.settings import Database, Monitoring, Settings
from tests.chaos.engines import engine_pids
from tests.persistence.counting import agree, miscounted
from tests.persistence.processes import IDLE_SECONDS, kill, output, start

ROUNDS = int(os.environ.get("ASTERMIND_TEST_ROUNDS", "8"))
SEED = int(os.environ.get("ASTERMIND_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

SIDE_BY_SIDE = 2
LONGEST_LIFE = 0.6  # seconds after the first acknowledgement
HOME_SECONDS = 600.0
ENGINE_SHARE = 0.25  # so often the engine goes too
KEYS = 40  # that all programs share
BUSY = 1_000  # predictions a program lets wait; more would only take longer to count

PROGRAM = """if True:
    import random, sys, threading
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from astermind_lab.lab import Lab
    from astermind_lab.persistence import Feedback
    from tests.chaos.test_recording import BUSY, KEYS, lab_settings
    life = int(sys.argv[2])
    chance = random.Random(life)
    lab = Lab.open(settings=lab_settings(Path(sys.argv[1])))
    earlier = []

    def told(*words):
        print(*words, sep="\\t", flush=True)

    while True:
        when = datetime.now(UTC) - chance.choice([0, 0, 0, 1, 50]) * timedelta(hours=1)
        label, text = chance.choice("ab"), f"{life} {len(earlier)}"
        key = f"{life} {len(earlier)}" if chance.random() < 0.3 else None
        if chance.random() < 0.05:
            key = text = f"shared {chance.randrange(KEYS)}"
        done = lab.log_prediction(
            "m", text, label, chance.random(), version=chance.choice([None, "1"]),
            timestamp=when.isoformat(), latency_ms=chance.random(), key=key,
        )
        told("logged", done.record_id, key or "")
        earlier.append((done.record_id, key))
        if chance.random() < 0.2:
            name, key = chance.choice(earlier)
            truth = chance.choice("ab")
            one = Feedback("m", truth, when, None if key else name, key)
            told("saying", name, key or "", truth)
            lab.recorder.give_feedback(one)
            told("said", name, key or "", truth)
        while lab.recorder.waiting > BUSY:
            threading.Event().wait(0.002)
"""


def lab_settings(data_dir: Path) -> Settings:
    """Of a lab on the local engine of a folder."""
    return Settings(
        data_dir=data_dir,
        database=Database(idle_timeout=f"{IDLE_SECONDS:.0f}s"),
        monitoring=Monitoring(fsync="os"),
    )


@dataclass
class Ledger:
    """What programs were told is recorded."""

    names: list[str] = field(default_factory=list)  # of predictions without a key
    keys: set[str] = field(default_factory=set)
    truths: dict[str, str] = field(default_factory=dict)  # by key or id, the last word
    under_way: dict[str, str] = field(default_factory=dict)  # words that may have been heard
    kills: Counter[str] = field(default_factory=Counter)

    def read(self, lines: str) -> None:
        """All whole lines that a program has written; the last may have been cut off."""
        last: tuple[str, str] | None = None
        for line in lines.split("\n")[:-1]:
            kind, name, key, *truth = line.split("\t")
            last = (key or name, truth[0]) if kind == "saying" else None
            if kind == "logged":
                self.keys.add(key) if key else self.names.append(name)
            elif kind == "said":
                self.truths[key or name] = truth[0]
        if last is not None:
            self.under_way.update([last])


class Life:
    """A program, and what it has written so far."""

    def __init__(self, place: Place, number: int) -> None:
        self.process = start(PROGRAM, str(place.data_dir), str(number))
        self.lines = [output(self.process).readline()]
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        self.lines.append(output(self.process).read())

    def end(self) -> None:
        """Kill it."""
        code = self.process.poll()
        self.process.kill()
        self._reader.join()
        _, errors = self.process.communicate()
        assert code is None, f"it ended by itself, with {code}: {errors[-2_000:]}"


def rage(place: Place, ledger: Ledger, chance: random.Random) -> None:
    """Start programs, let them live for a moment, kill them, over and over."""
    running: list[Life] = []
    try:
        for number in range(ROUNDS):
            if len(running) == SIDE_BY_SIDE:
                bury(running.pop(0), ledger)
            running.append(Life(place, number))
            time.sleep(chance.uniform(0.0, LONGEST_LIFE))
            if chance.random() < ENGINE_SHARE:
                for pid in engine_pids(place):
                    kill(pid)
                    ledger.kills["engines"] += 1
        while running:
            bury(running.pop(0), ledger)
    finally:
        for life in running:
            life.process.kill()
            life.process.communicate()


def bury(life: Life, ledger: Ledger) -> None:
    life.end()
    ledger.read("".join(life.lines))
    ledger.kills["programs"] += 1


def bring_home(lab: Lab) -> None:
    """Flush as often as it takes for all that was left behind."""
    deadline = time.monotonic() + HOME_SECONDS
    while True:
        try:
            return lab.flush()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise


def test_what_a_killed_program_was_told_is_recorded_is_there_once(place: Place) -> None:
    ledger, began = Ledger(), time.monotonic()
    rage(place, ledger, random.Random(SEED))
    raged = time.monotonic() - began
    with Lab.open(settings=lab_settings(place.data_dir)) as lab:
        root = spool_root(lab.store, lab.settings.data_dir)
        assert root is not None
        behind = len(left_behind(root))
        bring_home(lab)
        rows = list(lab.store.predictions.window("m"))
        names = Counter(str(row.record_id) for row in rows)
        keys = Counter(row.key for row in rows if row.key is not None)
        lost = [name for name in ledger.names if name not in names]
        lost += [key for key in ledger.keys if key not in keys]
        doubled = [what for what, n in (names + keys).items() if n > 1]
        texts = Counter(row.input for row in rows)
        doubled += [str(text) for text, n in texts.items() if n > 1]
        known = {str(row.key or row.record_id): row.ground_truth for row in rows}
        # Of keys that programs share, any of their words may have come last.
        unheard = [
            name
            for name, truth in ledger.truths.items()
            if known.get(name) not in (truth, ledger.under_way.get(name))
            and not name.startswith("shared")
        ]
        refused = (root / "refused.jsonl").exists()
        wrong = miscounted(lab.store)
        same = agree(lab.store)
        waiting = len(lab.store._connection.first("SELECT VALUE id FROM _waiting"))
    acknowledged = len(ledger.names) + len(ledger.keys)
    print(
        f"{dict(ledger.kills)} killed in {raged:.0f} s, seed {SEED}; {behind} spools left at the "
        f"end; {acknowledged:,} predictions and {len(ledger.truths):,} truths acknowledged, "
        f"{len(lost)} lost, {len(doubled)} double, {len(unheard)} truths lost, "
        f"{len(rows) - acknowledged} stored without an acknowledgement"
    )
    told = f"seed {SEED}"
    assert (lost[:9], doubled[:9], unheard[:9], wrong[:9]) == ([], [], [], []), told
    assert same and not refused and not waiting, told
    assert len(rows) - acknowledged <= ROUNDS, "at most the one that was under way, of each life"
    assert ledger.names and ledger.keys and ledger.truths, told
    assert left_behind(root) == [], told
