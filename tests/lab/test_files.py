"""One file with a model and its history."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from astermind_lab.errors import AlreadyExists, InvalidInput, ModelFileError, NotFound
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL


@pytest.fixture
def file(lab: Lab, tmp_path: Path) -> Path:
    """A file with two versions and an alias; the lab it came from is the fixture ``lab``."""
    lab.train_classifier(
        "m", EXAMPLES, SMALL, persist=True, version="one", tags=["t"], description="first"
    )
    lab.add_examples("m", [("umbrella", "weather")], persist=True, version="two")
    lab.set_alias("m", "champion", "one")
    result = lab.export_model("m", tmp_path / "m.zip")
    assert (list(result.versions), result.size_bytes) == (
        ["one", "two"],
        (tmp_path / "m.zip").stat().st_size,
    )
    return tmp_path / "m.zip"


def test_another_lab_gets_the_same_model(lab: Lab, file: Path, settings: Settings) -> None:
    with Lab.open("mem://", settings=settings) as other:
        result = other.import_model(file)
        assert (result.model_id, list(result.versions)) == ("m", ["one", "two"])
        assert other.list_aliases("m").aliases == {"champion": "one"}
        theirs = other.list_model_versions("m", include_metrics=True)
        assert theirs.to_dict() == lab.list_model_versions("m", include_metrics=True).to_dict()
        for version in ("one", "two", "champion"):
            ours = lab.predict("m", "umbrella", version=version)
            assert other.predict("m", "umbrella", version=version).predictions == ours.predictions
        assert other.predict("m", "umbrella").predictions == (
            lab.predict("m", "umbrella", version="two").predictions
        )


def test_an_alias_keeps_its_moves(lab: Lab, file: Path, settings: Settings) -> None:
    lab.add_examples("m", [("sleet", "weather")], persist=True, version="gone")
    for version in ("gone", "one", "two"):
        lab.set_alias("m", "champion", version)
    lab.delete_version("m", "gone")
    ours = lab.list_aliases("m").history["champion"]
    assert [move["version"] for move in ours] == ["two", "one", "gone", "one"]
    lab.export_model("m", file)
    with Lab.open("mem://", settings=settings) as other:
        other.import_model(file)
        assert other.list_aliases("m").history["champion"] == [ours[0], ours[3]]
        assert other.roll_back_alias("m", "champion").version == "one"
        other.import_model(file, overwrite=True)  # a move like any other
        moved, *before = other.list_aliases("m").history["champion"]
        assert (moved["version"], before) == ("two", [ours[3]])
    rewrite(file, without("alias_history"))  # as earlier versions wrote it
    with Lab.open("mem://", settings=settings) as other:
        other.import_model(file)
        [only] = other.list_aliases("m").history["champion"]
        assert only["version"] == "two"


def test_one_version_alone_and_another_name(lab: Lab, file: Path, tmp_path: Path) -> None:
    lab.export_model("m", tmp_path / "one.zip", version="champion")
    result = lab.import_model(tmp_path / "one.zip", model_id="other")
    assert (list(result.versions), result.aliases) == (["one"], {"champion": "one"})
    assert lab.list_model_versions("other").versions[0].tags == ("t",)


def test_what_is_there_is_refused_or_passed_over(lab: Lab, file: Path) -> None:
    with pytest.raises(AlreadyExists, match=r"^model_id: .*overwrite"):
        lab.import_model(file)
    result = lab.import_model(file, overwrite=True)
    assert (list(result.versions), list(result.skipped)) == ([], ["one", "two"])
    lab.train_classifier("other", EXAMPLES[::2], SMALL, persist=True, version="one")
    with pytest.raises(AlreadyExists, match=r"^path: version 'one'.*other content"):
        lab.import_model(file, model_id="other", overwrite=True)
    assert lab.list_model_versions("other").total_versions == 1


def test_what_is_not_stored_is_not_exported(trained: Lab, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"^model_id: .*store_model_persistent"):
        trained.export_model("topics", tmp_path / "x.zip")
    with pytest.raises(NotFound, match=r"^model_id: "):
        trained.export_model("nobody", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = 0) -> None:
    """The archive again, with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        content = json.loads(members["model.json"])
        members["model.json"] = json.dumps({**content, **changes}).encode()

    return change


