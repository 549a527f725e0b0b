"""Sketches of image sets, compared with the obvious way: keeping all images."""

import numpy as np
import pytest
import torch
from torch import Tensor

from digits.data import sketch


def noise(count: int, seed: int = 0) -> Tensor:
    """Images that are all different."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8))


def test_a_small_set_is_recognised_exactly() -> None:
    """With fewer images than a sketch has digests, every image of the set is found, and no other one."""
    known, other = noise(300), noise(200, seed=1)
    assert sketch.count_seen(torch.cat([known[10:60], other]), sketch.sketch(known)) == 50
    assert sketch.count_seen(other, sketch.sketch(known)) == 0


def test_equal_images_of_two_sets_are_counted() -> None:
    """Every image of the first set counts that is in the second one."""
    images = noise(60)
    assert sketch.count_equal(images[:40], images[30:]) == 10
    assert sketch.count_equal(torch.cat([images[:1], images[:1]]), images) == 2


def test_one_changed_pixel_makes_another_image() -> None:
    """Only equal images count as seen."""
    known = noise(5)
    changed = known.clone()
    changed[:, 27, 27] ^= 1
    assert sketch.count_seen(changed, sketch.sketch(known)) == 0


@pytest.mark.parametrize(("shared", "low", "high"), [(2000, 2000, 2000), (1000, 800, 1200), (0, 0, 0)])
def test_the_overlap_with_a_large_set_is_estimated(shared: int, low: int, high: int) -> None:
    """Of 2,000 images, `shared` are in a set of 6,000; the estimate is near it, and 0 is exact."""
    images = noise(8000)
    known, rest = images[:6000], images[6000:]
    asked = torch.cat([known[:shared], rest[: 2000 - shared]])
    assert low <= sketch.count_seen(asked, sketch.sketch(known)) <= high


def test_the_sketch_of_a_union_comes_from_both_sketches() -> None:
    """Merging the sketches of two sets gives the sketch of both sets together."""
    first, second = noise(1500), noise(1400, seed=1)
    merged = sketch.merge(sketch.sketch(first), sketch.sketch(second))
    assert np.array_equal(merged, sketch.sketch(torch.cat([second, first])))


def test_a_sketch_survives_as_text_and_other_text_is_none() -> None:
    """A model file holds the sketch as text; a file without it, or with something else, has none."""
    known = sketch.sketch(noise(20))
    again = sketch.from_text(sketch.to_text(known))
    assert again is not None
    assert again.tolist() == known.tolist()
    wrong: list[object] = [None, 7, "%", "YQ==", []]
    assert [sketch.from_text(text) for text in wrong] == [None] * len(wrong)
