"""Why a model answers as it does: the words that matter and the training rows behind it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from astermind_lab.errors import NotFound, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.lab.labelled import LabelledData
from astermind_lab.lab.live import LiveModel
from astermind_lab.results import CategoryScore, Explanation, TrainingRow, WordEffect
from astermind_lab.tools import tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astermind_lab.core import TextClassifier
    from astermind_lab.core.influence import TrainingRows
    from astermind_lab.core.ledger import Ledger
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import Dataset

__all__ = ["Explainer", "explain_prediction", "explainer_of"]

_MOST_LABELS = 10
_MOST_CHARACTERS = 50_000_000  # of texts held in memory; beyond them they are read when shown

_WORDS = "words: change of the log-odds of the answer when a word is left out"
_ROWS = "rows: exact contribution of each training row to the score (ridge readout)"
_PASS = "pass dataset_id or examples with the texts it was trained on"
_NO_TEXTS = f"The training rows cannot be shown, as a model keeps no texts; {_PASS}."
_GONE = "The training rows cannot be shown: data set {} is not stored any more; " + f"{_PASS}."
_MARGIN = (
    "No training rows: this model has a margin readout, which has no exact contributions; "
    'train with readout "ridge" (presets "fast" and "default") to see them.'
)
_LONG = "No words: the text is too long to leave out its words one after the other."


@tool(slow=True)
def explain_prediction(
    lab: Session,
    model_id: str,
    text: str,
    top_k: int = 10,
    dataset_id: str | None = None,
    examples: ExampleData | None = None,
    version: str | None = None,
) -> Explanation:
    """Why a model answers as it does: the words that matter, and the training rows behind it.

    For each word: how much less sure the answer is without it. For each training row: its exact
    share in the score of the answer; the shares of all rows add up to the score.

    model_id : the model, in memory or stored
    text : the text to label
    top_k : how many training rows to return, 1 to 100
    dataset_id : the stored data set with the training texts; without one the model's own
    examples : or the training texts themselves, with their labels
    version : a stored version or an alias; without one the model in memory, else the latest version
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    text = check.text(text, "text")
    top_k = check.whole_number(top_k, "top_k", 1, 100)
    wanted = check.optional(check.identifier, version, "version")
    live = lab.find(model_id, wanted)
    explainer = explainer_of(lab, live, dataset_id, examples)
    explanation = explainer.explain(live, text, top_k)
    live.last_used = lab.clock.now()
    return explanation


_lock = threading.Lock()
_made: WeakKeyDictionary[LiveModel, tuple[Dataset, Explainer]] = WeakKeyDictionary()


def explainer_of(
    lab: Session,
    live: LiveModel,
    dataset_id: str | None = None,
    examples: ExampleData | None = None,
    *,
    keep: bool = False,
) -> Explainer:
    """What explains the answers of a model; for a stored data set it is made once.

    keep : make one of its own that holds the hidden rows, for many questions
    Raises InvalidInput for both dataset_id and examples; NotFound.
    """
    own = dataset_id is None and examples is None
    if own:
        dataset_id = live.dataset_id
        if dataset_id is None:
            return Explainer(None, [_NO_TEXTS])
    try:
        data = LabelledData.of(lab, dataset_id, examples)
    except NotFound:
        if not own:
            raise
        return Explainer(None, [_GONE.format(shown(dataset_id))])
    if keep or data.record is None:
        return Explainer(data, keep=keep)
    with _lock:
        known = _made.get(live)
    if known is not None and known[0] == data.record:
        return known[1]
    made = Explainer(data)
    with _lock:
        _made[live] = data.record, made
    return made