def without(key: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        content = json.loads(members["model.json"])
        del content[key]
        members["model.json"] = json.dumps(content).encode()

    return change


def moves(*versions: object) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    return {"alias_history": {"champion": [{"version": one, "at": at} for one in versions]}}


def flip(members: dict[str, bytes]) -> None:
    data = bytearray(members["weights/0001.safetensors"])
    data[len(data) // 2] ^= 1
    members["weights/0001.safetensors"] = bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not an archive"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-500]),
    "flipped": lambda path: rewrite(path, flip),
    "no manifest": lambda path: rewrite(path, lambda m: m.pop("model.json")),
    "no weights": lambda path: rewrite(path, lambda m: m.pop("weights/0001.safetensors")),
    "compressed": lambda path: rewrite(path, lambda m: None, zipfile.ZIP_DEFLATED),
    "broken manifest": lambda path: rewrite(path, lambda m: m.update({"model.json": b"{"})),
    "list manifest": lambda path: rewrite(path, lambda m: m.update({"model.json": b"[]"})),
    "other format": lambda path: rewrite(path, manifest(format="other")),
    "later format": lambda path: rewrite(path, manifest(format_version=2)),
    "blank id": lambda path: rewrite(path, manifest(model_id=" ")),
    "bad aliases": lambda path: rewrite(path, manifest(aliases=[1])),
    "list of histories": lambda path: rewrite(path, manifest(alias_history=[1])),
    "no moves": lambda path: rewrite(path, manifest(**moves())),
    "move to another": lambda path: rewrite(path, manifest(**moves("two", "one"))),
    "move to the unknown": lambda path: rewrite(path, manifest(**moves("one", "three"))),
    "move to a list": lambda path: rewrite(path, manifest(**moves("one", ["two"]))),
    "move without time": lambda path: rewrite(
        path, manifest(alias_history={"champion": [{"version": "one", "at": "then"}]})
    ),
    "bad versions": lambda path: rewrite(path, manifest(versions=[{"version": "x"}])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_and_nothing_is_stored(
    file: Path, settings: Settings, damage: str
) -> None:
    DAMAGE[damage](file)
    with Lab.open("mem://", settings=settings) as other:
        with pytest.raises(ModelFileError, match=r"^path: ") as caught:
            other.import_model(file)
        assert len(str(caught.value)) < 600
        assert other.list_models().models == []


def test_paths_are_checked(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^path: there is no file"):
        lab.import_model(tmp_path / "nothing.zip")
    with pytest.raises(InvalidInput, match=r"^path: "):
        lab.import_model("")
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True)
    with pytest.raises(InvalidInput, match=r"^path: cannot write"):
        lab.export_model("m", tmp_path / "no" / "such" / "folder.zip")


def test_a_lab_can_be_kept_to_folders(settings: Settings, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with Lab.open("mem://", settings=settings, folders=[inside]) as lab:
        lab.train_classifier("m", EXAMPLES, SMALL, persist=True)
        with pytest.raises(InvalidInput, match=r"^path: .*outside the allowed folders"):
            lab.export_model("m", tmp_path / "m.zip")
        assert lab.export_model("m", "m.zip").path == str(inside.resolve() / "m.zip")


def encrypted(path: Path) -> None:
    """Set the bit that says so, in the central folder and in every member's own header."""
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + at] |= 1
    path.write_bytes(data)


def test_an_encrypted_file_is_refused(lab: Lab, file: Path) -> None:
    encrypted(file)
    with pytest.raises(ModelFileError, match=r"^path: .*export_model"):
        lab.import_model(file, model_id="other")


def test_a_path_that_is_too_long_names_the_argument(lab: Lab, tmp_path: Path) -> None:
    lab.train_classifier("m", EXAMPLES, SMALL, persist=True)
    for name in ("x" * 300, "x/" * 3000 + "y"):
        with pytest.raises(InvalidInput, match=r"^path: "):
            lab.import_model(tmp_path / name)
        with pytest.raises(InvalidInput, match=r"^path: "):
            lab.export_model("m", tmp_path / name)


def test_a_deleted_version_comes_back_with_the_file(lab: Lab, file: Path) -> None:
    lab.delete_alias("m", "champion")
    lab.delete_version("m", "one")
    result = lab.import_model(file, overwrite=True)
    assert (list(result.versions), list(result.skipped)) == (["one"], ["two"])
    assert lab.list_aliases("m").aliases == {"champion": "one"}
    assert lab.list_model_versions("m").total_versions == 2


def test_names_are_compared_before_anything_is_stored(lab: Lab, file: Path, tmp_path: Path) -> None:
    lab.train_classifier("alias", EXAMPLES, SMALL, persist=True, version="x")
    lab.set_alias("alias", "two", "x")
    lab.train_classifier("version", EXAMPLES, SMALL, persist=True, version="champion")
    for model_id in ("alias", "version"):
        with pytest.raises(AlreadyExists, match=r"^path: .* would be a version and an alias"):
            lab.import_model(file, model_id=model_id, overwrite=True)
        assert lab.list_model_versions(model_id).total_versions == 1
    rewrite(file, manifest(aliases={"two": "one"}))
    with pytest.raises(AlreadyExists, match=r"^path: 'two' would be"):
        lab.import_model(file, model_id="new")
    assert lab.list_model_versions("new").total_versions == 0
