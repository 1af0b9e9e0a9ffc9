"""The registry: versions, aliases, tags."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.errors import AlreadyExists, InvalidInput, NotFound
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL


def test_stored_and_loaded_it_predicts_the_same_to_the_bit(any_lab: Lab) -> None:
    any_lab.train_classifier("m", EXAMPLES, SMALL)
    texts = [e["text"] for e in EXAMPLES]
    before = [p.confidence for p in any_lab.predict_many("m", texts).predictions]
    stored = any_lab.store_model_persistent(
        "m", "v1", tags=["a", "b"], metadata={"run": {"n": 1}}, description="first"
    )
    assert list(stored.to_dict()) == ["success", "model_id", "version", "record_id", "message"]
    any_lab.delete_model("m")
    loaded = any_lab.load_model_persistent("m")
    assert list(loaded.to_dict()) == ["success", "model_id", "version", "categories", "message"]
    assert loaded.categories == ("weather", "money", "food")
    after = [p.confidence for p in any_lab.predict_many("m", texts).predictions]
    assert after == before


def test_another_process_can_predict_at_once(settings: Settings, tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Lab.open(url, settings=settings) as lab:
        lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="v1")
        before = lab.predict("m", "no snow here").to_dict()["predictions"]
    with Lab.open(url, settings=settings) as lab:
        assert lab.predict("m", "no snow here").to_dict()["predictions"] == before
        assert lab.predict("m", "no snow here", version="v1").confidence == before[0]["confidence"]


def test_the_list_of_versions(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL)
    for version in ("b", "a", "c"):
        lab.store_model_persistent("m", version, metadata={"name": version})
    lab.set_alias("m", "champion", "a")
    plain = lab.list_model_versions("m").to_dict()
    assert list(plain) == ["model_id", "versions", "total_versions"]
    assert [v["version"] for v in plain["versions"]] == ["c", "a", "b"]
    assert plain["total_versions"] == 3
    first = plain["versions"][0]
    documented = {"version", "created_at", "categories", "metadata", "status", "description"}
    assert documented | {"tags"} <= set(first)
    assert "metrics" not in first
    assert plain["versions"][1]["aliases"] == ["champion"]
    with_metrics = lab.list_model_versions("m", include_metrics=True).to_dict()["versions"][0]
    assert with_metrics["metrics"]["accuracy"]["n"] == len(EXAMPLES)
    assert lab.list_model_versions("nobody").to_dict() == {
        "model_id": "nobody",
        "versions": [],
        "total_versions": 0,
    }


def test_a_version_never_changes(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL)
    lab.store_model_persistent("m", "v1")
    with pytest.raises(AlreadyExists, match=r"^version: 'v1'"):
        lab.store_model_persistent("m", "v1")
    lab.delete_version("m", "v1")
    with pytest.raises(AlreadyExists, match=r"restore_version"):
        lab.store_model_persistent("m", "v1")


def test_of_many_who_store_one_version_one_wins(any_lab: Lab) -> None:
    any_lab.train_classifier("m", EXAMPLES, SMALL)
    start = threading.Barrier(5)

    def store(_: int) -> bool:
        start.wait(20)
        try:
            any_lab.store_model_persistent("m", "v1")
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(store, range(5))) == 1
    assert any_lab.list_model_versions("m").total_versions == 1


def test_aliases_move_and_protect_their_version(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL)
    lab.store_model_persistent("m", "v1")
    lab.store_model_persistent("m", "v2")
    assert lab.set_alias("m", "champion", "v1").version == "v1"
    assert lab.list_aliases("m").aliases == {"champion": "v1"}
    with pytest.raises(InvalidInput, match=r"^version: .*champion"):
        lab.delete_version("m", "v1")
    lab.set_alias("m", "champion", "v2")
    lab.set_alias("m", "best", "champion")
    assert lab.list_aliases("m").aliases == {"champion": "v2", "best": "v2"}
    lab.delete_version("m", "v1")
    assert [v.version for v in lab.list_model_versions("m").versions] == ["v2"]
    listed = lab.list_model_versions("m", include_deleted=True).versions
    assert [(v.version, v.status) for v in listed] == [("v2", "active"), ("v1", "deleted")]
    with pytest.raises(NotFound, match=r"^version: "):
        lab.load_model_persistent("m", "v1")
    lab.restore_version("m", "v1")
    assert lab.load_model_persistent("m", "v1").version == "v1"
    lab.delete_alias("m", "best")
    assert lab.list_aliases("m").aliases == {"champion": "v2"}
    with pytest.raises(NotFound, match=r"^alias: "):
        lab.delete_alias("m", "best")
    with pytest.raises(NotFound, match=r"^version: "):
        lab.set_alias("m", "champion", "v9")


def test_an_alias_is_rolled_back_move_by_move(lab: Lab, clock: FixedClock) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL)
    began = clock.now()
    for version in ("v1", "v2", "v3", "v4"):
        lab.store_model_persistent("m", version)
        lab.set_alias("m", "champion", version)
        clock.advance(60)
    lab.set_alias("m", "champion", "v4")
    lab.delete_version("m", "v3")
    found = lab.list_aliases("m")
    assert [move["at"] for move in found.history["champion"]] == [
        began + timedelta(minutes=minute) for minute in (3, 2, 1, 0)
    ]
    plain = found.to_dict()
    assert list(plain) == ["model_id", "aliases", "history"]
    assert [move["version"] for move in plain["history"]["champion"]] == ["v4", "v3", "v2", "v1"]
    assert plain["history"]["champion"][3] == {
        "version": "v1",
        "at": began.isoformat().replace("+00:00", "Z"),
    }
    shown = str(found)
    assert "since (UTC)" in shown and "v3, v2, v1" in shown
    back = lab.roll_back_alias("m", "champion")
    assert (back.version, back.message) == ("v2", "'champion' of 'm' is version 'v2' again.")
    assert lab.predict("m", "rain", version="champion").category == "weather"
    assert lab.list_aliases("m").history["champion"] == found.history["champion"][2:]
    assert lab.roll_back_alias("m", "champion").version == "v1"
    with pytest.raises(NotFound, match=r"^alias: 'champion' of model 'm' stands for 'v1'"):
        lab.roll_back_alias("m", "champion")
    assert lab.list_aliases("m").aliases == {"champion": "v1"}
    with pytest.raises(NotFound, match=r"^alias: model 'm' has no alias 'champoin'.*champion"):
        lab.roll_back_alias("m", "champoin")
    with pytest.raises(InvalidInput, match=r"^alias: is blank"):
        lab.roll_back_alias("m", " ")
    assert lab.list_aliases("nobody").to_dict()["history"] == {}


def test_versions_are_found_by_tag(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="1", tags=["prod", "eu"])
    lab.train_classifier("n", EXAMPLES, SMALL, persist=True, version="7", tags=["prod"])
    found = lab.find_by_tag("prod")
    assert {(v.model_id, v.version) for v in found.versions} == {("m", "1"), ("n", "7")}
    assert [v.model_id for v in lab.find_by_tag("eu").versions] == ["m"]
    assert lab.find_by_tag("nothing").total == 0


@pytest.mark.parametrize(
    "name", ["a b", "'; DROP", "⟨x⟩", "`y`", "日本", "a:b/c", "1", "null", "x" * 500, '"quoted"']
)
def test_any_text_is_a_good_name(lab: Lab, name: str) -> None:
    lab.train_classifier(name, EXAMPLES, SMALL)
    lab.store_model_persistent(name, name, tags=[name], metadata={name: name})
    lab.set_alias(name, name + "!", name)
    lab.delete_model(name)
    assert lab.predict(name, "rain", version=name + "!").category == "weather"
    [found] = lab.find_by_tag(name).versions
    assert (found.model_id, found.version) == (name, name)
    assert lab.list_model_versions(name).versions[0].metadata == {name: name}


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"version": ""}, "version"),
        ({"version": None}, "version"),
        ({"tags": [5]}, "tags"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"dataset_id": " "}, "dataset_id"),
        ({"tag": ["a"]}, "tag"),
    ],
)
def test_bad_arguments_are_named(trained: Lab, arguments: dict[str, object], argument: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        trained.store_model_persistent(**{"model_id": "topics", "version": "1", **arguments})
    assert str(caught.value).startswith(f"{argument}: ")
    assert trained.list_model_versions("topics").total_versions == 0


def test_a_name_is_a_version_or_an_alias_and_never_both(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="v1")
    lab.store_model_persistent("m", "v2")
    lab.set_alias("m", "champion", "v1")
    with pytest.raises(AlreadyExists, match=r"^version: 'champion' is an alias"):
        lab.store_model_persistent("m", "champion")
    with pytest.raises(InvalidInput, match=r"^alias: 'v2' is the name of a version"):
        lab.set_alias("m", "v2", "v1")
    lab.delete_version("m", "v2")
    with pytest.raises(InvalidInput, match=r"^alias: 'v2' is the name of a version"):
        lab.set_alias("m", "v2", "v1")
    assert lab.list_aliases("m").aliases == {"champion": "v1"}
    lab.set_alias("m", "champion", "champion")


def test_a_model_in_memory_does_not_claim_a_deleted_version(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True, version="v1")
    lab.delete_version("m", "v1")
    item = lab.list_models().models[0]
    assert (item.persisted, item.version) == (False, None)
    assert lab.delete_model("m").message == "Removed 'm' from memory."


def test_the_table_with_metrics_shows_how_good_and_on_what_data(lab: Lab) -> None:
    lab.store_training_dataset("tickets", EXAMPLES)
    lab.train_classifier("m", EXAMPLES, SMALL)
    lab.store_model_persistent("m", "v1", dataset_id="tickets")
    lab.store_model_persistent("m", "v2", tags=["eu"], description="of no use here " * 9)
    lab.set_alias("m", "champion", "v1")
    listed = lab.list_model_versions("m", include_metrics=True)
    lines = str(listed).splitlines()
    accuracy = f"{100 * lab.save_model('m').summary['metrics']['accuracy'].value:.1f} %"
    assert all(accuracy in line for line in lines[4:6])
    assert "tickets" in lines[5]
    assert "champion" in lines[5]
    assert max(map(len, lines)) <= 80
    assert accuracy in listed._repr_html_()
    lab.delete_version("m", "v2")
    both = lab.list_model_versions("m", include_metrics=True, include_deleted=True)
    assert "deleted" in str(both).splitlines()[4]
    assert "accuracy" not in str(lab.list_model_versions("m"))
