"""Exact changes to a trained model: what the closed form gives."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from astermind_lab.errors import AlreadyExists, InvalidInput, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.lab.keeping import check_free, keep, leave_one_out
from astermind_lab.lab.live import LiveModel
from astermind_lab.lab.locks import ReadWriteLock
from astermind_lab.results import Receipt, UpdatedModel
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core import TextClassifier
    from astermind_lab.lab.session import Session

__all__ = ["add_examples", "forget_examples", "merge_models", "relabel_example", "updated"]

_MOST_TRIES = 20


@tool(slow=True)
def add_examples(
    lab: Session,
    model_id: str,
    examples: ExampleData,
    persist: bool = False,
    version: str | None = None,
    measure: bool = True,
) -> UpdatedModel:
    """Teach a model more examples, exactly as if it had been trained with them.

    The hidden layer stays as it is. The model changes in memory; with persist it is also stored as
    a new version.

    model_id : the model, in memory or stored
    examples : the labelled texts to add
    persist : also store the changed model as a new version
    version : the name of that version; without one it is made from the time
    measure : also work out the new accuracy, which takes longer than the change
    Raises InvalidInput (also for a model whose readout is not exact), NotFound, AlreadyExists.
    """
    texts, labels = check.examples(examples, "examples")
    how = _how(model_id, persist, version, measure)
    return _update(lab, how, lambda model: model.add(texts, labels), len(texts))


@tool(slow=True)
def forget_examples(
    lab: Session,
    model_id: str,
    examples: ExampleData,
    persist: bool = False,
    version: str | None = None,
    measure: bool = True,
) -> UpdatedModel:
    """Take training examples out of a model, exactly as if it had never seen them.

    The answer holds a receipt: how many examples, when, and a digest of them. Versions that are
    stored already do not change.

    model_id : the model, in memory or stored
    examples : the labelled texts to forget, as they were given in training
    persist : also store the changed model as a new version
    version : the name of that version; without one it is made from the time
    measure : also work out the new accuracy, which takes longer than the change
    Raises InvalidInput (also for an example the model cannot forget), NotFound, AlreadyExists.
    """
    texts, labels = check.examples(examples, "examples")
    how = _how(model_id, persist, version, measure)
    receipt = Receipt(examples=len(texts), digest=digest(texts, labels), at=lab.clock.now())
    return _update(lab, how, lambda model: model.forget(texts, labels), len(texts), receipt)


@tool()
def relabel_example(
    lab: Session,
    model_id: str,
    text: str,
    old_label: str,
    new_label: str,
    persist: bool = False,
    version: str | None = None,
    measure: bool = True,
) -> UpdatedModel:
    """Correct the label of one training example, exactly as if it had always been right.

    model_id : the model, in memory or stored
    text : the text, as it was given in training
    old_label : the label it was trained with
    new_label : the right label
    persist : also store the changed model as a new version
    version : the name of that version; without one it is made from the time
    measure : also work out the new accuracy, which takes longer than the change
    Raises InvalidInput, NotFound, AlreadyExists.
    """
    text = check.text(text, "text")
    old, new = check.label(old_label, "old_label"), check.label(new_label, "new_label")
    if old == new:
        raise InvalidInput("new_label", f"is the same as old_label: {shown(new)}")
    how = _how(model_id, persist, version, measure)
    return _update(lab, how, lambda model: model.relabel(text, old, new), 1, blame="text")


@tool(slow=True)
def merge_models(
    lab: Session,
    model_id: str,
    model_ids: Iterable[str],
    base: str | None = None,
    base_version: str | None = None,
    description: str | None = None,
    persist: bool = False,
    version: str | None = None,
    overwrite: bool = False,
) -> UpdatedModel:
    """Make one model of several that share a hidden layer, as if trained on all their examples.

    Models share a layer if they are copies of one model that were then changed on their own.

    model_id : the name the merged model gets
    model_ids : the models to merge, two or more, in memory or stored
    base : the model they were copied from, if they still hold its examples; they count once
    base_version : the version of base, or an alias; without one the model in memory, else the
        latest version
    description : what the merged model is for
    persist : also store it as a version
    version : the name of that version; without one it is made from the time
    overwrite : replace a model of the new name that is in memory
    Raises InvalidInput for models that cannot be merged, NotFound, AlreadyExists.
    """
    how = _how(model_id, persist, version, True)
    sources = check.names(model_ids, "model_ids")
    if len(sources) < 2:
        raise InvalidInput("model_ids", f"must name two or more models, got {len(sources)}")
    base = check.optional(check.identifier, base, "base")
    base_version = check.optional(check.identifier, base_version, "base_version")
    if base_version is not None and base is None:
        raise InvalidInput("base_version", "is only of use with base")
    about = check.description(description, "description")
    with lab.live.claim(how.model_id, check.flag(overwrite, "overwrite")):
        check_free(lab, how.model_id, how.version)
        start = lab.clock.monotonic()
        began_as = None if base is None else lab.find(base, base_version).copy()
        merged = _merged([lab.find(source).copy() for source in sources], began_as)
        update_ms = 1000 * (lab.clock.monotonic() - start)
        live = LiveModel(how.model_id, merged, lab.clock.now(), description=about)
        stored = keep(lab, live, how.version) if how.persist else None
        lab.live.put(live)
    return updated(live, merged.n_examples, update_ms, stored.version if stored else None)


def _merged(models: Sequence[TextClassifier], base: TextClassifier | None) -> TextClassifier:
    merged = models[0]
    for model in models[1:]:
        with check.renamed(other="model_ids", readout="model_ids"):
            merged = merged.merge(model, base)
    return merged


@dataclass(frozen=True)
class _How:
    """The checked arguments that every change has."""

    model_id: str
    persist: bool
    version: str | None
    measure: bool


def _how(model_id: object, persist: object, version: object, measure: object) -> _How:
    how = _How(
        check.identifier(model_id, "model_id"),
        check.flag(persist, "persist"),
        check.optional(check.identifier, version, "version"),
        check.flag(measure, "measure"),
    )
    if how.version is not None and not how.persist:
        raise InvalidInput("version", "is only of use with persist=true")
    return how


def _update(
    lab: Session,
    how: _How,
    change: Callable[[TextClassifier], None],
    n: int,
    receipt: Receipt | None = None,
    blame: str = "examples",
) -> UpdatedModel:
    """Change the model in memory; with persist, only if the outcome could be stored."""
    check_free(lab, how.model_id, how.version)
    apply = _stored if how.persist else _in_place

    def told(model: TextClassifier) -> None:
        renamed = check.renamed(texts=blame, labels=blame, readout="model_id")
        with check.blaming(blame), renamed:
            change(model)

    for _ in range(_MOST_TRIES):
        live = lab.find(how.model_id)
        with live.changing:
            done = apply(lab, live, told, how.version)
        if done is not None:
            update_ms, version = done
            return updated(live, n, update_ms, version, receipt, how.measure)
    raise AlreadyExists(
        f"model_id: {shown(how.model_id)} was replaced {_MOST_TRIES} times while this call waited "
        "for it; nothing was changed, try again"
    )


def _in_place(
    lab: Session, live: LiveModel, change: Callable[[TextClassifier], None], _: str | None
) -> tuple[float, None] | None:
    """Change the model while nobody reads it; returns how long it took, in ms.

    None if another model has taken its place.
    """
    start = lab.clock.monotonic()
    with live.guard.writing():
        if lab.live.get(live.model_id) is not live:
            return None
        change(live.classifier)
        live.revision += 1
        live.version = None
    return 1000 * (lab.clock.monotonic() - start), None


def _stored(
    lab: Session, live: LiveModel, change: Callable[[TextClassifier], None], version: str | None
) -> tuple[float, str] | None:
    """Change a copy, store it, then let it take the model's place; returns ms and the version.

    None if another model has taken its place before.
    """
    if lab.live.get(live.model_id) is not live:
        return None
    start = lab.clock.monotonic()
    changed = replace(
        live,
        classifier=live.copy(),
        version=None,
        guard=ReadWriteLock(),
        changing=threading.Lock(),
    )
    change(changed.classifier)
    update_ms = 1000 * (lab.clock.monotonic() - start)
    stored = keep(lab, changed, version)
    with live.guard.writing():
        live.classifier = changed.classifier
        live.revision += 1
        live.version = stored.version
    return update_ms, stored.version


def updated(
    live: LiveModel,
    changed: int,
    update_ms: float,
    version: str | None,
    receipt: Receipt | None = None,
    measure: bool = True,
) -> UpdatedModel:
    """What is said of a model that was changed in so many examples.

    version : that holds it now, None if none does
    """
    with live.guard.reading():
        classifier = live.classifier
        return UpdatedModel(
            model_id=live.model_id,
            categories=classifier.categories,
            training_examples=classifier.n_examples,
            changed_examples=changed,
            accuracy=classifier.accuracy if measure else None,
            loo_accuracy=leave_one_out(classifier) if measure else None,
            update_ms=update_ms,
            warnings=classifier.warnings,
            receipt=receipt,
            persisted=version is not None,
            version=version,
        )


def digest(texts: Sequence[str], labels: Sequence[str]) -> str:
    """SHA-256 over (text, label) pairs, each as a JSON list on a line of its own.

    >>> digest(["win a prize"], ["spam"])[:16]
    '38e3efc2735de15a'
    """
    sha = hashlib.sha256()
    for text, label in zip(texts, labels, strict=True):
        sha.update(json.dumps([text, label], ensure_ascii=False).encode() + b"\n")
    return sha.hexdigest()
