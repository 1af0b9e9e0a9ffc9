"""``astermind watch`` and ``astermind monitor``: what happens, line by line, as it happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from astermind_lab.errors import shown

if TYPE_CHECKING:
    from astermind_lab.cli.program import Address
    from astermind_lab.lab import RecordChange

__all__ = ["monitor", "watch"]

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
    scheduled_jobs, jobs, monitored_models, monitors or alerts.
    """
    with address.open() as lab, lab.watch(table, since) as changes:
        for number, change in enumerate(changes, start=1):
            line = json.dumps(change.to_dict(), ensure_ascii=False) if as_json else _line(change)
            click.echo(line)
            if number == count:
                break


@click.command()
@click.option("--count", type=click.IntRange(min=1), help="End after so many alerts.")
@click.option("--json", "as_json", is_flag=True, help="Print each alert as a line of JSON.")
@click.pass_obj
def monitor(address: Address, count: int | None, as_json: bool) -> None:
    """Evaluate the monitors that are due, and print new alerts, until Ctrl-C.

    Programs that log predictions do it as well; this is for when none of them runs.
    """
    with address.open() as lab, lab.watch("alerts") as changes:
        lab.keep_watch()
        new = (change for change in changes if change.action == "create")
        for number, change in enumerate(new, start=1):
            if as_json:
                click.echo(json.dumps(change.to_dict()["data"], ensure_ascii=False))
            else:
                click.echo(f"{change.at:%H:%M:%S} {change.data['message']}")
            if number == count:
                break


def _line(change: RecordChange) -> str:
    data = {key: value for key, value in change.data.items() if key != "id"}
    return f"{change.at:%H:%M:%S} {change.action:<6} {shown(data, _LONGEST)}"
