"""The whole store in one file and back, whatever happens meanwhile."""

from __future__ import annotations

import gzip
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from surrealdb import RecordID

from astermind_lab.errors import AlreadyExists, InvalidInput, StoreError
from astermind_lab.persistence import (
    EmbeddingItem,
    NewModelVersion,
    Prediction,
    Store,
    contents,
    table_pages,
)
from astermind_lab.persistence import archive as archive_module
from astermind_lab.persistence.archive import ArchiveWriter, Header, verify
from astermind_lab.persistence.changes import stamp_of_millisecond
from astermind_lab.persistence.check import check
from astermind_lab.persistence.contents import packed
from astermind_lab.persistence.migrate import packaged
from astermind_lab.persistence.restore import unfinished_restore
from tests.persistence.filling import BIG, HARD, NOW, brought_back, everything, fill, saved
from tests.persistence.processes import finish, start

NEWEST = packaged()[-1].number


@pytest.fixture
def filled() -> Iterator[Store]:
    """A store in memory with something of everything."""
    with Store.open("mem://") as store:
        fill(store)
        yield store


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a store with something of everything."""
    path = tmp_path_factory.mktemp("backup") / "file"
    with Store.open("mem://") as store:
        fill(store)
        saved(store, path)
    return path


@pytest.fixture
def empty() -> Iterator[Store]:
    with Store.open("mem://") as store:
        yield store


def assert_works(store: Store) -> None:
    """What ``fill`` stored can be used."""
    assert store.models.weights("m", "v1") == BIG
    assert store.models.get("m").version == "v2"
    assert store.models.get("m", "champion").version == "v3"
    gone = store.models.versions("m", include_deleted=True)
    assert [one.version for one in gone] == ["gone", "v2", "v3", "v1"]
    for text in HARD:
        [hit, _] = store.embeddings.search(text, [1.0, -0.25, 1e-7], top_k=2)
        assert (hit.item_id, hit.metadata["null"], hit.similarity) == (text, None, 1.0)
        assert list(store.datasets.examples(text))[1] == ("other", text)
    assert store.embeddings.embedded_by()[HARD[0]] == (HARD[0], "layer")
    assert len(list(store.datasets.examples("many"))) == 1_700
    store.models.add(NewModelVersion("m", "v0", "elm-ridge", ["a"], 1), b"later")
    assert store.models.get("m").version == "v0"
    store.datasets.add("later", [("a", "b")])
    assert store.datasets.list()[-1].dataset_id == "later"
    with pytest.raises(AlreadyExists):
        store.datasets.add("many", [("a", "b")])


def test_every_kind_of_store_can_be_saved(store: Store, empty: Store, tmp_path: Path) -> None:
    fill(store)
    summary = saved(store, tmp_path / "file")
    assert summary.size_bytes == (tmp_path / "file").stat().st_size
    assert summary.counts["predictions"] == 1_100
    assert summary.counts["examples"] == 1_700 + 3 * len(HARD)
    assert (summary.migration, summary.incomplete) == (NEWEST, [])
    assert brought_back(empty, tmp_path / "file").counts == summary.counts
    assert everything(empty) == everything(store)
    assert_works(empty)


def test_every_kind_of_store_can_be_filled(filled: Store, store: Store, tmp_path: Path) -> None:
    saved(filled, tmp_path / "file")
    summary = brought_back(store, tmp_path / "file")
    assert (summary.created_at, summary.migrated) == (NOW, [])
    assert everything(store) == everything(filled)
    assert not check(store._connection).findings
    assert_works(store)


def test_a_restored_store_is_saved_to_the_same_rows(
    filled: Store, empty: Store, tmp_path: Path
) -> None:
    saved(filled, tmp_path / "one")
    brought_back(empty, tmp_path / "one")
    saved(empty, tmp_path / "two")
    assert verify(tmp_path / "one") == verify(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_store_can_be_saved(empty: Store, tmp_path: Path) -> None:
    assert saved(empty, tmp_path / "file").counts == {}
    with Store.open("mem://") as other:
        assert brought_back(other, tmp_path / "file").counts == {}
        assert other.datasets.add("d", [("a", "b")]).size == 1


def test_every_table_is_of_a_known_kind(empty: Store) -> None:
    tables = set(empty._connection.first("INFO FOR DB")["tables"])
    known = {*contents.WATCHED, *contents.PARTS, *contents.LEFT_OUT, contents.COUNTERS}
    assert tables <= known
    definitions = contents.present_tables(empty._connection)
    assert all("CHANGEFEED" in definitions[table] for table in contents.WATCHED)


# While others write


class Writer:
    """Does the same steps again and again, each after the one before was done."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name, self.done = store, name, 0
        self.problem: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self.problem is None

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step(self.done)
                self.done += 1
        except BaseException as problem:
            self.problem = problem

    def _step(self, n: int) -> None:
        store, one = self.store, f"{self.name}-{n}"
        store.datasets.add(one, [(f"{one} {k}", "x") for k in range(40)])
        store.models.add(NewModelVersion(self.name, one, "t", ["a"], n), one.encode())
        store.models.set_alias(self.name, "champion", one)
        store.embeddings.add(one, [EmbeddingItem(f"{k}", one, [1.0, float(k)]) for k in range(5)])
        row = Prediction(self.name, one, f"{n}", "p", 0.5, None, None, NOW)
        store.predictions.add_many([row] * 3)
        if n >= 2:
            store.datasets.delete(f"{self.name}-{n - 2}")
            store.embeddings.delete(f"{self.name}-{n - 2}")


