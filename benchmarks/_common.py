"""What the benchmarks share: data sets, a quiet clock, a table, and a JSON file beside it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def data_folder() -> Path:
    """Where the public data sets are: ``ASTERMIND_BENCH_DATA``, else ``../shared/data``."""
    given = os.environ.get("ASTERMIND_BENCH_DATA")
    return Path(given) if given else HERE.parent.parent / "shared" / "data"


def data_sets(names: Sequence[str] | None = None) -> list[str]:
    """Every folder with a train and a test split; an empty list where there is no data."""
    found = sorted(path.parent.name for path in data_folder().glob("*/train.jsonl"))
    found = [name for name in found if (data_folder() / name / "test.jsonl").exists()]
    return [name for name in found if not names or name in names]


def read(name: str, split: str) -> tuple[list[str], list[str]]:
    """Texts and labels of one split; out-of-scope rows (label ``oos``) are left out."""
    texts, labels = [], []
    with (data_folder() / name / f"{split}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["label"] != "oos":
                texts.append(row["text"])
                labels.append(row["label"])
    return texts, labels


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    made.add_argument("--sets", nargs="*", help="default: every set in the data folder")
    return made


def milliseconds(work: Callable[[Any], object], items: Sequence[Any]) -> dict[str, float]:
    """Median, 95 % and 99 % point of one call, in ms."""
    times = []
    for item in items:
        start = time.perf_counter()
        work(item)
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return {f"p{q}": times[min(len(times) - 1, q * len(times) // 100)] for q in (50, 95, 99)}


def seconds(work: Callable[[], object], repeat: int = 1) -> float:
    """The best of some runs, in s."""
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table."""
    heads = list(rows[0])
    cells = [heads, *[[_shown(row.get(head)) for head in heads] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def save(name: str, rows: Sequence[dict[str, Any]], quick: bool) -> None:
    """Write rows and the machine to ``results/<name>.json``; a quick run has a file of its own."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "quick": quick,
        "rows": list(rows),
    }
    path = RESULTS / f"{name}{'-quick' if quick else ''}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {path.relative_to(HERE.parent)}")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return (
            f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"
        )
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