class Explainer:
    """Explains the answers of a model by the texts it was trained on.

    It may be used by several threads, and the model may change meanwhile.
    """

    def __init__(
        self, data: LabelledData | None, warnings: Sequence[str] = (), *, keep: bool = False
    ) -> None:
        """data : labelled texts with those of the training; None: there are none, see warnings"""
        self._data, self._warnings, self._keep = data, list(warnings), keep
        self._lock = threading.Lock()
        self._texts: list[str] | None = None
        self._labels: list[str] = []
        self._keys: NDArray[np.uint64] | None = None
        self._matched: tuple[Ledger, TrainingRows, NDArray[np.intp]] | None = None

    def prepare(self, live: LiveModel) -> None:
        """Read the texts and find the training rows among them, unless that is done."""
        self._read(live)
        with live.guard.reading():
            self._rows(live)

    def explain(self, live: LiveModel, text: str, top_k: int) -> Explanation:
        """Why the model answers as it does. text : not blank"""
        from astermind_lab.core.occlusion import log_odds, occluded

        self._read(live)
        with live.guard.reading():
            classifier = live.classifier
            answers, spans = occluded(classifier, text)
            chances = answers.probabilities
            number = int(chances[0].argmax())
            rows, warnings = self._behind(live, text, number, top_k)
            categories = classifier.categories
        odds = log_odds(chances, number)
        best = (-chances[0]).argsort(kind="stable")[:_MOST_LABELS].tolist()
        return Explanation(
            model_id=live.model_id,
            text=text,
            category=categories[number],
            confidence=float(chances[0, number]),
            predictions=[
                CategoryScore(category=categories[i], confidence=float(chances[0, i])) for i in best
            ],
            words=[
                WordEffect(word=text[start:end], start=start, end=end, effect=effect)
                for (start, end), effect in zip(spans, (odds[0] - odds[1:]).tolist(), strict=True)
            ],
            rows=rows,
            method=f"{_WORDS}; {_ROWS}" if rows else _WORDS,
            warnings=[*_about(bool(answers.known[0]), bool(spans)), *warnings],
        )

    def _behind(
        self, live: LiveModel, text: str, number: int, top_k: int
    ) -> tuple[list[TrainingRow], list[str]]:
        """The training rows behind an answer, and what to know about them."""
        found = self._rows(live)
        if found is None:
            margin = live.classifier.config.readout != "ridge"
            return [], [_MARGIN] if margin else self._warnings
        rows, places = found
        classifier = live.classifier
        influence, similarity = rows.influence(classifier, text, number)
        most = (-abs(influence)).argsort(kind="stable")[:top_k].tolist()
        shown_rows = [
            TrainingRow(
                text=self._text(int(places[i])),
                label=classifier.categories[rows.labels[i]],
                similarity=float(similarity[i]),
                influence=float(influence[i]),
                place=int(places[i]),
            )
            for i in sorted(most, key=lambda i: (-influence[i], -similarity[i]))
        ]
        return shown_rows, self._left_out(len(rows.rows), classifier)

    def _left_out(self, found: int, classifier: TextClassifier) -> list[str]:
        missing = classifier.n_examples - found
        if not missing or self._data is None:
            return []
        given = self._data.dataset_id
        where = "the examples" if given is None else f"data set {shown(given)}"
        return [
            f"{missing:,} of the model's {classifier.n_examples:,} training texts are not in "
            f"{where} and not among the rows shown."
        ]

    def _read(self, live: LiveModel) -> None:
        """Read the texts once; they belong to the data, not to the model."""
        from astermind_lab.core.ledger import digests

        if self._data is None or live.classifier.config.readout != "ridge":
            return
        with self._lock:
            if self._keys is not None:
                return
            texts = []
            for text, label in self._data.pairs():
                texts.append(text)
                self._labels.append(label)
            self._texts = texts
            self._keys = digests(texts)

    def _rows(self, live: LiveModel) -> tuple[TrainingRows, NDArray[np.intp]] | None:
        """The model's examples that are among the texts, and their places there.

        The caller holds the model for reading. None for a margin readout, or without texts.
        """
        import numpy as np

        from astermind_lab.core.influence import TrainingRows, matched

        with self._lock:
            classifier = live.classifier
            if self._keys is None or classifier.config.readout != "ridge":
                return None
            ledger = classifier.ledger  # another one after every change
            if self._matched is None or self._matched[0] is not ledger:
                numbers = {label: i for i, label in enumerate(classifier.categories)}
                labels = np.array([numbers.get(label, -1) for label in self._labels], np.intp)
                places = matched(ledger, self._keys, labels)
                rows = np.flatnonzero(places >= 0)
                made = TrainingRows.of(
                    classifier, rows, lambda row: self._text(int(places[row])), keep=self._keep
                )
                self._matched = ledger, made, places[rows]
                # rows without kept coordinates need their texts at the next change too
                long = sum(map(len, self._texts or ())) > _MOST_CHARACTERS
                if long and (ledger.places >= 0).all():
                    self._texts = None
            return self._matched[1:]

    def _text(self, place: int) -> str:
        if self._texts is not None:
            return self._texts[place]
        assert self._data is not None
        return self._data.text(place)


def _about(known: bool, has_words: bool) -> list[str]:
    from astermind_lab.core.classifier import UNKNOWN_TEXT

    return [
        *([] if known else [UNKNOWN_TEXT]),
        *([] if has_words else [_LONG]),
    ]
