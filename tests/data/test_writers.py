"""The writers of MNIST, from QMNIST's table."""

import dataclasses
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.data_sets import forbid_downloads, numbered, numbers

from digits.data import catalogue
from digits.data.collection import Collection
from digits.data.formats import idx
from digits.data.loading import load_data
from digits.data.splits import split
from digits.data.writers import load_writers
from digits.errors import DataError


@pytest.fixture(scope="session")
def writer_table(mnist_folder: Path) -> Path:
    """The folder of QMNIST's real table, beside MNIST's."""
    folder = mnist_folder.parent / "qmnist"
    if not list(folder.glob(f"{catalogue.QMNIST_TABLES[0].name}*")):
        pytest.skip("needs QMNIST's tables in a folder qmnist beside the one in $DIGITS_DATA")
    return folder


def table(folder: Path, index: int) -> np.ndarray[Any, Any]:
    return idx.read_idx(next(folder.glob(f"{catalogue.QMNIST_TABLES[index].name}*"))).array


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_real_writers_are_kept_on_one_side(
    mnist: Collection, mnist_folder: Path, writer_table: Path, seed: int
) -> None:
    """With QMNIST's table, no writer of the 539 is on both sides, and validation is 10,000 within 1 %."""
    writers = load_writers(mnist, mnist_folder)
    whole = dataclasses.replace(mnist, train=numbered(mnist.train.labels))
    splits = split(whole, "writers", writers=writers, seed=seed)
    kept, held = numbers(splits.train), numbers(splits.val)
    assert len(writers.unique()) == 539
    assert not set(writers[kept].tolist()) & set(writers[held].tolist())
    assert sorted(kept + held) == list(range(60_000))
    assert abs(len(held) - 10_000) <= 100
    assert torch.equal(splits.val.labels, mnist.train.labels[held])


def test_writers_are_those_of_the_table(mnist: Collection, mnist_folder: Path, writer_table: Path) -> None:
    """The writers are the table's third column, whose first column is the images' labels."""
    columns = table(writer_table, 0)
    np.testing.assert_array_equal(columns[:, 0], mnist.train.labels.numpy())
    np.testing.assert_array_equal(columns[:, 2], load_writers(mnist, mnist_folder).numpy())


def test_no_training_writer_wrote_a_test_image(mnist: Collection, writer_table: Path) -> None:
    """No writer of a training image wrote one of the 10,000 test images."""
    train, test = table(writer_table, 0), table(writer_table, 1)[:10_000]
    assert mnist.test is not None
    np.testing.assert_array_equal(test[:, 0], mnist.test.labels.numpy())
    assert not set(train[:, 2].tolist()) & set(test[:, 2].tolist())


def test_table_is_found_by_the_variable_too(
    mnist: Collection, mnist_folder: Path, writer_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --data, the table is looked for beside and below each folder in $DIGITS_DATA."""
    forbid_downloads(monkeypatch)
    for place in (mnist_folder, writer_table, writer_table.parent):
        monkeypatch.setenv("DIGITS_DATA", os.pathsep.join(["", str(place)]))
        assert len(load_writers(mnist)) == 60_000


def test_table_is_downloaded_where_it_is_nowhere(
    mnist: Collection, writer_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no folder has the table, it is fetched into the cache."""
    asked: list[tuple[str, Path]] = []

    def fetch(file: catalogue.RemoteFile, folder: Path, **_: Any) -> Path:
        asked.append((file.name, folder))
        return next(writer_table.glob(f"{file.name}*"))

    monkeypatch.setattr("digits.data.download.fetch", fetch)
    assert len(load_writers(mnist, tmp_path)) == 60_000
    assert asked == [("qmnist-train-labels-idx2-int", Path(os.environ["DIGITS_CACHE"]) / "qmnist")]


def test_damaged_table_is_refused(mnist: Collection, writer_table: Path, tmp_path: Path) -> None:
    """A table with one changed bit is refused."""
    name = catalogue.QMNIST_TABLES[0].name
    packed = writer_table / f"{name}.gz"
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else (writer_table / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match="is not QMNIST's table: SHA-256"):
        load_writers(mnist, tmp_path)


def test_writers_of_other_data_are_not_known(tiny_folder: Path) -> None:
    """Writers are known for the published MNIST only; for other data that is an error."""
    with pytest.raises(DataError, match=f"the writers of files in {tiny_folder} are not known"):
        load_writers(load_data("mnist", tiny_folder))
