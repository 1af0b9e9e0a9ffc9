"""Damage is found, each kind of it; leftovers are told from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from surrealdb import RecordID

from astermind_lab.persistence import EmbeddingItem, NewModelVersion, Store
from astermind_lab.persistence.check import CheckReport, check
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.contents import is_items, present_tables
from astermind_lab.persistence.maintenance import plan
from astermind_lab.persistence.migrate import packaged
from tests.persistence.filling import fill


@pytest.fixture
def small() -> Iterator[Store]:
    """A store with a data set, a version with an alias, and a collection."""
    with Store.open("mem://") as store:
        store.datasets.add("d", [(f"text {n}", "x") for n in range(5)])
        store.models.add(NewModelVersion("m", "v1", "t", ["a"], 1), b"weights")
        store.models.set_alias("m", "champion", "v1")
        store.embeddings.add("c", [EmbeddingItem(f"{n}", "t", [1.0, n, 0.0]) for n in range(4)])
        yield store


def found(report: CheckReport) -> list[tuple[str, str, str]]:
    return [(one.severity, one.subject, one.problem) for one in report.findings]


def items(store: Store) -> str:
    """The table of the only collection."""
    [table] = [one for one in present_tables(store._connection) if is_items(one)]
    return table


def test_a_sound_store(store: Store) -> None:
    fill(store)
    shares: list[float] = []
    report = check(store._connection, lambda share, doing: shares.append(share))
    assert (report.findings, report.damaged) == ([], False)
    assert report.checked["versions"] == 10
    assert report.checked["data sets"] == 7
    assert (report.checked["aliases"], report.checked["collections"]) == (1, 6)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


D, M = 'datasets:["d"]', 'models:["m", "v1"]'
ONE_EXAMPLE = (
    "LET $uid = (SELECT VALUE uid FROM ONLY datasets:['d']); DELETE type::record('examples', "
    "[$uid, 2])"
)
DAMAGE: list[tuple[str, str, str]] = [
    (ONE_EXAMPLE, D, "1 of its 5 examples are gone"),
    ("DELETE examples", D, "5 of its 5 examples are gone"),
    (
        "LET $uid = (SELECT VALUE uid FROM ONLY datasets:['d']); "
        "CREATE type::record('examples', [$uid, 9]) SET text = 'a', label = 'b'",
        D,
        "1 examples more than it should",
    ),
    ("UPDATE datasets SET labels = [['x', 4]]", D, "its labels count 4 examples, its size says 5"),
    ("DELETE model_weights", M, "1 of 1 parts of its weights are gone"),
    ("UPDATE model_weights SET data = <bytes> 'weight!'", M, "SHA-256 differs"),
    ("UPDATE model_weights SET data = <bytes> 'w'", M, "its weights have 1 bytes, not 7"),
    ("UPDATE models SET status = 'deleted'", 'aliases:["m", "champion"]', "which was deleted"),
    (
        "UPDATE aliases SET version = 'v9'",
        'aliases:["m", "champion"]',
        "'v9', which does not exist",
    ),
    (
        "UPDATE aliases SET history = [{ version: 'v0', at: time::now() }]",
        'aliases:["m", "champion"]',
        "'v1', which is not the last of its moves",
    ),
    ("REMOVE TABLE ITEMS", 'embeddings:["c"]', "is missing"),
    ("REMOVE INDEX nearest ON ITEMS", 'embeddings:["c"]', "its search index is missing"),
    ("UPDATE embeddings SET dimension = 2", 'embeddings:["c"]', "index is for 3 numbers, not 2"),
    (
        "REMOVE INDEX nearest ON ITEMS; UPDATE ITEMS:`0` SET vector = [1.0]",
        'embeddings:["c"]',
        "1 of its vectors are not of 3 numbers",
    ),
    ("UPDATE _migration:1 SET digest = 'x'", "the schema", "is not the one that made the store"),
    (
        "CREATE _migration:99 SET name='x', digest='x', applied_at=time::now()",
        "the schema",
        "newer",
    ),
    ("ALTER TABLE predictions DROP CHANGEFEED", "predictions", "keeps no feed"),
    ("REMOVE TABLE jobs", "jobs", "the table is missing"),
    ("UPSERT _restore:begun SET path = '/old'", "the store", "a restore of '/old' broke off"),
]


@pytest.mark.parametrize(("how", "subject", "problem"), DAMAGE)
def test_damage_is_found(small: Store, how: str, subject: str, problem: str) -> None:
    small._connection.run(how.replace("ITEMS", items(small)))
    report = check(small._connection)
    assert report.damaged
    assert any(
        one.severity == "damage" and one.subject == subject and problem in one.problem
        for one in report.findings
    ), found(report)


HARMLESS: list[tuple[str, str]] = [
    (
        "CREATE examples:['f00', 0] SET text = 'abc', label = 'd'; "
        "CREATE examples:['f00', 1] SET text = 'é', label = ''",
        "2 parts (5 characters) belong to nothing",
    ),
    ("CREATE examples:['000', 3] SET text = 'abc', label = 'd'", "1 parts (4 characters)"),
    ("CREATE examples:['zzz', 3] SET text = 'abc', label = 'd'", "1 parts (4 characters)"),
    ("CREATE model_weights:['f00', 0] SET data = <bytes> 'abcd'", "1 parts (4 bytes)"),
    ("UPDATE datasets SET status = 'loading'", "it is being written, or was when"),
    ("UPDATE datasets SET status = 'deleting'", "it is being deleted, or was when"),
    ("DELETE embeddings", "4 embeddings belong to no collection"),
    ("ALTER TABLE ITEMS DROP CHANGEFEED", "its table keeps no feed"),
    ("DELETE _migration:3", "migration 3 'change_feeds' has not run yet"),
]


@pytest.mark.parametrize(("how", "problem"), HARMLESS)
def test_leftovers_are_harmless(small: Store, how: str, problem: str) -> None:
    small._connection.run(how.replace("ITEMS", items(small)))
    report = check(small._connection)
    assert [one.severity for one in report.findings] == ["harmless"], found(report)
    assert problem in report.findings[0].problem
    assert not report.damaged


def test_nothing_is_changed(small: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: Connection, statements: str, /, **bound: object) -> None:
        raise AssertionError(statements)

    monkeypatch.setattr(Connection, "write", refuse)
    monkeypatch.setattr(Connection, "insert", refuse)
    assert check(small._connection).findings == []


def test_others_at_work_are_no_damage(store: Store) -> None:
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            name = f"{number}"
            store.datasets.add(name, [(f"text {n}", "x") for n in range(20)])
            store.models.add(NewModelVersion("m", name, "t", ["a"], 1), b"w")
            store.models.set_alias("m", "champion", name)
            store.embeddings.add(name, [EmbeddingItem("i", "t", [1.0, 2.0])])
            store.embeddings.delete(name)
            store.datasets.delete(name)
            number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(8):
            report = check(store._connection)
            assert not report.damaged, found(report)
    finally:
        stop.set()
        worker.join()


def test_the_plan_names_what_waits(small: Store) -> None:
    assert plan(small._connection) == []
    small._connection.run("DELETE _migration:3")
    assert plan(small._connection)[0] == packaged()[2]


def test_large_stores_have_many_uids(small: Store) -> None:
    """Leftovers between, before and after the uids of data sets that are whole."""
    for number in range(8):
        small.datasets.add(f"{number}", [("a", "b")])
    uids = small._connection.first("SELECT VALUE uid FROM datasets")
    strays = [*(uid[:-1] for uid in uids), "", "~"]
    create: Callable[..., object] = small._connection.write
    for uid in strays:
        create("CREATE $r SET text = 'x', label = 'y'", r=RecordID("examples", [uid, 0]))
    subjects = {one.subject for one in check(small._connection).findings}
    assert subjects == {f"examples:{uid}" for uid in strays}
