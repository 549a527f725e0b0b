"""Write docs/cli.md from `--help`, and tables in pages and recipes.json from benchmarks/results.

    python docs/generate.py

A table stands in a page between `<!-- NAME, by make docs -->` and `<!-- -->`; `TABLES` says what makes it.
`tests/test_docs.py` fails when a page is out of date.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))  # so that it runs without an installation

from digits.cli.main import COMMANDS
from digits.recipes import FIGURES_FILE, RECIPES

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
PAGES = (DOCS.parent / "README.md", DOCS / "benchmarks.md", DOCS / "photos.md")  # those with tables
# The cnn has no results file for MNIST: the ensemble's networks that see digits as they are count for it.
MEASURED_IN_ENSEMBLE = {"cnn": ("ensemble", "as-is")}  # recipe -> benchmarked recipe, view of its networks
# The rows of the table of handwriting: title, then set and share as benchmarks/handwriting.py names them.
HANDWRITING = (
    ("single digits: best guess right", "single", "best guess"),
    ("single digits: photographed or scanned, best guess right", "single", "best guess, photos and scans"),
    ("single digits: refused", "single", "refused"),
    ("single digits without `--single`: text right", "single, as pages", "text"),
    ("pencil on squared paper: best guess right", "pencil-grid-minichazer", "best guess"),
    ("strokes on a tablet: best guess right", "chars74k-strokes/digits", "best guess"),
    ("several digits: all of them right", "multi", "text"),
    ("amounts on bank cheques: every digit right", "ORAND-CAR-A", "text"),
    ("scribbles, letters, signs: taken for digits", "none", "accepted"),
    ("scribbles, letters, signs without `--single`: taken for digits", "none, as pages", "accepted"),
)
# The rows of the table of other people's numbers; the same in benchmarks/results/handwriting2.json.
NUMBERS = (
    ("single digits: best guess right", "single", "best guess"),
    ("single digits without `--single`: text right", "single, as pages", "text"),
    ("several digits: all of them right", "multi", "text"),
    ("words, signs, photos: taken for digits", "none", "accepted"),
    ("words, signs, photos without `--single`: taken for digits", "none, as pages", "accepted"),
)
# The rows of the table of confidence: title, results file, set, and whether answers are pictures or digits.
CONFIDENCE = (
    ("single digits of scans and tablets", "handwriting", "scans and strokes", "confidence"),
    ("made numbers", "made-numbers", "made numbers", "confidence"),
    ("digits in made numbers", "made-numbers", "made numbers", "digit_confidence"),
    ("amounts on cheques", "handwriting", "ORAND-CAR-A, other half", "confidence"),
    ("digits in amounts", "handwriting", "ORAND-CAR-A, other half", "digit_confidence"),
)
SURE, SURER = 0.9, 0.99  # the limits that the table of confidence shows
SAID = (0.97, 0.99)  # the group of like probability that it shows
DECIMALS = {"s": 2, "×": 2, "MB": 0, "%": 2, "ms": 1, "/s": 0, "": 0}  # of a figure, by its unit
Rows = list[tuple[str, ...]]


def cli_page() -> str:
    """Return docs/cli.md: the help of every command."""
    parts = ["# The command line\n\nGenerated from `--help` by `make docs`.\n"]
    for command in ("", *COMMANDS):
        parts.append(f"## `digits{command and ' '}{command}`\n\n```text\n{help_text(command)}\n```\n")
    return "\n".join(parts)


def help_text(command: str) -> str:
    """Return what `digits COMMAND --help` prints on a screen of 100 columns without colours."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    run = [sys.executable, "-m", "digits", *command.split(), "--help"]
    answer = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in answer.stdout.strip().splitlines())


