"""Find the model file for a name: a bundled network, the folder of a run, or a file.

Bundled networks are the trained networks that are installed with this package.
"""

from pathlib import Path

from digits.errors import CheckpointError

BUNDLED = ("cnn", "mlp")  # files in src/digits/weights, described in MODEL_CARD.md; the first is the default
REJECTION = "rejection"  # a bundled network with an 11th class, "no digit"; only `digits.reading` uses it


def model_path(name: str) -> Path:
    """Return the path of a network's model file.

    Args:
        name: one of the following; the first one that exists is used:
            - the path of a model file,
            - the folder of a run, in which the file is model.npz,
            - the name of a bundled network, such as "cnn".

    Raises:
        CheckpointError: if there is no such file.
    """
    path = Path(name)
    if name in {*BUNDLED, REJECTION} and not path.exists():
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
