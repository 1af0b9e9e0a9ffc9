"""The schema: made once, checked always, safe when many begin together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from surrealdb import RecordID

from astermind_lab.clock import FixedClock
from astermind_lab.errors import MigrationError
from astermind_lab.persistence import AliasMove, ModelRepository, NewModelVersion, Store
from astermind_lab.persistence.connection import Connection, Credentials
from astermind_lab.persistence.migrate import Migration, applied, migrate, packaged, pending
from astermind_lab.persistence.target import parse_url
from tests.persistence.processes import Server, finish, start

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Migration(1, "first", "DEFINE TABLE one SCHEMAFULL; DEFINE FIELD x ON one TYPE int;")
SECOND = Migration(2, "second", "DEFINE TABLE two SCHEMALESS")


@pytest.fixture
def empty() -> Connection:
    """A database without any schema."""
    return Connection.open(parse_url("mem://"), "n", "d", Credentials(None, None))


def test_the_packaged_migrations_are_numbered_without_gaps() -> None:
    assert [one.number for one in packaged()] == list(range(1, len(packaged()) + 1))
    assert packaged()[0].name == "base"


def test_each_runs_once_and_is_written_down(empty: Connection) -> None:
    assert migrate(empty, NOW, [FIRST]) == [1]
    assert migrate(empty, NOW, [FIRST, SECOND]) == [2]
    assert migrate(empty, NOW, [FIRST, SECOND]) == []
    journal = applied(empty)
    assert {number: row["digest"] for number, row in journal.items()} == {
        1: FIRST.digest,
        2: SECOND.digest,
    }
    assert len(FIRST.digest) == 64 and journal[1]["applied_at"] == NOW
    assert pending(empty, [FIRST, SECOND]) == []
    empty.close()


def test_a_changed_file_is_refused(empty: Connection) -> None:
    migrate(empty, NOW, [FIRST])
    changed = Migration(1, "first", FIRST.script + " ")
    with pytest.raises(MigrationError, match=r"migration 1 'first' is not the one.*Reinstall"):
        migrate(empty, NOW, [changed])
    empty.close()


def test_a_newer_store_is_refused(empty: Connection) -> None:
    migrate(empty, NOW, [FIRST, SECOND])
    with pytest.raises(
        MigrationError, match=r"newer version.*knows up to 1.*pip install --upgrade"
    ):
        migrate(empty, NOW, [FIRST])
    empty.close()


def test_a_failing_migration_leaves_nothing(empty: Connection) -> None:
    broken = Migration(2, "broken", "DEFINE TABLE two SCHEMAFULL; THROW 'stop'")
    with pytest.raises(MigrationError, match=r"migration 2 'broken' failed .*nothing was changed"):
        migrate(empty, NOW, [FIRST, broken])
    assert list(applied(empty)) == [1]
    assert "two" not in empty.first("INFO FOR DB")["tables"]
    assert migrate(empty, NOW, [FIRST, SECOND]) == [2]
    empty.close()


def test_tables_of_another_program_are_not_touched(empty: Connection) -> None:
    empty.run("DEFINE TABLE models SCHEMALESS; CREATE models:theirs SET x = 1")
    with pytest.raises(MigrationError, match="choose another database="):
        migrate(empty, NOW)
    assert list(empty.first("INFO FOR DB")["tables"]) == ["_migration", "models"]
    assert empty.first("SELECT VALUE x FROM models") == [1]
    empty.close()


def test_threads_that_begin_together_run_each_once(empty: Connection) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: migrate(empty, NOW, [FIRST, SECOND]), range(8)))
    assert sorted(number for ran in runs for number in ran) == [1, 2]
    empty.close()


def test_connections_that_begin_together_run_each_once(server: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: server.open("together"), range(6)))
    stores[0].datasets.add("d", [("text", "label")])
    assert all(store.datasets.get("d").size == 1 for store in stores)
    assert list(applied(stores[0]._connection)) == [one.number for one in packaged()]
    for store in stores:
        store.close()


def test_processes_that_begin_together_run_each_once(server: Server) -> None:
    code = """if True:
        import sys
        from astermind_lab.persistence import Store
        with Store.open(
            sys.argv[1], database="p", username=sys.argv[2], password=sys.argv[3]
        ) as store:
            print(len(store.models.latest()))
    """
    known = (server.url, server.username, server.password)
    started = [start(code, *known) for _ in range(3)]
    assert [finish(process) for process in started] == [(0, "0\n", "")] * 3


def test_aliases_of_before_their_history_remember_where_they_pointed(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path}"
    connection = Connection.open(parse_url(url), "astermind", "lab", Credentials(None, None))
    migrate(connection, NOW, packaged()[:4])
    models = ModelRepository(connection, FixedClock(NOW))
    for name in ("v1", "v2"):
        models.add(NewModelVersion("m", name, "elm-ridge", ["a"], 1), b"w")
    row = {"model_id": "m", "alias": "champion", "version": "v1", "updated_at": NOW}
    connection.insert("aliases", [{"id": RecordID("aliases", ["m", "champion"]), **row}])
    connection.close()
    with Store.open(url, namespace="astermind", database="lab") as store:
        then = AliasMove("v1", NOW)
        assert store.models.alias_moves("m") == {"champion": [then]}
        store.models.set_alias("m", "champion", "v2")
        assert store.models.alias_moves("m")["champion"][1:] == [then]
        assert store.models.roll_back_alias("m", "champion") == "v1"


def test_a_store_folder_is_migrated_once(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Store.open(url) as store:
        before = applied(store._connection)
    with Store.open(url) as store:
        assert applied(store._connection) == before
