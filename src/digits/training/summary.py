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
    best: Epoch,
    history: Sequence[Epoch],
    temperature: float,
    notices: Sequence[str],
    threads: int,
) -> None:
    """Write summary.json into a run's folder.

    It is written last: a folder with summary.json holds a finished run.

    Args:
        folder: the run's folder.
        meta: the meta data of model.npz: architecture, data and versions.
        members: for an ensemble, the test accuracy of each network, from 0 to 1.
        test: the evaluation on all test images.
        undisputed: the same without disputed labels; None where they are not known.
        best: the epoch whose weights were saved.
        history: all epochs.
        temperature: the fitted temperature of the network.
        notices: sentences for the user.
        threads: number of processor threads of the training.
    """
    summary = {
        "members": members,
        "test": test.to_json(),
        "undisputed": undisputed and undisputed.to_json(),
        "best": dataclasses.asdict(best),
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
