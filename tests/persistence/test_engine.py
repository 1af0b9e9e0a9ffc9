"""The local engine as an ordinary SDK sees it, and as somebody without the secret does."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from surrealdb import AsyncSurreal, RecordID, Surreal
from surrealdb.data.cbor import decode, encode
from surrealdb.errors import SurrealError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from astermind_lab.errors import StoreLocked, StoreUnavailable
from astermind_lab.persistence import Store
from astermind_lab.persistence.engine import (
    EngineOptions,
    Place,
    engine_status,
    ensure_engine,
    socket,
    stop_engine,
)
from astermind_lab.persistence.engine.proof import PATH
from tests.contracts.store_contract import prediction
from tests.persistence.processes import PROJECT, Server, finish, kill, start

SOON = 20.0


@asynccontextmanager
async def client(server: Server, database: str = "tests") -> AsyncIterator[Any]:
    """The official SDK, as it comes, signed in."""
    async with AsyncSurreal(server.url) as sdk:
        await sdk.signin({"username": server.username, "password": server.password})
        await sdk.use("astermind", database)
        yield sdk


async def told(notifications: AsyncIterator[Any], count: int) -> list[tuple[str, Any]]:
    """The next notifications as pairs of action and result."""
    found = []
    for _ in range(count):
        one = await asyncio.wait_for(anext(notifications), SOON)
        found.append((one["action"], one["result"]))
    return found


# The ordinary SDK


@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")  # in the SDK
def test_the_blocking_and_the_asynchronous_sdk_cannot_tell_it_from_a_server(
    server: Server,
) -> None:
    name = uuid.uuid4().hex
    with Surreal(server.url) as sdk:
        sdk.signin({"username": server.username, "password": server.password})
        sdk.use("astermind", name)
        sdk.query("DEFINE TABLE t").execute()
        sdk.create(RecordID("t", 1), {"n": 1})
        assert sdk.query("SELECT VALUE n FROM t").first() == [1]
        assert "surrealdb" in sdk.version()

    async def ask() -> None:
        async with client(server, name) as sdk:
            await sdk.insert("t", [{"n": 2}, {"n": 3}])
            rows = await sdk.query("SELECT VALUE n FROM t ORDER BY n").first()
            assert rows == [1, 2, 3]
            answers = await asyncio.gather(
                *(sdk.query("RETURN $n", {"n": n}).first() for n in range(200))
            )
            assert answers == list(range(200))

    asyncio.run(ask())


def test_sessions_of_one_socket_and_of_two_are_apart(server: Server) -> None:
    async def ask() -> None:
        async with client(server, "one") as one, client(server, "two") as two:
            await one.let("x", 1)
            assert await one.query("RETURN [$x, session::db()]").first() == [1, "one"]
            assert await two.query("RETURN [$x, session::db()]").first() == [None, "two"]

    asyncio.run(ask())


# Live queries


def test_live_queries_tell_what_a_server_tells(server: Server) -> None:
    async def ask() -> None:
        async with client(server, uuid.uuid4().hex) as sdk, client(server) as _:
            await sdk.query("DEFINE TABLE t; DEFINE TABLE other").execute()
            every = await sdk.subscribe_live(await sdk.live("t"))
            patches = await sdk.subscribe_live(await sdk.live("t", diff=True))
            [key] = (await sdk.query("LIVE SELECT n FROM t WHERE n > $least", {"least": 2}),)
            some = await sdk.subscribe_live(key[0] if isinstance(key, list) else key)
            await sdk.query("CREATE other:1 SET n = 9; CREATE t:1 SET n = 1").execute()
            await sdk.query("UPDATE t:1 SET n = 5; UPDATE t:1 SET n = 5").execute()
            await sdk.query("UPDATE t:1 SET n = 2; DELETE t:1").execute()
            row = {"id": RecordID("t", 1)}
            assert await told(every, 4) == [
                ("CREATE", {**row, "n": 1}),
                ("UPDATE", {**row, "n": 5}),
                ("UPDATE", {**row, "n": 2}),
                ("DELETE", {**row, "n": 2}),
            ]
            assert await told(patches, 4) == [
                ("CREATE", [{"op": "replace", "path": "", "value": {**row, "n": 1}}]),
                ("UPDATE", [{"op": "replace", "path": "/n", "value": 5}]),
                ("UPDATE", [{"op": "replace", "path": "/n", "value": 2}]),
                ("DELETE", [{"op": "replace", "path": "", "value": None}]),
            ]
            assert await told(some, 1) == [("UPDATE", {"n": 5})]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(some), 0.3)

    asyncio.run(ask())


def test_live_and_kill_inside_a_query_of_several_statements(server: Server) -> None:
    async def ask() -> None:
        async with client(server, uuid.uuid4().hex) as sdk:
            await sdk.query("DEFINE TABLE t").execute()
            answers = await sdk.query(
                "LET $a = 'LIVE SELECT * FROM t; KILL'; LIVE SELECT VALUE n FROM t; RETURN $a"
            ).execute()
            key = answers[1]
            assert isinstance(key, uuid.UUID)
            assert answers[2] == "LIVE SELECT * FROM t; KILL"
            notifications = await sdk.subscribe_live(key)
            await sdk.query("CREATE t SET n = 7").execute()
            assert await told(notifications, 1) == [("CREATE", 7)]
            await sdk.query("KILL $key", {"key": key}).execute()
            await sdk.query("CREATE t SET n = 8").execute()
            with pytest.raises(SurrealError, match="Cannot execute KILL"):
                await sdk.query("KILL $key", {"key": key}).execute()
            with pytest.raises(SurrealError, match="Cannot execute KILL"):
                await sdk.kill(uuid.uuid4())
            with pytest.raises(SurrealError, match="'nowhere' does not exist"):
                await sdk.query("LIVE SELECT * FROM nowhere").execute()

    asyncio.run(ask())


def test_fifty_subscribers_hear_of_each_write_and_a_killed_one_of_none(server: Server) -> None:
    async def ask() -> None:
        async with client(server, uuid.uuid4().hex) as sdk:
            await sdk.query("DEFINE TABLE t").execute()
            keys = [await sdk.live("t") for _ in range(50)]
            every = [await sdk.subscribe_live(key) for key in keys]
            await sdk.kill(keys.pop())
            every.pop()
            for n in range(5):
                await sdk.query("CREATE t SET n = $n", {"n": n}).execute()
            heard = await asyncio.gather(*(told(one, 5) for one in every))
            assert {tuple(row["n"] for _, row in one) for one in heard} == {(0, 1, 2, 3, 4)}

    asyncio.run(ask())


def test_a_subscriber_that_does_not_read_is_cut_off_and_others_are_not(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path)

    async def ask() -> None:
        name = uuid.uuid4().hex
        async with client(server, name) as writer:
            await writer.query("DEFINE TABLE t").execute()
            deaf = await signed_in(server, name)
            await request(deaf, "live", "t")
            deaf.transport.pause_reading()  # the kernel's buffers fill up, then the engine's
            hearing = await writer.subscribe_live(
                await writer.query("LIVE SELECT n FROM t").first()
            )
            big = "x" * 50_000
            for n in range(0, 1_600, 40):
                rows = [{"n": n + place, "big": big} for place in range(40)]
                await writer.query("INSERT INTO t $rows RETURN NONE", {"rows": rows}).execute()
            heard = await told(hearing, 1_600)
            assert [row["n"] for _, row in heard] == list(range(1_600))
            log = server.place.log.read_text()
            assert "cut off a subscriber" in log
            deaf.transport.abort()

    try:
        asyncio.run(ask())
    finally:
        server.stop()


# Without the secret


async def signed_in(server: Server, database: str) -> ClientConnection:
    """A bare socket, signed in."""
    bare = await connect(server.url, subprotocols=["cbor"], max_size=None)  # type: ignore[list-item]
    await request(bare, "signin", {"user": server.username, "pass": server.password})
    await request(bare, "use", "astermind", database)
    return bare


async def request(bare: ClientConnection, method: str, *params: Any, **more: Any) -> Any:
    """The raw answer to a request."""
    await bare.send(encode({"id": "1", "method": method, "params": list(params), **more}))
    return decode(await asyncio.wait_for(bare.recv(), SOON))


def test_a_browser_and_a_foreign_host_do_not_get_in(server: Server) -> None:
    async def ask(**headers: str) -> int:
        try:
            async with connect(
                server.url,
                subprotocols=["cbor"],  # type: ignore[list-item]
                additional_headers=headers,
            ):
                return 101
        except InvalidStatus as problem:
            return problem.response.status_code

    assert asyncio.run(ask()) == 101
    for origin in ("https://evil.example", "http://127.0.0.1", "null", "file://"):
        assert asyncio.run(ask(Origin=origin)) == 403
    port = urlsplit(server.url).port
    for host, status in ((f"evil.example:{port}", 403), (f"localhost:{port}", 404)):
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
        plain.request("GET", "/anything", headers={"Host": host})
        answer = plain.getresponse()
        assert answer.status == status and b"astermind" not in answer.read()
        plain.close()


def test_a_socket_without_sign_in_gets_nothing(server: Server) -> None:
    async def ask() -> None:
        async with client(server, "guarded") as owner:
            await owner.query("DEFINE TABLE t; UPSERT t:1 SET secret = 'xyzzy'").execute()
            bare = await signed_in(server, "guarded")
            assert (await request(bare, "sessions"))["result"] == []
            await bare.close()
        for method, params in (
            ("query", ["SELECT * FROM t", {}]),
            ("query", ["RETURN 1", {}]),
            ("query", ["DELETE t; LIVE SELECT * FROM t", {}]),
            ("select", ["t"]),
            ("create", ["t", {"n": 1}]),
            ("live", ["t"]),
            ("kill", [uuid.uuid4()]),
            ("sessions", []),
            ("signup", [{"user": "x", "pass": "y"}]),
            ("run", ["fn::x"]),
            ("let", ["x", 1]),
            ("import", ["x"]),
        ):
            async with connect(server.url, subprotocols=["cbor"]) as bare:  # type: ignore[list-item]
                await request(bare, "use", "astermind", "guarded")
                answer = await request(bare, method, *params)
                assert "Anonymous access not allowed" in answer["error"]["message"], method
                wrong = await request(bare, "signin", {"user": server.username, "pass": "x" * 64})
                assert "error" in wrong
                assert "error" in await request(bare, method, *params)
        async with client(server, "guarded") as owner:
            rows = await owner.query("SELECT VALUE secret FROM t").first()
            assert rows == ["xyzzy"]

    asyncio.run(ask())


def test_a_session_of_another_socket_cannot_be_named(server: Server) -> None:
    async def ask() -> None:
        owner = await signed_in(server, "mine")
        answer = await request(owner, "query", "RETURN session::id()", {})
        session = uuid.UUID(str(answer["result"][0]["result"]))
        async with connect(server.url, subprotocols=["cbor"]) as bare:  # type: ignore[list-item]
            for named in (session, str(session)):
                stolen = await request(bare, "use", "astermind", "mine", session=named)
                assert "no such session" in stolen["error"]["message"]
                stolen = await request(bare, "query", "RETURN 1", {}, session=named)
                assert "error" in stolen
        await owner.close()

    asyncio.run(ask())


def test_garbage_and_large_messages_before_sign_in_end_the_socket(server: Server) -> None:
    async def sent(message: bytes | str) -> int | None:
        async with connect(server.url, subprotocols=["cbor"]) as bare:  # type: ignore[list-item]
            await bare.send(message)
            with suppress(ConnectionClosed):
                await asyncio.wait_for(bare.recv(), SOON)
            return bare.close_code

    for message in (b"", b"\xff\xff", b"\xa3\x62id", encode([1]), encode({"id": 1}), "text"):
        assert asyncio.run(sent(message)) == 1008, message
    assert asyncio.run(sent(b"\0" * 100_000)) == 1009


def test_who_does_not_sign_in_is_sent_away(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.make()
    code = (
        "import sys; from astermind_lab.persistence.engine import socket, __main__ as engine; "
        "socket._PATIENCE_SECONDS = 0.2; sys.exit(engine.main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT)
    try:
        _until(lambda: engine_status(place) is not None)

        async def wait() -> tuple[int | None, str | None]:
            address = place.address()
            assert address is not None
            async with connect(address.url, subprotocols=["cbor"]) as bare:  # type: ignore[list-item]
                with suppress(ConnectionClosed):
                    await asyncio.wait_for(bare.recv(), SOON)
                return bare.close_code, bare.close_reason

        assert asyncio.run(wait()) == (1008, "nobody signed in within 0.2 s")
    finally:
        process.terminate()
        assert process.wait(SOON) == 0
    assert socket._PATIENCE_SECONDS > 1


def test_the_status_is_for_those_who_know_the_secret(server: Server) -> None:
    status = engine_status(server.place)
    assert status is not None
    assert {"pid", "url", "uptime_s", "connections"} <= status.keys()
    assert status["pid"] == server.pid and status["url"] == server.url
    port = urlsplit(server.url).port
    for question in ("", "?nonce=a", "?nonce=a&proof=b", "?nonce=&proof=", "?proof=%ff&nonce=a"):
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
        plain.request("GET", PATH + question)
        answer = plain.getresponse()
        assert (answer.status, answer.read()) == (403, b"not without the secret\n")
        plain.close()


def test_only_this_machine_and_only_this_user(server: Server) -> None:
    assert urlsplit(server.url).hostname == "127.0.0.1"
    folder = server.place.folder
    for path in (folder / "secret", folder / "address.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with open(f"/proc/{server.pid}/cmdline", "rb") as file:
        assert server.password.encode() not in file.read()
    with open(f"/proc/{server.pid}/net/tcp") as file:
        listening = [line.split()[1] for line in file if line.split()[3] == "0A"]
    assert f"0100007F:{urlsplit(server.url).port:04X}" in listening


# Its life


def test_it_starts_by_itself_once_and_ends_by_itself(tmp_path: Path) -> None:
    options = EngineOptions(idle_seconds=0.4)
    url = f"local://{tmp_path}"
    with Store.open(url, engine=options) as one, Store.open(url, engine=options) as two:
        one.datasets.add("d", [("text", "label")])
        assert two.datasets.get("d").size == 1
        place = Place(tmp_path)
        status = engine_status(place)
        assert status is not None and status["connections"] == 2
        time.sleep(1.0)  # longer than the idle time, with somebody connected
        assert engine_status(place) is not None
    _until(lambda: engine_status(place) is None)
    assert place.address() is None
    assert "nobody was connected" in place.log.read_text()
    with Store.open(url, engine=options) as again:
        assert again.datasets.get("d").size == 1
    stop_engine(place)


def test_it_ends_cleanly_when_asked_and_says_so_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    status = ensure_engine(place, EngineOptions())
    assert ensure_engine(place, EngineOptions())["pid"] == status["pid"]
    assert stop_engine(place) == status["pid"]
    assert stop_engine(place) is None and engine_status(place) is None
    assert [line.split()[3] for line in place.log.read_text().splitlines()] == ["INFO"] * 3


def test_it_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from astermind_lab.persistence import Store; "
        "s = Store.open(sys.argv[1]); s.datasets.add('d', [('text', 'label')]); s.close()"
    )
    exit_code, _, errors = finish(start(code, f"local://{tmp_path}"))
    assert (exit_code, errors) == (0, "")
    place = Place(tmp_path)
    status = engine_status(place)
    assert status is not None
    assert os.getsid(status["pid"]) == status["pid"]  # a session of its own: no Ctrl-C reaches it
    stop_engine(place)


def test_clients_are_back_after_a_kill_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    url = f"local://{tmp_path}"
    place = Place(tmp_path)
    with Store.open(url) as store, store.feed.watch("datasets") as watch:
        for number in range(3):
            store.datasets.add(f"d{number}", [("text", "label")] * 2_000)
            address = place.address()
            assert address is not None
            kill(address.pid)
            assert store.datasets.get(f"d{number}").size == 2_000
        names = []
        while len(names) < 3:
            changes = watch.read(timeout=SOON)
            assert changes
            names += [change.data["dataset_id"] for change in changes]
        assert names == ["d0", "d1", "d2"]
    stop_engine(place)


def test_a_folder_that_another_program_holds_for_itself_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astermind_lab.persistence.engine.launch._ASK_SECONDS", 0.2)
    with (
        Store.open(f"surrealkv://{tmp_path / 'lab'}"),
        pytest.raises(StoreLocked, match=r"opened it as surrealkv://, for itself alone"),
    ):
        Store.open(f"local://{tmp_path}")
    with Store.open(f"local://{tmp_path}"), pytest.raises(StoreLocked, match=r"is in use by"):
        Store.open(f"surrealkv://{tmp_path / 'lab'}")
    stop_engine(Place(tmp_path))


def test_a_taken_port_is_named(server: Server, tmp_path: Path) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    with pytest.raises(StoreUnavailable, match=rf"could not be started: .*{port}"):
        Store.open(f"local://{tmp_path}", engine=EngineOptions(port=port), patience=0.1)


def test_the_password_of_the_settings_does_not_reach_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTERMIND_DATABASE__PASSWORD", "hunter2")
    place = Place(tmp_path)
    status = ensure_engine(place, EngineOptions())
    environment = Path(f"/proc/{status['pid']}/environ").read_bytes()
    stop_engine(place)
    assert b"hunter2" not in environment


def test_a_lost_secret_is_made_anew(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with Store.open(f"local://{tmp_path}") as store:
        store.datasets.add("d", [("text", "label")])
    stop_engine(place)
    before = place.secret()
    (place.folder / "secret").unlink()
    with Store.open(f"local://{tmp_path}") as store:
        assert store.datasets.get("d").size == 1
        assert place.secret() != before
    stop_engine(place)


def test_sessions_and_live_queries_go_on_when_it_opens_its_database_anew(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.make()
    code = (
        "import sys; from astermind_lab.persistence.engine import upkeep, __main__ as engine; "
        "upkeep.LOG_BYTES = 300_000; upkeep._LOOK_SECONDS = 0.05; sys.exit(engine.main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT)

    def times() -> int:
        return place.log.read_text().count("opened anew")

    async def ask(server: Server) -> None:
        async with client(server, "one") as one, client(server, "two") as two:
            await one.let("x", {"deep": [1]})
            await two.use("other", "moved")
            await one.query("DEFINE TABLE t").execute()
            every = await one.subscribe_live(await one.live("t"))
            stranger = await connect(server.url, subprotocols=["cbor"])  # type: ignore[list-item]
            await request(stranger, "use", "astermind", "one")
            count = 0
            while count < 60 or (times() < 2 and count < 3_000):
                row = {"n": count, "pad": "x" * 30_000}
                await one.query("CREATE t CONTENT $row RETURN NONE", {"row": row}).execute()
                count += 1
            assert times() >= 2
            assert [row["n"] for _, row in await told(every, count)] == list(range(count))
            assert await one.query("RETURN [$x, session::db()]").first() == [{"deep": [1]}, "one"]
            place_now = "RETURN [session::ns(), session::db()]"
            assert await two.query(place_now).first() == ["other", "moved"]
            refused = await request(stranger, "query", "SELECT * FROM t", {})
            assert "Anonymous access not allowed" in refused["error"]["message"]
            await stranger.close()
            assert len(await one.query("SELECT n FROM t").first()) == count

    try:
        _until(lambda: engine_status(place) is not None)
        server = Server.__new__(Server)
        address = place.address()
        assert address is not None
        server.url, server.password = address.url, place.secret()
        asyncio.run(ask(server))
        with Store.open(f"local://{tmp_path}") as store, store.feed.watch("predictions") as watch:
            before, seen = times(), 0
            for start in range(0, 3_000, 100):
                store.predictions.add_many([prediction(start + n) for n in range(100)])
            while seen < 3_000:
                changes = watch.read(timeout=SOON)
                assert changes
                seen += len(changes)
            assert seen == 3_000 == store.predictions.count("m") and times() > before
    finally:
        process.terminate()
        assert process.wait(SOON) == 0


def test_its_address_tells_no_secret(server: Server) -> None:
    known = json.loads((server.place.folder / "address.json").read_text())
    assert known["url"] == server.url and known["pid"] == server.pid
    assert server.password not in json.dumps(known)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)
