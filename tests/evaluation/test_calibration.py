"""Calibration against an obvious loop and SciPy's minimiser."""

import math

import pytest
import scipy.stats
import torch
from scipy.optimize import minimize_scalar
from support.predictions import answers
from torch import nn

from digits.evaluation.calibration import PRIOR_MISTAKES, expected_calibration_error, fit_temperature
from digits.evaluation.metrics import evaluate_logits


def slow_calibration_error(confidence: list[float], right: list[bool], bins: int) -> float:
    """Return the expected calibration error by Guo et al. 2017, eq. 3, as an obvious loop."""
    error = 0.0
    for m in range(1, bins + 1):
        members = [i for i, c in enumerate(confidence) if (m - 1) / bins < c <= m / bins]
        gap = sum(right[i] for i in members) - sum(confidence[i] for i in members)
        error += abs(gap) / len(confidence)
    return error


@pytest.mark.parametrize("bins", [1, 7, 15, 100])
def test_calibration_error_equals_a_slow_loop(bins: int) -> None:
    """The vectorised calibration error equals the loop."""
    logits, labels = answers(800)
    confidence, guesses = logits.double().softmax(1).max(1)
    expected = slow_calibration_error(confidence.tolist(), (guesses == labels).tolist(), bins)
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(expected, rel=1e-9)


def test_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    """A confidence of exactly 1/2 belongs to the lower of two bins."""
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(1 / 3)]])  # confidence 1/2 and 3/4, both right
    assert expected_calibration_error(logits, torch.tensor([0, 0]), bins=2) == pytest.approx((0.5 + 0.25) / 2)
    logits = torch.tensor([[0.0, 0.0], [math.log(1 / 3), 0.0]])  # the second wrong: the gaps must not cancel
    assert expected_calibration_error(logits, torch.tensor([0, 0]), bins=2) == pytest.approx((0.5 + 0.75) / 2)


def test_evaluation_uses_fifteen_bins() -> None:
    """The calibration error of an evaluation is the usual one, with 15 bins."""
    logits, labels = answers(200)
    assert evaluate_logits(logits, labels).ece == expected_calibration_error(logits, labels, bins=15)


@pytest.mark.parametrize("count", [20, 2000])
@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_the_temperature_is_the_one_of_least_loss(factor: float, count: int) -> None:
    """The temperature is the one that SciPy finds for the loss of all images plus the prior."""
    logits, labels = answers(count)
    logits = factor * logits
    found = fit_temperature(logits, labels)

    def loss(log_t: float) -> float:
        prior = scipy.stats.gamma.logpdf(math.exp(-log_t), a=PRIOR_MISTAKES + 1, scale=1 / PRIOR_MISTAKES)
        images = nn.functional.cross_entropy(logits.double() / math.exp(log_t), labels, reduction="sum")
        return float(images - prior)

    least = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-7})
    assert found == pytest.approx(math.exp(least.x), rel=1e-4)


def test_with_many_images_the_prior_has_no_effect() -> None:
    """With 10,000 images, the temperature without a prior differs by less than one in a thousand."""
    logits, labels = answers(10_000)
    found = fit_temperature(logits, labels)

    def loss(log_t: float) -> float:
        return float(nn.functional.cross_entropy(logits.double() / math.exp(log_t), labels))

    least = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-7})
    assert found == pytest.approx(math.exp(least.x), rel=1e-3)


def test_a_fitted_temperature_makes_probabilities_honest() -> None:
    """Calibrated logits that were multiplied by 3 get the temperature 3."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.03)
    boast, honest = expected_calibration_error(3 * logits, labels), expected_calibration_error(logits, labels)
    assert honest < 0.02 < boast


@pytest.mark.parametrize("count", [1, 20, 100, 500])
def test_a_network_without_mistakes_stays_nearly_as_it_is(count: int) -> None:
    """Sure and right on a few images: the temperature stays near 1, so that a later mistake costs little."""
    logits = 12 * torch.eye(10)[torch.arange(count) % 10]  # a probability of 99.994 % for the right class
    assert 0.8 < fit_temperature(logits, torch.arange(count) % 10) < 1


def test_a_network_that_has_learned_nothing_becomes_unsure() -> None:
    """Logits that say nothing about the labels get a high temperature, also from few images."""
    logits = 5 * torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    assert fit_temperature(logits, torch.arange(100) % 10) > 5