def with_tables(page: str) -> str:
    """Return a page's text with its tables made from the results as they are now."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}{as_markdown(TABLES[found[2]]())}\n{found[3]}"

    return re.sub(r"(<!-- ([\w-]+), by make docs -->\n).*?(<!-- -->)", table, page, flags=re.DOTALL)


def as_markdown(rows: Rows) -> str:
    """Return rows as a table in Markdown; the first row is the heading."""
    lines = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def five_figures() -> Rows:
    """Return the README's table: what was measured, the figure, the command that measures it."""
    classic, cnn = accuracy("classic"), accuracy("cnn")
    epoch, faster = figure("speed", "digits.train, its stated seconds"), figure("speed", "tutorial : ours")
    start = figure("reading", "one picture, cold start")
    guess = share("single", "best guess")
    seconds = f"{classic['train_seconds']['mean']:.0f} s"
    return [
        ("what", "figure", "measured with"),
        (
            f"`train.py`: test images read right, after {seconds} of training",
            with_deviation(classic["test_accuracy"]),
            "`python benchmarks/accuracy.py classic`",
        ),
        (
            "`--recipe cnn`: test images read right",
            with_deviation(cnn["test_accuracy"]),
            "`python benchmarks/accuracy.py ensemble --seeds 1`",
        ),
        (
            f"digits by people who are not in the training data, read right, of {guess['of']:,}",
            f"{guess['share']:.1%}".replace("%", " %"),
            "`python benchmarks/handwriting.py --data FOLDER`",
        ),
        (
            "an epoch of 50,000 images on one core; compared with a usual PyTorch tutorial",
            f"{epoch['median']:.2f} s; {faster['median']:.1f} × as fast",
            "`python benchmarks/speed.py`",
        ),
        (
            "from `digits predict photo.jpg` to the answer",
            f"{start['median']:.1f} s",
            "`python benchmarks/reading.py`",
        ),
    ]


def accuracy_table() -> Rows:
    """Return mean and deviation over the seeds of every recipe that was measured on MNIST."""
    rows: Rows = [("recipe", "seeds", "training", "validation", "test", "undisputed", "seconds")]
    for recipe, found in measured(""):
        parts = ("train", "val", "test", "undisputed")
        cells = [with_deviation(found[f"{part}_accuracy"]) for part in parts]
        rows.append((f"`{recipe}`", str(found["test_accuracy"]["n"]), *cells, training_time(found)))
    return rows


def fashion_table() -> Rows:
    """Return the same for Fashion-MNIST, whose test images have no disputed labels that are known."""
    rows: Rows = [("recipe", "seeds", "training", "validation", "test", "seconds")]
    for recipe, found in measured("-fashion-mnist"):
        cells = [with_deviation(found[f"{part}_accuracy"]) for part in ("train", "val", "test")]
        rows.append((f"`{recipe}`", str(found["test_accuracy"]["n"]), *cells, training_time(found)))
    return rows


