"""Run `digits train` from Python: load the data, open the run's folder, train, test, save.

run        does everything and returns a Result
open_run   opens a run's folder, so that the caller can follow training epoch by epoch
SingleRun and EnsembleRun   train in such a folder and test at the end
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeAlias, cast

import torch

from digits.data import loading, synthetic
from digits.data.collection import Collection
from digits.data.download import Progress
from digits.data.splits import Splits, join, split
from digits.data.writers import load_writers
from digits.options import TrainOptions, from_json, to_json
from digits.training.devices import pick_device
from digits.training.distributed import World, join_world
from digits.training.ensemble_run import EnsembleRun
from digits.training.results import Result
from digits.training.run_folder import next_name, open_folder
from digits.training.single_run import SingleRun
from digits.training.state import State
from digits.training.tensorboard import summary_writer

Run: TypeAlias = SingleRun | EnsembleRun


def run(options: TrainOptions, *, progress: Callable[[State], None] | None = None) -> Result:
    """Train, test and save a network as `digits train` does, without printing; return the Result.

    `progress` is called after every training step. The result is in `options.out / options.name`. The number
    of torch threads is set to `options.threads` and put back at the end. Under torchrun every process gets
    the same Result. Raises DigitsError for anything the caller can correct: options, data, the folder.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        with join_world(pick_device(options.device).type) as world:
            collection, splits = load_splits(options)
            with open_run(options, world) as opened:
                for _ in opened.train(splits, collection, progress=progress):
                    pass
                result = opened.finish(splits, collection) if world.first else None
                return cast(Result, world.spread(result))
    finally:
        torch.set_num_threads(threads)


def load_splits(options: TrainOptions, progress: Progress | None = None) -> tuple[Collection, Splits]:
    """Find, read and split the data that the options name; return the whole collection and its three parts.

    With `options.synthetic` digits drawn in code join MNIST's training images. `progress` is told about the
    download, if there is one. Raises DataError where there is no usable data.
    """
    collection = loading.load(options.dataset, options.data, unverified=options.unverified, progress=progress)
    writers = load_writers(collection, options.data, progress) if options.split == "writers" else None
    splits = split(
        collection,
        options.split,
        val_size=options.val_size,
        test_size=options.test_size,
        seed=options.split_seed,
        writers=writers,
    )
    if options.synthetic and options.dataset == "mnist":
        splits = join(splits, *synthetic.synthetic_digits(options.synthetic, options.split_seed))
    return collection, splits


@contextlib.contextmanager
def open_run(options: TrainOptions, world: World) -> Iterator[Run]:
    """Open the folder of a new run, or of an old one with `options.resume`, for as long as `with` lasts.

    The first process locks the folder against other trainers; all processes get the same name. Raises
    RunError if the folder is in use, cannot be written, or holds a run and `resume` is off.
    """
    world.require_same(_shared_options(options))
    if options.tensorboard and world.first:
        summary_writer()  # Report a missing package now and not after the data is prepared.
    if world.first:
        options = dataclasses.replace(options, name=options.name or next_name(options.out, options.recipe))
    options = from_json(world.spread(to_json(options)))
    folder = options.out / str(options.name)
    with open_folder(folder, options.resume) if world.first else contextlib.nullcontext():
        yield (SingleRun if options.ensemble == 1 else EnsembleRun)(folder, options, world)


def _shared_options(options: TrainOptions) -> dict[str, str]:
    """Return the options that all processes must share: all but --data, whose content is compared later."""
    names = [field.name for field in dataclasses.fields(options) if field.name != "data"]
    return {f"--{name.replace('_', '-')}": str(getattr(options, name)) for name in names}
