"""Record the figures of each epoch as TensorBoard events."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from digits.evaluation.epoch import Epoch
from digits.extras import missing_package


def summary_writer() -> Any:
    """Return PyTorch's SummaryWriter class. Raises MissingPackageError without the package tensorboard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise (missing_package(error, "--tensorboard") or error) from None
    return SummaryWriter


@contextlib.contextmanager
def record_epochs(folder: Path, enabled: bool) -> Iterator[Callable[[Epoch], None]]:
    """Yield a function that records one epoch in folder/tensorboard; if not `enabled`, it does nothing."""
    if not enabled:
        yield lambda epoch: None
        return
    with summary_writer()(str(folder / "tensorboard")) as writer:

        def record(epoch: Epoch) -> None:
            for figure in ("loss", "accuracy"):
                for part in ("train", "val"):
                    writer.add_scalar(f"{figure}/{part}", getattr(epoch, f"{part}_{figure}"), epoch.number)
            writer.flush()

        yield record
