"""Load the teacher of a new network.

The teacher is a trained network. The new network learns to imitate it; this is called distillation.
"""

import torch
from torch import nn

from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.errors import CheckpointError, OptionError
from digits.evaluation.held_out import reason_to_doubt
from digits.mnist import CLASSES, SIDE
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model
from digits.networks.network import Network


def load_teacher(
    model: str,
    dataset: str,
    val_sha256: str,
    classes: int = CLASSES,
    test: tuple[Collection, Digits] | None = None,
) -> tuple[Network | Ensemble, list[str]]:
    """Load the teacher, and check its training data and its classes.

    Args:
        model: a run's folder, a model file or the name of a bundled network.
        dataset: the data set of the new network, such as "mnist".
        val_sha256: SHA-256 of the new network's validation images.
        classes: number of classes of the new network.
        test: the new network's data set and its test images; None: it will not be tested.

    Returns:
        teacher: the network, or an ensemble.
        notices: a sentence if the teacher had other validation images, and one if it was trained on test
            images or may have been; otherwise empty.

    Raises:
        OptionError: if the teacher was trained on another data set or has other classes.
        CheckpointError: if its file is missing or cannot be read.
    """
    try:
        teacher, meta = load_model(model_path(model))
    except CheckpointError as error:
        raise CheckpointError(f"--teacher: {error}") from None
    data = meta.get("data")
    if not isinstance(data, dict) or data.get("dataset") != dataset:
        raise OptionError(
            f"--teacher {model} was not trained on {dataset}; "
            f"expected a model that digits train trained on {dataset}"
        )
    check_classes(teacher, classes, f"--teacher {model}")
    notices = []
    if data.get("val_sha256") != val_sha256:
        notices.append(
            "The teacher had other validation images and may have been trained on some of these: "
            "validation figures are optimistic."
        )
    if test is not None and data.get("test_sha256") != test[1].sha256() and reason_to_doubt(*test, meta):
        notices.append(
            "The teacher may have been trained on some of the test images: the test accuracy is optimistic."
        )
    return teacher, notices


def check_classes(teacher: nn.Module, classes: int, what: str = "the teacher") -> None:
    """Check that a teacher has the classes of the new network.

    Args:
        teacher: maps images (B, 1, 28, 28) to logits (B, classes).
        classes: number of classes of the new network.
        what: start of the error message.

    Raises:
        OptionError: if the teacher's logits have another shape.
    """
    device = next((tensor.device for tensor in teacher.parameters()), None)
    with torch.no_grad():
        shape = tuple(teacher(torch.zeros(1, 1, SIDE, SIDE, device=device)).shape)
    if shape != (1, classes):
        raise OptionError(
            f"{what} gives logits of shape {shape} for one image; expected (1, {classes}), "
            "so choose a network that was trained on the same classes"
        )
