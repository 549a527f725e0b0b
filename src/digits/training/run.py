"""Do what `digits train` does: load the data, open the run's folder, train, test and save.

`run` does all of it. To follow the training epoch by epoch, in a single process, call its parts:

    collection, splits = load_splits(options)
    with open_run(options, World()) as opened:  # a SingleRun or an EnsembleRun
        for epoch in opened.train(splits, collection):
            print(epoch)
        result = opened.finish(splits, collection)
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
    """Train, test and save a network as `digits train` does, without printing.

    PyTorch uses `options.threads` threads meanwhile. If `torchrun` started several processes, they train
    together.

    Args:
        options: how to train, and where to save: in the folder `options.out / options.name`.
        progress: called with the State after every training step.

    Returns:
        The Result: accuracy and other figures, and the folder of the run. It is the same in all processes.

    Raises:
        DigitsError: if an option, the data or the folder cannot be used, or if training diverges.
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
    """Load the data set that the options name, and split it into training, validation and test images.

    With `options.synthetic`, that many digits drawn by code are added to MNIST's training images.

    Args:
        options: data set, its place, and how to split it.
        progress: called while files are downloaded; see `digits.data.download.Progress`.

    Returns:
        The whole data set and the three parts.

    Raises:
        DataError: if the data are missing, damaged or too few.
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
    """Open and lock the folder of a run, and yield the run: a SingleRun or an EnsembleRun.

    The folder is `options.out / options.name`. Without a name, a new name such as classic-1 is chosen. The
    first process locks the folder until the `with` block ends, so that no other training can use it.

    Args:
        options: must be the same in all processes, except `data`. `resume` opens an existing run.
        world: the processes that train together, and which of them this one is.

    Raises:
        RunError: if another training uses the folder, if it cannot be written, if it holds a run and
            `resume` is False, or if the processes have different options.
        MissingPackageError: if `options.tensorboard` is set and TensorBoard is not installed.
    """
    world.require_same(_shared_options(options))
    if options.tensorboard and world.first:
        summary_writer()  # If the package is missing, report it before training begins.
    if world.first:
        options = dataclasses.replace(options, name=options.name or next_name(options.out, options.recipe))
    options = from_json(world.spread(to_json(options)))
    folder = options.out / str(options.name)
    with open_folder(folder, options.resume) if world.first else contextlib.nullcontext():
        yield (SingleRun if options.ensemble == 1 else EnsembleRun)(folder, options, world)


def _shared_options(options: TrainOptions) -> dict[str, str]:
    """Return the options that must be the same in all processes, as texts such as {"--epochs": "25"}.

    --data is left out: the data may be in different places, and their content is compared later.
    """
    names = [field.name for field in dataclasses.fields(options) if field.name != "data"]
    return {f"--{name.replace('_', '-')}": str(getattr(options, name)) for name in names}
