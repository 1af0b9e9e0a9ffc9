"""``astermind``: the lab on the command line.

Every tool of the lab is a command, with dashes for underscores; the options are its arguments. For
people it prints tables, with ``--json`` one line of JSON. What is wrong is said in one line on
standard error, with exit code 2.
"""

from __future__ import annotations

from astermind_lab.cli.program import cli, main

__all__ = ["cli", "main"]
