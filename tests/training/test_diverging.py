"""Training whose numbers are no longer finite stops, and its last checkpoint stays sound."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from reliability import trainer
from reliability.trainer import STEPS, Reference, command, resume, small_options
from support.slow import mostly_slow

from digits.errors import TrainingError
from digits.training.run import run
from digits.training.state import State

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)


@pytest.mark.parametrize(
    ("absurd", "loss"),
    [
        (("--lr", "1e30"), "not a finite number"),
        pytest.param(
            ("--lr", "1e4", "--optimizer", "adam", "--momentum", "0"),
            "above a million nats",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_diverging_training_stops(place: Path, tmp_path: Path, absurd: tuple[str, ...], loss: str) -> None:
    """K9: with an absurd learning rate the command stops with a sentence, not with a table of nonsense."""
    ended = trainer.run(command(place / "data.npz", tmp_path / "run", *absurd))
    assert ended.code == 1
    assert f"the loss is {loss}; lower --lr" in ended.output.splitlines()[-1]
    assert "Traceback" not in ended.output
    assert trainer.unsound(tmp_path / "run") == []


def poison_at(step: int, poison: Callable[[State], None]) -> Callable[[State], None]:
    """A `progress` that poisons the state after so many steps."""

    def progress(state: State) -> None:
        if state.epoch * STEPS + state.step == step:
            poison(state)

    return progress


def poison_first_weight(state: State) -> None:
    state.weights[0] = float("nan")


def poison_last_bias(state: State) -> None:
    list(state.model.parameters())[-1].data[-1] = float("inf")


def poison_optimizer(state: State) -> None:
    memory = state.optimizer.memory
    memory["square" if "square" in memory else "momentum"][5] = float("inf")


POISONS = (poison_first_weight, poison_last_bias, poison_optimizer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "poison", "step"),
    mostly_slow(
        itertools.product(["sgd", "rmsprop"], POISONS, [STEPS + 3, 2 * STEPS]),  # mid-epoch, last step
        [("sgd", poison_first_weight, STEPS + 3), ("rmsprop", poison_optimizer, 2 * STEPS)],
    ),
)
def test_infinite_numbers_never_reach_a_checkpoint(
    place: Path,
    whole: Reference,
    tmp_path: Path,
    poison: Callable[[State], None],
    step: int,
    optimizer: str,
) -> None:
    """K9: a number that is not finite stops the run; the last good checkpoint goes on to the same bits.

    An infinite square in RMSprop's memory is the sly one: the weights stay finite.
    """
    folder = tmp_path / "run"
    options = small_options(place, folder, optimizer=optimizer)
    with pytest.raises(TrainingError, match=r"lower --lr"):
        run(options, progress=poison_at(step, poison))
    assert trainer.unsound(folder) == []
    assert len(trainer.metrics(folder)) == 1
    resume(folder)
    assert trainer.differences(folder, whole("--optimizer", optimizer)) == []
