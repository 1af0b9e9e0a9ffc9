"""Real text that a package ships: sentences in 28 languages."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

from astermind_lab.demo.examples import Examples, shortened
from astermind_lab.errors import InvalidInput

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["languages"]

_READABLE = {"traditionalchinese": "traditional chinese"}


def languages() -> Examples:
    """13,488 sentences of small talk and quizzes, labelled with their language.

    They come from chatterbot-corpus 1.3 (BSD), written by its contributors and as noisy as such
    texts are: some stand in the folder of the wrong language. Each sentence is there once; the 242
    that stand under several languages are left out, because no label of theirs is the right one.
    A third of them where ``ASTERMIND_FAST`` is set.

    Raises InvalidInput if the package is not installed.
    """
    found: dict[str, set[str]] = {}
    for sentence, language in _sentences():
        found.setdefault(" ".join(sentence.split()), set()).add(language)
    single = shortened([(text, label) for text, (label, *others) in found.items() if not others])
    return Examples(
        name="languages",
        source=f"chatterbot-corpus {version('chatterbot-corpus')}",
        texts=[text for text, _ in single],
        labels=[label for _, label in single],
    )


def _sentences() -> Iterator[tuple[str, str]]:
    """Every sentence of every conversation, with its language."""
    try:
        import yaml

        data = files("chatterbot_corpus") / "data"
    except ModuleNotFoundError:
        raise InvalidInput(
            "data",
            "the text of the demo is not installed; pip install 'astermind-lab[demo]' brings it, "
            "or give --data FILE to use a file of your own",
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
    for folder in _sorted(data):
        for file in _sorted(folder) if folder.is_dir() else []:
            if file.name.endswith(".yml"):
                content = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
                language = _READABLE.get(folder.name, folder.name)
                for conversation in content["conversations"]:
                    yield from ((line, language) for line in conversation if line.strip())


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda item: item.name)
