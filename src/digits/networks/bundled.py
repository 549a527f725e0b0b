"""The trained networks that come with the package, and which file a model's name means."""

from pathlib import Path

from digits.errors import CheckpointError

BUNDLED = ("cnn", "mlp")  # trained networks in src/digits/weights, the default first: MODEL_CARD.md
REJECTION = "rejection"  # a bundled network with an 11th class, "no digit"; only the reader uses it


def model_path(name: str) -> Path:
    """Return the model file that a name means: a bundled network, a run's folder or a file.

    For a folder, that is the file model.npz in it. A file or folder of the same name comes before a bundled
    network. Raises CheckpointError if there is no such file.
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