def assert_one_moment(store: Store, name: str, least: int) -> None:
    """Whether the store is what ``Writer`` had made at some moment between two of its calls."""

    def numbers(names: Any) -> list[int]:
        parts = [one.rpartition("-") for one in names]
        return sorted(int(number) for of, _, number in parts if of == name)

    logged = [int(row.input) for row in store.predictions.window(name)]
    n = len(logged) // 3
    assert sorted(logged) == sorted(list(range(n)) * 3)
    assert n >= least
    versions = numbers(one.version for one in store.models.versions(name))
    assert versions in (list(range(n)), list(range(n + 1)))
    datasets = numbers(one.dataset_id for one in store.datasets.list())
    collections = numbers(store.embeddings.collections())
    assert len(datasets) in (min(n, 2), min(n, 2) + 1)
    assert datasets == list(range(datasets[0], datasets[-1] + 1)) if datasets else n == 0
    assert collections == list(range(collections[0], collections[-1] + 1)) if collections else True
    assert max(datasets, default=0) - max(versions, default=0) in (0, 1)
    assert max(versions, default=0) - max(collections, default=0) in (0, 1)
    for number in datasets:
        assert len(list(store.datasets.examples(f"{name}-{number}"))) == 40
    for number in versions:
        assert store.models.weights(name, f"{name}-{number}") == f"{name}-{number}".encode()
    for number in collections:
        assert len(store.embeddings.search(f"{name}-{number}", [1.0, 2.0], top_k=9)) in (0, 5)
    if n:
        champion = store.models.get(name, "champion").version
        assert int(champion.rpartition("-")[2]) in versions[-2:]


def test_it_is_one_moment_while_others_write(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_pages, "_GRAIN", 5)
    store.predictions.add_many(
        [Prediction("log", None, f"{n}", "p", 0.5, None, None, NOW) for n in range(1_200)]
    )
    store.datasets.add("large", ((f"text {n}", "x") for n in range(2_000)))
    with Writer(store, "a") as a, Writer(store, "b") as b:
        while min(a.done, b.done) < 3:
            assert a.problem is None and b.problem is None
        for number in range(2):
            least = {writer.name: writer.done for writer in (a, b)}
            saved(store, tmp_path / f"{number}")
            with Store.open("mem://") as other:
                brought_back(other, tmp_path / f"{number}")
                assert other.predictions.count("log") == 1_200
                for name, done in least.items():
                    assert_one_moment(other, name, done)
                assert not [f for f in check(other._connection).findings if f.severity == "damage"]


