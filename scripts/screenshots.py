"""Make the pictures in docs/images with Chromium: ``python scripts/screenshots.py [FOLDER]``.

The pictures of the docs go to docs/images. With a folder, every page goes there as well, at 1400,
800 and 400 pixels, light and dark, to be looked at.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from astermind_lab import Lab
from astermind_lab.demo import hold_out, languages, stream
from astermind_lab.demo.examples import Examples

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES, WIDTHS, SCHEMES = (
    ("live", "quality", "drift", "registry"),
    (1400, 800, 400),
    ("light", "dark"),
)
SPOKEN = ("danish", "dutch", "english", "french", "german", "italian", "norwegian", "swedish")
WIDGETS = (
    """from astermind_lab import Lab
from astermind_lab.demo import languages
lab = Lab.open("mem://")
close = ("dutch", "english", "german", "swedish")
texts = languages()
texts = texts.rows(row for row, label in enumerate(texts.labels) if label in close)
truth = dict(texts)
teaching = lab.teach("languages", texts.texts, labels=close)
for _ in range(90):
    teaching.give(truth[teaching.task.text])
teaching""",
    """tuning = lab.tune(examples=texts)
for units in (128, 256, 1024):
    tuning.set(units=units)
tuning""",
    """lab.train_classifier("languages", texts)
lab.explore("languages", "Var är närmaste bibliotek?", examples=texts)""",
)
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


def history(lab: Lab) -> None:
    """Two versions of a model, and a day of predictions that change in its last third."""
    texts, chance = stream(), random.Random(7)
    learn = [{"text": text, "label": label} for text, label in texts.part(0, 0.2).examples]
    lab.store_training_dataset("sentences", learn)
    for version, preset in (("1.0", "fast"), ("1.1", "default")):
        lab.train_classifier(
            "languages",
            dataset_id="sentences",
            config={"preset": preset},
            persist=True,
            version=version,
            tags=[preset],
            description="which language a sentence is in",
            overwrite=True,
        )
    lab.set_alias("languages", "champion", "1.0")
    lab.set_alias("languages", "challenger", "1.1")
    lab.set_alias("languages", "champion", "1.1")
    later = texts.part(0.2, 1)
    answers = lab.predict_many("languages", later.texts).predictions
    now = datetime.now(UTC)
    shares = sorted(chance.random() ** 0.8 for _ in answers)
    for share, text, label, answer in zip(shares, later.texts, later.labels, answers, strict=True):
        known = share < 0.85 and chance.random() < 0.6
        lab.log_prediction(
            "languages",
            text,
            answer.category,
            answer.confidence,
            ground_truth=label if known else None,
            version="1.1" if share > 0.3 else "1.0",
            timestamp=now - timedelta(hours=23.5) * (1 - share),
            latency_ms=chance.lognormvariate(-1.4, 0.35),
        )
    lab.flush()
    lab.create_monitor(
        "languages",
        detectors=["labels", "inputs"],
        baseline={"start": now - timedelta(hours=24), "end": now - timedelta(hours=12)},
        window="6h",
        schedule="1h",
    )
    lab.run_monitor("languages")


@contextmanager
def dashboards(folder: Path) -> Iterator[str]:
    """The address of the dashboards of the lab in a folder."""
    command = [sys.executable, "-m", "astermind_lab", "up", "--no-browser", "--port", "0"]
    environment = {**os.environ, "ASTERMIND_DATA_DIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1].rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)


def pages(everything: Path | None) -> None:
    """The dashboards: for the docs, and all of them where a folder is given."""
    wanted = [(name, 1400, "light") for name in PAGES]
    wanted += [("live", 1400, "dark"), ("live", 400, "light")]
    every = [(name, width, scheme) for name in PAGES for width in WIDTHS for scheme in SCHEMES]
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab.open(f"local://{folder}") as lab,
        sync_playwright() as playwright,
    ):
        history(lab)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with dashboards(Path(folder)) as url:
            for name, width, scheme in [*wanted, *(every if everything else [])]:
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme
                )
                page = context.new_page()
                page.goto(f"{url}/{name}?model=languages&baseline={first_half()}")
                page.locator("html[data-live]").wait_for()
                page.get_by_text("Loading…").first.wait_for(state="detached")
                page.wait_for_timeout(1500)
                target = everything or IMAGES
                if (name, width, scheme) in wanted:
                    target = IMAGES
                    wanted.remove((name, width, scheme))
                size = "" if width == 1400 else f"-{width}"
                picture = target / f"{name}{size}-{scheme}.png"
                page.screenshot(path=picture, full_page=True)
                print(picture)
                context.close()
        browser.close()


def widgets() -> None:
    """The widgets in JupyterLab, in the middle of their work."""
    sys.path.insert(0, str(IMAGES.parent.parent))
    from tests.notebook.jupyter import Notebook, jupyterlab, write_notebook

    with (
        tempfile.TemporaryDirectory() as folder,
        jupyterlab(Path(folder)) as server,
        sync_playwright() as playwright,
    ):
        write_notebook(server.folder / "widgets.ipynb", WIDGETS)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1250, "height": 2600})
        notebook = Notebook(page, server, "widgets.ipynb")
        notebook.run_all()
        for css, name in (("teach", "teaching"), ("tune", "tuning"), ("explore", "exploring")):
            widget = notebook.widget(f"am-{css}")
            page.wait_for_timeout(1500)
            widget.screenshot(path=IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png")
        browser.close()


def first_half() -> str:
    """The first half of the day that the pages show."""
    now = datetime.now(UTC)
    return f"{now - timedelta(hours=24):%Y-%m-%dT%H:%M}..{now - timedelta(hours=12):%Y-%m-%dT%H:%M}"


def chromium() -> str:
    """Where Chromium is."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("Chromium is needed for the pictures; on Debian: apt-get install chromium")
    return found


def shoot(html: str, picture: Path, width: int, height: int) -> None:
    """Render a page in headless Chromium, at twice the pixels."""
    browser = chromium()
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
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    pages(folder)
    widgets()
