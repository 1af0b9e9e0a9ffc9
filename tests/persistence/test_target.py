"""What store URLs mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from astermind_lab.errors import InvalidInput
from astermind_lab.persistence import Store
from astermind_lab.persistence.target import parse_url

CACHE = "block_cache_capacity=67108864"


def test_memory() -> None:
    target = parse_url(" mem:// ")
    assert (target.url, target.engine_url, target.folder) == ("mem://", "mem://", None)
    assert not target.is_server


def test_a_relative_folder_counts_from_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert parse_url("surrealkv://lab").folder == tmp_path / "lab"
    assert parse_url("surrealkv://./a/../lab").folder == tmp_path / "lab"
    assert parse_url("surrealkv://~/lab").folder == tmp_path / "home" / "lab"


def test_the_cache_is_bounded_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SURREAL_SURREALKV_BLOCK_CACHE_CAPACITY", raising=False)
    url = f"surrealkv://{tmp_path / 'lab'}"
    assert parse_url(url).engine_url == f"{url}?{CACHE}"
    assert parse_url(f"{url}?sync=never").engine_url == f"{url}?sync=never&{CACHE}"
    mine = f"{url}?block_cache_capacity=1000000"
    assert parse_url(mine).engine_url == mine
    monkeypatch.setenv("SURREAL_SURREALKV_BLOCK_CACHE_CAPACITY", "1000000")
    assert parse_url(url).engine_url == url


def test_servers() -> None:
    for url in ("ws://127.0.0.1:8000", "wss://db.example/rpc", "ws://[::1]:8000/rpc"):
        target = parse_url(url)
        assert (target.url, target.is_server, target.folder) == (url, True, None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "lab",
        "mem://x",
        "http://127.0.0.1:8000",
        "rocksdb:///tmp/x",
        "surrealkv:/tmp/x",
        "surrealkv://",
        "surrealkv:// ",
        "surrealkv:///",
        "surrealkv:///tmp/../",
        "surrealkv:///tmp/what?",
        "surrealkv:///tmp/what?now",
        "surrealkv:///tmp/zero\0byte",
        "ws://",
        "ws://:8000",
        "ws://host:port",
        "ws://host:99999",
        "ws://[::1",
        None,
        7,
    ],
)
def test_other_urls_are_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^url: "):
        parse_url(url)


@pytest.mark.parametrize("url", ["ws://ada:hunter2@host:8000", "mongo://ada:hunter2@host"])
def test_a_password_in_the_url_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)


def test_files_and_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    for name, reason in (("file", "is a file"), ("full", "holds other files")):
        with pytest.raises(InvalidInput, match=reason):
            Store.open(f"surrealkv://{tmp_path / name}")
    with pytest.raises(InvalidInput, match="cannot be made"):
        Store.open(f"surrealkv://{tmp_path / 'file' / 'below'}")
    assert [entry.name for entry in (tmp_path / "full").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    "name", ["with space", "per%20cent%zz", "ünï😀", "a+b&c=d#e", "deep/er/still", "rpc/x"]
)
def test_folders_of_any_name_keep_their_data(tmp_path: Path, name: str) -> None:
    url = f"surrealkv://{tmp_path / name}"
    for expected in ([], ["d"]):
        with Store.open(url) as store:
            assert [one.dataset_id for one in store.datasets.list()] == expected
            if not expected:
                store.datasets.add("d", [("text", "label")])
    assert (tmp_path / name / "manifest").is_dir()
    assert list(tmp_path.iterdir()) == [tmp_path / name.partition("/")[0]]


def test_credentials_come_in_pairs() -> None:
    with pytest.raises(InvalidInput, match=r"^password"):
        Store.open("mem://", username="root")
    with pytest.raises(InvalidInput, match=r"^username"):
        Store.open("mem://", password="secret")
    for argument in ("namespace", "database"):
        with pytest.raises(InvalidInput, match=f"^{argument}"):
            Store.open("mem://", **{argument: " "})  # type: ignore[arg-type]