def test_rows_that_move_pages_are_neither_lost_nor_doubled(
    empty: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_pages, "_STRIDE", 60)
    monkeypatch.setattr(table_pages, "_GRAIN", 7)
    connection = empty._connection
    keys: list[Any] = [*range(300), *(f"k{n}" for n in range(300)), *(["a", n] for n in range(300))]
    connection.insert("jobs", [{"id": RecordID("jobs", key), "x": 1} for key in keys])
    stay = {repr(key) for place, key in enumerate(keys) if place % 3}
    chance, seen = random.Random(0), list[str]()
    going = [key for place, key in enumerate(keys) if place % 3 == 0]
    for page in table_pages.table_pages(connection, "jobs"):
        seen += [repr(row["id"].id) for row, _ in page]
        for key in chance.sample(going, 8):
            connection.write("DELETE $r", r=RecordID("jobs", key))
        connection.write("CREATE $r SET x = 2", r=RecordID("jobs", chance.randrange(-900, 0)))
    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


def test_a_clock_that_was_set_back_misleads_nobody(tmp_path: Path) -> None:
    """Changes of before the jump, whose stamps are still to come, are not taken for new ones."""
    with Store.open(f"surrealkv://{tmp_path / 'store'}") as store:
        connection = store._connection
        store.models.add(NewModelVersion("m", "v1", "t", ["a"], 1), b"w")
        store.models.add(NewModelVersion("m", "v2", "t", ["a"], 1), b"w")
        store.models.set_alias("m", "champion", "v1")
        began = connection.first("RETURN time::millis(time::now())")
        sets = connection.first("SHOW CHANGES FOR DATABASE SINCE 1 LIMIT 1000")
        # As if all of these had been written with a clock that was an hour ahead.
        old = [row["versionstamp"] for row in sets]
        jump = {"since": stamp_of_millisecond(began - 3_600_000), "earlier": old}
        connection.write("CREATE $r CONTENT $jump", r=RecordID("_clock_jumps", 0), jump=jump)
        store.models.set_alias("m", "champion", "v2")
        saved(store, tmp_path / "file")
    with Store.open("mem://") as other:
        brought_back(other, tmp_path / "file")
        assert other.models.aliases("m") == {"champion": "v2"}


def test_what_is_being_written_is_left_out(empty: Store, tmp_path: Path) -> None:
    def examples() -> Iterator[tuple[str, str]]:
        for number in range(4_000):
            if number == 3_500:
                saved(empty, tmp_path / "file")
            yield f"text {number}", "x"

    empty.datasets.add("before", [("a", "b")])
    empty.datasets.add("during", examples())
    with Store.open("mem://") as other:
        assert brought_back(other, tmp_path / "file").counts["examples"] == 1
        assert [one.dataset_id for one in other.datasets.list()] == ["before"]
        assert other.datasets.add("during", [("a", "b")]).size == 1


def test_collections_of_older_versions_get_a_feed(empty: Store, tmp_path: Path) -> None:
    empty.embeddings.add("c", [EmbeddingItem("i", "t", [1.0, 2.0])])
    [table] = [one for one in contents.present_tables(empty._connection) if contents.is_items(one)]
    empty._connection.write(f"ALTER TABLE {table} DROP CHANGEFEED")
    assert "CHANGEFEED" not in contents.present_tables(empty._connection)[table]
    saved(empty, tmp_path / "file")
    assert "CHANGEFEED 1d" in contents.present_tables(empty._connection)[table]


