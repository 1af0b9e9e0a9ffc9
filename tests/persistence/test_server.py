"""Servers: signing in, being refused, being alone, being left."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from astermind_lab.errors import AlreadyExists, StoreError, StoreUnavailable
from astermind_lab.persistence import EmbeddingItem, NewModelVersion, Store, claims
from tests.contracts.store_contract import prediction
from tests.persistence.processes import Server

USERS = """
DEFINE NAMESPACE IF NOT EXISTS shared; USE NS shared;
DEFINE USER OVERWRITE nadia ON NAMESPACE PASSWORD 'n' ROLES OWNER;
DEFINE DATABASE IF NOT EXISTS prepared; USE DB prepared;
DEFINE USER OVERWRITE dora ON DATABASE PASSWORD 'd' ROLES OWNER;
DEFINE USER OVERWRITE vera ON DATABASE PASSWORD 'v' ROLES VIEWER;
"""


@pytest.fixture
def with_users(server: Server) -> Iterator[Server]:
    with server.open("users") as root:
        root._connection.run(USERS)
    yield server


def test_users_of_the_database_the_namespace_and_the_server_sign_in(with_users: Server) -> None:
    for name, password, database in (
        ("dora", "d", "prepared"),
        ("nadia", "n", f"made-{uuid.uuid4().hex}"),
        (with_users.username, with_users.password, f"made {uuid.uuid4().hex} `⟩"),
    ):
        with Store.open(
            with_users.url,
            namespace="shared",
            database=database,
            username=name,
            password=password,
        ) as store:
            store.datasets.add("d", [("text", "label")])
            assert store.datasets.get("d").size == 1
            store.datasets.delete("d")


def test_a_viewer_reads_and_is_told_that_it_may_not_write(with_users: Server) -> None:
    known = {"namespace": "shared", "database": "prepared"}
    with Store.open(with_users.url, username="dora", password="d", **known) as owner:
        owner.datasets.add("seen", [("text", "label")])
        owner.models.add(NewModelVersion("m", "v1", "t", ["a"], 1), b"w")
    with Store.open(with_users.url, username="vera", password="v", **known) as viewer:
        assert viewer.datasets.get("seen").size == 1
        writes: list[Callable[[], object]] = [
            lambda: viewer.datasets.add("e", [("text", "label")]),
            lambda: viewer.datasets.delete("seen"),
            lambda: viewer.models.add(NewModelVersion("m", "v2", "t", ["a"], 1), b"w"),
            lambda: viewer.models.set_alias("m", "champion", "v1"),
            lambda: viewer.models.delete("m", "v1"),
            lambda: viewer.embeddings.add("c", [EmbeddingItem("i", "text", [1.0])]),
            lambda: viewer.predictions.add_many([prediction()]),
        ]
        for write in writes:
            with pytest.raises(StoreUnavailable, match="nothing was changed"):
                write()
    with Store.open(with_users.url, username="dora", password="d", **known) as owner:
        assert [one.dataset_id for one in owner.datasets.list()] == ["seen"]
        assert [one.version for one in owner.models.versions("m")] == ["v1"]
        assert owner.models.aliases("m") == {} and owner.embeddings.collections() == {}
        assert owner.predictions.count("m") == 0


def test_a_refused_sign_in_says_who_was_refused(server: Server) -> None:
    for name, password in ((server.username, "wrong"), ("nobody", server.password)):
        with pytest.raises(StoreUnavailable) as caught:
            Store.open(server.url, username=name, password=password)
        line = str(caught.value)
        assert f"refused the sign-in of '{name}'" in line and server.url in line
        assert password not in line.replace("username and password", "") and "\n" not in line


def test_without_a_name_nothing_is_read(server: Server) -> None:
    with pytest.raises(StoreUnavailable, match="Anonymous access not allowed"):
        Store.open(server.url)


def test_a_server_that_is_away_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match=f"no SurrealDB answers at {url}"):
            Store.open(url)


def test_something_else_on_the_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.1)
        url = f"ws://localhost.invalid:{other.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match="no SurrealDB answers"):
            Store.open(url)


def test_a_lost_server_is_told_after_a_while_and_not_mistaken(tmp_path: Path) -> None:
    server = Server(tmp_path)
    store = server.open(patience=0.3)
    store.datasets.add("d", [("text", "label")])
    server.stop()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"was lost .* could not be had again within"):
            store.datasets.list()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.datasets.list()


def test_two_clients_see_each_other(server: Server) -> None:
    name = uuid.uuid4().hex
    with server.open(name) as one, server.open(name) as two:
        one.models.add(NewModelVersion("m", "v1", "elm-ridge", ["a"], 1), b"from one")
        assert two.models.weights("m", "v1") == b"from one"
        with pytest.raises(AlreadyExists):
            two.models.add(NewModelVersion("m", "v1", "elm-ridge", ["a"], 1), b"from two")
        two.models.add(NewModelVersion("m", "v2", "elm-ridge", ["a"], 1), b"from two")
        assert one.models.get("m").version == "v2"
        two.embeddings.add("c", [])
        assert one.embeddings.collections() == {}


def test_what_another_client_is_writing_is_left_alone_while_it_lives(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = uuid.uuid4().hex
    with server.open(name) as one, server.open(name) as two:

        def meanwhile(written: int) -> None:
            with pytest.raises(AlreadyExists, match="elsewhere right now"):
                two.datasets.add("d", [("other", "y")])

        rows = [(f"text {place}", "x") for place in range(3_200)]
        assert one.datasets.add("d", rows, progress=meanwhile).size == 3_200

        def taken_over(written: int) -> None:
            if written == 1_500:
                two.datasets.add("e", [("other", "y")])

        monkeypatch.setattr(claims, "LEASE", "0s")
        with pytest.raises(AlreadyExists, match="taken over by another program"):
            one.datasets.add("e", rows, progress=taken_over)
        assert list(two.datasets.examples("e")) == [("other", "y")]
        assert one._connection.first("SELECT count() FROM examples GROUP ALL") == [{"count": 3_201}]
