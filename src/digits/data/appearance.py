"""Change the polarity and the orientation of images, and notice dark ink on light paper.

Networks and pens of this package have light ink on dark paper, upright, as MNIST has. Other data have not:
EMNIST's files are transposed, and many people save black digits on white.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.options import ImageChanges

EXAMINED = 200  # images that are examined; enough to tell 60 % from 30 %, in hundredths of a second
MOST = 0.5  # a set is dark on light if more than this share of its images is
PAST = {"invert": "inverted", "transpose": "transposed", "mirror": "mirrored", "flip": "flipped"}
ROTATED = {  # names of two changes together
    ("transpose", "mirror"): "rotated by 90 degrees",
    ("transpose", "flip"): "rotated by 90 degrees",
    ("mirror", "flip"): "rotated by 180 degrees",
}


def change(images: Tensor, changes: ImageChanges) -> Tensor:
    """Invert, transpose, mirror and flip images, in this order.

    Args:
        images: uint8 (N, H, W).
        changes: Which of the four to do.
    Returns:
        uint8 (N, H, W), or (N, W, H) if they are transposed.
    """
    if changes.invert:
        images = 255 - images
    if changes.transpose:
        images = images.transpose(1, 2)
    axes = [axis for axis, wanted in ((1, changes.flip), (2, changes.mirror)) if wanted]
    return images.flip(axes).contiguous()


def change_collection(collection: Collection, changes: ImageChanges) -> Collection:
    """Change all images of a data set, and say so in its origin.

    Args:
        collection: The data set as it was read.
        changes: Which changes to make. Without any, the data set is returned as it is.
    """
    if not changes.chosen():
        return collection

    def changed(digits: Digits) -> Digits:
        return Digits(change(digits.images, changes), digits.labels, digits.transform)

    return dataclasses.replace(
        collection,
        train=changed(collection.train),
        val=collection.val and changed(collection.val),
        test=collection.test and changed(collection.test),
        published=False,
        origin=", ".join([collection.origin, *(PAST[name] for name in changes.chosen())]),
        changes=changes,
    )


def examined(digits: Digits) -> Digits:
    """Return some images from all over a data set, at most EXAMINED."""
    return digits.at(torch.linspace(0, len(digits) - 1, min(EXAMINED, len(digits))).long())


def inverted_share(images: Tensor) -> float:
    """Return the share of images with ink all around their border.

    Such an image is dark on light, because ink rarely touches the border of a digit's image.

    Args:
        images: uint8 (N, 28, 28).
    Returns:
        From 0 to 1. An image counts if at least half of the pixels at its border are nearer to its lightest
        pixel than to its darkest.
    """
    border = torch.cat([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], 1)
    pixels = images.flatten(1).float()
    middle = (pixels.amin(1) + pixels.amax(1)) / 2
    return (border.float().median(1).values > middle).float().mean().item()


def with_border_note(collection: Collection) -> Collection:
    """Add a note to a data set if its images are dark on light."""
    return dataclasses.replace(collection, notices=(*collection.notices, *border_notes(collection)))


def border_notes(collection: Collection) -> Iterator[str]:
    """Yield a note if most images are dark on light."""
    parts = (("training", collection.train), ("validation", collection.val), ("test", collection.test))
    shares = {name: inverted_share(examined(part).images) for name, part in parts if part}
    dark = [name for name, share in shares.items() if share > MOST]
    if not dark or collection.published:
        return
    if len(dark) == len(shares):
        share = shares["training"]
        yield advice(
            collection.changes, ImageChanges(invert=True), f"in {share:.0%} of the images the border is ink"
        )
    else:
        yield (
            f"The {' and '.join(dark)} images are dark on light, the others light on dark: "
            "expected light ink on dark paper; make them alike in the file."
        )


def advice(made: ImageChanges, missing: ImageChanges, reason: str) -> str:
    """Return a note that names the options with which the images are read as expected.

    Args:
        made: The changes that were made to the images.
        missing: The further changes that make them light on dark and upright.
        reason: Why they seem to be needed.
    """
    turns = tuple(name for name in missing.chosen() if name != "invert")
    words = [PAST["invert"]] if missing.invert else []
    words += [ROTATED[turns]] if turns in ROTATED else [PAST[name] for name in turns]
    wanted = combine(made, missing).chosen()
    unwanted = tuple(name for name in made.chosen() if name not in wanted)
    how = " and ".join(
        f"{word} {_flags(names)}" for word, names in (("with", wanted), ("without", unwanted)) if names
    )
    return (
        f"The images look {' and '.join(words)} ({reason}). "
        f"Expected light ink on dark paper, upright: read them {how}."
    )


def _flags(names: tuple[str, ...]) -> str:
    """Return names of options as they are typed, such as "--invert --transpose"."""
    return " ".join(f"--{name}" for name in names)


def combine(first: ImageChanges, second: ImageChanges) -> ImageChanges:
    """Return the changes that do the same as `first` and then `second`."""
    corners = torch.tensor([[[0, 85], [170, 255]]], dtype=torch.uint8)  # shows every change of an image
    both = change(change(corners, first), second)
    invert = first.invert != second.invert
    return next(c for c in all_changes() if c.invert == invert and torch.equal(change(corners, c), both))


def all_changes() -> list[ImageChanges]:
    """Return the 16 ways to change images, the simple ones first."""
    flags = itertools.product((False, True), repeat=4)
    found = [ImageChanges(invert=i, transpose=t, mirror=m, flip=f) for i, t, m, f in flags]
    return sorted(found, key=lambda changes: len(changes.chosen()))
