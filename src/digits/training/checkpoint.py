"""Write the whole state of a training to checkpoint.npz, and read it back to the last bit."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from digits.errors import CheckpointError, TrainingError
from digits.evaluation.epoch import Epoch
from digits.networks.tensor_file import check_fit, save_tensors
from digits.options import TrainOptions, to_json
from digits.training.distributed import World
from digits.training.state import State, new_network


def save_checkpoint(folder: Path, state: State, circumstances: dict[str, str], world: World) -> None:
    """Write checkpoint.npz; the one before it stays as checkpoint.prev.npz.

    Every process must call this at the same step, because their totals are added; the first one writes.
    `circumstances` are compared when the run is resumed. Raises TrainingError if a number is not finite.
    """
    meta, tensors = snapshot(state, world)
    if world.first:
        meta["circumstances"] = circumstances
        save_tensors(folder / "checkpoint.npz", "checkpoint", meta, tensors, keep=True)


def snapshot(state: State, world: World) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return everything needed to continue, as meta data for JSON and named tensors.

    Every process must call this at the same step. Raises TrainingError if a number is not finite.
    """
    state.count_pending()
    meta = {
        "options": json.loads(to_json(state.options)),
        "epoch": state.epoch,
        "step": state.step,
        "seconds": state.seconds,
        "history": [asdict(epoch) for epoch in state.history],
        "best": state.best.number if state.best else 0,
    }
    tensors = {
        **_with_prefix("model/", _tensors(state.model)),
        **_with_prefix("best/", state.best_weights),
        **_with_prefix("optimizer/", state.optimizer.memory),
        **_with_prefix("average/", _tensors(state.average) if state.average else {}),
        "totals": world.sum(state.totals.clone()),
    }
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):  # Such a file would be refused when it is read.
            raise TrainingError(
                f"epoch {state.epoch + 1}, step {state.step}: {name} is not finite; lower --lr"
            )
    return meta, tensors


def restore_state(
    options: TrainOptions, meta: dict[str, Any], tensors: dict[str, Tensor], world: World
) -> State:
    """Return the state that `snapshot` took. Raises CheckpointError where it does not fit the options."""
    state = State(options, new_network(options, world))
    _restore_progress(state, meta)
    weights = _tensors(state.model)
    expected = {
        **_with_prefix("model/", weights),
        **_with_prefix("best/", weights if state.best else {}),
        **_with_prefix("optimizer/", state.optimizer.memory),
        **_with_prefix("average/", weights if state.average else {}),
        "totals": state.totals,
    }
    check_fit(tensors, expected, "the checkpoint")
    state.model.load_state_dict(_without_prefix("model/", tensors))
    if state.average:
        state.average.load_state_dict(_without_prefix("average/", tensors))
    state.best_weights = _without_prefix("best/", tensors)
    for name, tensor in _without_prefix("optimizer/", tensors).items():
        state.optimizer.memory[name].copy_(tensor)
    if world.first:  # The totals are those of all processes together: one of them takes them over.
        state.totals.copy_(tensors["totals"])
    return state


def _restore_progress(state: State, meta: dict[str, Any]) -> None:
    """Set epoch, step, seconds, history and best epoch. Raises CheckpointError for incomplete meta data."""
    try:
        state.epoch, state.step = int(meta["epoch"]), int(meta["step"])
        state.earlier_seconds = float(meta["seconds"])
        state.history = [Epoch(**epoch) for epoch in meta["history"]]
        state.best = state.history[meta["best"] - 1] if meta["best"] else None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"the checkpoint's meta data are incomplete ({error!r})") from None
    if len(state.history) != state.epoch or state.step < 0:
        raise CheckpointError(
            f"the checkpoint has {len(state.history)} epochs in its table, expected {state.epoch}"
        )


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
