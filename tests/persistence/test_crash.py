"""kill -9 at bad moments: what was acknowledged is there, what was not is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from astermind_lab.errors import NotFound
from astermind_lab.persistence import NewModelVersion, Store
from tests.persistence.processes import finish, output, start

DATASET = """if True:
    import os, signal, sys
    from astermind_lab.persistence import Store
    def rows():
        for place in range(2_000):
            yield f"text {place}", "x"
        os.kill(os.getpid(), signal.SIGKILL)
    store = Store.open(sys.argv[1])
    store.datasets.add("kept", [("a", "b")])
    store.datasets.add("d", rows())
"""

WEIGHTS = """if True:
    import os, signal, sys
    from astermind_lab.persistence import NewModelVersion, Store, claims
    store = Store.open(sys.argv[1])
    store.models.add(NewModelVersion("m", "v1", "elm-ridge", ["a"], 1), b"old")
    claims.Claim.beat = lambda claim: os.kill(os.getpid(), signal.SIGKILL)
    store.models.add(NewModelVersion("m", "v2", "elm-ridge", ["a"], 1), b"x" * (20 * 2**20))
"""

DELETION = """if True:
    import os, signal, sys
    from astermind_lab.persistence import Store, datasets
    store = Store.open(sys.argv[1])
    store.datasets.add("d", ((f"text {place}", "x") for place in range(6_000)))
    datasets._SWEEP_ROWS = 2_000
    steps = []
    whole = store.datasets._connection.run
    def run(statements, **bound):
        if statements.startswith("DELETE examples"):
            steps.append(bound)
            if len(steps) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        return whole(statements, **bound)
    store.datasets._connection.run = run
    store.datasets.delete("d")
"""

LOG = """if True:
    import sys
    from datetime import UTC, datetime
    from astermind_lab.persistence import Prediction, Store
    store = Store.open(sys.argv[1])
    for number in range(100_000):
        when = datetime.now(UTC)
        row = Prediction("m", None, f"input {number}", "p", 0.5, None, None, when)
        store.predictions.add_many([row] * (1 + number % 40))
        print(number, flush=True)
"""

VERSIONS = """if True:
    import sys
    from astermind_lab.persistence import NewModelVersion, Store
    store = Store.open(sys.argv[1])
    for number in range(100_000):
        name = f"{sys.argv[2]}-{number}"
        store.models.add(NewModelVersion("m", name, "t", ["a"], 1), name.encode() * 200_000)
        print(name, flush=True)
"""


def _killed(code: str, url: str) -> None:
    exit_code, _, errors = finish(start(code, url))
    assert exit_code == -signal.SIGKILL, errors


def _left(store: Store, table: str) -> int:
    rows = store._connection.first(f"SELECT count() FROM {table} GROUP ALL")
    return int(rows[0]["count"]) if rows else 0


def test_a_data_set_that_was_being_written_is_not_there(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    _killed(DATASET, url)
    with Store.open(url) as store:
        assert [one.dataset_id for one in store.datasets.list()] == ["kept"]
        with pytest.raises(NotFound):
            store.datasets.get("d")
        assert _left(store, "examples") > 1  # of no use to anybody, until the id is used again
        assert store.datasets.add("d", [("new", "y")]).size == 1
        assert list(store.datasets.examples("d")) == [("new", "y")]
        assert _left(store, "examples") == 2


def test_weights_that_were_being_written_are_not_there(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    _killed(WEIGHTS, url)
    with Store.open(url) as store:
        assert store.models.get("m").version == "v1"
        assert [one.version for one in store.models.versions("m", include_deleted=True)] == ["v1"]
        with pytest.raises(NotFound):
            store.models.get("m", "v2")
        with pytest.raises(NotFound):
            store.models.set_alias("m", "champion", "v2")
        with pytest.raises(NotFound):
            store.models.delete("m", "v2")
        store.models.add(NewModelVersion("m", "v2", "elm-ridge", ["a"], 1), b"new")
        assert store.models.weights("m", "v2") == b"new"
        assert store.models.get("m").version == "v2"
        assert _left(store, "model_weights") == 2


def test_a_deletion_that_broke_off_is_finished_later(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    _killed(DELETION, url)
    with Store.open(url) as store:
        assert store.datasets.list() == [] and 0 < _left(store, "examples") < 6_000
        with pytest.raises(NotFound):
            store.datasets.delete("d")
        store.datasets.add("d", [("new", "y")])
        assert _left(store, "examples") == 1


@pytest.mark.parametrize("lines", [1, 60])
def test_logged_predictions_survive(tmp_path: Path, lines: int) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    writer = start(LOG, url)
    acknowledged = [int(output(writer).readline()) for _ in range(lines)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in finish(writer)[1].split()]
    with Store.open(url) as store:
        found = [row.input for row in store.predictions.window("m")]
    for number in acknowledged:
        assert found.count(f"input {number}") == 1 + number % 40
    # The call that was cut off may have been stored, then wholly.
    late = found.count(f"input {len(acknowledged)}")
    assert late in (0, 1 + len(acknowledged) % 40)
    assert len(found) == sum(1 + number % 40 for number in acknowledged) + late


def test_stored_versions_survive(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    names: list[str] = []
    for round_ in ("a", "b"):
        writer = start(VERSIONS, url, round_)
        names += [output(writer).readline().strip() for _ in range(4)]
        os.kill(writer.pid, signal.SIGKILL)
        names += finish(writer)[1].split()
        with Store.open(url) as store:
            stored = [one.version for one in store.models.versions("m")]
            assert set(names) <= set(stored) and len(stored) <= len(names) + 2
            for name in stored:
                assert store.models.weights("m", name) == name.encode() * 200_000
