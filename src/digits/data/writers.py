"""Find the writer of each MNIST training image.

A split by writers needs this. The writers are listed in QMNIST, a reconstruction of MNIST with more
information about each image. Source: Yadav and Bottou 2019.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digits.data import download
from digits.data.cache import cache_folder
from digits.data.catalogue import QMNIST_TABLES
from digits.data.collection import Collection
from digits.data.formats.idx import read_idx
from digits.data.local_files import find_idx, folders_in_variable
from digits.errors import DataError


def load_writers(
    collection: Collection, data: Path | str | None = None, progress: download.Progress | None = None
) -> Tensor:
    """Return the writer of every MNIST training image.

    The writers are read from a table of QMNIST. It is searched in these places:
        1. `data` and some folders in it and next to it. Without `data`, the folders in $DIGITS_DATA.
        2. The cache folder. A missing table is downloaded into it.

    Args:
        collection: The published MNIST data set.
        data: A folder that may contain the table.
        progress: Called during a download.
    Returns:
        int64 (60000,), one number for each image. Equal numbers mean the same person.
    Raises:
        DownloadError: if the table cannot be downloaded. It is a subclass of DataError.
        DataError: if `collection` is not the published MNIST, or the table is wrong.
    """
    if collection.dataset != "mnist" or not collection.published:
        raise DataError(
            f"--split writers needs the published MNIST; the writers of {collection.origin} are not known"
        )
    file = QMNIST_TABLES[0]
    folders = folders_in_variable() if data is None else [Path(data)]
    path = _find_table(folders, file.name) or download.fetch(
        file, cache_folder() / "qmnist", progress=progress
    )
    table = read_idx(path)
    if table.sha256 != file.sha256:
        raise DataError(f"{path} is not QMNIST's table: SHA-256 {table.sha256}, expected {file.sha256}")
    columns = torch.from_numpy(table.array.astype(np.int64))  # (60000, 8): label, series, writer, ...
    if not torch.equal(columns[:, 0], collection.train.labels):
        raise DataError(
            f"{path} lists labels that differ from those of the training images; expected MNIST's order"
        )
    return columns[:, 2]


def _find_table(folders: list[Path], name: str) -> Path | None:
    """Return the path of a QMNIST table near the given folders, or None."""
    # Each folder, its subfolders qmnist and QMNIST/raw, and a folder qmnist next to it.
    places = (
        place
        for folder in folders
        for place in (folder, folder / "qmnist", folder / "QMNIST" / "raw", folder.parent / "qmnist")
    )
    return next(filter(None, (find_idx(place, name) for place in places)), None)
