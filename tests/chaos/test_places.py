"""The files of an engine, gone, foreign, or not what they were: nobody is misled by them.

Whatever is done to them, the database has one owner, and those who are connected go on. Refusals
where a client could have been served are marked as expected failures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from urllib.parse import urlsplit

import pytest

from astermind_lab.errors import AsterMindError, StoreError, StoreLocked
from astermind_lab.persistence import Store
from astermind_lab.persistence.engine import Place, engine_status, launch, stop_engine
from astermind_lab.persistence.engine.place import Address
from tests.chaos.actors import open_store
from tests.chaos.engines import engine_pids, kill_engines
from tests.chaos.listener import Listener
from tests.chaos.mounts import small_disk
from tests.chaos.rows import log, logged, url, whole

BROKEN_ADDRESSES = {
    "empty": b"",
    "cut": b'{"url": "ws://127.0.0.1:4',
    "binary": b"\xff\xfe\0\x80" * 100,
    "another form": b'["ws://127.0.0.1:1/rpc"]',
    "no url": b'{"url": "nonsense", "pid": 1, "kind": "", "version": "", "started": ""}',
    "url of another type": b'{"url": 5, "pid": 1, "kind": "", "version": "", "started": ""}',
    "half a url": b'{"url": "ws://[::1", "pid": 1, "kind": "", "version": "", "started": ""}',
    "no port": b'{"url": "ws://127.0.0.1:99999/rpc", "pid": 1, "kind": "", "version": "", '
    b'"started": ""}',
}


@pytest.fixture
def hurried(running: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that come now give up after seconds."""
    hurry(monkeypatch)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_START_SECONDS", 2.0)
    monkeypatch.setattr(launch, "_ASK_SECONDS", 0.5)


def kill_and_leave_address(place: Place) -> int:
    """The port that the engine had."""
    address = place.address()
    assert address is not None
    kill_engines(place)
    return urlsplit(address.url).port or 0


def test_who_has_the_port_now_learns_nothing(place: Place, running: Store) -> None:
    with Listener(kill_and_leave_address(place)) as listener:
        log(running, 1)
        assert logged(running) == whole([0, 1])
    assert listener.heard
    for said in listener.heard:
        assert said.startswith(b"GET /astermind/status?nonce=")
        assert place.secret().encode() not in said and b"predictions" not in said


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(place: Place) -> None:
    place.make()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        place.announce(Address("ws://127.0.0.1:1/rpc", other.pid, "embedded", "0", ""))
        assert stop_engine(place) is None
        with open_store(url(place)) as store:
            log(store, 0)
        assert stop_engine(place) not in (None, other.pid)
        assert other.poll() is None
    finally:
        other.kill()
        other.communicate()


@pytest.mark.parametrize(
    "text",
    BROKEN_ADDRESSES.values(),
    ids=BROKEN_ADDRESSES.keys(),
)
def test_a_broken_address_is_none(place: Place, text: bytes) -> None:
    place.make()
    (place.folder / "address.json").write_bytes(text)
    assert engine_status(place) is None


def test_a_broken_address_holds_nobody_up(place: Place) -> None:
    place.make()
    _break_address(place)
    open_store(url(place)).close()
    assert engine_status(place) is not None


def _remove_address(place: Place) -> None:
    (place.folder / "address.json").unlink()


def _break_address(place: Place) -> None:
    (place.folder / "address.json").write_bytes(BROKEN_ADDRESSES["cut"])


def _remove_secret(place: Place) -> None:
    (place.folder / "secret").unlink()


def _change_secret(place: Place) -> None:
    (place.folder / "secret").write_text("ab" * 32)


def _empty_secret(place: Place) -> None:
    (place.folder / "secret").write_text("")


HARMS = [_remove_address, _break_address, _remove_secret, _change_secret, _empty_secret]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.usefixtures("hurried")
def test_harm_to_the_files_of_a_running_engine_does_no_harm(
    place: Place, running: Store, harm: Callable[[Place], None]
) -> None:
    pids = engine_pids(place)
    harm(place)
    with open_store(url(place)) as second:
        log(second, 1)
    log(running, 2)
    assert logged(running) == whole([0, 1, 2])
    assert engine_pids(place) == pids and len(pids) == 1


@pytest.mark.parametrize("harm", [_remove_secret, _change_secret])
def test_another_secret_opens_the_same_database(
    place: Place, running: Store, harm: Callable[[Place], None]
) -> None:
    old = place.secret()
    kill_engines(place)
    harm(place)
    with open_store(url(place)) as second:
        log(second, 1)
    assert place.secret() != old
    log(running, 2)
    assert logged(running) == whole([0, 1, 2])


def test_an_empty_secret_is_replaced(place: Place, running: Store) -> None:
    kill_engines(place)
    _empty_secret(place)
    with open_store(url(place)) as second:
        assert logged(second) == whole([0])


def test_without_its_lock_file_the_database_still_has_one_owner(
    place: Place, running: Store
) -> None:
    pids = engine_pids(place)
    (place.store / "LOCK").unlink()
    with pytest.raises(StoreLocked, match=f"in use by process {pids[0]}"):
        Store.open(f"surrealkv://{place.store}")
    with open_store(url(place)) as second:
        log(second, 1)
    assert engine_pids(place) == pids
    kill_engines(place)
    log(running, 2)
    assert logged(running) == whole([0, 1, 2])


def test_who_holds_the_database_alone_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_ASK_SECONDS", 0.5)
    place.make()
    with (
        Store.open(f"surrealkv://{place.store}"),
        pytest.raises(StoreLocked, match="which opened it as surrealkv://"),
    ):
        open_store(url(place))


def test_who_holds_the_database_alone_is_named_beside_a_stale_address(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    place.make()
    address = Address("ws://127.0.0.1:1/rpc", os.getpid(), "embedded", "0", "")
    (place.folder / "address.json").write_text(json.dumps(asdict(address)))
    with (
        Store.open(f"surrealkv://{place.store}"),
        pytest.raises(StoreLocked, match="which opened it as surrealkv://"),
    ):
        open_store(url(place))


def test_a_file_in_place_of_the_engines_folder_is_named(place: Place) -> None:
    place.data_dir.mkdir()
    place.folder.write_text("")
    with pytest.raises(StoreError, match=str(place.data_dir)):
        open_store(url(place))


def test_a_folder_that_cannot_be_written_is_named(place: Place) -> None:
    place.make()
    with small_disk(place.folder, megabytes=1, options="ro"), pytest.raises(AsterMindError) as told:
        open_store(url(place))
    assert str(place.folder) in str(told.value)
