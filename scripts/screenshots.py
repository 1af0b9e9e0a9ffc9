"""Make the pictures in docs/images with Chromium: ``python scripts/screenshots.py``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from astermind_lab import Lab
from astermind_lab.demo import hold_out, languages
from astermind_lab.demo.examples import Examples

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SPOKEN = ("danish", "dutch", "english", "french", "german", "italian", "norwegian", "swedish")
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 28px; background: #fff; color: #1b1f24; color-scheme: light;
  font: 15px/1.45 system-ui, sans-serif; }}
code {{ display: block; margin: 14px 0 6px; padding: 8px 12px; border-radius: 6px;
  background: #f3f4f6; font: 13.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }}
code:first-child {{ margin-top: 0; }}
main {{ display: grid; grid-template-columns: 1fr 1fr; gap: 0 36px; }}
</style><main><section>{left}</section><section>{right}</section></main>"""


def cell(code: str, result: object) -> str:
    """A line of code and the page that its result draws of itself."""
    return f"<code>{code}</code>{result._repr_html_()}"  # type: ignore[attr-defined]


def page() -> str:
    """A short session with a classifier of eight languages."""
    every = languages()
    pairs = [(text, label) for text, label in every if label in SPOKEN]
    texts, labels = zip(*pairs, strict=True)
    learn, held = hold_out(Examples("languages", every.source, texts, labels))
    with Lab.open("mem://") as lab:
        trained = lab.train_classifier("languages", learn)
        answer = lab.predict("languages", "Wo ist die Bibliothek?")
        lab.predict_many("languages", held.texts, ground_truth=held.labels)
        matrix = lab.get_confusion_matrix("languages")
    right = cell('lab.predict("languages", "Wo ist die Bibliothek?")', answer)
    right += cell('lab.get_confusion_matrix("languages")', matrix)
    return PAGE.format(left=cell('lab.train_classifier("languages", texts)', trained), right=right)


def shoot(html: str, picture: Path, width: int, height: int) -> None:
    """Render a page in headless Chromium, at twice the pixels."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is needed for the pictures; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(html, encoding="utf-8")
        command = f"""--headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars
            --disable-background-networking --disable-component-update --disable-sync
            --force-device-scale-factor=2 --window-size={width},{height}
            --user-data-dir={folder}/profile --screenshot={picture} {source.as_uri()}"""
        subprocess.run([browser, *command.split()], check=True, capture_output=True, timeout=120)
    print(picture)


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    shoot(page(), IMAGES / "lab.png", 1240, 545)
