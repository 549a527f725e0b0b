"""Connected components are those of SciPy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from digits.reading.labelling import label


@settings(max_examples=200)
@given(height=st.integers(1, 30), width=st.integers(1, 30), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_labels_are_those_of_scipy(height: int, width: int, share: float, seed: int) -> None:
    """Components with 8 and with 4 neighbours get the same labels as with SciPy."""
    mask = np.random.default_rng(seed).random((height, width)) < share
    for diagonal, structure in ((True, np.ones((3, 3))), (False, None)):
        ours, count = label(mask, diagonal=diagonal)
        theirs, expected = ndimage.label(mask, structure)
        assert count == expected
        assert np.array_equal(ours, theirs)
