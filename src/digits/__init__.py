"""Train networks on handwritten digits, and read handwritten digits in pictures.

    >>> import digits
    >>> digits.read("photo.jpg").text                         # the digits in a picture
    >>> result = digits.run(digits.TrainOptions(epochs=5))    # the same as `digits train --epochs 5`
    >>> model = digits.load(result.folder)                    # a torch.nn.Module
    >>> model.probabilities(images)                           # images: (B, 1, 28, 28), float in [0, 1]

`dir(digits)` lists all public names. `import digits` takes only a few milliseconds: PyTorch and NumPy are
imported later, at the first use of a name that needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import digits.recipes  # noqa: F401  # fills the table for TrainOptions(recipe=...)
from digits.errors import DigitsError
from digits.extras import missing_package
from digits.options import Augmentation, TrainOptions
from digits.version import __version__

if TYPE_CHECKING:
    from digits.data.batches import Batches
    from digits.data.loading import load_data
    from digits.data.splits import split
    from digits.evaluation.saved_models import compare, evaluate
    from digits.networks.model_file import load
    from digits.reading.fields import Field
    from digits.reading.reader import Reader, read
    from digits.reading.roster import Roster
    from digits.training.adapting import adapt
    from digits.training.loop import train
    from digits.training.run import run
    from digits.tuning.study import tune

__all__ = [
    "Augmentation",
    "Batches",
    "DigitsError",
    "Field",
    "Reader",
    "Roster",
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

_SOURCES = {  # public name -> the module that defines it, and its name in that module
    "Batches": ("digits.data.batches", "Batches"),
    "Field": ("digits.reading.fields", "Field"),
    "Reader": ("digits.reading.reader", "Reader"),
    "Roster": ("digits.reading.roster", "Roster"),
    "adapt": ("digits.training.adapting", "adapt"),
    "compare": ("digits.evaluation.saved_models", "compare"),
    "evaluate": ("digits.evaluation.saved_models", "evaluate"),
    "load": ("digits.networks.model_file", "load"),
    "load_data": ("digits.data.loading", "load_data"),
    "read": ("digits.reading.reader", "read"),
    "run": ("digits.training.run", "run"),
    "split": ("digits.data.splits", "split"),
    "train": ("digits.training.loop", "train"),
    "tune": ("digits.tuning.study", "tune"),
}


def __dir__() -> list[str]:
    """Return the public names for `dir(digits)` and tab completion."""
    return __all__


if not TYPE_CHECKING:  # Type checkers use the imports above. With this function they would accept any name.

    def __getattr__(name: str) -> object:
        """Import a public name at its first use (PEP 562).

        Args:
            name: a public name, such as "read".
        Returns:
            Its value. Without a needed package: a function that raises MissingPackageError.
        Raises:
            AttributeError: if there is no such public name.
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

            # Raised only in a call, because tab completion reads all names.
            def unavailable(*_: object, **__: object) -> NoReturn:
                raise missing

            return unavailable
        globals()[name] = found
        return found
