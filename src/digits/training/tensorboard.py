"""Write the loss and accuracy of each epoch for TensorBoard.

TensorBoard is a program that shows training curves in a browser.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from digits.evaluation.epoch import Epoch
from digits.extras import missing_package


def summary_writer() -> Any:
    """Return PyTorch's class SummaryWriter.

    Raises:
        MissingPackageError: if the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise (missing_package(error, "--tensorboard") or error) from None
    return SummaryWriter


@contextlib.contextmanager
def record_epochs(folder: Path, enabled: bool) -> Iterator[Callable[[Epoch], None]]:
    """Open the TensorBoard file of a run during the `with` block.

    Args:
        folder: the run's folder; the file is in its folder "tensorboard".
        enabled: if False, no file is written.

    Yields:
        A function that writes the loss and accuracy of an Epoch.
    """
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
