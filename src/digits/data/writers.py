"""Who wrote each MNIST training image: QMNIST's table, for splits by writer."""

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
    """Return the number of the writer of every MNIST training image, (60000,) int64.

    The numbers come from QMNIST's table (Yadav and Bottou 2019). It is looked for in and beside `data`, or
    else the folders in $DIGITS_DATA, then in the cache, and is downloaded if it is nowhere. Raises
    DataError if `collection` is not the published MNIST, or if the table is damaged.
    """
    if collection.dataset != "mnist" or not collection.published:
        raise DataError(
            f"--split writers knows the writers of the published MNIST only, not of {collection.origin}"
        )
    file = QMNIST_TABLES[0]
    folders = folders_in_variable() if data is None else [Path(data)]
    path = _find_table(folders, file.name) or download.fetch(
        file, cache_folder() / "qmnist", progress=progress
    )
    table = read_idx(path)
    if table.sha256 != file.sha256:
        raise DataError(f"{path} is not QMNIST's table: SHA-256 {table.sha256}, expected {file.sha256}")
    columns = torch.from_numpy(table.array.astype(np.int64))  # (60000, 8): digit, series, writer, ...
    if not torch.equal(columns[:, 0], collection.train.labels):
        raise DataError(f"{path} lists other labels than the training images have; expected MNIST's order")
    return columns[:, 2]


def _find_table(folders: list[Path], name: str) -> Path | None:
    """Return the path of QMNIST's table in, below or beside the folders, or None."""
    places = (
        place
        for folder in folders
        for place in (folder, folder / "qmnist", folder / "QMNIST" / "raw", folder.parent / "qmnist")
    )
    return next(filter(None, (find_idx(place, name) for place in places)), None)
