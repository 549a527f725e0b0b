"""Find the model file for a name: a bundled network, the folder of a run, or a file.

Bundled networks are the trained networks that are installed with this package. Every name of a network that
a user gives goes through `model_path`.
"""

import functools
import logging
from pathlib import Path

from digits.errors import CheckpointError
from digits.options import expanded

BUNDLED = ("cnn", "mlp")  # files in src/digits/weights, described in MODEL_CARD.md; the first is the default
REJECTION = "rejection"  # a bundled network with an 11th class, "no digit"; only `digits.reading` uses it
NON_DIGITS = Path(__file__).parents[1] / "weights" / "nondigits.npz"  # images; `digits adapt` uses them


def model_path(name: str | Path) -> Path:
    """Return the path of a network's model file.

    Args:
        name: one of the following:
            - the name of a bundled network, such as "cnn". It wins over a file or folder of the same name
              in the current folder; a note is logged then. "./cnn" or Path("cnn") is the file or folder.
            - the path of a model file,
            - the folder of a run, in which the file is model.npz.

    Raises:
        CheckpointError: if there is no such file.
    """
    path = expanded(name)
    if isinstance(name, str) and name in {*BUNDLED, REJECTION}:
        if name in BUNDLED and path.exists():
            _note_same_name(name, path.absolute())
        return Path(__file__).parents[1] / "weights" / f"{name}.npz"
    try:
        path = path / "model.npz" if path.is_dir() else path
        found = path.is_file()
    except OSError:  # the name is too long for the file system
        found = False
    if not found:
        raise CheckpointError(
            f"{path} is not there; expected the folder of a run, such as runs/classic-1, a model file, "
            f"or the name of a bundled network: {', '.join(BUNDLED)}"
        )
    return path


def rejection_path(model: str | Path) -> Path:
    """Return the path of the rejection network that belongs to a network.

    It is the file rejection.npz beside the network's model file, which `digits adapt` writes. Without such a
    file, it is the bundled one.

    Args:
        model: the network; see `model_path`.

    Raises:
        CheckpointError: if there is no such network.
    """
    beside = model_path(model).with_name(f"{REJECTION}.npz")
    return beside if beside.is_file() else model_path(REJECTION)


def as_argument(path: Path) -> str:
    """Return the text that names a model file or folder, and not the bundled network of this name."""
    return f"./{path}" if str(path) in {*BUNDLED, REJECTION} else str(path)


@functools.cache  # once for each place is enough
def _note_same_name(name: str, other: Path) -> None:
    """Log that a bundled network is used, and not the file or folder of the same name."""
    # Without further settings, Python prints such a message to standard error.
    logging.getLogger(__name__).warning(
        "note: %s is the bundled network; %s is not used: write ./%s for it", name, other, name
    )
