"""The one place where the SDK's errors become ours; no other error leaves the package.

RecordTaken      a record id that exists          (repositories say which id it was)
TableMissing     a table that does not exist      (repositories say what that means)
WriteConflict    two transactions met             (the connection tries again)
StoreUnavailable the server is away, or refuses the sign-in
StoreError       everything else, in one line
"""

from __future__ import annotations

from typing import Any

from surrealdb.errors import (
    AlreadyExistsError,
    NotAllowedError,
    NotFoundError,
    QueryError,
    ServerError,
    SurrealError,
    TransportError,
    parse_query_error,
    parse_rpc_error,
)

from astermind_lab.errors import StoreError, StoreUnavailable

__all__ = [
    "RecordTaken",
    "TableMissing",
    "WriteConflict",
    "is_locked",
    "one_line",
    "read_reply",
    "translate",
]

# Statements of a failed transaction that merely say that it failed.
_ECHO = "NotExecuted"


class RecordTaken(StoreError):
    """A record with this id exists."""


class TableMissing(StoreError):
    """The table does not exist."""


class WriteConflict(StoreError):
    """Another transaction wrote the same records first; nothing was changed."""


def read_reply(reply: dict[str, Any]) -> list[Any]:
    """The results of each statement; raises the translated first real error.

    ``reply`` is the raw answer to a query: ``{"result": [{"status", "result", …}, …]}`` or
    ``{"error": …}``.
    """
    if reply.get("error") is not None:
        raise translate(parse_rpc_error(reply["error"]))
    statements = reply.get("result")
    if not isinstance(statements, list):
        raise StoreError(f"the database answered in an unknown form: {one_line(repr(reply))}")
    failed = [entry for entry in statements if entry.get("status") == "ERR"]
    if failed:
        causes = [entry for entry in failed if not _is_echo(entry)]
        raise translate(parse_query_error((causes or failed)[0]))
    return [entry.get("result") for entry in statements]


def _is_echo(entry: dict[str, Any]) -> bool:
    details = entry.get("details")
    if isinstance(details, dict) and details.get("kind") == _ECHO:
        return True
    return "not executed due to" in str(entry.get("result"))


def translate(problem: Exception) -> StoreError:
    """The error of our tree that an SDK error stands for."""
    message = one_line(str(problem))
    if isinstance(problem, StoreError):
        return problem
    if _is_conflict(problem, message):
        return WriteConflict(f"the database is busy with the same records: {message}")
    if isinstance(problem, AlreadyExistsError):
        return RecordTaken(message)
    if isinstance(problem, NotFoundError) and problem.table_name is not None:
        return TableMissing(message)
    if isinstance(problem, NotAllowedError) or _is_refusal(message):
        return StoreUnavailable(
            f"the database refused: {message}. Give username= and password= of a user who may "
            "read and write this namespace and database"
        )
    if isinstance(problem, TransportError | OSError | TimeoutError):
        return StoreUnavailable(f"the database does not answer: {message}")
    if isinstance(problem, ServerError | SurrealError):
        return StoreError(f"the database refused the request: {message}")
    return StoreError(f"the request could not be sent: {message or type(problem).__name__}")


def _is_conflict(problem: Exception, message: str) -> bool:
    if isinstance(problem, QueryError) and problem.is_transaction_conflict:
        return True
    # Servers of the 2.x series send the text only.
    return "can be retried" in message


def _is_refusal(message: str) -> bool:
    signs = ("not enough permissions", "problem with authentication", "anonymous access")
    return any(sign in message.lower() for sign in signs)


def is_locked(problem: Exception) -> bool:
    """Whether opening failed because another process holds the folder."""
    return "already locked" in str(problem)


def one_line(message: str, limit: int = 300) -> str:
    """The message on one line, shortened."""
    text = " ".join(message.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
