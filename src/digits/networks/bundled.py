"""The trained networks that come with the package, and which file a model's name means."""

from pathlib import Path

from digits.errors import CheckpointError

BUNDLED = ("cnn", "mlp")  # trained networks in src/digits/weights, the default first: MODEL_CARD.md
REJECTION = "rejection"  # a bundled network with an 11th class, "no digit"; only the reader uses it


def model_path(name: str) -> Path:
    """Return the path of a model file, given the name of a bundled network, a run's folder or the file.

    A folder stands for the file model.npz in it. If there is a file or folder named like a bundled network,
    it is used instead. Raises CheckpointError if there is no such file.
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
            f"{path} is not there; expected a run's folder or a model file, such as runs/classic-1, "
            f"or the name of a bundled network: {', '.join(BUNDLED)}"
        )
    return path
