"""Folders and files of every known kind are read, and ambiguous ones refused."""

import dataclasses
import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.data_sets import same, write_csv, write_npz
from support.made_up import FOUR_FILES, MakeFolder, made_up

from digits.data.loading import load_data
from digits.data.splits import split
from digits.errors import DataError, OptionError
from digits.options import TrainOptions

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")


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
    found, plain = load_data("mnist", place), load_data("mnist", tiny_folder)
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
    assert len(load_data("mnist", tmp_path / "root").train) == 20
    assert len(load_data(dataset, tmp_path / "root").train) == 30


def test_images_are_what_was_written(tiny_folder: Path) -> None:
    """What is read is what was written, pixel by pixel, label by label."""
    images, labels = made_up(300, seed=1)
    found = load_data("mnist", tiny_folder).train
    np.testing.assert_array_equal(found.images.numpy(), images)
    np.testing.assert_array_equal(found.labels.numpy(), labels)


def test_own_data_are_called_so(tiny_folder: Path) -> None:
    """Data that are not the published set have a notice that figures on them cannot be compared."""
    found = load_data("mnist", tiny_folder)
    assert not found.published
    assert found.notices == (
        f"{tiny_folder} is not the published data set: results on it cannot be compared with published ones.",
    )


def test_missing_file_is_named(tiny_folder: Path) -> None:
    """A folder with three of the four files is refused with the name of the fourth."""
    (tiny_folder / FOUR_FILES[3]).unlink()
    with pytest.raises(DataError, match=f"{tiny_folder} does not contain {FOUR_FILES[3]}; expected"):
        load_data("mnist", tiny_folder)


def test_empty_folder_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    """A folder without data that was named with --data is an error; no other place is tried."""
    with pytest.raises(DataError, match=f"no mnist data in {tmp_path}; expected train-images-idx3-ubyte"):
        load_data("mnist", tmp_path)


def test_missing_folder_and_foreign_file(tmp_path: Path) -> None:
    """A missing folder and a file of an unknown kind are refused by name."""
    with pytest.raises(DataError, match="nowhere is neither a folder nor a file"):
        load_data("mnist", tmp_path / "nowhere")
    (tmp_path / "digits.txt").write_text("7")
    with pytest.raises(DataError, match=r"digits\.txt is not a known type of data file"):
        load_data("mnist", tmp_path / "digits.txt")


def test_npz_in_keras_layout(tmp_path: Path) -> None:
    """Keras' mnist.npz gives training and test images, whether the file or its folder is named."""
    (x, y), (x2, y2) = made_up(50, seed=3), made_up(20, seed=4)
    write_npz(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x2, y_test=y2)
    for place in (tmp_path, tmp_path / "mnist.npz"):
        found = load_data("mnist", place)
        assert found.test is not None
        np.testing.assert_array_equal(found.train.images.numpy(), x)
        np.testing.assert_array_equal(found.test.labels.numpy(), y2)
        assert found.origin == str(tmp_path / "mnist.npz")


def test_npz_without_parts(tmp_path: Path) -> None:
    """An archive of x and y has no test set of its own."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "own.npz", x=x, y=y)
    found = load_data("mnist", tmp_path / "own.npz")
    assert len(found.train) == 50
    assert found.test is None


def test_npz_of_a_test_set_only_is_refused(tmp_path: Path) -> None:
    """An archive with a test set only is refused, because there is nothing to train on."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "test.npz", x_test=x, y_test=y)
    with pytest.raises(DataError, match="contains only a test set"):
        load_data("mnist", tmp_path)


