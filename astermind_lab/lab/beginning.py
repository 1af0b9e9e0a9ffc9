"""Beginning to teach: the model, new or a copy, and what there is to label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import InsufficientData, InvalidInput, NotFound, nearest, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.doubtful_labels import DoubtfulLabels
from astermind_lab.lab.lessons import Lessons
from astermind_lab.lab.suggesting import own_dataset, unlabelled
from astermind_lab.lab.taught import Keeper
from astermind_lab.lab.teaching import Teaching
from astermind_lab.lab.unlabelled_texts import UnlabelledTexts

if TYPE_CHECKING:
    from astermind_lab.core import ElmConfig, TextClassifier
    from astermind_lab.lab.live import LiveModel
    from astermind_lab.lab.session import Session

__all__ = ["teach"]

MODES = ("unlabelled", "mistakes", "errors")


def teach(
    lab: Session,
    model_id: str,
    texts: Iterable[str] | None = None,
    *,
    labels: Iterable[str] | None = None,
    dataset_id: str | None = None,
    on: str = "unlabelled",
    config: Mapping[str, Any] | None = None,
) -> Teaching:
    """Teach a model by hand: label what it shows, and see it learn.

    A model that does not exist yet is begun from the texts alone, without a single example.

    model_id : the model, in memory or stored, or a new name
    texts : with on="unlabelled", the texts to label; without them those of dataset_id, or else
        those of the recent logged predictions whose truth is not known
    labels : labels there are; those of the model are known, others may be added at any time
    dataset_id : with on="unlabelled", a stored data set to label, whose labels are not looked at;
        else the one whose labels are looked at again, the model's own if none is given
    on : "unlabelled" texts; "mistakes": examples that leave-one-out gets wrong; "errors": those of
        them whose label is improbable
    config : settings of a new model, and of training anew; without them the model's own
    Raises InvalidInput (also for a model whose readout is not exact), InsufficientData, NotFound.
    """
    from astermind_lab.core import ElmConfig
    from astermind_lab.core.learner import Learner

    model_id = check.identifier(model_id, "model_id")
    if on not in MODES:
        hint = nearest(str(on), MODES)
        raise InvalidInput("on", f"{shown(on)} is not one of {', '.join(MODES)}.{hint}")
    names = _labels(labels)
    with check.renamed(mapping="config"):
        parsed = None if config is None else ElmConfig.parse(config)
    live = _there(lab, model_id, on, texts is not None or dataset_id is not None)
    model, revision = None, 0
    if live is not None:
        with live.guard.reading():
            model, revision = live.classifier.copy(), live.revision
    lessons: Lessons
    if on == "unlabelled" or live is None:
        numbered = unlabelled(lab, live, model, texts, dataset_id)
        if not numbered:
            raise InsufficientData("texts", _nothing(texts, dataset_id))
        lessons = UnlabelledTexts(numbered)
        model = model or _untaught([text for _, text in numbered], names, parsed or ElmConfig())
    else:
        if texts is not None:
            raise InvalidInput("texts", f'is of no use with on="{on}"; give dataset_id')
        data = own_dataset(lab, live, dataset_id)
        lessons = DoubtfulLabels(list(data.pairs()), data.dataset_id, only_suspects=on == "errors")
    assert model is not None
    keeper = Keeper(lab, model_id, live, revision, model)
    with check.renamed(readout="model_id"):
        learner = Learner(model)
    return Teaching(lab, model_id, on, learner, lessons, keeper, names, parsed)


def _labels(given: object) -> tuple[str, ...]:
    found = [] if given is None else check.sequence(given, "labels", "labels")
    return tuple(
        dict.fromkeys(check.label(one, f"labels: item {n}") for n, one in enumerate(found))
    )


def _there(lab: Session, model_id: str, on: str, has_texts: bool) -> LiveModel | None:
    try:
        return lab.find(model_id)
    except NotFound as error:
        if on != "unlabelled":
            raise
        if not has_texts:
            raise InvalidInput("texts", f"is needed to begin a new model; {error}") from None
        return None


def _untaught(texts: list[str], labels: tuple[str, ...], config: ElmConfig) -> TextClassifier:
    from astermind_lab.core import TextClassifier

    with check.renamed(categories="labels"):
        return TextClassifier.untaught(texts, labels, config)


def _nothing(texts: object, dataset_id: object) -> str:
    if texts is None and dataset_id is None:
        return "no logged prediction without a truth is left to label; give texts or dataset_id"
    return "all of them are examples of the model already"
