"""Files: only inside the allowed folders, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.lab.paths import Folders, write_whole


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    return folder


def test_inside_is_allowed_in_every_spelling(allowed: Path) -> None:
    folders = Folders([allowed], allowed)
    expected = allowed / "model.zip"
    for spelling in ("model.zip", "./x/../model.zip", str(expected), expected):
        assert folders.resolve(spelling, "path") == expected


def test_outside_is_refused_in_every_spelling(allowed: Path, tmp_path: Path) -> None:
    (allowed / "link").symlink_to(tmp_path)
    folders = Folders([allowed], allowed)
    outside = ["../x", str(tmp_path / "x"), "link/x", str(allowed) + "-not/x", "~/x", "/etc/passwd"]
    for spelling in outside:
        with pytest.raises(InvalidInput, match=r"path: .*outside the allowed folders"):
            folders.resolve(spelling, "path")


def test_no_folder_allowed_means_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="outside"):
        Folders([], None).resolve(str(tmp_path / "x"), "path")


@pytest.mark.parametrize("value", ["", None, 5, "a\0b", "~nobody-at-all/x"])
def test_what_is_not_a_path(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"^path: "):
        Folders().resolve(value, "path")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    assert write_whole(path, lambda file: _write(file, b"new!"), "path") == 4
    assert path.read_bytes() == b"new!"
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyError("the rest")

    with pytest.raises(KeyError):
        write_whole(path, fail, "path")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"path: cannot write .*No such file"):
        write_whole(tmp_path / "no" / "file", lambda file: None, "path")
    with pytest.raises(InvalidInput, match=r"path: .* is a folder"):
        write_whole(tmp_path, lambda file: None, "path")


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
