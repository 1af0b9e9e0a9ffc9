"""``python -m astermind_lab``: the same commands as ``astermind``."""

from __future__ import annotations

from astermind_lab.cli import main

if __name__ == "__main__":
    main()
