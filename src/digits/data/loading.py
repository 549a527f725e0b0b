"""Load a data set from local files, the cache, a mirror, or a sample."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from digits.data import download, local_files, sample
from digits.data.appearance import change_collection, with_border_note
from digits.data.cache import cache_folder
from digits.data.catalogue import DATASETS
from digits.data.collection import Collection
from digits.data.formats.csv import read_csv
from digits.errors import DataError, DownloadError
from digits.options import Dataset, ImageChanges, expanded


def load_data(
    dataset: Dataset = "mnist",
    data: Path | str | None = None,
    *,
    unverified: bool = False,
    invert: bool = False,
    transpose: bool = False,
    mirror: bool = False,
    flip: bool = False,
    progress: download.Progress | None = None,
) -> Collection:
    """Load a data set from the first place that has it.

    The places, in this order:
        1. `data`, if it is given. No other place is tried then.
        2. The folders in the environment variable DIGITS_DATA.
        3. The cache folder. Missing files are downloaded into it.
        4. Only for "mnist": a sample of 5,000 MNIST digits. A notice tells the user.

    Args:
        dataset: Name of the data set.
        data: A folder with IDX, .npz or .csv files, or one .npz or .csv file.
        unverified: True to accept data of the published size that differ from the published data.
        invert, transpose, mirror, flip: Changes to all images; see `digits.options.ImageChanges`.
        progress: Called as (file name, bytes received, total bytes or None) during a download.
    Returns:
        The data set before it is split, with its source and notices for the user.
    Raises:
        DownloadError: if no place has the data set. It is a subclass of DataError.
        DataError: in these cases:
            there is no data set with this name
            `data` does not have the data set
            files are damaged
            data of the published size differ from the published data, and `unverified` is False
    """
    changes = ImageChanges(invert=invert, transpose=transpose, mirror=mirror, flip=flip)
    found = read_data(dataset, data, unverified=unverified, progress=progress)
    return with_border_note(change_collection(found, changes))


def read_data(
    dataset: Dataset,
    data: Path | str | None,
    *,
    unverified: bool = False,
    progress: download.Progress | None = None,
) -> Collection:
    """Read a data set without changing or examining its images; see `load_data`."""
    if dataset not in DATASETS:
        raise DataError(
            f"there is no data set {dataset!r}; expected one of {', '.join(DATASETS)}, "
            "and for files of your own also their place, such as load_data('mnist', 'my.npz')"
        )
    if data is not None:
        return _from_argument(dataset, _as_path(data), unverified)
    missed = []
    for folder in local_files.folders_in_variable():
        found = _from_variable(dataset, folder, unverified)
        if found is not None:
            return found
        missed.append(f"$DIGITS_DATA: no {dataset} data in {folder}; other places were tried")
    try:
        return _from_cache_or_mirror(dataset, missed, progress)
    except DownloadError as error:
        if dataset != "mnist":
            raise
        missed.append(str(error))
    return _from_sample(missed, progress)


def _as_path(data: Path | str) -> Path:
    """Return the place of the data as a path.

    Raises:
        DataError: if it is not a path, such as an array.
    """
    try:
        return expanded(data)
    except TypeError:
        raise DataError(
            f"the place of the data is of type {type(data).__name__}; expected the path of a folder or file"
        ) from None


def _from_argument(dataset: Dataset, place: Path, unverified: bool) -> Collection:
    """Load a data set from the folder or file `place`.

    Raises:
        DataError: if `place` does not have the data set.
    """
    found = local_files.read_local_files(dataset, place, unverified)
    if found is None:
        raise DataError(f"no {dataset} data in {place}; expected {local_files.expected_files(dataset)}")
    return found


def _from_variable(dataset: Dataset, folder: Path, unverified: bool) -> Collection | None:
    """Load a data set from one folder in $DIGITS_DATA.

    Returns:
        The data set, or None if the folder does not have it.
    """
    try:
        found = local_files.read_local_files(dataset, folder, unverified)
    except local_files.OtherDatasetError:  # no error, because the variable is the same for all data sets
        return None
    return found and dataclasses.replace(found, origin=f"{found.origin} (from $DIGITS_DATA)")


def _from_cache_or_mirror(
    dataset: Dataset, notices: Sequence[str], progress: download.Progress | None
) -> Collection:
    """Load a published data set from the cache.

    Missing files are downloaded first.

    Args:
        dataset: Name of the data set.
        notices: Sentences for the user, which become part of the result.
        progress: Called during a download.
    Raises:
        DownloadError: if a file is not in the cache and no mirror delivers it.
    """
    folder, files = cache_folder() / dataset, DATASETS[dataset].files
    were_cached = all((folder / file.cached_name).exists() for file in files)
    damaged: list[str] = []
    paths = [download.fetch(file, folder, progress=progress, notice=damaged.append) for file in files]
    (train, _), (test, _) = local_files.read_pair(*paths[:2]), local_files.read_pair(*paths[2:])
    origin = f"{'cache' if were_cached and not damaged else 'downloaded to the cache'} at {folder}"
    return Collection(dataset, train, test, origin, published=True, notices=(*notices, *damaged))


def _from_sample(notices: Sequence[str], progress: download.Progress | None) -> Collection:
    """Load the sample of 5,000 MNIST digits.

    Args:
        notices: Sentences for the user: why the full data set was not found.
        progress: Called during a download.
    Raises:
        DownloadError: if the sample cannot be downloaded. The message repeats `notices`.
    """
    try:
        path = sample.fetch_sample(cache_folder(), progress=progress)
    except DownloadError as error:
        raise DownloadError("\n".join([*notices, str(error)])) from None
    notice = (
        "No mirror of MNIST could be reached: continuing with a sample of 5,000 genuine MNIST digits. "
        "Results on the sample cannot be compared with results on MNIST."
    )
    return Collection(
        "mnist",
        local_files.to_digits(read_csv(path)),
        test=None,
        origin=f"sample of 5,000 digits at {path}",
        published=False,
        notices=(*notices, notice),
    )
