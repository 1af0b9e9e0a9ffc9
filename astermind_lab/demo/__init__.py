"""The demonstration: a classifier taught, stored and asked again from a second process.

It works on real text, ``languages()`` from the package chatterbot-corpus, or on a file of the
user's, ``read_examples(path)``. ``hold_out`` keeps a part aside to measure on. The notebooks use
the same functions, and ``stream`` for texts that come over time.
"""

from __future__ import annotations

from astermind_lab.demo.corpus import languages
from astermind_lab.demo.examples import Examples, hold_out
from astermind_lab.demo.files import read_examples
from astermind_lab.demo.stream import Stream, stream

__all__ = ["Examples", "Stream", "hold_out", "languages", "read_examples", "stream"]
