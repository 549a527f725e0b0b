"""Save the state of a training in a checkpoint file, and restore it.

`snapshot` collects the data, `save_checkpoint` writes them, and `restore_state` makes the state again. The
restored state is the same, bit for bit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_type_hints

from torch import Tensor, nn

from digits.errors import CheckpointError, TrainingError
from digits.evaluation.epoch import Epoch
from digits.networks.file_format import errors_named
from digits.networks.tensor_file import check_fit, save_tensors
from digits.options import TrainOptions, to_json
from digits.training.distributed import World
from digits.training.state import State, new_network

LARGEST_NUMBER = 2**53  # in meta data; whole numbers up to here are exact as float, too


def save_checkpoint(folder: Path, state: State, circumstances: dict[str, str], world: World) -> None:
    """Write the state to checkpoint.npz.

    The previous checkpoint is kept as checkpoint.prev.npz. All processes must call this at the same step.

    Args:
        folder: the run's folder.
        state: the training to save.
        circumstances: the result of `resume.circumstances`; it is stored too.
        world: number of training processes, and the number of this one.

    Raises:
        TrainingError: if a stored number is infinite or not a number.
    """
    meta, tensors = snapshot(state, world)
    if world.first:  # only one process writes the file
        meta["circumstances"] = circumstances
        save_tensors(folder / "checkpoint.npz", "checkpoint", meta, tensors, keep=True)


def snapshot(state: State, world: World) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return everything that is needed to continue the training.

    All processes must call this at the same step.

    Args:
        state: the training to save.
        world: number of training processes, and the number of this one.

    Returns:
        meta: options, progress and history, as values that JSON can store.
        tensors: weights and sums by name:
            "model/..."      the weights
            "best/..."       the weights of the best epoch
            "optimizer/..."  the optimiser's memory
            "average/..."    the average weights
            "totals"         the sums of this epoch over all processes

    Raises:
        TrainingError: if a number in a tensor is infinite or not a number.
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
        **_with_prefix("model/", _copy_tensors(state.model)),
        **_with_prefix("best/", state.best_weights),
        **_with_prefix("optimizer/", state.optimizer.memory),
        **_with_prefix("average/", _copy_tensors(state.average) if state.average else {}),
        "totals": world.sum(state.totals.clone()),
    }
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):  # A file with such a number could not be loaded again.
            raise TrainingError(
                f"epoch {state.epoch + 1}, step {state.step}: {name} is not finite; lower --lr"
            )
    return meta, tensors


def restore_state(
    options: TrainOptions, meta: dict[str, Any], tensors: dict[str, Tensor], world: World
) -> State:
    """Make a State from the result of `snapshot`.

    Args:
        options: the options of the run; the network's kind and sizes must be as saved.
        meta: the meta data from `snapshot`.
        tensors: the tensors from `snapshot`.
        world: number of training processes, and the number of this one.

    Raises:
        CheckpointError: if the meta data are incomplete, or a tensor is missing or has a wrong shape.
    """
    state = State(options, new_network(options, world))
    _restore_progress(state, meta)
    weights = _copy_tensors(state.model)
    expected = {
        **_with_prefix("model/", weights),
        **_with_prefix("best/", weights if state.best else {}),
        **_with_prefix("optimizer/", state.optimizer.memory),
        **_with_prefix("average/", weights if state.average else {}),
        "totals": state.totals,
    }
    with errors_named("the checkpoint"):
        check_fit(tensors, expected)
    state.model.load_state_dict(_without_prefix("model/", tensors))
    if state.average:
        state.average.load_state_dict(_without_prefix("average/", tensors))
    state.best_weights = _without_prefix("best/", tensors)
    for name, tensor in _without_prefix("optimizer/", tensors).items():
        state.optimizer.memory[name].copy_(tensor)
    if world.first:  # The saved totals are the sum over all processes, so only one process restores them.
        state.totals.copy_(tensors["totals"])
    return state


def _restore_progress(state: State, meta: dict[str, Any]) -> None:
    """Copy the progress and history from a checkpoint's meta data into the state.

    Raises:
        CheckpointError: if an entry is missing or wrong.
    """
    history: Any = meta.get("history")
    wanted = {"epoch": int, "step": int, "seconds": float, "best": int, "history": list}
    kinds = get_type_hints(Epoch)
    if not (_has_types(meta, wanted) and all(_has_types(epoch, kinds) for epoch in history)):
        raise CheckpointError("the checkpoint's meta data are incomplete or wrong")
    state.epoch, state.step, state.earlier_seconds = meta["epoch"], meta["step"], meta["seconds"]
    state.history = [Epoch(**{name: epoch[name] for name in kinds}) for epoch in history]
    numbers = [epoch.number for epoch in state.history]
    if numbers != list(range(1, state.epoch + 1)) or state.step < 0 or meta["best"] not in (0, *numbers):
        raise CheckpointError(
            f"the checkpoint has the figures of {len(numbers)} epochs, expected {state.epoch}"
        )
    state.best = state.history[meta["best"] - 1] if meta["best"] else None


def _has_types(values: object, types: Mapping[str, type]) -> bool:
    """Return True if a parsed JSON value is an object whose entries have these types.

    Args:
        values: the parsed value.
        types: name of an entry -> its type. For float, a whole number is valid too.
    """
    return isinstance(values, dict) and all(_has_type(values.get(name), kind) for name, kind in types.items())


def _has_type(value: object, kind: type) -> bool:
    """Return True if a parsed JSON value has this type, and is finite and of a usual size if a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, list)):
        return False
    return type(value) in ((int, float) if kind is float else (kind,)) and (
        isinstance(value, list) or abs(value) < LARGEST_NUMBER
    )


def _copy_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of the network's weights and buffers by name."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
