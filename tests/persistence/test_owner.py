"""One folder, one process: the second is told who holds it."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from astermind_lab.errors import StoreLocked
from astermind_lab.persistence import Store
from astermind_lab.persistence.owner import OWNER_FILE, describe_owner, record_owner
from tests.persistence.processes import finish, output, start

HOLD = """if True:
    import sys
    from astermind_lab.persistence import Store
    sys.argv[0] = "/somewhere/notebook.py"
    with Store.open(sys.argv[1]) as store:
        print("open", flush=True)
        sys.stdin.readline()
"""

TRY = """if True:
    import sys
    from astermind_lab.errors import StoreLocked
    from astermind_lab.persistence import Store
    try:
        Store.open(sys.argv[1])
    except StoreLocked as problem:
        print(problem)
"""


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    holder = start(HOLD, url)
    assert output(holder).readline() == "open\n"
    with pytest.raises(StoreLocked) as caught:
        Store.open(url)
    line = str(caught.value)
    assert f"process {holder.pid} (notebook.py, since 20" in line
    assert str(tmp_path / "store") in line and "\n" not in line
    assert "Close it there" in line and "another folder" in line and "ws://" in line
    finish(holder)
    with Store.open(url) as store:
        assert store.models.latest() == []


def test_the_message_is_the_same_from_any_program(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Store.open(url):
        code, out, _ = finish(start(TRY, url))
        assert code == 0 and f"process {os.getpid()} (" in out
    assert not (tmp_path / "store" / OWNER_FILE).exists()


def test_the_same_program_is_told_so(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with Store.open(url), pytest.raises(StoreLocked, match="this very program"):
        Store.open(url)
    Store.open(url).close()


def test_a_killed_owner_leaves_a_note_that_misleads_nobody(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    first = start(HOLD, url)
    output(first).readline()
    first.send_signal(signal.SIGKILL)
    finish(first)
    note = json.loads((tmp_path / "store" / OWNER_FILE).read_text())
    assert note["pid"] == first.pid
    with Store.open(url):
        # As if the new owner had not got round to writing its own note.
        (tmp_path / "store" / OWNER_FILE).write_text(json.dumps(note))
        code, out, _ = finish(start(TRY, url))
        assert code == 0 and "in use by another process. Close it" in out
        # The same id, but of a process that began at another time.
        (tmp_path / "store" / OWNER_FILE).write_text(json.dumps(note | {"pid": os.getpid()}))
        assert "in use by another process. Close it" in finish(start(TRY, url))[1]


def test_what_is_said_with_little_known(tmp_path: Path) -> None:
    assert describe_owner(tmp_path) == "another process"
    for text in ("not json", "[]", "{}", '{"pid": "x"}', '{"pid": 99999999999999999999}'):
        (tmp_path / OWNER_FILE).write_text(text)
        assert describe_owner(tmp_path) == "another process"
    (tmp_path / OWNER_FILE).write_text(
        '{"pid": 77, "program": "x.py", "host": "elsewhere", "since": "then"}'
    )
    assert describe_owner(tmp_path) == "process 77 on elsewhere (x.py, since then)"


def test_a_folder_that_takes_no_note_is_no_error(tmp_path: Path) -> None:
    record_owner(tmp_path / "missing", datetime(2026, 1, 1, tzinfo=UTC))
    assert list(tmp_path.iterdir()) == []
