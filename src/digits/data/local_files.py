"""Read a data set from a folder or a file on this machine, and tell whether it is the published one."""

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
from digits.options import Dataset


class OtherDatasetError(DataError):
    """The files are one of the published data sets, but not the one that was asked for."""


def folders_in_variable() -> list[Path]:
    """Return the folders in $DIGITS_DATA, which are separated as in $PATH."""
    return [Path(folder) for folder in os.environ.get("DIGITS_DATA", "").split(os.pathsep) if folder]


def read(dataset: Dataset, place: Path, unverified: bool) -> Collection | None:
    """Return what a folder or file holds of a data set, or None if a folder has no file of a known name.

    `unverified` accepts files of the published sizes with other content. Raises DataError if files are
    missing, damaged or ambiguous, or if `place` does not exist.
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
            return _read_idx_files(dataset, folder, paths, unverified)
    tables = _tables_in(place)
    return _read_tables(dataset, tables, unverified) if tables else None


def expected_files(dataset: Dataset) -> str:
    """Return, for error messages, which files of a data set can be read."""
    published = DATASETS[dataset]
    return (
        f"{', '.join(file.name for file in published.files)} (each raw or .gz; in that folder, in "
        f"{published.torchvision_folder}/raw or in {dataset}), an .npz in Keras' layout, "
        "or .csv files with a label column"
    )


def find_idx(folder: Path, name: str) -> Path | None:
    """Return the path of an IDX file, raw or .gz, or None; some copies have a dot for the second dash."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / f"{stem}{suffix}" for stem in (name, dotted) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read_idx_files(dataset: Dataset, folder: Path, paths: list[Path | None], unverified: bool) -> Collection:
    """Return the data set in four IDX files; `paths` are in the catalogue's order, None for a missing one."""
    files = DATASETS[dataset].files
    missing = [file.name for file, path in zip(files, paths, strict=True) if path is None]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; expected {expected_files(dataset)}")
    found = [path for path in paths if path is not None]
    (train, train_digests), (test, test_digests) = read_pair(*found[:2]), read_pair(*found[2:])
    published = _is_published(dataset, folder, [*train_digests, *test_digests], train, unverified)
    return _collection(dataset, train, test, f"files in {folder}", published, folder)


def read_pair(images_path: Path, labels_path: Path) -> tuple[Digits, tuple[str, str]]:
    """Return the digits in two IDX files, and the SHA-256 of each file's decompressed content."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    pair = check_pair(images.array, labels.array, images_path, labels_path)
    return to_digits(pair), (images.sha256, labels.sha256)


def to_digits(pair: LabelledImages) -> Digits:
    """Return checked arrays as Digits, without copying the images."""
    return Digits(torch.from_numpy(pair.images), torch.from_numpy(pair.labels))


def _read_tables(dataset: Dataset, paths: list[Path], unverified: bool) -> Collection:
    """Return the data set in one .npz, in one .csv, or in a training and a test .csv."""
    pairs = _read_npz_pairs(paths[0]) if paths[0].suffix == ".npz" else _read_csv_pairs(dataset, paths)
    digests = [idx_sha256(array) for pair in pairs for array in (pair.images, pair.labels)]
    train, *tests = map(to_digits, pairs)
    published = _is_published(dataset, paths[0], digests, train, unverified)
    origin = " and ".join(str(path) for path in paths)
    return _collection(dataset, train, tests[0] if tests else None, origin, published, paths[0])


def _read_npz_pairs(path: Path) -> list[LabelledImages]:
    """Return the training set of an archive, and after it the test set if there is one."""
    parts = read_npz(path)
    if set(parts) == {"test"}:
        raise DataError(f"{path} holds a test set only; expected images to train on as well")
    return [parts[name] for name in ("all", "train", "test") if name in parts]


def _read_csv_pairs(dataset: Dataset, paths: list[Path]) -> list[LabelledImages]:
    if not all(map(_is_csv, paths)):
        raise DataError(f"{paths[0]} is not a known kind of data file; expected {expected_files(dataset)}")
    return [read_csv(path) for path in paths]


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def _tables_in(folder: Path) -> list[Path]:
    """Return the folder's .npz; or its training .csv and its .csv with 'test' in the name; or nothing.

    Raises DataError if there are more of them, so that it would be a guess which are meant.
    """
    archives, tables = sorted(folder.glob("*.npz")), sorted(filter(_is_csv, folder.iterdir()))
    tests = [path for path in tables if "test" in path.name.lower()]
    trains = [path for path in tables if path not in tests]
    if len(archives) == 1 or not archives + tables:
        return archives
    if archives or len(trains) != 1 or len(tests) > 1:
        names = ", ".join(path.name for path in archives or tables)
        raise DataError(
            f"{folder} holds {names}; expected one .npz, or one .csv to train on and at most one more with "
            "'test' in its name; or name a single file with --data"
        )
    return trains + tests


def _is_published(dataset: Dataset, place: Path, digests: list[str], train: Digits, unverified: bool) -> bool:
    """Return True if the SHA-256 digests are those of the published data set.

    Raises OtherDatasetError for the content of another published set, and DataError if the set has the
    published size but other content, which means damage, unless `unverified` accepts it.
    """
    for name, known in DATASETS.items():
        if digests == [file.content_sha256 for file in known.files]:
            if name == dataset:
                return True
            raise OtherDatasetError(f"{place} holds {name}, not {dataset}; add --dataset {name}")
    wrong = [
        f"{file.name} (expected {file.content_sha256}, got {found})"
        for file, found in zip(DATASETS[dataset].files, digests, strict=False)
        if file.content_sha256 is not None and file.content_sha256 != found
    ]
    if wrong and len(train) == DATASETS[dataset].training_images and not unverified:
        raise DataError(
            f"{place} has {dataset}'s sizes but not its published content, by SHA-256: {'; '.join(wrong)}. "
            "The files are damaged or are something else; fetch them again, or accept them with --unverified"
        )
    return False


def _collection(
    dataset: Dataset, train: Digits, test: Digits | None, origin: str, published: bool, place: Path
) -> Collection:
    """Return the collection, with a notice if its content is not known to be the published one."""
    notice = f"{place} is not the published data set: figures on it cannot be compared with published ones."
    if all(file.content_sha256 is None for file in DATASETS[dataset].files):
        notice = f"No checksums of {dataset}'s content were published: {place} cannot be verified."
    return Collection(dataset, train, test, origin, published, () if published else (notice,))