def test_several_npz_in_one_folder_are_not_guessed_at(tmp_path: Path) -> None:
    """A folder with two archives is refused; naming one of them works."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "a.npz", x=x, y=y)
    write_npz(tmp_path / "b.npz", x=x, y=y)
    with pytest.raises(DataError, match=r"contains a\.npz, b\.npz; expected one \.npz"):
        load_data("mnist", tmp_path)
    assert len(load_data("mnist", tmp_path / "b.npz").train) == 50


@pytest.mark.parametrize("names", [("mnist_train.csv", "mnist_test.csv"), ("a.csv.gz", "Test.csv.gz")])
def test_csv_pair(names: tuple[str, str], tmp_path: Path) -> None:
    """Of two tables in a folder, the one with 'test' in its name is the test set."""
    (x, y), (x2, y2) = made_up(30, seed=3), made_up(20, seed=4)
    write_csv(tmp_path / names[0], x, y)
    write_csv(tmp_path / names[1], x2, y2)
    found = load_data("mnist", tmp_path)
    assert found.test is not None
    np.testing.assert_array_equal(found.train.images.numpy(), x)
    np.testing.assert_array_equal(found.test.images.numpy(), x2)
    np.testing.assert_array_equal(found.test.labels.numpy(), y2)


@pytest.mark.parametrize("name", ["numbers.csv", "my test.csv.gz"])
def test_single_csv(name: str, tmp_path: Path) -> None:
    """A CSV file named with --data holds the training images, whatever its name, and there is no test set."""
    x, y = made_up(30, seed=3)
    write_csv(tmp_path / name, x, y)
    found = load_data("mnist", tmp_path / name)
    np.testing.assert_array_equal(found.train.images.numpy(), x)
    np.testing.assert_array_equal(found.train.labels.numpy(), y)
    assert found.test is None


@pytest.mark.parametrize("names", [["a.csv", "b.csv"], ["test.csv"], ["a.csv", "test1.csv", "test2.csv"]])
def test_tables_that_leave_a_doubt_are_refused(names: list[str], tmp_path: Path) -> None:
    """Folders with two training tables, none, or two test tables are refused, and the files are listed."""
    for name in names:
        write_csv(tmp_path / name, *made_up(10, seed=3))
    with pytest.raises(DataError, match=f"contains {', '.join(names)}; expected one"):
        load_data("mnist", tmp_path)


@needs_fashion
def test_fashion_mnist_is_recognised() -> None:
    """Debian's copy of Fashion-MNIST is the published one, and brings its class names."""
    found = load_data("fashion-mnist", FASHION)
    assert found.published
    assert found.classes[0] == "T-shirt/top"
    assert found.classes[9] == "Ankle boot"


@needs_fashion
def test_fashion_mnist_is_not_taken_for_mnist() -> None:
    """Fashion-MNIST has MNIST's names and sizes; asked for as MNIST it is refused, with the option to add."""
    with pytest.raises(DataError, match="contains fashion-mnist, not mnist; add --dataset fashion-mnist"):
        load_data("mnist", FASHION)
    with pytest.raises(DataError, match="contains fashion-mnist, not kmnist"):
        load_data("kmnist", FASHION, unverified=True)


def test_sets_without_checksums_are_taken_as_they_are(tiny_folder: Path) -> None:
    """KMNIST cannot be verified, because no digests of its content were published; a notice says so."""
    found = load_data("kmnist", tiny_folder)
    assert not found.published
    assert found.notices == (
        f"No checksums of kmnist's content were published: {tiny_folder} cannot be verified.",
    )


def test_validation_images_of_a_file_are_those_of_the_split(tmp_path: Path) -> None:
    """The validation images of an archive are used as they are; --val-size beside them is refused."""
    parts = {"train": made_up(60, seed=3), "val": made_up(20, seed=4), "test": made_up(10, seed=5)}
    members = {
        f"{part}_{name}": a
        for part, pair in parts.items()
        for name, a in zip(("images", "labels"), pair, strict=True)
    }
    write_npz(tmp_path / "d.npz", **members)
    found = load_data("mnist", tmp_path / "d.npz")
    splits = split(found)
    for part, (images, labels) in parts.items():
        digits = getattr(splits, part)
        np.testing.assert_array_equal(digits.images.numpy(), images)
        np.testing.assert_array_equal(digits.labels.numpy(), labels)
    with pytest.raises(DataError, match=r"--val-size 7: .* already has validation images"):
        split(found, val_size=7)
    assert len(split(dataclasses.replace(found, test=None)).test) == 12


def test_ranges_and_unused_files_are_said(tmp_path: Path) -> None:
    """Notes of a data set name the range that was converted, and the files of a folder that were not read."""
    x, y = made_up(50, seed=3)
    write_npz(tmp_path / "own.npz", x=x / 255, y=y)
    write_csv(tmp_path / "more.csv", x, y)
    notices = load_data("mnist", tmp_path).notices
    assert notices[1:] == (
        f"{tmp_path / 'own.npz'}: x: pixels are from 0 to 1; they were read as 0 to 255.",
        f"{tmp_path}: more.csv is not used.",
    )


def test_paths_and_names_as_users_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place may be text and start with ~; what is no place and no name of a data set is refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_npz(tmp_path / "own.npz", **dict(zip("xy", made_up(50, seed=3), strict=True)))
    assert len(load_data("mnist", "~/own.npz").train) == 50
    monkeypatch.setenv("DIGITS_DATA", "~/own.npz")
    assert len(load_data().train) == 50
    assert TrainOptions(data="~/own.npz", out="~").data == tmp_path / "own.npz"  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no data set 'MNIST'; expected one of mnist, fashion-mnist, kmnist"):
        load_data("MNIST")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is of type ndarray; expected the path"):
        load_data("mnist", np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="--data is 7; expected a path"):
        TrainOptions(data=7)  # type: ignore[arg-type]
