"""Opening and closing a lab, and finding models."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from astermind_lab.errors import InvalidInput, NotFound, StoreLocked, StoreUnavailable
from astermind_lab.lab import Lab
from astermind_lab.settings import Database, Settings
from tests.lab.data import EXAMPLES, SMALL


def test_closing_twice_is_fine_and_a_closed_lab_says_so(settings: Settings) -> None:
    lab = Lab.open("mem://", settings=settings)
    assert repr(lab) == "Lab('mem://', 0 models in memory)"
    lab.close()
    lab.close()
    assert repr(lab) == "Lab(closed)"
    with pytest.raises(StoreUnavailable, match=r"Lab\.open\(\)"):
        lab.list_models()


def test_without_an_address_it_is_the_setting_else_the_local_engine(tmp_path: Path) -> None:
    with Lab.open(
        settings=Settings(data_dir=tmp_path / "a", database=Database(url="mem://"))
    ) as lab:
        assert lab.url == "mem://"
    own = Settings(data_dir=tmp_path / "b", database=Database(idle_timeout="5s"))
    with Lab.open(settings=own) as lab, Lab.open(settings=own) as other:
        assert lab.url == f"local://{tmp_path / 'b'}"
        lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="1")
        assert other.predict("m", "rain").category == "weather"


def test_an_address_that_cannot_be_one(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match="url"):
        Lab.open("postgres://x", settings=settings)


def test_a_folder_has_one_owner(settings: Settings, tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Lab.open(url, settings=settings), pytest.raises(StoreLocked):
        Lab.open(url, settings=settings)


def test_a_model_that_is_nowhere_is_named(lab: Lab) -> None:
    for use in (
        lambda: lab.predict("no such", "text"),
        lambda: lab.save_model("no such"),
        lambda: lab.generate_embedding("no such", "text"),
        lambda: lab.add_examples("no such", EXAMPLES),
        lambda: lab.load_model_persistent("no such"),
    ):
        with pytest.raises(NotFound, match=r"^model_id: .*'no such'"):
            use()


def test_a_version_that_is_not_there_is_named(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="one")
    with pytest.raises(NotFound, match=r"^version: .*'two'.*'one'"):
        lab.predict("m", "rain", version="two")


def test_a_stored_model_is_loaded_once_by_many_threads(any_lab: Lab) -> None:
    any_lab.train_classifier("m", EXAMPLES, SMALL, persist=True)
    any_lab.delete_model("m")
    start = threading.Barrier(6)

    def ask(_: int) -> str:
        start.wait(20)
        return any_lab.predict("m", "what of the soup today").category

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(ask, range(6))) == {"food"}
    assert len(any_lab.list_models().models) == 1


def test_different_models_train_at_once_and_of_one_id_one_wins(any_lab: Lab) -> None:
    start = threading.Barrier(6)

    def train(n: int) -> str:
        start.wait(20)
        try:
            any_lab.train_classifier(f"m{n % 3}", EXAMPLES, SMALL)
        except Exception as error:
            return type(error).__name__
        return "trained"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(train, range(6)))
    assert outcomes == ["AlreadyExists"] * 3 + ["trained"] * 3
    assert [m.id for m in any_lab.list_models().models] == ["m0", "m1", "m2"] or {
        m.id for m in any_lab.list_models().models
    } == {"m0", "m1", "m2"}


def test_a_model_that_was_loaded_by_itself_makes_way_for_a_later_version(
    settings: Settings, tmp_path: Path
) -> None:
    shared = settings.model_copy(update={"database": Database(idle_timeout="5s")})
    with Lab.open(settings=shared) as one, Lab.open(settings=shared) as two:
        one.train_classifier("m", EXAMPLES, SMALL, persist=True, version="1")
        two.predict("m", "rain")
        assert [model.version for model in two.list_models().models] == ["1"]
        watch = two.watch("models")
        one.store_model_persistent("m", "2")
        assert [change.data["version"] for change in watch.read(timeout=30)] == ["2"]
        _until(lambda: [model.version for model in two.list_models().models] != ["1"])
        two.predict("m", "rain")
        assert [model.version for model in two.list_models().models] == ["2"]
        two.add_examples("m", EXAMPLES[:2])
        one.store_model_persistent("m", "3")
        assert watch.read(timeout=30)
        two.predict("m", "rain")  # it was changed here, so it stays
        assert [model.version for model in two.list_models().models] != ["3"]


def _until(true: Callable[[], bool]) -> None:
    """Wait until something is true, which another thread brings about; fail after a while."""
    patience = threading.Event()
    for _ in range(600):
        if true():
            return
        patience.wait(0.05)
    raise AssertionError("it did not come true within 30 s")
