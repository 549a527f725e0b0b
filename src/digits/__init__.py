"""Handwritten digits: train networks on them, and read them in pictures.

    >>> import digits
    >>> digits.read("photo.jpg").text                         # the digits in a picture
    >>> result = digits.run(digits.TrainOptions(epochs=5))    # the same as `digits train --epochs 5`
    >>> model = digits.load(result.folder)                    # a torch.nn.Module
    >>> model.probabilities(images)                           # images: (B, 1, 28, 28), float in [0, 1]

`dir(digits)` lists all public names. A name that needs PyTorch or NumPy imports it when it is first used, so
that `import digits` takes a few milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from digits.errors import DigitsError
from digits.extras import missing_package
from digits.options import Augmentation, TrainOptions
from digits.version import __version__

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

_SOURCES = {  # public name -> the module that defines it, its name there
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
    """Return the public names, for `dir` and tab completion."""
    return __all__


if not TYPE_CHECKING:  # type checkers read the imports above; with this function they would accept any name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used (PEP 562).

        If an optional package is missing, return a function that raises MissingPackageError when it is
        called, because tab completion evaluates names that are never used.
        """
        if name not in _SOURCES:
            raise AttributeError(f"module 'digits' has no attribute {name!r}")
        module, attribute = _SOURCES[name]
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            missing = missing_package(error, f"digits.{name}")
            if missing is None:
                raise

            def unavailable(*_: object, **__: object) -> NoReturn:
                raise missing

            return unavailable
        globals()[name] = found
        return found
