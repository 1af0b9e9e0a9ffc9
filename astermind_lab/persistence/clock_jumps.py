"""Noticing, when a database is opened, that the clock was set back since it was last written.

Stamps of the change feed are times of day (``changes.py``). Whoever opens the database for itself,
a local engine or a process, looks for stamps that are still to come; if there are any, they are
noted in ``_clock_jumps`` before anything else is written. On a server this is the server's affair.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from surrealdb import RecordID

from astermind_lab.persistence.changes import (
    MOST_SETS,
    Generations,
    Jump,
    show_changes,
    stamp_of_millisecond,
)

__all__ = ["READ_JUMPS", "Ask", "generations", "note_clock_jump"]

READ_JUMPS = "SELECT * FROM type::table('_clock_jumps') ORDER BY id"

# Some statements and their parameters; the result of each.
Ask = Callable[[str, dict[str, Any]], Awaitable[Sequence[Any]]]


def generations(rows: Sequence[dict[str, Any]]) -> Generations:
    """What the rows of ``_clock_jumps`` say."""
    return Generations([Jump(row["since"], frozenset(row["earlier"])) for row in rows])


async def note_clock_jump(ask: Ask) -> int:
    """Note a clock that was set back; how many stamps are still to come.

    Call it when the database has been opened and nothing was written yet.
    """
    [now] = await ask("RETURN time::millis(time::now())", {})
    since = stamp_of_millisecond(now)
    earlier: list[int] = []
    reading = since
    while rows := (await ask(show_changes(reading, MOST_SETS), {}))[0]:
        earlier += [row["versionstamp"] for row in rows]
        reading = earlier[-1] + 1
    if earlier:
        [count] = await ask("RETURN (SELECT VALUE id FROM type::table('_clock_jumps')).len()", {})
        jump = {"since": since, "earlier": earlier}
        record = RecordID("_clock_jumps", count)
        await ask("CREATE $record CONTENT $jump RETURN NONE", {"record": record, "jump": jump})
    return len(earlier)
