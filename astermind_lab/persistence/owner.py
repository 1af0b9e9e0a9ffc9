"""Who holds a store folder: one small file that makes a refusal readable.

The engine's own lock decides; this file only explains. It is written after the lock was taken and
removed on close. A file that a killed process left behind is overwritten by the next owner, and
misleads nobody in between: it is read only after the lock was refused, and believed only while the
process it names is alive. (The engine's lock file holds a process id too, but every refused attempt
to open the folder empties it.)
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import datetime
from pathlib import Path

__all__ = ["describe_owner", "forget_owner", "is_running", "owner_program", "record_owner"]

OWNER_FILE = "owner.json"


def record_owner(folder: Path, now: datetime, program: str | None = None) -> None:
    """Note this process as the owner of ``folder``; a folder that takes no file is no error."""
    note = {
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "program": program or _program(),
        "host": platform.node(),
        "since": now.isoformat(timespec="seconds"),
    }
    path = folder / OWNER_FILE
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        draft.write_text(json.dumps(note), encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)


def forget_owner(folder: Path) -> None:
    """Remove the note if it is this process's own."""
    if _read_note(folder).get("pid") != os.getpid():
        return
    try:
        (folder / OWNER_FILE).unlink(missing_ok=True)
    except OSError:
        return


def describe_owner(folder: Path) -> str:
    """One line for people: which process holds the folder, as far as that can be known."""
    note = _read_note(folder)
    pid, host = note.get("pid"), note.get("host")
    story = f"({note.get('program')}, since {note.get('since')})"
    if host is not None and host != platform.node():
        return f"process {pid} on {host} {story}"
    if not isinstance(pid, int) or not is_running(pid, note.get("started")):
        return "another process"
    if pid == os.getpid():
        return "this very program, which has opened it already"
    return f"process {pid} {story}"


def owner_program(folder: Path) -> str | None:
    """The program that holds the folder, by its note; None if it is gone or nobody knows."""
    note = _read_note(folder)
    pid = note.get("pid")
    alive = isinstance(pid, int) and is_running(pid, note.get("started"))
    return str(note.get("program")) if alive else None


def is_running(pid: int, started: object = None) -> bool:
    """Whether that very process is alive; an id alone may have passed to another one."""
    if os.name != "posix":  # elsewhere the question itself would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return started is None or started == _started(pid)


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's own count, where the system tells (Linux)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The fields are counted from the end of the name, which may hold anything.
    fields = status.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else None


def _program() -> str:
    """The script's name only: the arguments of a program may hold secrets."""
    script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    return script if script not in ("", "-c", "-") else "python"


def _read_note(folder: Path) -> dict[str, object]:
    try:
        note = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
