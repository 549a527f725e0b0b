"""Handwritten digits: load them, learn them, read them.

    >>> import digits
    >>> digits.read("photo.jpg").text                         # the digits in a picture
    >>> result = digits.run(digits.TrainOptions(epochs=5))   # all that `digits train --epochs 5` does
    >>> model = digits.load(result.folder)                    # a torch.nn.Module
    >>> model.probabilities(images)                           # images (B, 1, 28, 28) in [0, 1]

Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digits.data import Batches, split
    from digits.data import load as load_data
    from digits.evaluate import predict
    from digits.options import TrainOptions
    from digits.reader import Reader, read
    from digits.runs import load, run
    from digits.training import train

__all__ = [
    "Batches",
    "Reader",
    "TrainOptions",
    "load",
    "load_data",
    "predict",
    "read",
    "run",
    "split",
    "train",
]
__version__ = "0.1.0"

_HOMES = {
    "Batches": ("digits.data", "Batches"),
    "TrainOptions": ("digits.options", "TrainOptions"),
    "load": ("digits.runs", "load"),
    "load_data": ("digits.data", "load"),
    "predict": ("digits.evaluate", "predict"),
    "Reader": ("digits.reader", "Reader"),
    "read": ("digits.reader", "read"),
    "run": ("digits.runs", "run"),
    "split": ("digits.data", "split"),
    "train": ("digits.training", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'digits' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
