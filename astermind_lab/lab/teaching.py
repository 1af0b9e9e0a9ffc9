"""Teaching a model one label at a time, while its accuracy is looked on.

``lab.teach(...)`` shows one text after the other; each label changes the model exactly, in closed
form, and accuracy, confusion matrix and the next text are there at once. The ``Teaching`` it
returns is a plain object; a widget only shows its ``state()`` and calls its methods. It works on a
copy: nothing in the lab changes before ``save`` or ``apply``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from astermind_lab.display import View, html, plain
from astermind_lab.errors import InsufficientData, InvalidInput
from astermind_lab.estimate import Estimate
from astermind_lab.lab import arguments as check
from astermind_lab.lab.advice import LEAST_JUDGED, advice
from astermind_lab.lab.lessons import Lessons, Task, nothing_to_undo
from astermind_lab.lab.steps import Step, Steps
from astermind_lab.lab.taught import Keeper, Kept
from astermind_lab.lab.updating import updated
from astermind_lab.results import Example, TaughtExamples, TeachingReport, UpdatedModel
from astermind_lab.results.base import share_or_dash

if TYPE_CHECKING:
    from astermind_lab.core import ElmConfig
    from astermind_lab.core.learner import Learner
    from astermind_lab.lab.session import Session

__all__ = ["Task", "Teaching"]


class Teaching:
    """A model that is being taught.

    model_id, on : as given to ``lab.teach``     labels : in the order of their keys, new ones last
    task : the text that is shown, None when nothing is left
    accuracy : leave-one-out over the judged rows, None where there is too little to say
    confusion : ``{truth: {predicted: count}}`` over them     history : (labels given, accuracy)
    took_ms : of the last step, until all of this was there

    Texts that are worth labelling are harder than most, so accuracy does not rest on them: it rests
    on the rows that were judged before, and on texts that were drawn by chance in between while
    those are few. Corrected labels count as the truth. Methods may be called from several threads.
    """

    def __init__(
        self,
        lab: Session,
        model_id: str,
        on: str,
        learner: Learner,
        lessons: Lessons,
        keeper: Keeper,
        labels: tuple[str, ...],
        config: ElmConfig | None,
    ) -> None:
        self._clock, self._learner, self._lessons, self._keeper = (
            lab.clock,
            learner,
            lessons,
            keeper,
        )
        self._config = config or learner.model.config
        self._lock = threading.RLock()
        self._steps = Steps()
        self._moment = 0  # grows with everything that is done or taken back
        self._kept: Kept | None = None
        self._notice = ""
        self.model_id, self.on = model_id, on
        self.labels = tuple(dict.fromkeys((*learner.model.categories, *labels)))
        self.history: list[tuple[int, float]] = []
        self.took_ms = 0.0
        with self._timed():
            lessons.lay(learner.judge)
            self._renew(lessons.next())
            self._add_to_history()
        self._accuracy_before = self.accuracy

    @property
    def done(self) -> int:
        """Labels given."""
        with self._lock:
            return len(self._steps.given)

    @property
    def left(self) -> int:
        """Texts that are still to come, with the one that is shown."""
        with self._lock:
            return self._lessons.left

    @property
    def can_undo(self) -> bool:
        return len(self._steps) > 0

    @property
    def advice(self) -> str:
        """What to know or do next, in plain words."""
        with self._lock:
            model, judged = self._learner.model, len(self._learner.judge)
            counts = dict(zip(model.categories, model.class_counts, strict=True))
            return self._notice or advice(
                counts,
                judged,
                unlabelled=self.on == "unlabelled",
                label_free=self._learner.label_free,
                left=self.left,
            )

    def give(self, label: str) -> None:
        """Label the text that is shown; a new label is welcome. The next text is there on return.

        Of an example whose label is in doubt, that label is changed, or confirmed.
        Raises InvalidInput if there is no text, or for what cannot be a label.
        """
        label = check.label(label, "label")
        with self._timed():
            item, _ = self._shown("label")
            kind, undo = self._lessons.label(item, label, self._learner)
            self._do(kind, label, undo)

    def accept(self) -> None:
        """Take the model's guess; of an example whose label is in doubt, keep that label.

        Raises InvalidInput if there is no text, or no guess yet.
        """
        with self._lock:
            _, task = self._shown("label")
            label = task.guess if task.given is None else task.given
            if label is None:
                raise InvalidInput("label", "the model has no guess yet; give one")
            self.give(label)

    def skip(self) -> None:
        """Leave the text out; it does not come again. Raises InvalidInput if there is none."""
        with self._timed():
            self._shown("task")
            self._do("skip", None, nothing_to_undo)

    def undo(self) -> None:
        """Take the last step back, exactly; its text is shown again. Does nothing at the start."""
        with self._timed():
            if not len(self._steps):
                return
            step = self._steps.take_last()
            step.undo()
            if step.kind != "retrain" and step.item is not None:
                self._lessons.reopen(step.item)
            self.labels, self._notice = step.labels, step.notice
            del self.history[step.history :]
            self._renew(step.item)

    def retrain(self) -> None:
        """Train anew on all examples, so that the hidden layer rests on the labels as well.

        ``advice`` then says what changed. Worth while from about 400 examples on.
        Raises InsufficientData for fewer than two labels, or where the texts of some of the model's
        examples are not stored.
        """
        from astermind_lab.core import TextClassifier
        from astermind_lab.core.learner import Learner

        with self._timed():
            self._need_two_labels()
            material = self._lessons.material(self._keeper, self._steps.added)
            material.need_all()
            texts, labels = map(list, zip(*material.examples, strict=True))
            before, accuracy = self._learner, self.accuracy
            fresh = Learner(TextClassifier.fit(texts, labels, self._config), before.picked)
            go_back = self._lessons.lay(fresh.judge)
            self._learner = fresh

            def undo() -> None:
                self._learner = before
                go_back()

            self._do("retrain", None, undo)
            self._notice = (
                f"Trained anew on {len(texts):,} examples: accuracy {share_or_dash(accuracy)} "
                f"before, {share_or_dash(self.accuracy)} now."
            )

    def save(self, dataset_id: str | None = None, version: str | None = None) -> TaughtExamples:
        """Store all examples as a new data set, and the model as a new version.

        The data set holds the rows of the one before, corrected, and the new examples. If the model
        cannot be stored, the data set stays, and is taken again at the next try. The model in
        memory stays as it is; see ``apply``.

        dataset_id : its name; without one that of the data set before with a number: a.2, a.3, …
        version : the name of the version; without one it is made from the time
        Raises InvalidInput, InsufficientData for fewer than two labels, AlreadyExists, StoreError.
        """
        wanted = check.optional(check.identifier, dataset_id, "dataset_id")
        name = check.optional(check.identifier, version, "version")
        with self._lock:
            self._need_two_labels()
            self._keeper.check_free(name)
            kept = self._kept_now()
            if kept is None or wanted not in (None, kept.dataset_id):
                kept = self._kept = self._store_examples(wanted)
            facts = {"taught_on": self.on, "labels_given": self.done}
            stored = self._keeper.store_model(self._learner.model, name, kept.dataset_id, facts)
            self._kept = replace(kept, version=stored)
            return self.result()

    def apply(self) -> UpdatedModel:
        """Let the taught model take the place of the one in memory.

        Raises AlreadyExists if that was changed or replaced since teaching began, InsufficientData
        for fewer than two labels.
        """
        with self._lock:
            self._need_two_labels()
            start = self._clock.monotonic()
            kept = self._kept_now()
            names = (None, None) if kept is None else (kept.version, kept.dataset_id)
            live = self._keeper.put_in_place(self._learner.model.copy(), *names)
            took_ms = 1000 * (self._clock.monotonic() - start)
            return updated(live, self.done, took_ms, live.version)

    def result(self) -> TaughtExamples:
        """What was labelled so far, and where it was saved if nothing was done since."""
        with self._lock:
            kept = self._kept_now()
            given = self._steps.given
            return TaughtExamples(
                model_id=self.model_id,
                on=self.on,
                examples=[Example(text=text, label=label) for text, label in given],
                n=len(given),
                added=self._steps.count("add"),
                relabelled=self._steps.count("relabel"),
                accuracy_before=self._accuracy_before,
                accuracy=self.accuracy,
                dataset_id=None if kept is None else kept.dataset_id,
                version=None if kept is None else kept.version,
                parent=None if kept is None else kept.material.parent,
                warnings=() if kept is None else kept.material.warnings,
            )

    def state(self) -> dict[str, Any]:
        """All there is to show, as plain data for JSON."""
        return self._report().to_dict()

    def _report(self) -> TeachingReport:
        with self._lock:
            return TeachingReport(
                model_id=self.model_id,
                on=self.on,
                labels=self.labels,
                task=None if self.task is None else _plain(self.task),
                accuracy=self.accuracy,
                history=tuple(self.history),
                confusion=self.confusion,
                done=self.done,
                left=self.left,
                can_undo=self.can_undo,
                took_ms=self.took_ms,
                advice=self.advice,
            )

    def view(self) -> View:
        """What there is to see."""
        return self._report().view()

    def __repr__(self) -> str:
        return f"Teaching({self._report().short()})"

    def __str__(self) -> str:
        return plain(self.view())

    def _repr_html_(self) -> str:
        return html(self.view())

    def _shown(self, argument: str) -> tuple[int, Task]:
        if self._item is None or self.task is None:
            raise InvalidInput(argument, "there is no text left to label")
        return self._item, self.task

    def _do(self, kind: str, label: str | None, undo: Callable[[], None]) -> None:
        """Remember a step that was made, and go on to the next text."""
        text = "" if self.task is None else self.task.text
        before = len(self.history), self.labels, self._notice
        self._steps.add(Step(kind, self._item, text, label, undo, *before))
        if label is not None and label not in self.labels:
            self.labels = (*self.labels, label)
        if kind != "retrain" and self._item is not None:
            self._lessons.close(self._item)
        self._notice = ""
        self._renew(self._lessons.next())
        self._add_to_history()

    def _renew(self, item: int | None) -> None:
        """Work out everything that is shown, with this item."""
        from astermind_lab.core.metrics import confusion

        self._moment += 1
        judge = self._learner.judge
        counts = judge.confusion()
        accuracy = judge.accuracy(counts)
        enough = self._learner.classes > 1 and len(judge) >= LEAST_JUDGED
        self.accuracy: Estimate | None = accuracy if enough else None
        names = judge.model.categories
        cells = zip(*(axis.tolist() for axis in counts.nonzero()), strict=True)
        self.confusion: dict[str, dict[str, int]] = confusion(
            (names[truth], names[said], int(counts[truth, said])) for truth, said in cells
        )
        self._item = item
        self.task: Task | None = None if item is None else self._lessons.task(item)

    def _add_to_history(self) -> None:
        if self.accuracy is not None:
            self.history.append((self.done, self.accuracy.value))

    @contextmanager
    def _timed(self) -> Iterator[None]:
        with self._lock:
            start = self._clock.monotonic()
            yield
            self.took_ms = 1000 * (self._clock.monotonic() - start)

    def _store_examples(self, wanted: str | None) -> Kept:
        material = self._lessons.material(self._keeper, self._steps.added)
        result = self.result()
        facts = {"taught_on": self.on, "changed": result.relabelled, "added": result.added}
        return Kept(self._moment, self._keeper.store_examples(wanted, material, facts), material)

    def _kept_now(self) -> Kept | None:
        """Where it was stored as it is now."""
        return self._kept if self._kept is not None and self._kept.at == self._moment else None

    def _need_two_labels(self) -> None:
        if self._learner.classes < 2:
            raise InsufficientData("labels", "two different labels are needed to make a model")


def _plain(task: Task) -> dict[str, Any]:
    return {
        "text": task.text,
        "guess": task.guess,
        "probabilities": task.probabilities,
        "given": task.given,
        "why": task.why,
    }
