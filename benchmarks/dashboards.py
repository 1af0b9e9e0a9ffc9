"""How soon the dashboards show what happens, how soon they are there, and what sessions cost.

    python benchmarks/dashboards.py [--quick] [--only PART ...]

Parts: seen (written in this process → visible in the browser), busy (frame gaps while 1,000
predictions a second are logged), paint (first paint of each page over a million predictions) and
sessions (50 opened and closed: memory of the server, watches). Needs Chromium. The dashboards run
as ``astermind up`` runs them, in a process of their own, on the local engine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import monitoring
import numpy as np
from _common import save
from monitoring import TEXT, fill, show, texts
from playwright.sync_api import Browser, Page, sync_playwright

from astermind_lab import Lab

PAGES = ("live", "quality", "drift", "registry")
RATE = 1_000
Row = dict[str, Any]

# Looks at the texts of all tables in every frame, and notes when it first sees each of the tokens.
LOOK = """
() => {
  window.seenAt = {};
  const rows = root => {
    const found = [...root.querySelectorAll(".tabulator-cell")];
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) found.push(...rows(one.shadowRoot));
    }
    return found;
  };
  const look = () => {
    for (const cell of rows(document)) {
      const token = /token\\d+/.exec(cell.textContent)?.[0];
      if (token && !(token in window.seenAt)) window.seenAt[token] = Date.now();
    }
    setTimeout(look, 5);
  };
  look();
}
"""
GAPS = """
() => {
  window.gaps = [];
  let last = performance.now();
  const frame = now => { window.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}
"""


@contextmanager
def dashboards(folder: Path) -> Iterator[tuple[str, int]]:
    """The address and the process id of a server."""
    environment = {**os.environ, "ASTERMIND_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "astermind_lab", "up", "--no-browser", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1].rstrip("/")
        try:
            yield url, process.pid
        finally:
            process.send_signal(signal.SIGINT)


def seen(lab: Lab, page: Page, count: int) -> Iterator[Row]:
    """Each prediction is logged by itself, at an odd moment."""
    page.evaluate(LOOK)
    written = {}
    for number in range(count):
        token = f"token{number}"
        written[token] = time.time() * 1000
        lab.predict("bench", f"{token} {TEXT}", log_prediction=True)
        page.wait_for_timeout(700 + 37 * (number % 20))
    page.wait_for_timeout(2_000)
    found = page.evaluate("window.seenAt")
    times = [found[token] - at for token, at in written.items() if token in found]
    p50, p95 = np.quantile(times, [0.5, 0.95])
    yield {"what": "predictions seen", "value": f"{len(times)} of {count}"}
    yield {"what": "written → visible, ms, p50", "value": float(p50)}
    yield {"what": "written → visible, ms, p95 (goal ≤ 500)", "value": float(p95)}


def busy(lab: Lab, page: Page, duration: float) -> Iterator[Row]:
    """Log steadily while the page counts its frames."""
    page.evaluate(GAPS)
    logged, ended = [0], threading.Event()

    def write() -> None:
        start = time.perf_counter()
        while not ended.is_set():
            due = int((time.perf_counter() - start) * RATE)
            for _ in range(logged[0], due):
                lab.log_prediction("bench", TEXT, "label 1", 0.9, latency_ms=1.0)
            logged[0] = max(logged[0], due)
            ended.wait(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    page.wait_for_timeout(1000 * duration)
    ended.set()
    writer.join()
    gaps = np.array(page.evaluate("window.gaps"))
    yield {"what": f"predictions a second over {duration:g} s", "value": logged[0] / duration}
    yield {"what": "frames a second", "value": len(gaps) / duration}
    yield {"what": "frame gap, ms, p99", "value": float(np.quantile(gaps, 0.99))}
    yield {"what": "longest frame gap, ms (goal ≤ 1,000)", "value": float(gaps.max())}


def paint(browser: Browser, url: str, count: int, repeats: int) -> Iterator[Row]:
    """First contentful paint, and when every card shows its picture; medians and worst."""
    for name in PAGES:
        first, whole = [], []
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            began = time.perf_counter()
            page.goto(f"{url}/{name}?model=day&window=24h")
            page.get_by_text("Loading…").first.wait_for(state="detached")
            page.locator("html[data-live]").wait_for()
            whole.append(1000 * (time.perf_counter() - began))
            first.append(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            page.close()
        yield {
            "what": f"{name}, {count:,} predictions",
            "first paint ms": median(first),
            "worst": max(first),
            "all cards ms": median(whole),
        }


def sessions(browser: Browser, url: str, pid: int, count: int) -> Iterator[Row]:
    """Open many at once, twice: what the first round leaves behind is the server's own warming."""

    def round_(pages: int) -> float:
        opened = []
        for number in range(pages):
            page = browser.new_page()
            page.goto(f"{url}/{PAGES[number % 4]}?model=bench")
            opened.append(page)
        most = resident(pid)
        for page in opened:
            page.close()
        time.sleep(45)  # a session is forgotten some seconds after its connection
        return most

    round_(8)
    before = resident(pid)
    most = round_(count)
    after = resident(pid)
    yield {"what": "memory of the server before, MiB", "value": before}
    yield {"what": f"with {count} sessions", "value": most}
    yield {"what": "after they were closed", "value": after}
    yield {"what": "left behind, share (goal ≤ 0.1)", "value": (after - before) / before}


def resident(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    made.add_argument("--only", nargs="*", choices=["seen", "busy", "paint", "sessions"])
    args = made.parse_args()
    parts = args.only or ["seen", "busy", "paint", "sessions"]
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is needed; on Debian: apt-get install chromium")
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab.open(f"local://{Path(folder)}") as lab,
        sync_playwright() as playwright,
    ):
        import random

        lab.train_classifier("bench", texts(4_000, random.Random(0)), persist=True)
        lab.predict("bench", TEXT, log_prediction=True)
        with dashboards(Path(folder)) as (url, pid):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"{url}/live?model=bench&window=10m")
            page.locator("html[data-live]").wait_for()
            if "seen" in parts:
                rows += show(seen(lab, page, 10 if args.quick else 60))
            if "busy" in parts:
                rows += show(busy(lab, page, 5 if args.quick else 60))
            page.close()
            if "paint" in parts:
                count = 20_000 if args.quick else 1_000_000
                monitoring.MORNING = datetime.now(UTC) - timedelta(days=1)
                fill(lab, "day", count)
                rows += show(paint(browser, url, count, 2 if args.quick else 5))
            if "sessions" in parts:
                rows += show(sessions(browser, url, pid, 8 if args.quick else 50))
            browser.close()
    if not args.only:
        save("dashboards", rows, args.quick)


if __name__ == "__main__":
    main()
