"""The service object of the lab.

A ``Lab`` holds an open store and the models in memory. Its methods are the tools that the notebook,
the command line and the MCP server offer; they check their arguments, do the work with the layers
below, and answer with the dataclasses of ``astermind_lab.results``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astermind_lab.lab.service import Lab

if TYPE_CHECKING:  # what Lab.watch gives, for annotations
    from astermind_lab.persistence import RecordChange as RecordChange
    from astermind_lab.persistence import Watch as Watch

__all__ = ["Lab"]
