"""The confidence interval against SciPy's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from support.predictions import answers

from digits.evaluation.intervals import wilson_interval
from digits.evaluation.metrics import evaluate_logits


@settings(deadline=None)  # the first call pays for warming up
@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_wilsons(counts: tuple[int, int]) -> None:
    """The interval is SciPy's, lies between 0 and 1 and contains the accuracy, even at 0 and 100 %."""
    correct, total = counts
    low, high = wilson_interval(correct, total)
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= correct / total <= high <= 1


def test_evaluation_gives_the_95_percent_interval() -> None:
    """The interval of an evaluation is the 95 % interval of its counts."""
    found = evaluate_logits(*answers(500))
    expected = binomtest(found.correct, found.total).proportion_ci(0.95, method="wilson")
    assert found.interval == pytest.approx((expected.low, expected.high))
