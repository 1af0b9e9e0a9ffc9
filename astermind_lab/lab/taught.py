"""Keeping what was taught: a new data set with everything in it, and a new version of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import AlreadyExists, InsufficientData, NotFound, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.keeping import About, check_free, keep
from astermind_lab.lab.live import LiveModel

if TYPE_CHECKING:
    from astermind_lab.core import TextClassifier
    from astermind_lab.core.ledger import Ledger
    from astermind_lab.lab.session import Session

__all__ = ["Keeper", "Kept", "Material"]

_MOST_TRIES = 20


@dataclass(frozen=True)
class Material:
    """All examples as they are now.

    parent : the data set that they were before, None if there was none
    missing : how many of the model's examples are not among them
    """

    examples: Sequence[tuple[str, str]]
    parent: str | None
    missing: int

    def need_all(self) -> None:
        """Raises InsufficientData if some are missing."""
        if self.missing:
            raise InsufficientData(
                "model_id", f"the texts of {self.missing:,} of its examples are in no data set"
            )

    @property
    def warnings(self) -> list[str]:
        if not self.missing:
            return []
        return [
            f"{self.missing:,} examples of the model are not in the data set: their texts are not "
            "stored"
        ]


@dataclass(frozen=True)
class Kept:
    """Where the examples were stored, and then the model. at : the moment of teaching it was"""

    at: int
    dataset_id: str
    material: Material
    version: str | None = None


class Keeper:
    """What the lab has of the model that is taught, and how the taught one comes into it."""

    def __init__(
        self,
        lab: Session,
        model_id: str,
        live: LiveModel | None,
        revision: int,
        model: TextClassifier,
    ) -> None:
        """live : the model that teaching began with, None for a new one     model : its copy

        revision : of live, when it was copied
        """
        self._lab, self._model_id, self._live, self._revision = lab, model_id, live, revision
        self._dataset_id = None if live is None else live.dataset_id
        self._ledger, self._categories = model.ledger, model.categories

    def own_examples(self) -> tuple[list[tuple[str, str]], str | None]:
        """The rows of the data set that the model was of, and its name; else nothing and None."""
        if self._dataset_id is None:
            return [], None
        try:
            return list(self._lab.store.datasets.examples(self._dataset_id)), self._dataset_id
        except NotFound:
            return [], None

    def missing(self, examples: Sequence[tuple[str, str]]) -> int:
        """How many examples that the model had at the beginning are not among these."""
        return _missing(self._ledger, self._categories, examples)

    def store_examples(
        self, wanted: str | None, material: Material, metadata: Mapping[str, Any]
    ) -> str:
        """Store them under a new name, which is returned.

        wanted : the name; None is the next that is free after the parent's: a, a.2, a.3, …
        Raises AlreadyExists for a wanted name that is taken.
        """
        datasets = self._lab.store.datasets
        facts = {"parent": material.parent, "model_id": self._model_id, **metadata}
        with check.blaming("dataset_id"):
            for _ in range(_MOST_TRIES):
                taken = {one.dataset_id for one in datasets.list()}
                name = wanted or _next_name(material.parent, self._model_id, taken)
                try:
                    return datasets.add(name, material.examples, facts).dataset_id
                except AlreadyExists:
                    if wanted is not None:
                        raise
        raise AlreadyExists("dataset_id: every free name was taken meanwhile; give one")

    def store_model(
        self,
        model: TextClassifier,
        version: str | None,
        dataset_id: str,
        metadata: Mapping[str, Any],
    ) -> str:
        """Store the model as a version, whose name is returned; None is made from the time."""
        about = About(tags=("taught",), metadata=metadata, dataset_id=dataset_id)
        return keep(self._lab, self._as_live(model), version, about).version

    def check_free(self, version: str | None) -> None:
        """Refuse the name of a version that is taken."""
        check_free(self._lab, self._model_id, version)

    def put_in_place(
        self, model: TextClassifier, version: str | None, dataset_id: str | None
    ) -> LiveModel:
        """Let the model take the place of the one in memory.

        version, dataset_id : where it is stored, None if it is not
        Raises AlreadyExists if that one was changed or replaced by somebody else.
        """
        there = self._lab.live.get(self._model_id)
        if there is None:
            with self._lab.live.claim(self._model_id, overwrite=False):
                there = self._as_live(model)
                there.version, there.dataset_id = version, dataset_id
                self._lab.live.put(there)
        else:
            with there.changing, there.guard.writing():
                ours = there is self._live and there.revision == self._revision
                if not ours and (version is None or there.version != version):
                    raise AlreadyExists(
                        f"model_id: {shown(self._model_id)} was changed or replaced since teaching "
                        "began; save() keeps the taught one as a version"
                    )
                there.classifier = model
                there.revision += 1
                there.version = version
                there.dataset_id = dataset_id or there.dataset_id
        self._live, self._revision = there, there.revision
        return there

    def _as_live(self, model: TextClassifier) -> LiveModel:
        return LiveModel(
            model_id=self._model_id,
            classifier=model,
            created=self._lab.clock.now(),
            description="" if self._live is None else self._live.description,
        )


def _missing(ledger: Ledger, categories: Sequence[str], examples: Sequence[tuple[str, str]]) -> int:
    from astermind_lab.core.label_errors import own_rows

    texts, labels = [text for text, _ in examples], [label for _, label in examples]
    return len(ledger) - int((own_rows(ledger, categories, texts, labels) >= 0).sum())


def _next_name(parent: str | None, model_id: str, taken: set[str]) -> str:
    """The first free name.

    >>> _next_name("mails", "m", {"mails", "mails.2"}), _next_name("mails.2", "m", {"mails.2"})
    ('mails.3', 'mails.3')
    >>> _next_name(None, "m", set()), _next_name(None, "m", {"m"})
    ('m', 'm.2')
    """
    if parent is None and model_id not in taken:
        return model_id
    stem, number = parent or model_id, 2
    before, _, last = stem.rpartition(".")
    if before and last.isascii() and last.isdigit():
        stem, number = before, int(last) + 1
    while f"{stem}.{number}" in taken:
        number += 1
    return f"{stem}.{number}"
