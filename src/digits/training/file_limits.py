"""Check before a training that its files will not be larger than the file format allows."""

import torch

from digits.errors import OptionError
from digits.mnist import CLASSES
from digits.networks.file_format import MAX_FILE_BYTES
from digits.networks.model_file import build_network
from digits.networks.optimizers import Optimizer
from digits.options import TrainOptions
from digits.training.state import architecture

ENTRY_BYTES = 512  # more than the headers of one array in a file
EPOCH_BYTES = 300  # more than the figures of one epoch in a checkpoint


def check_file_sizes(options: TrainOptions, classes: int = CLASSES) -> None:
    """Check that a network's checkpoint and the model file of all networks can be written.

    Args:
        options: the options of the training.
        classes: number of outputs.

    Raises:
        OptionError: if one of the two files would be too large.
    """
    with torch.device("meta"):  # tensors without memory
        network = build_network({**architecture(options), "classes": classes})
        weights = torch.empty(sum(p.numel() for p in network.parameters()))
        optimizer = Optimizer(options.optimizer, weights, weights, momentum=options.momentum)
    tensors = list(network.state_dict().values())
    model = _size(tensors)
    copies = 3 if options.ema else 2  # the weights now, those of the best epoch, and their average
    checkpoint = copies * model + _size(list(optimizer.memory.values())) + EPOCH_BYTES * options.epochs
    layers = "--hidden" if options.model == "mlp" else "--channels"
    _check("the checkpoint", checkpoint, f"choose smaller {layers}")
    _check("model.npz", options.ensemble * model, f"choose smaller {layers} or a smaller --ensemble")


def _size(tensors: list[torch.Tensor]) -> int:
    """Return the number of bytes that tensors need in a file, or a few more."""
    return sum(tensor.numel() * tensor.element_size() + ENTRY_BYTES for tensor in tensors)


def _check(what: str, size: int, advice: str) -> None:
    """Raise OptionError if a file is too large."""
    if size > MAX_FILE_BYTES:
        raise OptionError(f"{what} would have {size:,} bytes; expected at most {MAX_FILE_BYTES:,}: {advice}")
