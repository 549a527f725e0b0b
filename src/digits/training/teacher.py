"""Load the network whose answers another network learns from (distillation)."""

from digits.errors import OptionError
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model
from digits.networks.network import Network


def load_teacher(model: str, dataset: str, val_sha256: str) -> tuple[Network | Ensemble, list[str]]:
    """Return the teacher that --teacher names, and notices about its training.

    `model` is a run's folder, a model file or the name of a bundled network. `val_sha256` is the digest of
    the validation images of the network that is going to learn; a teacher with another split may have been
    trained on some of them, which a notice says. Raises OptionError unless the teacher was trained on
    `dataset`, and CheckpointError where its file cannot be read.
    """
    teacher, meta = load_model(model_path(model))
    data = meta.get("data")
    if not isinstance(data, dict) or data.get("dataset") != dataset:
        raise OptionError(
            f"--teacher {model} was not trained on {dataset}; "
            "expected a model of digits train on the same data"
        )
    if data.get("val_sha256") == val_sha256:
        return teacher, []
    notice = (
        "The teacher was trained with another split and may have seen some of these validation images: "
        "validation figures are optimistic."
    )
    return teacher, [notice]
