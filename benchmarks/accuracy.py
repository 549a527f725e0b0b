"""Measure the accuracy of a recipe over several seeds: mean, standard deviation, interval, every run.

    python benchmarks/accuracy.py classic --seeds 5
    python benchmarks/accuracy.py ensemble --seeds 1  # every second member is a seed of the recipe `cnn`
    python benchmarks/accuracy.py cnn --seeds 1 --dataset fashion-mnist

Each run trains from its own seed on the same split and reads the test images once, after training. The
network of the last epoch is tested, so that no figure chooses anything. Of MNIST's test images, 15 have
labels that most people dispute; the accuracy without them is measured too. Writes
benchmarks/results/accuracy-RECIPE.json, for other data accuracy-RECIPE-DATASET.json. Runs are kept in --out;
the same command again finishes those that were interrupted.
"""

import argparse
import csv
import dataclasses
import json
import math
import statistics
from pathlib import Path
from typing import Any, get_args

from figures import circumstances

import digits
from digits.files import atomic_write
from digits.options import Dataset
from digits.recipes import RECIPES

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("train_accuracy", "val_accuracy", "test_accuracy", "undisputed_accuracy", "train_seconds")
# Student's t, 97.5 %, for 1 to 9 degrees of freedom; NIST/SEMATECH e-Handbook, 1.3.6.7.2
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def one_run(options: digits.TrainOptions) -> list[dict[str, Any]]:
    """Train or resume a run and test it; return the figures of an ensemble's members, then its own."""
    folder = options.out / str(options.name)
    resume = (folder / "options.json").exists()
    result = digits.run(dataclasses.replace(options, resume=resume))
    members = [
        figures_of(folder / f"member-{number + 1}", options.seed + number)
        for number in range(len(result.members))
    ]
    return [*members, figures_of(folder, options.seed)]


def figures_of(folder: Path, seed: int) -> dict[str, Any]:
    """Return the figures in the folder of a finished run."""
    with open(folder / "metrics.csv", newline="") as file:
        *_, last = csv.DictReader(file)
    summary = json.loads((folder / "summary.json").read_text())
    return {
        "seed": seed,
        "view": json.loads((folder / "options.json").read_text())["view"],
        "train_accuracy": float(last["train_accuracy"]),
        "val_accuracy": float(last["val_accuracy"]),
        "test_accuracy": summary["test"]["accuracy"],
        "undisputed_accuracy": summary["undisputed"]["accuracy"] if summary["undisputed"] else None,
        "train_seconds": summary["training_seconds"],
    }


def summary_of(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean, sample standard deviation, minimum and the 95 % interval of the mean for every column."""
    columns = {column: [run[column] for run in runs if run[column] is not None] for column in COLUMNS}
    return {column: _statistics(values) for column, values in columns.items() if values}


def _statistics(values: list[float]) -> dict[str, float]:
    n, mean = len(values), statistics.fmean(values)
    found = {"n": n, "mean": mean, "least": min(values)}
    if 1 < n <= len(STUDENT) + 1:
        deviation = statistics.stdev(values)
        radius = STUDENT[n - 2] * deviation / math.sqrt(n)
        found |= {"deviation": deviation, "low": mean - radius, "high": mean + radius}
    return found


def show(title: str, runs: list[dict[str, Any]]) -> None:
    """Print a line for each run, then mean and deviation."""
    print(f"\n{title}\nseed   training  validation      test  undisputed   seconds")
    for run in runs:
        print(f"{run['seed']:<9}" + _line(run))
    for name in ("mean", "deviation"):
        found = {column: values.get(name) for column, values in summary_of(runs).items()}
        if found["test_accuracy"] is not None:
            print(f"{name:<9}" + _line({column: found.get(column) for column in COLUMNS}))


def _line(figures: dict[str, Any]) -> str:
    widths = zip(COLUMNS[:-1], (6, 10, 8, 10), strict=True)
    cells = [f"{figures[c]:{w}.2%}" if figures[c] is not None else f"{'-':>{w}}" for c, w in widths]
    return "  ".join(cells) + f"  {figures['train_seconds']:8.2f}"


def main() -> None:
    """Train `--seeds` networks and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", choices=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=5, help="networks to train, from seeds 0, 1, ...")
    parser.add_argument("--dataset", choices=get_args(Dataset), default="mnist")
    parser.add_argument("--data", type=Path, help="as for digits train")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"), help="folder for the runs")
    given = parser.parse_args()
    other = "" if given.dataset == "mnist" else f"-{given.dataset}"
    command = ["python", "benchmarks/accuracy.py", given.recipe, "--seeds", str(given.seeds)]
    about = circumstances(command + (["--dataset", given.dataset] if other else []))
    recipe = dataclasses.replace(
        RECIPES[given.recipe],
        **{"dataset": given.dataset, "data": given.data, "out": given.out, "plots": False, "keep": "last"},
    )
    if other and recipe.teacher:  # the bundled teacher knows digits only; teach with one trained alike
        recipe = dataclasses.replace(recipe, teacher=str(given.out / f"cnn{other}-0"))
    runs, members = [], []
    for seed in range(given.seeds):
        name = f"{given.recipe}{other}-{seed}"
        *parts, whole = one_run(dataclasses.replace(recipe, seed=seed, name=name))
        runs.append(whole)
        members += parts
        show(name, [*parts, whole])
    content = {**about, "summary": summary_of(runs), "runs": runs}
    show(f"{given.recipe}{other}", runs)
    for view in dict.fromkeys(member["view"] for member in members):
        alike = [member for member in members if member["view"] == view]
        content.setdefault("members", {})[view] = {"summary": summary_of(alike), "runs": alike}
        show(f"members, {view}", alike)
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2) + "\n"
    atomic_write(RESULTS / f"accuracy-{given.recipe}{other}.json", text.encode())


if __name__ == "__main__":
    main()
