"""Resume a run from its newest checkpoint.

A resumed run must give the same weights as an uninterrupted run, bit for bit. The weights depend on the
options and on the circumstances: data, processes, threads, versions and processor. The checkpoint stores
both. They are compared with the present options and circumstances.
"""

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits.data.splits import Splits
from digits.errors import CheckpointError, RunError
from digits.files import read_file
from digits.networks import tensor_file
from digits.networks.backpropagation import ONEDNN
from digits.networks.bundled import model_path
from digits.networks.file_format import MAX_FILE_BYTES
from digits.options import Model, TrainOptions, differences, from_json
from digits.training.checkpoint import restore_state
from digits.training.devices import pick_device, pick_precision
from digits.training.distributed import World
from digits.training.state import State

# Options that are not compared. Most of them do not change the weights. Data, threads and device do, but
# `circumstances` compares them: the content of the data, and the threads and the device that are really used.
WITHOUT_EFFECT = frozenset(
    {"data", "unverified", "threads", "device", "patience", "out", "name", "resume", "allow_inexact"}
    | {"checkpoint_every", "plots", "tensorboard"}
)


def resume_state(
    folder: Path, options: TrainOptions, present: dict[str, str], world: World
) -> tuple[State | None, list[str]]:
    """Return the state in the newest undamaged checkpoint of a run.

    The options and circumstances must be the same as in the checkpoint. Nothing in the folder is changed.

    Args:
        folder: the run's folder.
        options: the present options. With `allow_inexact`, changes are allowed.
        present: the present `circumstances`.
        world: number of training processes, and the number of this one.

    Returns:
        state: the restored state; None if there is no checkpoint.
        notices: sentences about a damaged checkpoint and about allowed changes.

    Raises:
        RunError: if a change can change the weights, and `allow_inexact` is False.
        CheckpointError: if all checkpoints are damaged, or the newest one does not fit the options.
    """
    # The first process reads the checkpoint and sends it to the others.
    found = world.spread(newest_checkpoint(folder) if world.first else None)
    if found is None:
        return None, []
    meta, tensors, notices = found
    changes = _list_changes(meta, options, present)
    if changes and not options.allow_inexact:
        raise RunError(
            f"{folder} cannot be resumed with the same result, because {'; '.join(changes)}. "
            "Undo this change, or add --allow-inexact"
        )
    notices += [f"Resumed inexactly: {change}." for change in changes]
    return restore_state(options, meta, tensors, world), notices


def newest_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], list[str]] | None:
    """Read the newest undamaged checkpoint of a run.

    Args:
        folder: the run's folder.

    Returns:
        None if there is no checkpoint. Otherwise:
        meta: the meta data.
        tensors: the tensors by name.
        notices: a sentence if the newest checkpoint is damaged; otherwise empty.

    Raises:
        CheckpointError: if all checkpoints are damaged.
    """
    newest = folder / "checkpoint.npz"
    failures = []
    for path in (newest, tensor_file.previous(newest)):
        if path.exists():
            try:
                meta, tensors = tensor_file.load_tensors(path, "checkpoint")
            except CheckpointError as error:
                failures.append(str(error))
            else:
                return meta, tensors, [f"{failure}; resumed from {path.name}." for failure in failures]
    if failures:
        raise CheckpointError(f"{'; '.join(failures)}. Start a new run with another --name")
    return None


def drop_damaged(folder: Path) -> None:
    """Replace a damaged checkpoint.npz by the previous checkpoint.

    Otherwise the next checkpoint would keep the damaged one as the previous checkpoint.

    Args:
        folder: the run's folder.
    """
    newest = folder / "checkpoint.npz"
    if tensor_file.previous(newest).exists():
        try:
            tensor_file.load_tensors(newest, "checkpoint")
        except CheckpointError:
            os.replace(tensor_file.previous(newest), newest)


def circumstances(options: TrainOptions, splits: Splits, processes: int) -> dict[str, str]:
    """Describe the data, versions and hardware of this training.

    A change of any of them can change the trained weights.

    Args:
        options: only device, precision, threads and teacher are used.
        splits: the training and validation images.
        processes: number of processes that train together.

    Returns:
        A text for each name, such as {"threads": "1", "device": "cpu"}.
    """
    device = pick_device(options.device)
    return {
        "training data": splits.train.sha256()[:16],
        "validation data": splits.val.sha256()[:16],
        "processes": str(processes),
        "threads": str(options.threads),
        "device": str(device),
        "precision": " and ".join(map(str, _precisions(options, device))),
        "teacher": _file_digest(options.teacher),
        "PyTorch": torch.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} onednn={ONEDNN}",
        "graphics processor": torch.cuda.get_device_name() if device.type == "cuda" else "none",
    }


def _precisions(options: TrainOptions, device: torch.device) -> list[torch.dtype]:
    """Return the number types of the network and of its teacher."""
    # The teacher is treated as a cnn. With "auto", an mlp always has float32, so this cannot hide a change.
    kinds: list[Model] = [options.model, "cnn"] if options.teacher else [options.model]
    return [pick_precision(options.precision, kind, device) for kind in kinds]


def _file_digest(model: str | None) -> str:
    """Return the first 16 hexadecimal digits of a file's SHA-256.

    Args:
        model: the model file; with None, the result is "none".

    Raises:
        CheckpointError: if the file cannot be read.
    """
    if model is None:
        return "none"
    path = model_path(model)
    try:
        return hashlib.sha256(read_file(path, MAX_FILE_BYTES)).hexdigest()[:16]
    except OSError as error:
        raise CheckpointError(f"could not read {path}: {error.strerror or error}") from error


def _list_changes(meta: dict[str, Any], options: TrainOptions, present: dict[str, str]) -> list[str]:
    """List the changes that can change the weights.

    Args:
        meta: meta data of the checkpoint, with its options and circumstances.
        options: the present options.
        present: the present circumstances.

    Returns:
        Texts such as "threads 1 is now 2".
    """
    stored = from_json(json.dumps(meta.get("options"), allow_nan=False))
    # With a constant learning rate, more epochs do not change the earlier steps. With a schedule they do.
    ignored = WITHOUT_EFFECT | ({"epochs"} if options.schedule == "constant" else set())
    before = meta.get("circumstances")
    before = before if isinstance(before, dict) else {}
    return [
        *differences(stored, options, ignored),
        *(
            f"{name} {before.get(name)} is now {present[name]}"
            for name in present
            if before.get(name) != present[name]
        ),
    ]