def test_a_damaged_store_is_saved_as_it_is(filled: Store, empty: Store, tmp_path: Path) -> None:
    rows = filled._connection.first("SELECT VALUE uid FROM datasets WHERE dataset_id = 'many'")
    filled._connection.write("DELETE $r", r=RecordID("examples", [rows[0], 900]))
    summary = saved(filled, tmp_path / "file")
    assert summary.incomplete == ['datasets:["many"]']
    assert summary.counts["examples"] == 1_699 + 3 * len(HARD)
    brought_back(empty, tmp_path / "file")
    [finding] = check(empty._connection).findings
    assert finding.subject == 'datasets:["many"]'


# Files


def test_a_cut_or_altered_file_is_refused(file: Path, empty: Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    before, whole, chance = everything(empty), file.read_bytes(), random.Random(1)
    for cut in [0, 1, 5, 11, *(chance.randrange(len(whole)) for _ in range(20)), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with pytest.raises(InvalidInput, match=r"path: .*not a whole backup.*nothing was changed"):
            brought_back(empty, path)
    content = gzip.decompress(whole)
    for place in [0, 1, 2, *(chance.randrange(10, len(whole)) for _ in range(60))]:
        altered = bytearray(whole)
        altered[place] ^= 1 << chance.randrange(8)
        path.write_bytes(altered)
        try:
            verify(path)
        except InvalidInput as problem:
            assert problem.argument == "path"
        else:  # a few bits of a gzip stream mean nothing
            assert gzip.decompress(bytes(altered)) == content
    for added in (b"more", gzip.compress(b"more"), whole):
        path.write_bytes(whole + added)
        with pytest.raises(InvalidInput, match="path: "):
            brought_back(empty, path)
    assert everything(empty) == before


def _entries(path: Path) -> list[tuple[bytes, bytes]]:
    with gzip.open(path) as stream:
        return list(archive_module._entries(stream))


def _write_entries(path: Path, entries: list[tuple[bytes, bytes]]) -> None:
    with gzip.open(path, "wb") as stream:
        for kind, data in entries:
            stream.write(archive_module._HEAD.pack(kind, len(data)) + data)


ALTERED: dict[str, Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]] = {
    "a row less": lambda entries: entries[:-2] + entries[-1:],
    "a row twice": lambda entries: entries[:-1] + entries[-2:],
    "no trailer": lambda entries: entries[:-1],
    "two trailers": lambda entries: entries + entries[-1:],
    "no header": lambda entries: entries[1:],
    "another header": lambda entries: [
        (b"h", entries[0][1].replace(b"surrealdb", b"surrealbd")),
        *entries[1:],
    ],
    "an unknown table": lambda entries: [
        (kind, b"users" if data == b"jobs" else data) for kind, data in entries
    ],
    "an unknown entry": lambda entries: [*entries[:-1], (b"x", b""), entries[-1]],
    "no value": lambda entries: [(b"h", b"")],
    "another value": lambda entries: [(b"h", b"\x01"), *entries[1:]],
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_file_that_was_altered_with_care_is_refused(
    file: Path, empty: Store, tmp_path: Path, how: str
) -> None:
    entries = _entries(file)
    _write_entries(tmp_path / "file", entries)
    assert verify(tmp_path / "file").header.created_at == NOW
    _write_entries(tmp_path / "file", ALTERED[how](entries))
    with pytest.raises(InvalidInput, match="not a whole backup"):
        brought_back(empty, tmp_path / "file")


def test_other_files_are_refused(empty: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"path: there is no file '.*no'"):
        brought_back(empty, tmp_path / "no")
    with pytest.raises(InvalidInput, match=r"path: cannot read .* directory"):
        brought_back(empty, tmp_path)
    (tmp_path / "text").write_text("hello, hello, hello")
    (tmp_path / "zip").write_bytes(gzip.compress(os.urandom(100_000)))
    for name in ("text", "zip"):
        with pytest.raises(InvalidInput, match="not a whole backup"):
            brought_back(empty, tmp_path / name)


def test_a_file_of_another_version(empty: Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    alias = {
        "id": RecordID("aliases", ["m", "a"]),
        "model_id": "m",
        "alias": "a",
        "version": "v1",
        "updated_at": NOW,
    }

    def written(migration: int) -> None:
        with path.open("wb") as file:
            archive = ArchiveWriter(file, Header(migration, NOW, "test"))
            archive.row("aliases", packed(alias))
            archive.finish()

    written(NEWEST + 1)
    with pytest.raises(InvalidInput, match=r"path: .*newer version.*pip install --upgrade"):
        brought_back(empty, path)
    written(2)
    assert brought_back(empty, path).migrated == list(range(3, NEWEST + 1))
    assert empty.models.aliases("m") == {"a": "v1"}
    assert "CHANGEFEED" in contents.present_tables(empty._connection)["aliases"]


def test_a_newer_format_says_so(
    empty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "FORMAT_VERSION", 2)
    saved_with_two = tmp_path / "file"
    with saved_with_two.open("wb") as file:
        ArchiveWriter(file, Header(NEWEST, NOW, "test")).finish()
    monkeypatch.undo()
    with pytest.raises(InvalidInput, match="format version 2, this version of the lab reads 1"):
        brought_back(empty, saved_with_two)


def test_a_backup_that_fails_leaves_the_old_file(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(self: ArchiveWriter) -> None:
        raise StoreError("stop")

    monkeypatch.setattr(ArchiveWriter, "finish", fail)
    with pytest.raises(StoreError, match="stop"):
        saved(filled, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    for wrong in (tmp_path / "no" / "file", tmp_path):
        with pytest.raises(InvalidInput, match="path: "):
            saved(filled, wrong)


# Restoring


def test_a_store_that_holds_anything_is_refused(
    filled: Store, empty: Store, tmp_path: Path
) -> None:
    saved(filled, tmp_path / "file")
    before = everything(filled)
    with pytest.raises(AlreadyExists, match=r"empty store.*mem://.*models.*1,100 in predictions"):
        brought_back(filled, tmp_path / "file")
    assert everything(filled) == before
    empty.models.add(NewModelVersion("m", "v", "t", ["a"], 1), b"w")
    with pytest.raises(AlreadyExists, match=r"\(1 in models\); nothing was changed"):
        brought_back(empty, tmp_path / "file")


def test_what_nobody_can_see_is_in_nobodys_way(file: Path, empty: Store) -> None:
    """Leftovers, counters and the schema go; what is known of the feed's order stays."""
    connection = empty._connection
    for name in ("a", "b"):
        empty.datasets.add(name, [("text", "label")])
        empty.datasets.delete(name)
    connection.write("CREATE examples:['stray', 0] SET text = 'a', label = 'b'")
    jump = {"id": RecordID("_clock_jumps", 0), "since": 2**40, "earlier": [2**41]}
    connection.insert("_clock_jumps", [jump])
    brought_back(empty, file)
    assert_works(empty)
    assert connection.first("SELECT * FROM _clock_jumps") == [jump]


def test_the_schema_of_a_fresh_store_is_left_alone(file: Path, empty: Store) -> None:
    """So that whoever watches its tables goes on doing so."""
    before = empty._connection.first("SELECT * FROM _migration")
    statements: list[str] = []
    whole = empty._connection.run

    def run(text: str, /, **bound: Any) -> list[Any]:
        statements.append(text)
        return whole(text, **bound)

    empty._connection.run = run  # type: ignore[method-assign]
    brought_back(empty, file)
    removed = [text for text in statements if "REMOVE TABLE" in text]
    assert removed == ["REMOVE TABLE IF EXISTS _restore"]
    assert empty._connection.first("SELECT * FROM _migration") == before


KILLED = """if True:
    import os, signal, sys
    from pathlib import Path
    from astermind_lab.persistence import Store
    from tests.persistence.filling import NOW
    store = Store.open(sys.argv[1])
    connection, calls, whole = store._connection, [], store._connection.insert
    def insert(table, rows):
        calls.append(table)
        if len(calls) == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        whole(table, rows)
    connection.insert = insert
    from astermind_lab.persistence.restore import restore
    restore(connection, Path(sys.argv[2]), NOW)
"""


def test_a_killed_restore_is_noticed_and_done_again(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    saved(filled, path)
    url = f"surrealkv://{tmp_path / 'store'}"
    for calls in ("1", "9"):
        exit_code, _, errors = finish(start(KILLED, url, str(path), calls))
        assert exit_code == -signal.SIGKILL, errors
        with Store.open(url) as store:
            assert unfinished_restore(store._connection) == str(path)
            problems = [finding.problem for finding in check(store._connection).findings]
            assert any("restore of" in problem and "broke off" in problem for problem in problems)
    with Store.open(url) as store:
        brought_back(store, path)
        assert unfinished_restore(store._connection) is None
        assert everything(store) == everything(filled)
        assert_works(store)


def test_what_is_read_back_must_be_what_was_saved(
    filled: Store, empty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(filled, tmp_path / "file")
    whole = empty._connection.insert

    def insert(table: str, rows: list[dict[str, Any]]) -> None:
        whole(table, rows[1:] if table == "predictions" else rows)

    monkeypatch.setattr(empty._connection, "insert", insert)
    with pytest.raises(StoreError, match=r"differs from the file, in predictions;"):
        brought_back(empty, tmp_path / "file")
    assert unfinished_restore(empty._connection) is not None
    monkeypatch.undo()
    brought_back(empty, tmp_path / "file")
    assert everything(empty) == everything(filled)


# Size


@pytest.mark.slow
def test_it_goes_page_by_page(
    empty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Prediction("m", None, f"{n}", "p", 0.5, None, None, NOW) for n in range(20_000)]
    empty.predictions.add_many(rows)
    large = Prediction("m", None, "x" * 50_000, "p", 0.5, None, None, NOW)
    for _ in range(8):
        empty.predictions.add_many([large] * 100)
    empty.models.add(NewModelVersion("m", "v", "t", ["a"], 1), bytes(20 * 2**20))
    with Store.open("mem://") as other:
        for store, work in ((empty, saved), (other, brought_back)):
            read = _watched(store, monkeypatch)
            assert work(store, tmp_path / "file").counts["predictions"] == 20_800
            assert read["rows"] <= 1_000
            assert read["bytes"] <= table_pages.MOST_ROWS * 51_000  # the first of the large ones


def _watched(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The most rows, and bytes of them, that one message to or from the store holds."""
    connection = store._connection
    run, most = connection.run, {"rows": 0, "bytes": 0}

    def watch(statements: str, /, **bound: Any) -> list[Any]:
        results = run(statements, **bound)
        for part in (*results, bound.get("rows")):
            if isinstance(part, list) and part and isinstance(part[0], dict):
                most["rows"] = max(most["rows"], len(part))
                size = sum(len(packed(row)) for row in part if "id" in row)
                most["bytes"] = max(most["bytes"], size)
        return results

    monkeypatch.setattr(connection, "run", watch)
    return most


def test_progress_grows_to_one(filled: Store, empty: Store, tmp_path: Path) -> None:
    from astermind_lab.persistence.backup import backup
    from astermind_lab.persistence.restore import restore

    for work, store in ((backup, filled), (restore, empty)):
        heard: list[tuple[float, str]] = []

        def hear(share: float, doing: str, heard: list[tuple[float, str]] = heard) -> None:
            heard.append((share, doing))

        work(store._connection, tmp_path / "file", NOW, hear)  # type: ignore[operator]
        shares = [share for share, _ in heard]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
