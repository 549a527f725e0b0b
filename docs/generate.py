"""Write docs/cli.md from `--help`, and the README's tables and recipes.json from benchmarks/results.

`tests/test_docs.py` fails when they are stale.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))  # so that it runs without an installation

from digits.cli import main
from digits.recipes import FIGURES_FILE, RECIPES

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
RESULTS = DOCS.parent / "benchmarks" / "results"
# The cnn has no result of its own: every network of the ensemble that sees digits as they are is one.
MEASURED_IN_ENSEMBLE = {"cnn": ("ensemble", "as-is")}  # recipe -> benchmarked recipe, view of its networks
# The rows of the table of handwriting: what they are called, set and share of benchmarks/handwriting.py.
HANDWRITING = (
    ("single digits, best guess right", "single", "best guess"),
    ("… photographed or scanned", "single", "best guess, photos and scans"),
    ("… refused", "single", "refused"),
    ("… without `--single`, text right", "single, as pages", "text"),
    ("pencil on squared paper, best guess right", "pencil-grid-minichazer", "best guess"),
    ("strokes on a tablet, best guess right", "chars74k-strokes/digits", "best guess"),
    ("several digits, all of them right", "multi", "text"),
    ("amounts on bank cheques, all of it right", "ORAND-CAR-A", "text"),
    ("scribbles, letters, signs: taken for digits", "none", "accepted"),
    ("… without `--single`", "none, as pages", "accepted"),
)
COMMANDS = ((), *((name,) for name in main.COMMANDS))


def help_text(command: tuple[str, ...]) -> str:
    """What `digits COMMAND --help` prints on a screen of 100 columns without colours."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    run = [sys.executable, "-m", "digits", *command, "--help"]
    answer = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in answer.stdout.strip().splitlines())


def cli_page() -> str:
    """docs/cli.md: every command's help."""
    parts = ["# The command line\n\nGenerated from `--help` by `make docs`.\n"]
    for command in COMMANDS:
        name = " ".join(("digits", *command))
        parts.append(f"## `{name}`\n\n```text\n{help_text(command)}\n```\n")
    return "\n".join(parts)


def readme() -> str:
    """The README with its tables as the results have them."""
    page = README.read_text()
    for name, table in (("accuracy", accuracy_table()), ("handwriting", handwriting_table())):
        start, end = f"<!-- {name}, by make docs -->\n", "\n<!-- -->"
        before, after = page.split(start)
        page = before + start + table + after[after.index(end) :]
    return page


def summary_of(recipe: str) -> dict[str, dict[str, float]] | None:
    """Return mean, deviation and so on of each column of a recipe's benchmark; None if it was not run."""
    benchmarked, view = MEASURED_IN_ENSEMBLE.get(recipe, (recipe, None))
    file = RESULTS / f"accuracy-{benchmarked}.json"
    if not file.exists():
        return None
    content = json.loads(file.read_text())
    found: dict[str, dict[str, float]] = (content["members"][view] if view else content)["summary"]
    return found


def recipe_figures() -> str:
    """Return the content of recipes.json: what `digits recipes` says of each benchmarked recipe."""
    figures = {}
    for recipe in RECIPES:
        if summary := summary_of(recipe):
            test = summary["test_accuracy"]
            figures[recipe] = {
                "seeds": test["n"],
                "test": round(test["mean"], 4),
                "deviation": round(test.get("deviation", 0.0), 4),
                "seconds": round(summary["train_seconds"]["mean"], 1),
            }
    return json.dumps(figures, indent=2) + "\n"


def accuracy_table() -> str:
    """Return the table of all benchmarked recipes: mean and standard deviation over the seeds."""
    rows: list[tuple[str, ...]] = [
        ("recipe", "seeds", "training", "validation", "test", "undisputed", "seconds")
    ]
    for recipe in RECIPES:
        if summary := summary_of(recipe):
            parts = ("train", "val", "test", "undisputed")
            cells = [_with_deviation(summary[f"{part}_accuracy"]) for part in parts]
            seconds = summary["train_seconds"]["mean"]
            time = f"{seconds:.1f}" if seconds < 60 else f"{seconds:,.0f}"
            rows.append((f"`{recipe}`", str(summary["test_accuracy"]["n"]), *cells, time))
    return _table(rows)


def handwriting_table() -> str:
    """What is read right of real people's digits, with 95 % intervals."""
    sets = json.loads((RESULTS / "handwriting.json").read_text())["sets"]
    rows: list[tuple[str, ...]] = [("real people's digits", "pictures", "share", "95% interval")]
    for title, name, share in HANDWRITING:
        found: dict[str, Any] = sets[name]["shares"][share]
        interval = f"{found['low']:.1%} to {found['high']:.1%}"
        rows.append((title, f"{found['of']:,}", f"{found['share']:.1%}", interval))
    return _table([tuple(cell.replace("%", " %") for cell in row) for row in rows])


def _with_deviation(found: dict[str, float]) -> str:
    deviation = f" ± {found['deviation']:.2%}".rstrip("%") if "deviation" in found else ""
    return f"{found['mean']:.2%}".rstrip("%") + deviation + " %"


def _table(rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ("---",) * len(rows[0]), *rows[1:]])


if __name__ == "__main__":
    FIGURES_FILE.write_text(recipe_figures())
    (DOCS / "cli.md").write_text(cli_page())
    README.write_text(readme())
