"""Find the test images of a trained network again, and refuse images that it was trained on.

A model file records how its data set was split, the SHA-256 of its test images, and a sketch of the images
that the network has seen (`digits.data.sketch`).
"""

from pathlib import Path
from typing import Any

from digits.data import sketch
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.splits import Splits, split_again
from digits.errors import DataError, OptionError
from digits.options import from_json

OWN_DATA = "use --data to give the data that the model was trained on"


def seen_images(splits: Splits) -> str:
    """Describe the images that a network sees in its training, for the entry "seen" of its model file.

    Returns:
        A sketch of the training images, without synthetic ones, and of the validation images, as text.
    """
    real = splits.train.images[: len(splits.train) - splits.synthetic]
    return sketch.to_text(sketch.merge(sketch.sketch(real), sketch.sketch(splits.val.images)))


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
    test = split_again(collection, meta["data"]).test
    if test.sha256() == meta["data"].get("test_sha256"):
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
        data = from_json((model.parent / "options.json").read_text()).data
    except (OSError, ValueError, OptionError):  # not the folder of a run, or one of another version
        return None
    return data if data is not None and data.exists() else None
