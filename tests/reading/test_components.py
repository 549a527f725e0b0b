"""Connected components: boxes, unions, parts."""

import numpy as np

from digits.reading.components import connected_components, cropped, gap, median_height, union


def test_components_are_joined_and_cropped() -> None:
    """A union holds the ink of its parts; a crop has a tight box, and one pixel where there is no ink."""
    mask = np.zeros((20, 30), bool)
    mask[2:12, 3:6] = mask[4:8, 10:14] = True
    large, small = connected_components(mask)
    assert (large.top, large.bottom, large.left, large.right, large.area) == (2, 12, 3, 6, 30)
    assert gap(large, small) == 4
    both = union([large, small])
    assert (both.height, both.width, both.area) == (10, 11, 46)
    again = cropped(both, small.mask_within(both))
    assert (again.top, again.left, again.height, again.width) == (4, 10, 4, 4)
    nothing = cropped(both, np.zeros_like(both.mask))
    assert (nothing.top, nothing.left, nothing.size, nothing.area) == (2, 3, 1, 0)


def test_many_dots_do_not_lower_the_median_height() -> None:
    """Ten dots beside two digits do not make the median height small."""
    mask = np.zeros((60, 200), bool)
    mask[5:45, 10:14] = mask[5:47, 30:34] = True
    mask[50:52, 60:160:10] = True
    assert median_height(connected_components(mask)) >= 40
