"""McNemar's test against SciPy's exact binomial test."""

import pytest
import torch
from scipy.stats import binomtest

from digits.errors import DataError
from digits.evaluation.comparison import Comparison, compare_logits


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 20), (900, 1000)])
def test_mcnemars_test_is_the_binomial_test(first: int, second: int) -> None:
    """The p-value is that of SciPy's exact two-sided binomial test with probability 1/2."""
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert Comparison(100, first, second, 3).p_value == pytest.approx(expected, rel=1e-9)


def test_a_comparison_counts_image_by_image() -> None:
    """Every image is counted once: both, first, second or neither network correct."""
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    one_hot = torch.eye(10)
    first = one_hot[torch.tensor([0, 1, 2, 9, 9, 9])]
    second = one_hot[torch.tensor([0, 1, 9, 3, 9, 9])]
    assert compare_logits(first, second, labels) == Comparison(both=2, first=1, second=1, neither=2)
    with pytest.raises(DataError, match="every image needs one label"):
        compare_logits(first, second[:5], labels)
