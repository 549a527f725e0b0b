"""Resume a run: find its newest sound checkpoint, and refuse it where the result would differ.

A resumed run must end in the same bits as one that was never interrupted. They depend on the options, the
data, the number of processes and threads, the versions and the processor; all of that is compared.
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

# Options that are not compared. Most do not change the weights. Data, threads and device do, but not by their
# option: `circumstances` has the content of the data, and the threads and the device that are really used.
WITHOUT_EFFECT = frozenset(
    {"data", "unverified", "threads", "device", "patience", "out", "name", "resume", "allow_inexact"}
    | {"checkpoint_every", "plots", "tensorboard"}
)


def resume_state(
    folder: Path, options: TrainOptions, now: dict[str, str], world: World
) -> tuple[State | None, list[str]]:
    """Return the state in the newest sound checkpoint, and notices; None before the first checkpoint.

    `now` are the present `circumstances`. Raises RunError where they or the options changed in a way that
    changes the weights; with `options.allow_inexact` a notice says so instead. Raises CheckpointError where
    every checkpoint is damaged.
    """
    found = world.spread(newest_checkpoint(folder) if world.first else None)
    if found is None:
        return None, []
    meta, tensors, notices = found
    changes = _changes(meta, options, now)
    if changes and not options.allow_inexact:
        raise RunError(
            f"{folder} cannot go on to the same bits: {'; '.join(changes)}. "
            "Put it back as it was, or add --allow-inexact"
        )
    notices += [f"Resumed inexactly: {change}." for change in changes]
    return restore_state(options, meta, tensors, world), notices


def newest_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], list[str]] | None:
    """Return meta data and tensors of the newest sound checkpoint, and a notice for a damaged one.

    If the newest is damaged, the one before it takes its name, so that the next save keeps the sound one as
    the previous. None without any checkpoint; raises CheckpointError if all are damaged.
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
                return meta, tensors, [f"{failure}; going on from {path.name}." for failure in failures]
    if failures:
        raise CheckpointError(f"{'; '.join(failures)}. Start again under another --name")
    return None


def circumstances(options: TrainOptions, splits: Splits, processes: int) -> dict[str, str]:
    """Return everything besides the options that the last bits of the weights depend on, name by name."""
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
    """Return the number types of the network and, with a teacher, of a convolutional teacher."""
    kinds: list[Model] = [options.model, "cnn"] if options.teacher else [options.model]
    return [pick_precision(options.precision, kind, device) for kind in kinds]


def _file_digest(model: str | None) -> str:
    """Return the first 16 digits of a model file's SHA-256; "none" without a model."""
    return "none" if model is None else hashlib.sha256(model_path(model).read_bytes()).hexdigest()[:16]


def _changes(meta: dict[str, Any], options: TrainOptions, now: dict[str, str]) -> list[str]:
    """Return a phrase for everything that changed since the checkpoint and that changes the weights."""
    stored = from_json(json.dumps(meta.get("options")))
    # Only a schedule makes earlier steps depend on the number of epochs.
    ignored = WITHOUT_EFFECT | ({"epochs"} if options.schedule == "constant" else set())
    before = meta.get("circumstances", {})
    return [
        *differences(stored, options, ignored),
        *(f"{name} {before.get(name)} is now {now[name]}" for name in now if before.get(name) != now[name]),
    ]
