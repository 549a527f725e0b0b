"""Train with digits and print a JSON line after each epoch, for `speed.py`.

    python benchmarks/ours.py FOLDER RECIPE SEED EPOCHS THREADS VALIDATION

FOLDER contains MNIST/raw. EPOCHS and THREADS may be 0 for those of the recipe. VALIDATION is the number of
validation images, 0 for all; with few of them nearly all time is training, so the wall clock has to agree
with the seconds that an epoch states.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path

import torch

from digits.recipes import RECIPES
from digits.training import loop, run
from digits.training.state import begin


def main() -> None:
    """Train with the options on the command line."""
    folder, recipe, *numbers = sys.argv[1:]
    seed, epochs, threads, few = map(int, numbers)
    named = next(options for name, options in RECIPES.items() if name == recipe)
    options = dataclasses.replace(
        named,
        data=Path(folder),
        seed=seed,
        device="cpu",
        epochs=epochs or named.epochs,
        threads=threads or named.threads,
    )
    torch.set_num_threads(options.threads)
    splits = run.load_splits(options)[1]
    val_set = splits.val.at(torch.arange(few)) if few else splits.val
    state = begin(options, splits.train)
    start = time.perf_counter()
    for epoch in loop.train(options, splits.train, val_set, state=state):
        now = time.perf_counter()
        print(json.dumps({**dataclasses.asdict(epoch), "wall": now - start}), flush=True)
        start = time.perf_counter()


if __name__ == "__main__":
    main()
