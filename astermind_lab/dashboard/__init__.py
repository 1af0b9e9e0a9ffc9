"""The dashboards: pages that show the lab as it is, and keep doing so.

The pages themselves are the files of the folder ``dashboards``; here is what they share. A server
has one ``hub`` with the lab, the watches and the answers; a page has a ``frame``, a ``session``
that keeps it up to date, and ``card``s, each of which asks one question and draws the answer.
"""

from __future__ import annotations

__all__: list[str] = []
