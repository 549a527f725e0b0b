"""Notes about inverted and turned images, on digits that the package draws itself."""

import re

import pytest
import torch
from support.data_sets import as_collection

from digits.data.appearance import change, change_collection
from digits.data.dataset import Digits
from digits.data.synthetic import synthetic_digits
from digits.evaluation.orientation import turned_note, with_appearance_note
from digits.options import ImageChanges


@pytest.fixture(scope="module")
def drawn() -> Digits:
    """Digits in MNIST's form that a program draws."""
    images, labels = synthetic_digits(60, 4)
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))


def undone(note: str) -> ImageChanges:
    """Return the options that a note names."""
    names = re.findall("--([a-z]+)", note.split("read them with")[1])
    return ImageChanges(**dict.fromkeys(names, True))


@pytest.mark.parametrize(
    "names", ["invert", "transpose", "mirror flip", "transpose flip", "invert transpose mirror"]
)
def test_the_note_names_the_options_that_make_the_images_readable(names: str, drawn: Digits) -> None:
    """Reading the images with the named options gives the images before they were turned."""
    turned = Digits(change(drawn.images, ImageChanges(**dict.fromkeys(names.split(), True))), drawn.labels)
    (note,) = with_appearance_note(as_collection(turned)).notices
    assert torch.equal(change(turned.images, undone(note)), drawn.images)


def test_upright_digits_and_published_data_get_no_note(drawn: Digits) -> None:
    """Digits as networks expect them need nothing; published data are known."""
    assert with_appearance_note(as_collection(drawn)).notices == ()


def test_a_needless_option_is_named(drawn: Digits) -> None:
    """With --transpose on upright digits, the note says to leave it out."""
    turned = change_collection(as_collection(drawn), ImageChanges(transpose=True))
    assert turned_note(turned).endswith("read them without --transpose.")


def test_images_that_are_not_digits_get_no_note(drawn: Digits) -> None:
    """Digits of wrong classes, of a single class, or very few of them say nothing."""
    turned = drawn.images.transpose(1, 2)
    shuffled = Digits(turned, (drawn.labels + 3) % 10)
    ones = Digits(turned, torch.ones_like(drawn.labels))
    for digits in (shuffled, ones, Digits(turned[:19], drawn.labels[:19])):
        assert turned_note(as_collection(digits)) == ""
