"""The trained networks that come with the package, and which file a model's name means."""

from pathlib import Path

from digits.errors import CheckpointError

BUNDLED = {"cnn", "mlp"}  # networks that come with the package: MODEL_CARD.md
REJECTION = "rejection"  # the network beside them that tells digits from other things


def model_path(name: str) -> Path:
    """The model file meant by the name of a bundled network, a run's folder or a file's path."""
    path = Path(name)
    if name in {*BUNDLED, REJECTION} and not path.exists():
        return Path(__file__).parents[1] / "weights" / f"{name}.npz"
    try:
        path = path / "model.npz" if path.is_dir() else path
        found = path.is_file()
    except OSError:  # a name that is too long
        found = False
    if not found:
        raise CheckpointError(
            f"{path} is not there; expected a run's folder or a model file, such as runs/classic-1, "
            f"or the name of a bundled network: {', '.join(sorted(BUNDLED))}"
        )
    return path
