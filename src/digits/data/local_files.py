"""Read a data set from a folder or a file.

Its SHA-256 digests show whether it is a published data set.
"""

import dataclasses
import os
from pathlib import Path

import torch

from digits.data.catalogue import DATASETS
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.formats.arrays import LabelledImages, check_pair
from digits.data.formats.csv import read_csv
from digits.data.formats.idx import idx_sha256, read_idx
from digits.data.formats.npz import read_npz
from digits.errors import DataError
from digits.files import printable
from digits.options import Dataset, expanded


class OtherDatasetError(DataError):
    """An error: the files contain another published data set."""


def folders_in_variable() -> list[Path]:
    """Return the folders in the environment variable DIGITS_DATA.

    They are separated as in $PATH.
    """
    return [expanded(folder) for folder in os.environ.get("DIGITS_DATA", "").split(os.pathsep) if folder]


def read_local_files(dataset: Dataset, place: Path, unverified: bool) -> Collection | None:
    """Read a data set from a folder or a file.

    In a folder these files are searched:
        1. Four IDX files, in the folder and in its usual subfolders.
        2. One .npz file, or one or two .csv files, in the folder itself.

    Args:
        dataset: Name of the data set.
        place: A folder, an .npz file or a .csv file.
        unverified: True to accept data of the published size that differ from the published data.
    Returns:
        The data set, or None if `place` is a folder without such files.
    Raises:
        OtherDatasetError: if the files contain another published data set.
        DataError: in these cases:
            `place` does not exist
            files are missing or damaged, or there are several possible files
            data of the published size differ from the published data, and `unverified` is False
    """
    if place.is_file():
        return _read_tables(dataset, [place], unverified)
    if not place.is_dir():
        raise DataError(f"{place} is neither a folder nor a file; expected {expected_files(dataset)}")
    published = DATASETS[dataset]
    names = [file.name for file in published.files]
    for folder in (place, place / dataset, place / "raw", place / published.torchvision_folder / "raw"):
        paths = [find_idx(folder, name) for name in names]
        if any(paths):
            found = _read_idx_files(dataset, folder, paths, unverified)
            return _with_unused(found, place, [])
    tables = _tables_in(place)
    return _with_unused(_read_tables(dataset, tables, unverified), place, tables) if tables else None


def _with_unused(collection: Collection, folder: Path, used: list[Path]) -> Collection:
    """Add a note that names the .npz and .csv files in a folder that were not read."""
    unused = [path.name for path in sorted(folder.iterdir()) if _is_table(path) and path not in used]
    if not unused or collection.published:
        return collection
    note = (
        f"{folder}: {', '.join(map(printable, unused[:10]))} {'is' if len(unused) == 1 else 'are'} not used."
    )
    return dataclasses.replace(collection, notices=(*collection.notices, note))


def _is_table(path: Path) -> bool:
    return path.suffix == ".npz" or _is_csv(path)


def expected_files(dataset: Dataset) -> str:
    """Return a text that lists the readable files, for error messages."""
    published = DATASETS[dataset]
    return (
        f"{', '.join(file.name for file in published.files)} (each raw or .gz; in that folder, in "
        f"{published.torchvision_folder}/raw or in {dataset}), or one .npz with the names of Keras, "
        "or .csv files with a label column"
    )


def find_idx(folder: Path, name: str) -> Path | None:
    """Return the path of an IDX file in a folder, or None.

    Args:
        folder: The folder to search.
        name: Name of the raw file, such as "train-images-idx3-ubyte".
    Returns:
        The raw file, or the file with .gz at its end.
    """
    # In some copies the name has a dot before "idx" instead of a dash.
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / f"{stem}{suffix}" for stem in (name, dotted) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read_idx_files(dataset: Dataset, folder: Path, paths: list[Path | None], unverified: bool) -> Collection:
    """Read a data set from four IDX files.

    Args:
        dataset: Name of the data set.
        folder: Folder of the files, for messages.
        paths: Training images, training labels, test images, test labels; None if missing.
        unverified: True to accept data of the published size that differ from the published data.
    Raises:
        DataError: if a file is missing or damaged, or the content is not accepted.
    """
    files = DATASETS[dataset].files
    missing = [file.name for file, path in zip(files, paths, strict=True) if path is None]
    if missing:
        raise DataError(f"{folder} does not contain {', '.join(missing)}; expected {expected_files(dataset)}")
    found = [path for path in paths if path is not None]
    (train, train_digests), (test, test_digests) = read_pair(*found[:2]), read_pair(*found[2:])
    published = _is_published(dataset, folder, [*train_digests, *test_digests], train, unverified)
    return _collection(dataset, train, test, f"files in {folder}", published, folder)


def read_pair(images_path: Path, labels_path: Path) -> tuple[Digits, tuple[str, str]]:
    """Read images and their labels from two IDX files.

    Returns:
        The digits, and the SHA-256 of both decompressed files.
    Raises:
        DataError: if a file is damaged, or images and labels do not fit together.
    """
    images, labels = read_idx(images_path), read_idx(labels_path)
    pair = check_pair(images.array, labels.array, images_path, labels_path)
    return to_digits(pair), (images.sha256, labels.sha256)


