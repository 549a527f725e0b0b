"""Save and load trained networks as model files.

A model file holds the network's tensors, its architecture and meta data about its training.

    >>> network = load("cnn")  # for users: a bundled network, the folder of a run, or a model file
    >>> network, meta = load_model(Path("runs/classic-1/model.npz"))  # the same, with the meta data
"""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digits.errors import CheckpointError
from digits.networks.architecture import Architecture, read_architecture
from digits.networks.bundled import model_path
from digits.networks.cnn import CNN
from digits.networks.ensemble import Ensemble
from digits.networks.file_format import errors_named
from digits.networks.mlp import MLP
from digits.networks.network import Network
from digits.networks.numpy_inference import Classifier, classifier_of
from digits.networks.tensor_file import check_fit, load_tensors, save_tensors
from digits.version import __version__


def load(name: str | Path) -> Network | Ensemble:
    """Load a trained network as a PyTorch module.

        >>> logits = load("cnn")(images)  # images: float32 (B, 1, 28, 28) in [0, 1], white ink on black

    Args:
        name: a bundled network ("cnn" or "mlp"), the folder of a run, or a model file.

    Returns:
        The network in evaluation mode, on the CPU. It raises ImageError for images of another shape or range.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    return load_model(model_path(name))[0]


def load_model(path: Path) -> tuple[Network | Ensemble, dict[str, Any]]:
    """Load the network and the meta data of a model file.

    Args:
        path: the model file.

    Returns:
        The network in evaluation mode, on the CPU.
        The meta data, such as "architecture", "classes", "data" and "epoch".

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    meta, tensors = load_tensors(path, "model")
    tensors = {name: t.float() if t.dtype == torch.float16 else t for name, t in tensors.items()}
    with errors_named(path):
        # Tensors on the "meta" device have a shape but no memory. So a malicious description of a huge
        # network uses no memory before `check_fit` refuses it.
        with torch.device("meta"):
            network = build_network(meta.get("architecture"))
        check_fit(tensors, network.state_dict())
        # The numbers are checked by the code that loads the same file without PyTorch.
        about = {"architecture": meta.get("architecture")}
        classifier_of(about, {name: tensor.numpy() for name, tensor in tensors.items()})
    network.load_state_dict(tensors, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return network.eval(), meta


def load_single(path: Path) -> tuple[Network, dict[str, Any]]:
    """Load a model file that holds a single network.

    Args:
        path: the model file.

    Returns:
        The network and the meta data; see `load_model`.

    Raises:
        CheckpointError: if the file holds an ensemble or cannot be loaded.
    """
    network, meta = load_model(path)
    if isinstance(network, Ensemble):
        raise CheckpointError(f"{path} holds an ensemble; expected a single network")
    return network, meta


def to_classifier(network: Network, meta: dict[str, Any]) -> Classifier:
    """Convert a network for `digits.reading`, as if it were saved and loaded again.

    Args:
        network: the network, on the CPU.
        meta: the meta data of its file.
    """
    return classifier_of(meta, {name: tensor.numpy() for name, tensor in network.state_dict().items()})


def save_model(
    path: Path,
    tensors: dict[str, Tensor],
    architecture: dict[str, Any],
    meta: dict[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write a network to a model file.

    An old file is replaced only when the new one is complete.

    Args:
        path: the file to write.
        tensors: the network's `state_dict()`.
        architecture: description of the network; see `digits.networks.architecture`.
        meta: other JSON values to store, such as the classes and the versions.
        half: store float16 instead of float32, for a file of half the size.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(path, "model", {"architecture": architecture, **meta}, tensors)


def build_network(description: Any) -> Network | Ensemble:
    """Build an untrained network with random weights.

    Args:
        description: a dictionary; see `digits.networks.architecture`.

    Returns:
        The network in training mode.

    Raises:
        CheckpointError: if the description has another form.
    """
    found = read_architecture(description)
    return Ensemble([_build(member) for member in found]) if isinstance(found, tuple) else _build(found)


def _build(architecture: Architecture) -> Network:
    """Build an untrained single network with random weights."""
    if architecture.kind == "mlp":
        hidden1, hidden2 = architecture.sizes
        return MLP(hidden1, hidden2, architecture.classes, view=architecture.view)
    first, second, third = architecture.sizes
    return CNN((first, second, third), architecture.classes, view=architecture.view)


def versions() -> dict[str, str]:
    """Return the versions of the programs that made a model file.

    Returns:
        The versions of "digits", "torch", "numpy" and "python".
    """
    return {
        "digits": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
