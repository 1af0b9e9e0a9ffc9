"""The server's standard input and output, byte by byte."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.data import EXAMPLES
from tests.mcp.client import PATIENCE, environment


def start(folder: Path, **extra: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "astermind_lab", "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(folder, **extra),
        cwd=folder,
    )


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


HELLO = line(
    id=1,
    method="initialize",
    params={
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
) + line(method="notifications/initialized")


def call(number: int, tool: str, arguments: dict[str, Any]) -> bytes:
    return line(id=number, method="tools/call", params={"name": tool, "arguments": arguments})


def test_garbage_on_the_wire_does_not_end_it(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(HELLO)
        for garbage in (b"\n", b"not json\n", b"[1,2]\n", b"{}\n", b"\xff\xfe\n"):
            process.stdin.write(garbage)
        process.stdin.write(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":5}\n')
        lone = '{"name":"predict","arguments":{"model_id":"m","text":"\\ud800"}}'
        process.stdin.write(
            f'{{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{lone}}}\n'.encode()
        )
        process.stdin.write(call(9, "list_models", {}))
        process.stdin.flush()
        answers: dict[Any, dict[str, Any]] = {}
        while 9 not in answers:
            message = json.loads(process.stdout.readline())
            answers[message.get("id")] = message
        assert answers[9]["result"]["structuredContent"] == {"models": []}
    finally:
        process.kill()
        process.communicate()


def test_standard_output_carries_the_protocol_only(tmp_path: Path) -> None:
    """Code that the server runs may print, in Python or below it: none of it reaches the client."""
    (tmp_path / "noisy.py").write_text(
        "import os\n"
        "from astermind_lab.lab.session import Session\n"
        "quiet = Session.find\n"
        "def find(self, *rest):\n"
        "    print('NOISE from Python')\n"
        "    os.write(1, b'NOISE from below\\n')\n"
        "    return quiet(self, *rest)\n"
        "Session.find = find\n"
    )
    (tmp_path / "sitecustomize.py").write_text("import noisy\n")
    kept = environment(tmp_path)["PYTHONPATH"]
    process = start(tmp_path, PYTHONPATH=f"{tmp_path}:{kept}")
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(HELLO + call(2, "predict", {"model_id": "m", "text": "t"}))
        process.stdin.flush()
        seen = [json.loads(process.stdout.readline()) for _ in range(2)]
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert [message["id"] for message in seen] == [1, 2]
    assert out == b""
    assert b"NOISE from Python" in err
    assert b"NOISE from below" in err


@pytest.mark.parametrize("training", [False, True])
def test_it_ends_when_the_client_leaves(tmp_path: Path, training: bool) -> None:
    many = [{**e, "text": f"{e['text']} {n}"} for n in range(200) for e in EXAMPLES]
    process = start(tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(HELLO)
        process.stdin.flush()
        process.stdout.readline()
        if training:
            arguments = {"model_id": "m", "training_data": many, "persist": True}
            process.stdin.write(call(2, "train_classifier", arguments))
            process.stdin.flush()
        begun = time.perf_counter()
        process.communicate(timeout=PATIENCE)
        assert time.perf_counter() - begun < 20
        assert process.returncode == 0
    finally:
        process.kill()


def test_a_training_that_is_withdrawn_stops(tmp_path: Path) -> None:
    many = [{**e, "text": f"{e['text']} {n}"} for n in range(200) for e in EXAMPLES]
    process = start(tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None

    def exchange(message: bytes, number: int) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        process.stdin.flush()
        while (answer := json.loads(process.stdout.readline())).get("id") != number:
            pass
        return answer

    try:
        exchange(HELLO, 1)
        arguments = {"model_id": "m", "training_data": many}
        params = {"name": "train_classifier", "arguments": arguments, "_meta": {"progressToken": 5}}
        process.stdin.write(line(id=2, method="tools/call", params=params))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["method"] == "notifications/progress"
        process.stdin.write(line(method="notifications/cancelled", params={"requestId": 2}))
        again = {"model_id": "m", "training_data": EXAMPLES}
        deadline = time.monotonic() + PATIENCE
        number = 3
        while exchange(call(number, "train_classifier", again), number)["result"].get("isError"):
            assert time.monotonic() < deadline
            number += 1
        listed = exchange(call(number + 1, "list_models", {}), number + 1)
        [model] = listed["result"]["structuredContent"]["models"]
        assert model["trainingExamples"] == len(EXAMPLES)
    finally:
        process.kill()
        process.communicate()
