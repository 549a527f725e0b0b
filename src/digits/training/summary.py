"""Write summary.json, the last file of a finished run."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digits import files
from digits.evaluation.epoch import Epoch
from digits.evaluation.metrics import Evaluation


def save_summary(
    folder: Path,
    meta: dict[str, Any],
    *,
    members: tuple[float, ...],
    test: Evaluation,
    undisputed: Evaluation | None,
    validation: Evaluation,
    best: Epoch | None,
    history: Sequence[Epoch],
    temperature: float,
    notices: Sequence[str],
    threads: int,
) -> None:
    """Write summary.json into a run's folder.

    All losses in it are those of the saved network with its fitted temperature.

    It is written last: a folder with summary.json holds a finished run.

    Args:
        folder: the run's folder.
        meta: the meta data of model.npz: architecture, data and versions.
        members: for an ensemble, the test accuracy of each network, from 0 to 1.
        test: the evaluation on all test images.
        undisputed: the same without disputed labels; None where they are not known.
        validation: the evaluation on the validation images.
        best: the epoch whose weights were saved; None for an ensemble.
        history: all epochs.
        temperature: the fitted temperature of the network.
        notices: sentences for the user.
        threads: number of processor threads of the training.
    """
    summary = {
        "members": members,
        "test": test.to_json(),
        "undisputed": undisputed and undisputed.to_json(),
        "validation": validation.to_json(),
        "best": best and _without_losses(best),
        "epochs": len(history),
        "temperature": temperature,
        "training_seconds": sum(epoch.seconds for epoch in history),
        "network": meta["architecture"],
        "data": meta["data"],
        "notices": list(notices),
        "versions": meta["versions"],
        "threads": threads,
    }
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    files.atomic_write(folder / "summary.json", text.encode())


def _without_losses(epoch: Epoch) -> dict[str, Any]:
    """Return the figures of an epoch except its losses.

    They were measured during training, at temperature 1, and are in metrics.csv.
    """
    figures = dataclasses.asdict(epoch)
    return {name: value for name, value in figures.items() if not name.endswith("loss")}
