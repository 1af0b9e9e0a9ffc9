"""scikit-learn estimators over the same Extreme Learning Machine as the lab's.

``ELMClassifier`` takes numeric arrays, ``TextELMClassifier`` texts. Both fit by one solve, know
their leave-one-out accuracy without a test set (``accuracy_``), learn on exactly with
``partial_fit``, and work wherever scikit-learn takes an estimator.
"""

from astermind_lab.sklearn.numeric import ELMClassifier
from astermind_lab.sklearn.text import TextELMClassifier

__all__ = ["ELMClassifier", "TextELMClassifier"]
