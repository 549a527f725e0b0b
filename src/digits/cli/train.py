"""Run `digits train`: train a network, test it, save it, and plot the results."""

import dataclasses
import os
from typing import TYPE_CHECKING

from digits.cli.messages import complain
from digits.cli.parsing import parse_first, parse_train_options
from digits.options import TrainOptions

if TYPE_CHECKING:
    from rich.console import Console

    from digits.data.collection import Collection
    from digits.data.splits import Splits
    from digits.evaluation.epoch import Epoch
    from digits.training.run import Run

TRAIN_COMMAND = "digits train"


def train(arguments: list[str]) -> int:
    """Run `digits train` and return its exit code.

    Args:
        arguments: the words after `digits train`.
    """
    options = train_options(arguments)
    if "RANK" not in os.environ:  # Several processes meet first, so that none waits for one that has ended.
        options.check_place()  # before PyTorch is imported, which takes seconds
    import torch

    from digits.cli import train_output
    from digits.cli.console import download_bar, make_console
    from digits.training.devices import pick_device
    from digits.training.distributed import join_world
    from digits.training.interrupts import Stopped
    from digits.training.run import load_splits, open_run

    torch.set_num_threads(1)  # The training steps use --threads.
    with join_world(pick_device(options.device).type) as world:
        console = make_console(quiet=not world.first)
        with download_bar(console) as fetching:
            collection, splits = load_splits(options, fetching)
        train_output.show_data(console, collection, splits)
        with open_run(options, world) as run:
            train_output.show_run(console, run, splits)
            try:
                _train_epochs(console, run, collection, splits)
            except Stopped as stopped:
                return complain(stopped, 128 + stopped.number) if world.first else 128 + stopped.number
            if world.first:
                train_output.show_result(console, run.finish(splits, collection), collection)
    return 0


def train_options(arguments: list[str]) -> TrainOptions:
    """Return the training options of a command line.

    Missing options have these values:

        with --resume      the values of the old run
        otherwise          the values of the recipe

    Args:
        arguments: the words after `digits train`.
    """
    first = parse_first(arguments, TRAIN_COMMAND).options
    if not first.resume or {"-h", "--help"} & set(arguments):
        return parse_train_options(arguments, TRAIN_COMMAND)
    from digits.training.run_folder import find_unfinished

    stored = find_unfinished(first.out, first.name)
    return parse_train_options(arguments, TRAIN_COMMAND, dataclasses.replace(stored, allow_inexact=False))


def _train_epochs(console: "Console", run: "Run", collection: "Collection", splits: "Splits") -> None:
    """Train all networks of a run, and print one line per epoch."""
    from digits.cli import train_output
    from digits.cli.console import epoch_bar
    from digits.training.interrupts import Interrupts

    steps = -(-len(splits.train) // run.options.batch_size)
    best: Epoch | None = None
    with Interrupts() as interrupts, epoch_bar(console, steps) as bar:
        for epoch in run.train(splits, collection, progress=bar, interrupts=interrupts):
            if epoch.number == 1:
                train_output.show_notices(console, run.member or run)
                train_output.show_header(console, run)
                best = None
            star = epoch.better_than(best)
            train_output.show_epoch(console, epoch, star)
            best = epoch if star else best
