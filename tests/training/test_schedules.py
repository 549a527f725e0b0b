"""Learning-rate schedules against PyTorch's."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from digits.options import TrainOptions
from digits.training.schedules import learning_rate


def rates(options: TrainOptions, total: int) -> list[float]:
    return [learning_rate(options, step, total) for step in range(total)]


def torchs_rates(make: Callable[[torch.optim.Optimizer], LRScheduler], total: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = make(optimizer)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(total - 1):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_cosine_equals_torchs() -> None:
    """The cosine schedule is CosineAnnealingLR's."""
    expected = torchs_rates(lambda o: CosineAnnealingLR(o, T_max=57), 57)
    assert rates(TrainOptions(schedule="cosine", lr=0.1), 57) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("total", [10, 57, 1000])
def test_one_cycle_equals_torchs(total: int) -> None:
    """The one-cycle schedule is OneCycleLR's with its default constants."""
    expected = torchs_rates(lambda o: OneCycleLR(o, 0.1, total_steps=total, cycle_momentum=False), total)
    assert rates(TrainOptions(schedule="one-cycle", lr=0.1), total) == pytest.approx(expected, abs=1e-12)


def test_constant_is_constant() -> None:
    """Without a schedule the rate is --lr at every step, 0.01 for SGD unless said otherwise."""
    assert set(rates(TrainOptions(), 10)) == {0.01}
    assert set(rates(TrainOptions(optimizer="adam"), 10)) == {0.001}


def test_a_warm_up_rises_in_a_straight_line_to_the_schedule() -> None:
    """A fifth of 100 steps rises by equal amounts; the schedule without warm-up follows in the other 80."""
    found = rates(TrainOptions(schedule="cosine", lr=0.1, warmup=0.2), 100)
    steps = [b - a for a, b in itertools.pairwise(found[:20])]
    assert steps == pytest.approx([steps[0]] * 19)
    assert found[20:] == pytest.approx(rates(TrainOptions(schedule="cosine", lr=0.1), 80))
    assert rates(TrainOptions(lr=0.1, warmup=0.2), 100)[20:] == [0.1] * 80


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_one_cycle_with_another_rise_equals_torchs(share: float) -> None:
    """`warmup` is OneCycleLR's pct_start."""
    expected = torchs_rates(
        lambda o: OneCycleLR(o, 0.1, total_steps=200, pct_start=share, cycle_momentum=False), 200
    )
    found = rates(TrainOptions(schedule="one-cycle", lr=0.1, warmup=share), 200)
    assert found == pytest.approx(expected, abs=1e-12)
