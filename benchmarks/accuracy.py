"""Accuracy of a recipe over several seeds: mean, standard deviation and every single run.

    python benchmarks/accuracy.py classic --seeds 5

Each run trains from its own seed on the same split and touches the test images once, after training. The
figures of the last epoch count, so that nothing was chosen by looking at them; test figures are those of
the network of the best validation epoch, as `digits train` keeps it. Writes
benchmarks/results/accuracy-RECIPE.json.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
from pathlib import Path

from figures import circumstances

import digits
from digits.files import atomic_write
from digits.recipes import RECIPES

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("train_accuracy", "val_accuracy", "test_accuracy", "train_seconds")


def one_run(options: digits.TrainOptions) -> dict[str, float]:
    """Train, test once, keep nothing but the figures."""
    with tempfile.TemporaryDirectory() as out:
        result = digits.run(dataclasses.replace(options, out=Path(out), plots=False))
    last = result.history[-1]
    return {
        "seed": options.seed,
        "train_accuracy": last.train_accuracy,
        "val_accuracy": last.val_accuracy,
        "test_accuracy": result.test.accuracy,
        "train_seconds": sum(epoch.seconds for epoch in result.history),
    }


def summary(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and sample standard deviation of every column."""
    return {
        column: {
            "mean": statistics.fmean(values),
            "deviation": statistics.stdev(values) if len(values) > 1 else 0.0,
            "least": min(values),
        }
        for column in COLUMNS
        for values in [[run[column] for run in runs]]
    }


def main() -> None:
    """Train `--seeds` networks and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", choices=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=5, help="networks to train, from seeds 0, 1, ...")
    parser.add_argument("--data", type=Path, help="as for digits train")
    arguments = parser.parse_args()
    command = ["python", "benchmarks/accuracy.py", arguments.recipe, "--seeds", str(arguments.seeds)]
    about = circumstances(command)
    recipe = dataclasses.replace(RECIPES[arguments.recipe], data=arguments.data)
    runs = []
    print("seed   training  validation      test   seconds")
    for seed in range(arguments.seeds):
        run = one_run(dataclasses.replace(recipe, seed=seed))
        runs.append(run)
        print(
            f"{seed:4d}  {run['train_accuracy']:9.2%}  {run['val_accuracy']:10.2%}"
            f" {run['test_accuracy']:9.2%}  {run['train_seconds']:8.2f}",
            flush=True,
        )
    found = summary(runs)
    for name in ("mean", "deviation"):
        train, val, test = (f"{found[column][name]:.2%}" for column in COLUMNS[:3])
        print(f"{name:<9} {train:>6}  {val:>10} {test:>9}  {found['train_seconds'][name]:8.2f}")
    content = {**about, "summary": found, "runs": runs}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2) + "\n"
    atomic_write(RESULTS / f"accuracy-{arguments.recipe}.json", text.encode())


if __name__ == "__main__":
    main()