def measured(suffix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each recipe that has results, in the order of the recipes, with its statistics."""
    for recipe in RECIPES:
        if (RESULTS / f"accuracy-{MEASURED_IN_ENSEMBLE.get(recipe, (recipe,))[0]}{suffix}.json").exists():
            yield recipe, accuracy(recipe, suffix)


def accuracy(recipe: str, suffix: str = "") -> dict[str, Any]:
    """Return the statistics of each column of a recipe's results. `suffix`: "" for MNIST, else "-DATASET"."""
    if recipe in MEASURED_IN_ENSEMBLE and not suffix:
        benchmarked, view = MEASURED_IN_ENSEMBLE[recipe]
        return dict(results(f"accuracy-{benchmarked}")["members"][view]["summary"])
    return dict(results(f"accuracy-{recipe}{suffix}")["summary"])


def training_time(found: dict[str, Any]) -> str:
    """Return the mean seconds of training."""
    seconds = found["train_seconds"]["mean"]
    return f"{seconds:.1f}" if seconds < 60 else f"{seconds:,.0f}"


def with_deviation(found: dict[str, float]) -> str:
    """Return a mean in per cent, with the standard deviation where there is one: `97.31 ± 0.18 %`."""
    deviation = f" ± {100 * found['deviation']:.2f}" if "deviation" in found else ""
    return f"{100 * found['mean']:.2f}{deviation} %"


def recipe_figures() -> str:
    """Return the content of recipes.json: what `digits recipes` says of each recipe that has results."""
    figures = {}
    for recipe, found in measured(""):
        test = found["test_accuracy"]
        figures[recipe] = {
            "seeds": test["n"],
            "test": round(test["mean"], 4),
            "deviation": round(test.get("deviation", 0.0), 4),
            "seconds": round(found["train_seconds"]["mean"], 1),
        }
    return json.dumps(figures, indent=2) + "\n"


def handwriting_table() -> Rows:
    """Return what is read right of real people's digits, with 95 % intervals."""
    rows: Rows = [("real people's digits", "pictures", "share", "95% interval")]
    for title, name, kind in HANDWRITING:
        found = share(name, kind)
        interval = f"{found['low']:.1%} to {found['high']:.1%}"
        rows.append((title, f"{found['of']:,}", f"{found['share']:.1%}", interval))
    return [tuple(cell.replace("%", " %") for cell in row) for row in rows]


def numbers_table() -> Rows:
    """Return what is read right of the second collection, with 95 % intervals."""
    rows: Rows = [("numbers, forms, words", "pictures", "share", "95% interval")]
    for title, name, kind in NUMBERS:
        found = share(name, kind, "handwriting2")
        interval = f"{found['low']:.1%} to {found['high']:.1%}"
        rows.append((title, f"{found['of']:,}", f"{found['share']:.1%}", interval))
    return [tuple(cell.replace("%", " %") for cell in row) for row in rows]


def made_table() -> Rows:
    """Return what is read right of made numbers, kind by kind."""
    rows: Rows = [("made numbers", "pictures", "all digits right", "all numbers right, with their signs")]
    for kind, figures in results("made-numbers")["sets"].items():
        text, numbers = (f"{figures['shares'][name]['share']:.1%}" for name in ("text", "numbers"))
        title = "all" if kind == "made numbers" else kind
        rows.append((title, f"{figures['pictures']:,}", text, numbers))
    return [tuple(cell.replace("%", " %") for cell in row) for row in rows]


def confidence_table() -> Rows:
    """Return how many answers reach a probability and how many of these are wrong."""
    limits = (f"{SURE:.0%} or more: share, wrong", f"{SURER:.0%} or more: share, wrong")
    said = f"said {SAID[0]:.0%} to {SAID[1]:.0%}: mean, right"
    rows: Rows = [("answers", "count", "right", *limits, "surest half: wrong", said)]
    for title, file, name, answers in CONFIDENCE:
        found = results(file)["sets"][name][answers]
        at = {limit["limit"]: limit for limit in found["coverage"]}
        cells = [f"{at[SURE]['reached']['of']:,}", f"{1 - found['curve'][-1]:.1%}"]
        for reached, wrong in ((at[limit]["reached"], at[limit]["wrong"]) for limit in (SURE, SURER)):
            cells.append(f"{reached['share']:.1%}, {wrong['share']:.1%}" if wrong else "none")
        cells.append(f"{found['surest_half_wrong']['share']:.1%}")
        group = next(group for group in found["groups"] if group["low"] == SAID[0])
        right = group["right"]
        cells.append(f"{group['probability']:.1%}, {right['share']:.1%} of {right['of']:,}")
        rows.append((title, *cells))
    return [tuple(cell.replace("%", " %") for cell in row) for row in rows]


def share(name: str, kind: str, file: str = "handwriting") -> dict[str, Any]:
    """Return one share of a set of handwriting: `share`, `of` how many pictures, `low` and `high`."""
    return dict(results(file)["sets"][name]["shares"][kind])


def figures_table(name: str) -> Rows:
    """Return all figures of one results file: what, unit, median, lowest, highest, bar and verdict."""
    rows: Rows = [("measured", "unit", "median", "lowest", "highest", "bar", "")]
    for title, group in results(name)["figures"].items():
        rows.append((f"**{title}**", *[""] * 6))
        for found in group:
            values = [found.get(key) for key in ("median", "lowest", "highest")]
            cells = ["–" if value is None else f"{value:,.{DECIMALS[found['unit']]}f}" for value in values]
            bar = found["bar"] and f"{found['bar']['kind']} {found['bar']['value']:g}"
            who = {"ours": "", "ratio": ""}.get(found["role"], f" ({found['role']})")
            rows.append((found["name"] + who, found["unit"], *cells, bar or "", found["verdict"]))
    return rows


def figure(name: str, what: str) -> dict[str, Any]:
    """Return one figure of a results file by its name."""
    groups = results(name)["figures"].values()
    return next(found for group in groups for found in group if found["name"] == what)


def results(name: str) -> dict[str, Any]:
    """Return the content of benchmarks/results/NAME.json."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text()))


TABLES: dict[str, Callable[[], Rows]] = {
    "five-figures": five_figures,
    "accuracy": accuracy_table,
    "fashion": fashion_table,
    "handwriting": handwriting_table,
    "numbers": numbers_table,
    "made": made_table,
    "confidence": confidence_table,
    "speed": lambda: figures_table("speed"),
    "reading": lambda: figures_table("reading"),
    "serving": lambda: figures_table("serving"),
}


if __name__ == "__main__":
    FIGURES_FILE.write_text(recipe_figures())
    (DOCS / "cli.md").write_text(cli_page())
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
