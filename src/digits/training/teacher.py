"""Load the teacher of a new network.

The teacher is a trained network. The new network learns to imitate it; this is called distillation.
"""

from digits.errors import OptionError
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model
from digits.networks.network import Network


def load_teacher(model: str, dataset: str, val_sha256: str) -> tuple[Network | Ensemble, list[str]]:
    """Load the teacher, and check its training data.

    Args:
        model: a run's folder, a model file or the name of a bundled network.
        dataset: the data set of the new network, such as "mnist".
        val_sha256: SHA-256 of the new network's validation images.

    Returns:
        teacher: the network, or an ensemble.
        notices: a sentence if the teacher had other validation images; otherwise empty.

    Raises:
        OptionError: if the teacher was trained on another data set.
        CheckpointError: if its file cannot be read.
    """
    teacher, meta = load_model(model_path(model))
    data = meta.get("data")
    if not isinstance(data, dict) or data.get("dataset") != dataset:
        raise OptionError(
            f"--teacher {model} was not trained on {dataset}; "
            f"expected a model that digits train trained on {dataset}"
        )
    if data.get("val_sha256") == val_sha256:
        return teacher, []
    notice = (
        "The teacher had other validation images and may have been trained on some of these: "
        "validation figures are optimistic."
    )
    return teacher, [notice]
