"""The folder of corrections."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.errors import DataError
from digits.files import locked
from digits.serving.corrections import CORRECTIONS_LOCK, Corrections, default_folder


def test_a_correction_is_kept_under_its_digit(tmp_path: Path) -> None:
    """A picture is saved once as DIR/7/HASH.png, under the digit that was given last."""
    kept = Corrections(tmp_path / "new")
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 14] = 200
    name = kept.add(image, 7)
    assert re.fullmatch(r"7/[0-9a-f]{16}\.png", name)
    with Image.open(kept.folder / name) as picture:
        assert np.array_equal(np.asarray(picture), image)
    assert kept.add(image, 7) == name
    moved = kept.add(image, 1)
    assert [path.relative_to(kept.folder).as_posix() for path in kept.folder.rglob("*.png")] == [moved]


def test_only_one_process_at_a_time_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process moves an image to another digit, nobody else does: both could be lost."""
    monkeypatch.setattr("digits.serving.corrections.LOCK_SECONDS", 0.02)
    kept, image = Corrections(tmp_path), np.zeros((28, 28), np.uint8)
    assert kept.add(image, 7).startswith("7/")
    with locked(tmp_path / CORRECTIONS_LOCK, "the folder"), pytest.raises(DataError, match="in use"):
        kept.add(image, 1)
    assert kept.add(image, 1).startswith("1/")
    assert kept.count() == 1


def test_a_full_folder_takes_no_more(tmp_path: Path) -> None:
    """A full folder refuses new pictures; those in it can still move to another digit."""
    kept = Corrections(tmp_path, max_images=2)
    images = [np.full((28, 28), shade, np.uint8) for shade in (1, 2, 3)]
    kept.add(images[0], 0)
    kept.add(images[1], 1)
    with pytest.raises(DataError, match="full: it holds 2 images"):
        kept.add(images[2], 2)
    kept.add(images[1], 5)
    assert kept.count() == 2


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    """A folder that cannot be made raises a DataError with the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be saved"):
        Corrections(tmp_path / "file").add(np.zeros((28, 28), np.uint8), 3)


@pytest.mark.parametrize(
    ("system", "variable", "end"),
    [
        ("linux", "XDG_DATA_HOME", "there/digits/corrections"),
        ("win32", "LOCALAPPDATA", "there/digits/corrections"),
        ("darwin", "", "Library/Application Support/digits/corrections"),
    ],
)
def test_the_default_folder_is_the_systems(
    system: str, variable: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default folder is where each system keeps an application's data."""
    monkeypatch.setattr("sys.platform", system)
    if variable:
        monkeypatch.setenv(variable, "there")
    assert default_folder().as_posix().endswith(end)