def to_digits(pair: LabelledImages) -> Digits:
    """Convert checked arrays to Digits, without copying the images."""
    return Digits(torch.from_numpy(pair.images), torch.from_numpy(pair.labels))


def _read_tables(dataset: Dataset, paths: list[Path], unverified: bool) -> Collection:
    """Read a data set from .npz or .csv files.

    Args:
        dataset: Name of the data set.
        paths: One .npz file, or a .csv file for training and optionally one for the test.
        unverified: True to accept data of the published size that differ from the published data.
    Raises:
        DataError: if a file is damaged or of another type, or the content is not accepted.
    """
    parts = _read_npz_parts(paths[0]) if paths[0].suffix == ".npz" else _read_csv_parts(dataset, paths)
    digests = [
        idx_sha256(array)
        for name in ("train", "test", "val")  # published data sets have only the first two
        if name in parts
        for array in (parts[name].images, parts[name].labels)
    ]
    digits = {name: to_digits(part) for name, part in parts.items()}
    published = _is_published(dataset, paths[0], digests, digits["train"], unverified)
    origin = " and ".join(str(path) for path in paths)
    found = _collection(dataset, digits["train"], digits.get("test"), origin, published, paths[0])
    notes = [note for part in parts.values() for note in part.notes]
    return dataclasses.replace(found, val=digits.get("val"), notices=(*found.notices, *notes))


def _read_npz_parts(path: Path) -> dict[str, LabelledImages]:
    """Return the sets in an .npz file: "train", and "val" and "test" if present.

    Raises:
        DataError: if there are no training images.
    """
    parts = read_npz(path)
    if "all" in parts:
        return {"train": parts["all"]}
    if "train" not in parts:
        only = "only a test set" if set(parts) == {"test"} else "no training images"
        raise DataError(f"{path} contains {only}; expected training images too")
    return parts


def _read_csv_parts(dataset: Dataset, paths: list[Path]) -> dict[str, LabelledImages]:
    """Return the sets in one or two .csv files: "train", and "test" if there are two.

    Raises:
        DataError: if a file is of another type.
    """
    if not all(map(_is_csv, paths)):
        raise DataError(f"{paths[0]} is not a known type of data file; expected {expected_files(dataset)}")
    return dict(zip(("train", "test"), map(read_csv, paths), strict=False))


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def _tables_in(folder: Path) -> list[Path]:
    """Find the .npz or .csv files of a data set in a folder.

    Returns:
        One of these lists:
            the only .npz file
            the training .csv file, then the test .csv file if present
            nothing
    Raises:
        DataError: if there are several possible files.
    """
    archives, tables = sorted(folder.glob("*.npz")), sorted(filter(_is_csv, folder.iterdir()))
    tests = [path for path in tables if "test" in path.name.lower()]
    trains = [path for path in tables if path not in tests]
    if len(archives) == 1 or not archives + tables:
        return archives
    if archives or len(trains) != 1 or len(tests) > 1:
        names = ", ".join(path.name for path in archives or tables)
        raise DataError(
            f"{folder} contains {names}; expected one .npz, or one .csv to train on and at most one more "
            "with 'test' in its name; or name a single file with --data"
        )
    return trains + tests


def _is_published(dataset: Dataset, place: Path, digests: list[str], train: Digits, unverified: bool) -> bool:
    """Check whether the files are the published data set.

    Args:
        dataset: Name of the data set.
        place: Where the files are, for messages.
        digests: SHA-256 of training images and labels, then of test images and labels.
        train: The training images.
        unverified: True to return False instead of raising DataError.
    Returns:
        True if all digests are the published ones.
    Raises:
        OtherDatasetError: if the files are another published data set.
        DataError: if the number of training images is the published one, but not the content.
    """
    for name, known in DATASETS.items():
        if digests == [file.content_sha256 for file in known.files]:
            if name == dataset:
                return True
            raise OtherDatasetError(f"{place} contains {name}, not {dataset}; add --dataset {name}")
    # With the published number of images but other content, the files are probably damaged.
    wrong = [
        f"{file.name} (expected {file.content_sha256}, got {found})"
        for file, found in zip(DATASETS[dataset].files, digests, strict=False)
        if file.content_sha256 is not None and file.content_sha256 != found
    ]
    if wrong and len(train) == DATASETS[dataset].training_images and not unverified:
        raise DataError(
            f"{place} has as many images as {dataset} but another SHA-256: {'; '.join(wrong)}. "
            "The files are damaged or contain other data; "
            "download them again, or accept them with --unverified"
        )
    return False


def _collection(
    dataset: Dataset, train: Digits, test: Digits | None, origin: str, published: bool, place: Path
) -> Collection:
    """Return the loaded data set, with a notice if it is not verified.

    Args:
        origin: Where the data was read, as a phrase for messages.
        published: True if the SHA-256 digests are the published ones.
        place: Folder or file, for the notice.
    """
    notice = f"{place} is not the published data set: results on it cannot be compared with published ones."
    if all(file.content_sha256 is None for file in DATASETS[dataset].files):
        notice = f"No checksums of {dataset}'s content were published: {place} cannot be verified."
    return Collection(dataset, train, test, origin, published, () if published else (notice,))
