"""Find the test images of a trained network again, and refuse images that it was trained on.

A model file records how its data set was split, the SHA-256 of its test images, and a sketch of the images
that the network has seen (`digits.data.sketch`).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digits.data import sketch
from digits.data.appearance import change_collection
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.download import Progress
from digits.data.loading import read_data
from digits.data.splits import Splits, split_again
from digits.errors import DataError, OptionError
from digits.evaluation.orientation import with_appearance_note
from digits.options import DataOptions, Dataset, ImageChanges, load_options

OWN_DATA = "use --data to give the data that the model was trained on"


def seen_images(splits: Splits) -> str:
    """Describe the images that a network sees in its training, for the entry "seen" of its model file.

    Returns:
        A sketch of the training images, without synthetic ones, and of the validation images, as text.
    """
    real = splits.train.images[: len(splits.train) - splits.synthetic]
    return sketch.to_text(sketch.merge(sketch.sketch(real), sketch.sketch(splits.val.images)))


def load_as_trained(
    networks: Sequence[tuple[Path, dict[str, Any]]],
    dataset: Dataset,
    options: DataOptions,
    progress: Progress | None = None,
) -> Collection:
    """Load the data of the runs that networks come from, with the same changes to the images.

    Args:
        networks: model file and meta data of each network.
        dataset: name of the data set.
        options: place of the data; None: that of a network's run, or see `digits.load_data`. If changes are
            chosen, these are made. Otherwise those of a run are made, if this gives its test images.
        progress: called during a download.

    Raises:
        DataError: see `digits.load_data`.
    """
    place = options.data or next(filter(None, (data_of_run(path) for path, _ in networks)), None)
    found = read_data(dataset, place, unverified=options.unverified, progress=progress)
    metas = [meta for _, meta in networks if isinstance(meta.get("data"), dict)]
    stored = [] if options.chosen() else [_changes_of_run(meta) for meta in metas]
    for changes in (options.changes, *stored):
        changed = change_collection(found, changes)
        if any(_test_as_trained(changed, meta)[1] for meta in metas):
            return with_appearance_note(changed)
    return with_appearance_note(change_collection(found, options.changes))


def _changes_of_run(meta: dict[str, Any]) -> ImageChanges:
    """Return the changes that were made to the images of a network's run."""
    names = meta["data"].get("changes")
    known = {field.name for field in dataclasses.fields(ImageChanges)}
    return (
        ImageChanges(**{name: True for name in names if name in known})
        if isinstance(names, list)
        else ImageChanges()
    )


def _test_as_trained(collection: Collection, meta: dict[str, Any]) -> tuple[Digits, bool]:
    """Return the test images of a data set that is split as for a network, and True if they are its own."""
    test = split_again(collection, meta["data"]).test
    return test, test.sha256() == meta["data"].get("test_sha256")


def held_out(collection: Collection, meta: dict[str, Any], name: str) -> tuple[Digits, bool]:
    """Return test images that a network has not seen in its training.

    Args:
        collection: a data set.
        meta: meta data of the network's model file.
        name: name of the network, for the error message.

    Returns:
        The test images.
        True if they are those of the network's run, False if they are other ones.

    Raises:
        DataError: if the network was trained on some of the images, or may have been.
    """
    test, same = _test_as_trained(collection, meta)
    if same:
        return test, True
    reason = reason_to_doubt(collection, test, meta)
    if reason:
        raise DataError(f"{name}: {reason}; {OWN_DATA}")
    return test, False


def reason_to_doubt(collection: Collection, test: Digits, meta: dict[str, Any]) -> str:
    """Return why a network may have been trained on test images of another data set than that of its run.

    Args:
        collection: a data set.
        test: its test images.
        meta: meta data of the network's model file.

    Returns:
        The reason as text without a full stop. Empty: it was not trained on them.
    """
    before, seen = meta.get("data"), sketch.from_text(meta.get("seen"))
    if collection.test is None:
        return (
            f"{collection.origin} has no separate test set, and the model may have been trained on its images"
        )
    if seen is None and isinstance(before, dict) and before.get("own_test_set") is False:
        return (
            "the model was trained on data without a separate test set, "
            f"which may have contained the test images in {collection.origin}"
        )
    count = 0 if seen is None else sketch.count_seen(test.images, seen)
    if count == 0:
        return ""
    return f"the model was trained on about {count:,} of the {len(test):,} test images in {collection.origin}"


def data_of_run(model: Path) -> Path | None:
    """Return the place of the data in the options of the run that a model file belongs to.

    Args:
        model: the model file.

    Returns:
        The value of --data; None if the run had none, it is not there any more, or the file is not in the
        folder of a run.
    """
    try:
        data = load_options(model.parent / "options.json").data
    except OptionError:  # not the folder of a run, or one of another version
        return None
    return data if data is not None and data.exists() else None
