"""Inverted and turned images, compared with NumPy, and the note about ink at the border."""

import itertools

import numpy as np
import pytest
import torch
from support.data_sets import as_collection
from support.made_up import made_up

from digits.data.appearance import (
    advice,
    all_changes,
    border_notes,
    change,
    change_collection,
    combine,
    inverted_share,
)
from digits.data.dataset import Digits
from digits.options import ImageChanges


def bars(count: int = 50, seed: int = 0) -> Digits:
    """Made-up digits with a black border."""
    images, labels = made_up(count, seed)
    images[:, [0, -1]] = 0
    images[:, :, [0, -1]] = 0
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))


def test_every_change_is_what_numpy_does() -> None:
    """Invert, transpose, mirror and flip, one after the other."""
    images = bars(4).images
    for changes in all_changes():
        expected = images.numpy()
        expected = 255 - expected if changes.invert else expected
        expected = expected.transpose(0, 2, 1) if changes.transpose else expected
        expected = expected[:, :, ::-1] if changes.mirror else expected
        expected = expected[:, ::-1] if changes.flip else expected
        assert np.array_equal(change(images, changes).numpy(), expected)


def test_two_changes_have_one_that_does_the_same() -> None:
    """The combination of any two changes does to images what both do."""
    images = bars(2).images
    assert len(set(all_changes())) == 16
    for first, second in itertools.product(all_changes(), repeat=2):
        assert torch.equal(change(images, combine(first, second)), change(change(images, first), second))


def test_a_changed_data_set_says_so() -> None:
    """All parts are changed; the origin tells it, and the data set is not the published one."""
    before = as_collection(bars(), bars(20, 1))
    after = change_collection(before, ImageChanges(invert=True, transpose=True))
    for old, new in ((before.train, after.train), (before.test, after.test)):
        assert old is not None
        assert new is not None
        assert torch.equal(new.images, (255 - old.images).transpose(1, 2))
        assert torch.equal(new.labels, old.labels)
    assert after.origin == "made up, inverted, transposed"
    assert change_collection(before, ImageChanges()) is before


def test_dark_ink_on_light_paper_gets_a_note_that_names_the_option() -> None:
    """The note names --invert, or says to leave it out; light ink on dark paper gets none."""
    light = as_collection(bars())
    dark = change_collection(light, ImageChanges(invert=True))
    assert list(border_notes(light)) == []
    (note,) = border_notes(dark)
    assert "look inverted (in 100% of the images the border is ink)" in note
    assert note.endswith("read them without --invert.")
    (note,) = border_notes(as_collection(dark.train))
    assert note.endswith("read them with --invert.")


def test_the_note_names_all_options_to_change() -> None:
    """Inverted by mistake and not transposed: the note says which option to add and which to leave out."""
    note = advice(ImageChanges(invert=True), ImageChanges(invert=True, transpose=True), "why")
    assert note.startswith("The images look inverted and transposed (why).")
    assert note.endswith("read them with --transpose and without --invert.")


def test_parts_of_different_polarity_get_a_note() -> None:
    """Training images light on dark and test images dark on light cannot be mended by an option."""
    test = bars(20, 1)
    mixed = as_collection(bars(), Digits(255 - test.images, test.labels))
    (note,) = border_notes(mixed)
    assert note.startswith("The test images are dark on light, the others light on dark")


@pytest.mark.parametrize(
    ("paper", "ink", "share"), [(0, 255, 0), (90, 200, 0), (200, 90, 1), (255, 254, 1), (7, 7, 0)]
)
def test_the_border_is_compared_with_the_image(paper: int, ink: int, share: float) -> None:
    """Grey paper is dark or light by comparison with the ink; an empty image is neither."""
    images = torch.full((3, 28, 28), paper, dtype=torch.uint8)
    images[:, 8:20, 12:15] = ink
    assert inverted_share(images) == share
