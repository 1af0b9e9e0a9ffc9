"""How long one answer takes, how many a second in bulk, and what start-up costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from _common import data_sets, milliseconds, parser, read, save, seconds, table

from astermind_lab.core import TextClassifier


def predictions(name: str, quick: bool) -> dict[str, Any]:
    texts, labels = read(name, "train")
    new, _ = read(name, "test")
    many = (new * (1 + 20_000 // len(new)))[: 5_000 if quick else 20_000]
    model = TextClassifier.fit(texts, labels)
    model.predict_proba(new[:100])
    one = milliseconds(model.answer, new[: 200 if quick else 1000])
    return {
        "set": name,
        "classes": len(model.categories),
        "characters": sum(map(len, new)) / len(new),
        "one text p50 ms": one["p50"],
        "p95 ms": one["p95"],
        "texts/s in bulk": int(len(many) / seconds(lambda: model.predict_proba(many), 3)),
    }


def start_up(repeat: int) -> float:
    """Seconds that ``import astermind_lab`` adds to an empty interpreter."""

    def run(code: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True), repeat)

    return run("import astermind_lab") - run("pass")


def main() -> None:
    args = parser(__doc__).parse_args()
    rows = [
        predictions(name, args.quick) for name in data_sets(args.sets)[: 2 if args.quick else None]
    ]
    if rows:
        print(table(rows))
    added = start_up(3 if args.quick else 10)
    print(f"\nimport astermind_lab: {added * 1e3:.0f} ms more than an empty interpreter")
    save("latency", [*rows, {"import_s": added}], args.quick)


if __name__ == "__main__":
    main()
