"""Handwritten digits: train networks on them, and read them in pictures.

    >>> import digits
    >>> digits.read("photo.jpg").text                         # the digits in a picture
    >>> result = digits.run(digits.TrainOptions(epochs=5))    # all that `digits train --epochs 5` does
    >>> model = digits.load(result.folder)                    # a torch.nn.Module
    >>> model.probabilities(images)                           # images (B, 1, 28, 28) in [0, 1]

`dir(digits)` lists every public name. PyTorch and NumPy are imported when a name that needs them is first
used, so `import digits` takes a few milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from digits.errors import DigitsError
from digits.extras import missing_package
from digits.options import Augmentation, TrainOptions

if TYPE_CHECKING:
    from digits.data.batches import Batches
    from digits.data.loading import load as load_data
    from digits.data.splits import split
    from digits.evaluation.saved_models import compare, evaluate
    from digits.networks.model_file import load
    from digits.reading.reader import Reader, read
    from digits.training.adapting import adapt
    from digits.training.loop import train
    from digits.training.run import run
    from digits.tuning.study import tune

__version__ = "0.1.0"
__all__ = [
    "Augmentation",
    "Batches",
    "DigitsError",
    "Reader",
    "TrainOptions",
    "__version__",
    "adapt",
    "compare",
    "evaluate",
    "load",
    "load_data",
    "read",
    "run",
    "split",
    "train",
    "tune",
]

_HOMES = {  # name -> where it is defined, and under which name
    "Batches": ("digits.data.batches", "Batches"),
    "Reader": ("digits.reading.reader", "Reader"),
    "adapt": ("digits.training.adapting", "adapt"),
    "compare": ("digits.evaluation.saved_models", "compare"),
    "evaluate": ("digits.evaluation.saved_models", "evaluate"),
    "load": ("digits.networks.model_file", "load"),
    "load_data": ("digits.data.loading", "load"),
    "read": ("digits.reading.reader", "read"),
    "run": ("digits.training.run", "run"),
    "split": ("digits.data.splits", "split"),
    "train": ("digits.training.loop", "train"),
    "tune": ("digits.tuning.study", "tune"),
}


def __dir__() -> list[str]:
    """The public names: what completion offers."""
    return __all__


if not TYPE_CHECKING:  # a type checker shall know the names above and no others

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module 'digits' has no attribute {name!r}")
        module, attribute = _HOMES[name]
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise (missing_package(error, f"digits.{name}") or error) from None
        globals()[name] = found
        return found
