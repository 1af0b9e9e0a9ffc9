"""``astermind watch``: what any program writes, line by line, as it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from astermind_lab.errors import shown

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address
    from astermind_lab.lab import RecordChange

__all__ = ["watch"]

_LONGEST = 100


@click.command()
@click.argument("table", default="predictions")
@click.option("--since", help='A cursor that an earlier watch printed, or "start".')
@click.option("--count", type=click.IntRange(min=1), help="End after so many changes.")
@click.option("--json", "as_json", is_flag=True, help="Print each change as a line of JSON.")
@click.pass_obj
def watch(
    address: Address, table: str, since: str | None, count: int | None, as_json: bool
) -> None:
    """Print the changes of TABLE as they are made, by any program, until Ctrl-C.

    TABLE is predictions, models, aliases, datasets, embeddings, metrics, feedback, workflows,
    scheduled_jobs or jobs.
    """
    with address.open() as lab, lab.watch(table, since) as changes:
        for number, change in enumerate(changes, start=1):
            line = json.dumps(change.to_dict(), ensure_ascii=False) if as_json else _line(change)
            click.echo(line)
            if number == count:
                break


def _line(change: RecordChange) -> str:
    data = {key: value for key, value in change.data.items() if key != "id"}
    return f"{change.at:%H:%M:%S} {change.action:<6} {shown(data, _LONGEST)}"
