"""The Extreme Learning Machine: a fixed hidden layer and a readout in closed form.

Arrays and texts in, arrays out; no files, no clock, no database. ``TextClassifier`` is the whole
of it; the modules below hold one part each: features, discriminants, coordinates, hidden, readout,
calibration, ledger, training, model_file, metrics.
"""

from astermind_lab.core.classifier import Answer, TextClassifier
from astermind_lab.core.config import ElmConfig

__all__ = ["Answer", "ElmConfig", "TextClassifier"]
