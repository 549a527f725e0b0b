"""Resume a run from its newest checkpoint, and check that the result will be the same.

A resumed run must give the same weights, bit for bit, as a run that was never interrupted. The weights depend
on the options and on the `circumstances`: the data, the number of processes and threads, the versions and the
processor. The checkpoint stores both. When the run is resumed, they are compared with the present ones.
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
from digits.networks import tensor_file
from digits.networks.backpropagation import ONEDNN
from digits.networks.bundled import model_path
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
    folder: Path, options: TrainOptions, now: dict[str, str], world: World
) -> tuple[State | None, list[str]]:
    """Return the state in the newest usable checkpoint of a run, and notices about problems.

    Args:
        folder: the run's folder.
        options: the present options.
        now: the present `circumstances`.
        world: the processes that train together, and which of them this one is. The first process reads
            the checkpoint and sends it to the others.

    Returns:
        state: the restored state; None if the folder has no checkpoint yet.
        notices: sentences about a damaged checkpoint and, with `options.allow_inexact`, about changes.

    Raises:
        RunError: if options or circumstances changed so that the weights would differ, unless
            `options.allow_inexact` is set.
        CheckpointError: if all checkpoints are damaged, or the newest usable one does not fit the options.
    """
    found = world.spread(newest_checkpoint(folder) if world.first else None)
    if found is None:
        return None, []
    meta, tensors, notices = found
    changes = _changes(meta, options, now)
    if changes and not options.allow_inexact:
        raise RunError(
            f"{folder} cannot be resumed with the same result, because {'; '.join(changes)}. "
            "Undo this change, or add --allow-inexact"
        )
    notices += [f"Resumed inexactly: {change}." for change in changes]
    return restore_state(options, meta, tensors, world), notices


def newest_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], list[str]] | None:
    """Read the newest checkpoint; if it is damaged, read the previous one.

    In that case the previous file is renamed to checkpoint.npz and replaces the damaged file. Otherwise the
    next save would keep the damaged file as the previous checkpoint.

    Returns:
        Meta data, tensors by name, and notices (a sentence if the newest file was damaged); or None if the
        folder has no checkpoint.

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
                os.replace(path, newest)
                return meta, tensors, [f"{failure}; resumed from {path.name}." for failure in failures]
    if failures:
        raise CheckpointError(f"{'; '.join(failures)}. Start a new run with another --name")
    return None


def circumstances(options: TrainOptions, splits: Splits, processes: int) -> dict[str, str]:
    """Return everything except the options that can change the weights: data, versions, hardware and so on.

    Args:
        options: only device, precision, threads and teacher are used.
        splits: the training and validation images; their content is compared by its SHA-256.
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
    """Return the number type of the network and, if there is a teacher, the type that a cnn teacher has."""
    kinds: list[Model] = [options.model, "cnn"] if options.teacher else [options.model]
    return [pick_precision(options.precision, kind, device) for kind in kinds]


def _file_digest(model: str | None) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a model file, or "none" without a model."""
    return "none" if model is None else hashlib.sha256(model_path(model).read_bytes()).hexdigest()[:16]


def _changes(meta: dict[str, Any], options: TrainOptions, now: dict[str, str]) -> list[str]:
    """Return a text such as "threads 1 is now 2" for each change that can change the weights.

    Args:
        meta: meta data of the checkpoint, with the options and circumstances of that time.
        options: the present options.
        now: the present circumstances.
    """
    stored = from_json(json.dumps(meta.get("options")))
    # With a constant learning rate, more epochs do not change the earlier steps. With a schedule they do.
    ignored = WITHOUT_EFFECT | ({"epochs"} if options.schedule == "constant" else set())
    before = meta.get("circumstances", {})
    return [
        *differences(stored, options, ignored),
        *(f"{name} {before.get(name)} is now {now[name]}" for name in now if before.get(name) != now[name]),
    ]
