"""Who wrote each MNIST training image: QMNIST's table, for splits by writer."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digits.data import catalogue, download
from digits.data.formats import idx
from digits.data.loading import Collection, idx_path
from digits.errors import DataError


def load_writers(
    collection: Collection, data: Path | None = None, progress: download.Progress | None = None
) -> Tensor:
    """The writer (N,) of every MNIST training image, from QMNIST (Yadav and Bottou 2019).

    Looks where the data was looked for, beside it, and in the cache; else downloads. Raises DataError
    where the collection is not the published MNIST, which alone the numbers belong to.
    """
    if collection.dataset != "mnist" or not collection.published:
        raise DataError(
            f"--split writers knows the writers of the published MNIST only, not of {collection.origin}"
        )
    file = catalogue.CATALOGUE_QMNIST[0]
    folders = [data] if data else [Path(p) for p in os.environ.get("DIGITS_DATA", "").split(os.pathsep) if p]
    places = (
        place for f in folders for place in (f, f / "qmnist", f / "QMNIST" / "raw", f.parent / "qmnist")
    )
    paths = (idx_path(place, file.name) for place in places)
    path = next(filter(None, paths), None)
    path = path or download.fetch(file, download.cache_folder() / "qmnist", progress=progress)
    table = idx.read_idx(path)
    if table.sha256 != file.sha256:
        raise DataError(f"{path} is not QMNIST's table: SHA-256 {table.sha256}, expected {file.sha256}")
    numbers = torch.from_numpy(table.array.astype(np.int64))  # (60000, 8): digit, series, writer, ...
    if not torch.equal(numbers[:, 0], collection.train.labels):
        raise DataError(f"{path} lists other labels than the training images have; expected MNIST's order")
    return numbers[:, 2]
