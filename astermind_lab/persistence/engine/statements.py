"""Finding LIVE and KILL among the statements of a query.

The embedded engine refuses both, so the local engine answers them itself: it takes them out of the
text, puts a statement with the same outcome in their place, and lets the engine run the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Live", "parse_kill", "parse_live", "split"]

# What a semicolon or a keyword inside of does not count: comments, strings, quoted names.
_SKIPPED = re.compile(
    r"--[^\n]*|//[^\n]*|\#[^\n]*|/\*.*?\*/"
    r"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|⟨(?:[^⟩\\]|\\.)*⟩",
    re.DOTALL,
)
_TOKEN = re.compile(_SKIPPED.pattern + r"|[\w$]+|[(\[{]|[)\]}]|;", re.DOTALL)
_LIVE_OR_KILL = re.compile(r"\b(?:LIVE\s+SELECT|KILL)\b", re.IGNORECASE)
_CLAUSES = ("FROM", "WHERE", "FETCH")


@dataclass(frozen=True)
class Live:
    """A live query in its parts, as they were written.

    fields : what is asked for; ``DIFF`` asks for patches     source : the table
    condition : empty for all records     fetch : links to follow, empty for none
    """

    fields: str
    source: str
    condition: str = ""
    fetch: str = ""

    @property
    def is_diff(self) -> bool:
        return self.fields.upper() == "DIFF"

    @property
    def is_plain(self) -> bool:
        """Whether it asks for whole records, all of them."""
        return self.fields == "*" and not self.condition and not self.fetch


def split(text: str) -> list[str] | None:
    """The statements of a query that holds LIVE or KILL; None if it holds neither."""
    if not _LIVE_OR_KILL.search(text):
        return None
    cuts = [-1, *(at for at, token in _top_level(text) if token == ";"), len(text)]
    return [text[start + 1 : end] for start, end in pairwise(cuts)]


def parse_live(statement: str) -> Live | None:
    """The live query that a statement starts, None if it starts none."""
    words = _words(statement)
    if [word for _, word in words[:2]] != ["LIVE", "SELECT"]:
        return None
    places = {word: at for at, word in reversed(words) if word in _CLAUSES}
    if "FROM" not in places:
        return None
    starts = sorted((at, word) for word, at in places.items())
    ends = [at for at, _ in starts[1:]] + [len(statement)]
    parts = {
        word: statement[at + len(word) : end].strip()
        for (at, word), end in zip(starts, ends, strict=True)
    }
    fields = statement[words[1][0] + len("SELECT") : places["FROM"]].strip()
    return Live(fields, parts["FROM"], parts.get("WHERE", ""), parts.get("FETCH", ""))


def parse_kill(statement: str) -> str | None:
    """The expression after KILL, None if the statement is no KILL."""
    words = _words(statement)
    if not words or words[0][1] != "KILL":
        return None
    return statement[words[0][0] + len("KILL") :].strip()


def _words(statement: str) -> Sequence[tuple[int, str]]:
    return [(at, token.upper()) for at, token in _top_level(statement) if token != ";"]


def _top_level(text: str) -> Iterator[tuple[int, str]]:
    """Words and semicolons outside of brackets, strings and comments, with their places."""
    depth = 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
        elif depth == 0 and (token == ";" or token[0].isalnum() or token[0] in "_$"):
            yield found.start(), token
