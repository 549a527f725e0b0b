"""Filters give what SciPy and NumPy give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from digits.reading.filters import otsu, quantile, running, smooth


@settings(max_examples=100)
@given(
    height=st.integers(1, 30), width=st.integers(1, 30), window=st.integers(3, 40), seed=st.integers(0, 99)
)
def test_running_extremes_are_those_of_scipy(height: int, width: int, window: int, seed: int) -> None:
    """Maximum, minimum and mean over a square equal SciPy's with mode "nearest"."""
    values = np.random.default_rng(seed).random((height, width), np.float32)
    odd = window // 2 * 2 + 1
    largest = ndimage.maximum_filter(values, odd, mode="nearest")
    least = ndimage.minimum_filter(values, odd, mode="nearest")
    assert np.array_equal(running(np.maximum, values, window), largest)
    assert np.array_equal(running(np.minimum, values, window), least)
    assert smooth(values, odd) == pytest.approx(ndimage.uniform_filter(values, odd, mode="nearest"), abs=1e-5)


@settings(max_examples=50)
@given(count=st.integers(1, 50), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_quantiles_are_those_of_numpy(count: int, share: float, seed: int) -> None:
    """A quantile of sorted values equals NumPy's."""
    values = np.sort(np.random.default_rng(seed).random(count, np.float32))
    assert quantile(values, share) == pytest.approx(np.quantile(values, share), abs=1e-6)


def test_otsu_parts_best() -> None:
    """None of the other 126 thresholds leaves less variance within the two classes."""
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(0.2, 0.05, 500), generator.normal(0.7, 0.1, 100)]).clip(0, 1)

    def within(threshold: float) -> float:
        parts = values[values <= threshold], values[values > threshold]
        return sum(float(part.var()) * part.size for part in parts if part.size)

    least = min(within(float(values.max()) * i / 128) for i in range(1, 128))
    assert within(otsu(values.astype(np.float32))) == pytest.approx(least, rel=1e-3)
