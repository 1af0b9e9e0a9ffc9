"""Asking a model about one text after another, and seeing why it answers as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astermind_lab.display import Fact, View, html, plain
from astermind_lab.errors import InvalidInput, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.lab.explaining import explainer_of
from astermind_lab.results import Explanation

if TYPE_CHECKING:
    from astermind_lab.lab.live import LiveModel
    from astermind_lab.lab.session import Session

__all__ = ["Exploring", "explore"]

_ROWS = 10


def explore(
    lab: Session,
    model_id: str,
    text: str = "",
    *,
    dataset_id: str | None = None,
    examples: ExampleData | None = None,
    version: str | None = None,
) -> Exploring:
    """Ask a model about texts: probabilities, the words that matter, the training rows behind it.

    The training rows are made ready once, so that each text is answered at once.

    model_id : the model, in memory or stored     text : the first text; blank for none yet
    dataset_id : the stored data set with the training texts; without one the model's own
    examples : or the training texts themselves, with their labels
    version : a stored version or an alias; without one the model in memory, else the latest version
    Raises InvalidInput, NotFound.
    """
    model_id = check.identifier(model_id, "model_id")
    version = check.optional(check.identifier, version, "version")
    live = lab.find(model_id, version)
    return Exploring(lab, live, version, dataset_id, examples, text)


class Exploring:
    """A model, the text it was asked about last, and why it answers as it does.

    labels : the model's     text : the last one     explanation : of it, None for a blank text
    prepared_ms, took_ms : to make the training rows ready, once; to answer the last text

    ``ask`` follows the model: what it learned meanwhile counts.
    """

    def __init__(
        self,
        lab: Session,
        live: LiveModel,
        version: str | None,
        dataset_id: str | None,
        examples: ExampleData | None,
        text: str,
    ) -> None:
        self._lab, self._live, self._version = lab, live, version
        self.model_id = live.model_id
        self.text = ""
        self.explanation: Explanation | None = None
        self.took_ms = 0.0
        start = lab.clock.monotonic()
        self._explainer = explainer_of(lab, live, dataset_id, examples, keep=True)
        self._explainer.prepare(live)
        self.prepared_ms = 1000 * (lab.clock.monotonic() - start)
        self.ask(text)

    @property
    def labels(self) -> list[str]:
        return list(self._live.classifier.categories)

    def ask(self, text: str) -> None:
        """Answer another text; a blank one clears the answer.

        Raises InvalidInput for what cannot be a text, NotFound if the model is gone.
        """
        if not isinstance(text, str):
            raise InvalidInput("text", f"must be text, got {shown(text)}")
        start = self._lab.clock.monotonic()
        explanation = None
        if text and not text.isspace():
            text = check.text(text, "text")
            if self._version is None:  # a stored version stays as it is
                self._live = self._lab.find(self.model_id)
            explanation = self._explainer.explain(self._live, text, _ROWS)
            self._live.last_used = self._lab.clock.now()
        self.text, self.explanation = text, explanation
        self.took_ms = 1000 * (self._lab.clock.monotonic() - start)

    def state(self) -> dict[str, Any]:
        """All of it as plain data for JSON."""
        found = {} if self.explanation is None else self.explanation.to_dict()
        lists = ("predictions", "words", "rows", "warnings")
        return {
            "model_id": self.model_id,
            "labels": self.labels,
            "text": self.text,
            **{name: found.get(name, []) for name in lists},
            "took_ms": self.took_ms,
        }

    def view(self) -> View:
        """What there is to see."""
        if self.explanation is not None:
            return self.explanation.view()
        return View(f"Explore {self.model_id}", [Fact("labels", self.labels)], (), ["Ask a text."])

    def __repr__(self) -> str:
        answer = "nothing asked" if self.explanation is None else self.explanation.short()
        return f"Exploring({self.model_id!r}, {answer})"

    def __str__(self) -> str:
        return plain(self.view())

    def _repr_html_(self) -> str:
        return html(self.view())
