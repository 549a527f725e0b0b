"""Load data, train, test and save, as `digits train` does.

`run` does all steps. To see each epoch, call the parts yourself in a single process:

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

from digits.data import synthetic
from digits.data.collection import Collection
from digits.data.download import Progress
from digits.data.sample import is_mnist
from digits.data.sketch import count_equal
from digits.data.splits import Splits, join, split
from digits.data.writers import load_writers
from digits.errors import OptionError
from digits.evaluation.orientation import load_checked
from digits.options import TrainOptions, from_json, to_json
from digits.recipes import is_given
from digits.training.devices import pick_device, use_threads
from digits.training.distributed import World, join_world
from digits.training.ensemble_run import EnsembleRun
from digits.training.file_limits import check_file_sizes
from digits.training.results import Result
from digits.training.run_folder import find_unfinished, next_name, open_folder
from digits.training.single_run import SingleRun
from digits.training.state import State
from digits.training.tensorboard import summary_writer

Run: TypeAlias = SingleRun | EnsembleRun


def run(options: TrainOptions, *, progress: Callable[[State], None] | None = None) -> Result:
    """Train, test and save a network without printing.

    Processes started by PyTorch's command `torchrun` train together.

    Args:
        options: how to train. The files go to the folder `options.out / options.name`.
        progress: called with the State after each training step.

    Returns:
        The accuracy and other figures, and the run's folder. All processes get the same Result.

    Raises:
        DigitsError: if an option, the data or the folder cannot be used, or if training fails.
    """
    # The training steps use `options.threads`.
    with use_threads(1), join_world(pick_device(options.device).type) as world:
        collection, splits = load_splits(options)
        with open_run(options, world) as opened:
            for _ in opened.train(splits, collection, progress=progress):
                pass
            result = opened.finish(splits, collection) if world.first else None
            return cast(Result, world.spread(result))


def load_splits(options: TrainOptions, progress: Progress | None = None) -> tuple[Collection, Splits]:
    """Load the data set, and split it into training, validation and test images.

    With `options.synthetic`, that many synthetic digits are added to MNIST's training images. Values of the
    recipe that do not fit other data are left out: its synthetic digits, and its number of validation images
    for data that already have some.

    Args:
        options: data set, its place, and how to split it.
        progress: called while files are downloaded; see `digits.data.download.Progress`.

    Returns:
        The whole data set, and its three parts.

    Raises:
        DataError: if the data are missing, damaged or too few.
        OptionError: if synthetic digits are asked for, and the data are not MNIST.
    """
    collection = load_checked(options.dataset, options, progress)
    writers = load_writers(collection, options.data, progress) if options.split == "writers" else None
    splits = split(
        collection,
        options.split,
        val_size=None if collection.val and not is_given(options, "val_size") else options.val_size,
        test_size=options.test_size,
        seed=options.split_seed,
        writers=writers,
    )
    collection = _with_repeated_note(collection, splits)
    if not options.synthetic:
        return collection, splits
    if is_mnist(collection):
        return collection, join(splits, *synthetic.synthetic_digits(options.synthetic, options.split_seed))
    if is_given(options, "synthetic"):
        raise OptionError(
            f"--synthetic {options.synthetic}: the data ({collection.origin}) are not MNIST, "
            "and synthetic digits are drawn to go with MNIST's; leave out --synthetic"
        )
    note = f"The {options.synthetic:,} synthetic digits of the recipe are left out: the data are not MNIST."
    return dataclasses.replace(collection, notices=(*collection.notices, note)), splits


def _with_repeated_note(collection: Collection, splits: Splits) -> Collection:
    """Add a note to a data set that is not a published one, if training images are among its other images."""
    if collection.published:
        return collection
    parts = (("validation", splits.val), ("test", splits.test))
    counts = {name: count_equal(part.images, splits.train.images) for name, part in parts}
    listed = [f"{count:,} of the {name} images" for name, count in counts.items() if count]
    if not listed:
        return collection
    note = f"{' and '.join(listed)} are training images too: the figures on them are optimistic."
    return dataclasses.replace(collection, notices=(*collection.notices, note))


@contextlib.contextmanager
def open_run(options: TrainOptions, world: World) -> Iterator[Run]:
    """Open the folder of a run, and lock it during the `with` block.

    The folder is `options.out / options.name`. No other training can use it meanwhile.

    Args:
        options: the same in all processes, except `data`. `resume` opens an existing run.
            Without `name`, a new name such as classic-1 is chosen.
        world: number of training processes, and the number of this one.

    Yields:
        A SingleRun, or an EnsembleRun if `options.ensemble` is above 1.

    Raises:
        OptionError: if a file would be larger than the file format allows.
        RunError: in these cases:
            - another training uses the folder
            - the folder cannot be written
            - the folder holds a run, and `resume` is False
            - the processes have different options
        MissingPackageError: if `options.tensorboard` is set and TensorBoard is not installed.
    """
    world.require_same(_shared_options(options))
    check_file_sizes(options)
    if options.tensorboard and world.first:
        summary_writer()  # If the package is missing, report it before training begins.
    if world.first:
        options = dataclasses.replace(options, name=options.name or _choose_name(options))
    options = from_json(world.spread(to_json(options)))
    folder = options.out / str(options.name)
    with open_folder(folder, options) if world.first else contextlib.nullcontext():
        yield (SingleRun if options.ensemble == 1 else EnsembleRun)(folder, options, world)


def _choose_name(options: TrainOptions) -> str:
    """Return the name of the newest unfinished run with `resume`, otherwise a new name."""
    if options.resume:
        return str(find_unfinished(options.out, None).name)
    return next_name(options.out, options.recipe)


def _shared_options(options: TrainOptions) -> dict[str, str]:
    """Return all options except --data as texts, such as {"--epochs": "25"}."""
    # The data may be in different places. Their content is compared later.
    names = [field.name for field in dataclasses.fields(options) if field.name != "data"]
    return {f"--{name.replace('_', '-')}": str(getattr(options, name)) for name in names}
