"""Find a data set: in a folder or file, in $DIGITS_DATA, in the cache, on a mirror, or as a sample."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from digits.data import download, local_files, sample
from digits.data.cache import cache_folder
from digits.data.catalogue import DATASETS
from digits.data.collection import Collection
from digits.data.formats.csv import read_csv
from digits.errors import DataError, DownloadError
from digits.options import Dataset


def load(
    dataset: Dataset = "mnist",
    data: Path | str | None = None,
    *,
    unverified: bool = False,
    progress: download.Progress | None = None,
) -> Collection:
    """Return a data set, from the first of these places that has it.

    1. `data`, a folder or a file (IDX, .npz or .csv); no other place is tried if it is given.
    2. The folders in the environment variable DIGITS_DATA.
    3. The user's cache, into which the published files are downloaded if they are missing.
    4. For "mnist" only: a sample of 5,000 genuine digits; the collection's notices then say so.

    `unverified` accepts files of the published sizes whose content is not the published one. `progress` is
    called as (file name, bytes received, total bytes or None) during a download. Raises DataError if files
    are damaged or are something else, and its subclass DownloadError if no place has the data set.
    """
    if data is not None:
        return _from_argument(dataset, Path(data), unverified)
    missed = []
    for folder in local_files.folders_in_variable():
        found = _from_variable(dataset, folder, unverified)
        if found is not None:
            return found
        missed.append(f"$DIGITS_DATA: no {dataset} data in {folder}; looked further")
    try:
        return _from_cache_or_mirror(dataset, missed, progress)
    except DownloadError as error:
        if dataset != "mnist":
            raise
        missed.append(str(error))
    return _from_sample(missed, progress)


def _from_argument(dataset: Dataset, place: Path, unverified: bool) -> Collection:
    found = local_files.read(dataset, place, unverified)
    if found is None:
        raise DataError(f"no {dataset} data in {place}; expected {local_files.expected_files(dataset)}")
    return found


def _from_variable(dataset: Dataset, folder: Path, unverified: bool) -> Collection | None:
    """Return what a folder in $DIGITS_DATA holds of a data set, or None."""
    try:
        found = local_files.read(dataset, folder, unverified)
    except (
        local_files.OtherDatasetError
    ):  # the variable is set once, and may name the folder of another data set
        return None
    return found and dataclasses.replace(found, origin=f"{found.origin} (from $DIGITS_DATA)")


def _from_cache_or_mirror(
    dataset: Dataset, notices: Sequence[str], progress: download.Progress | None
) -> Collection:
    """Return the published data set; raises DownloadError if a file is not cached and no mirror has it."""
    folder, files = cache_folder() / dataset, DATASETS[dataset].files
    were_cached = all((folder / file.cached_name).exists() for file in files)
    damaged: list[str] = []
    paths = [download.fetch(file, folder, progress=progress, notice=damaged.append) for file in files]
    (train, _), (test, _) = local_files.read_pair(*paths[:2]), local_files.read_pair(*paths[2:])
    origin = f"{'cache' if were_cached and not damaged else 'downloaded to the cache'} at {folder}"
    return Collection(dataset, train, test, origin, published=True, notices=(*notices, *damaged))


def _from_sample(notices: Sequence[str], progress: download.Progress | None) -> Collection:
    """Return the sample; `notices` say why nothing better was found, and join the error if it fails too."""
    try:
        path = sample.fetch_sample(cache_folder(), progress=progress)
    except DownloadError as error:
        raise DownloadError("\n".join([*notices, str(error)])) from None
    notice = (
        "No mirror of MNIST could be reached: continuing with a sample of 5,000 genuine MNIST digits. "
        "Figures on the sample are not MNIST's figures."
    )
    return Collection(
        "mnist",
        local_files.to_digits(read_csv(path)),
        test=None,
        origin=f"sample of 5,000 digits at {path}",
        published=False,
        notices=(*notices, notice),
    )
