"""``astermind db``: backup, restore, check and migrate."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from astermind_lab.lab import Lab
from astermind_lab.persistence.connection import Connection, Credentials
from astermind_lab.persistence.migrate import packaged
from astermind_lab.persistence.target import parse_url
from tests.cli.conftest import Program


def at(program: Program, name: str) -> list[str]:
    """The option for a store in a folder of that name."""
    return ["--url", f"surrealkv://{program.folder / name}"]


@pytest.fixture
def filled(program: Program) -> Program:
    """A program with a data set of three examples in the store ``one``."""
    rows = [{"text": f"text {n}", "label": "x"} for n in range(3)]
    (program.folder / "data.json").write_text(json.dumps(rows))
    store = ["store-training-dataset", "--dataset-id", "d", "--data", "@data.json"]
    program.ok(*at(program, "one"), *store)
    return program


def test_a_store_goes_into_a_file_and_comes_back(filled: Program) -> None:
    saved = filled.ok(*at(filled, "one"), "db", "backup", "lab.backup", "--json").data
    assert saved["path"] == str(filled.folder / "lab.backup")
    assert saved["counts"] == {"_counter": 1, "datasets": 1, "examples": 3}
    assert saved["size_bytes"] == Path("lab.backup").stat().st_size
    back = filled.ok(*at(filled, "two"), "db", "restore", "lab.backup", "--json").data
    assert back["counts"] == saved["counts"]
    assert back["created_at"] == saved["created_at"]
    load = ["load-training-dataset", "--dataset-id", "d", "--json"]
    found = [filled.ok(*at(filled, name), *load).data for name in ("one", "two")]
    assert found[0] == found[1]
    assert filled.ok(*at(filled, "two"), "db", "check", "--json").data["findings"] == []


def test_people_get_tables(filled: Program) -> None:
    assert "examples" in filled.ok(*at(filled, "one"), "db", "backup", "file").out
    restored = filled.ok(*at(filled, "two"), "db", "restore", "file")
    assert restored.out.startswith("Restored: 5 records, read back and compared")
    assert restored.err == ""
    assert filled.ok(*at(filled, "one"), "db", "check").out.startswith("The store is sound")
    migrated = filled.ok(*at(filled, "one"), "db", "migrate")
    assert migrated.out.startswith("The schema is up to date")


def test_what_is_wrong_is_one_line_and_exit_code_2(filled: Program) -> None:
    filled.ok(*at(filled, "one"), "db", "backup", "file")
    Path("cut").write_bytes(Path("file").read_bytes()[:-5])
    for name, arguments, reason in (
        ("two", ["restore", "cut"], "path: "),
        ("two", ["restore", "none"], "path: there is no file"),
        ("one", ["restore", "file"], "a backup is restored into an empty store"),
        ("one", ["backup", "no/such/file"], "path: cannot write"),
        ("one", ["backup"], "Missing argument 'FILE'"),
    ):
        outcome = filled(*at(filled, name), "db", *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"astermind: {reason}"), outcome.err
        assert outcome.err.count("\n") == 1


def test_damage_is_exit_code_1(filled: Program) -> None:
    with Lab.open(at(filled, "one")[1]) as lab:
        lab.store._connection.write("DELETE examples")
    outcome = filled(*at(filled, "one"), "db", "check", "--json")
    assert (outcome.code, outcome.err) == (1, "")
    [finding] = outcome.data["findings"]
    assert finding == {
        "severity": "damage",
        "subject": 'datasets:["d"]',
        "problem": "3 of its 3 examples are gone",
    }
    outcome = filled(*at(filled, "one"), "db", "check")
    assert outcome.code == 1
    assert outcome.out.startswith("The store is damaged")


def test_migrations_can_be_seen_before_they_run(program: Program) -> None:
    every = [{"number": one.number, "name": one.name} for one in packaged()]
    plan = ["db", "migrate", "--plan", "--json"]
    planned = program.ok(*at(program, "new"), *plan).data
    assert planned == {"ran": False, "migrations": every}
    assert not (program.folder / "new").exists()
    ran = program.ok(*at(program, "new"), "db", "migrate", "--json").data
    assert ran == {"ran": True, "migrations": every}
    assert program.ok(*at(program, "new"), *plan).data["migrations"] == []
    target = parse_url(at(program, "new")[1])
    connection = Connection.open(target, "astermind", "lab", Credentials(None, None))
    connection.run("DELETE _migration WHERE id != _migration:1")
    connection.close()
    out = program.ok(*at(program, "new"), "db", "migrate", "--plan").out
    assert out.startswith(f"{len(every) - 1} migrations wait; nothing was changed")
    assert every[1]["name"] in out


def test_a_bar_for_those_who_watch(filled: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    saved = filled.ok(*at(filled, "one"), "db", "backup", "file", "--json")
    assert "100%" in saved.err
    assert saved.data["counts"]["examples"] == 3


def test_the_group_holds_both_kinds_of_command(program: Program) -> None:
    out = program.ok("db", "--help").out
    for name in ("backup", "restore", "check", "migrate", "start", "stop", "status"):
        assert f"  {name} " in out
