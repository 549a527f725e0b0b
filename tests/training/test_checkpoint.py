"""Checkpoints in one process: what is saved comes back to the last bit, and nothing else is accepted."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from support.made_up import made_up

from digits.data.dataset import Digits
from digits.errors import CheckpointError, RunError, TrainingError
from digits.options import TrainOptions
from digits.training.checkpoint import restore_state, snapshot
from digits.training.distributed import World
from digits.training.loop import train
from digits.training.run import run
from digits.training.state import State, begin

OPTIONS = TrainOptions(
    hidden=(8, 8), batch_size=32, epochs=3, optimizer="adam", ema=0.9, dropout=0.2, plots=False, device="cpu"
)


def images(count: int, seed: int) -> Digits:
    """Made-up images that a network can learn."""
    pixels, labels = made_up(count, seed)
    return Digits(torch.from_numpy(pixels), torch.from_numpy(labels))


class Enough(Exception):  # noqa: N818  # it ends a training on purpose
    """Training has come as far as the test wants."""


def cut_off(options: TrainOptions = OPTIONS, at: tuple[int, int] = (1, 2)) -> State:
    """Return the state after so many epochs and steps."""

    def stop(state: State) -> None:
        if (state.epoch, state.step) == at:
            raise Enough

    state = begin(options, images(100, 1))
    with pytest.raises(Enough):
        list(train(options, images(100, 1), images(40, 2), state=state, after_step=stop))
    return state


def test_a_restored_state_ends_in_the_same_bits() -> None:
    """Weights, average, best weights, optimiser, dropout and figures continue as if never interrupted."""
    whole = begin(OPTIONS, images(100, 1))
    list(train(OPTIONS, images(100, 1), images(40, 2), state=whole))
    restored = restore_state(OPTIONS, *snapshot(cut_off(), World()), World())
    list(train(OPTIONS, images(100, 1), images(40, 2), state=restored))
    assert torch.equal(restored.weights, whole.weights)
    assert torch.equal(restored.average_weights, whole.average_weights)
    for name, tensor in whole.best_weights.items():
        assert torch.equal(restored.best_weights[name], tensor)
    for ours, theirs in zip(restored.history, whole.history, strict=True):
        assert dataclasses.replace(ours, seconds=0.0) == dataclasses.replace(theirs, seconds=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": "one"}, "meta data are incomplete or wrong"),
        ({"history": [{"number": 1}]}, "meta data are incomplete or wrong"),
        ({"history": 5}, "meta data are incomplete or wrong"),
        ({"history": [None]}, "meta data are incomplete or wrong"),
        ({"best": "1"}, "meta data are incomplete or wrong"),
        ({"best": -1}, "the figures of 1 epochs"),
        ({"seconds": float("inf")}, "meta data are incomplete or wrong"),
        ({"seconds": 10**400}, "meta data are incomplete or wrong"),
        ({"epoch": True}, "meta data are incomplete or wrong"),
        ({"epoch": 2}, "the figures of 1 epochs, expected 2"),
        ({"step": -1}, "the figures of 1 epochs"),
    ],
)
def test_foreign_meta_data_are_refused(change: dict[str, Any], message: str) -> None:
    """Progress that cannot be is a CheckpointError, not a training that begins somewhere else."""
    meta, tensors = snapshot(cut_off(), World())
    with pytest.raises(CheckpointError, match=message):
        restore_state(OPTIONS, meta | change, tensors, World())


def test_tensors_of_another_network_are_refused() -> None:
    """A checkpoint of another size, or without the average that the options ask for, does not fit."""
    meta, tensors = snapshot(cut_off(), World())
    for other in (dataclasses.replace(OPTIONS, hidden=(9, 8)), dataclasses.replace(OPTIONS, ema=0.0)):
        with pytest.raises(CheckpointError, match="the checkpoint"):
            restore_state(other, meta, tensors, World())


def test_a_number_that_is_not_finite_is_not_saved() -> None:
    """The error names the epoch, the step and the tensor, and says what to do."""
    state = cut_off()
    state.optimizer.memory["square"][3] = float("inf")
    with pytest.raises(TrainingError, match=r"epoch 2, step 2: optimizer/square is not finite; lower --lr"):
        snapshot(state, World())


def test_a_changed_option_is_refused_on_resume(tiny_folder: Path, tmp_path: Path) -> None:
    """`digits.run` refuses to resume with other options; with `allow_inexact` it notes the change."""
    options = dataclasses.replace(OPTIONS, data=tiny_folder, out=tmp_path, name="run", epochs=1)
    run(options)
    changed = dataclasses.replace(options, resume=True, lr=0.5, epochs=2)
    with pytest.raises(
        RunError, match=r"cannot be resumed with the same result, because --lr None is now 0.5\."
    ):
        run(changed)
    result = run(dataclasses.replace(changed, allow_inexact=True))
    assert len(result.history) == 2
    assert "Resumed inexactly: --lr None is now 0.5." in (result.folder / "summary.json").read_text()
