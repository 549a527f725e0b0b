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
from digits.networks.mlp import MLP
from digits.networks.network import Network
from digits.networks.tensor_file import check_fit, load_tensors, save_tensors
from digits.version import __version__


def load(name: str | Path) -> Network | Ensemble:
    """Load a trained network as a PyTorch module.

    The network maps images to logits. Its method `probabilities` returns the softmax of the logits.

        >>> logits = load("cnn")(images)  # images: float32 (B, 1, 28, 28) in [0, 1], white ink on black

    Args:
        name: a bundled network ("cnn" or "mlp"), the folder of a run, or a model file.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    return load_model(model_path(str(name)))[0]


def load_model(path: Path) -> tuple[Network | Ensemble, dict[str, Any]]:
    """Load the network and the meta data of a model file.

    Returns:
        The network in evaluation mode, on the CPU; and the meta data that were given to `save_model`, such as
        "architecture", "classes", "data" and "epoch".

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    meta, tensors = load_tensors(path, "model")
    try:
        # Tensors on the "meta" device have a shape but no memory. So a malicious description of a huge
        # network uses no memory before `check_fit` refuses it.
        with torch.device("meta"):
            network = build_network(meta.get("architecture"))
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    tensors = {name: t.float() if t.dtype == torch.float16 else t for name, t in tensors.items()}
    check_fit(tensors, network.state_dict(), str(path))
    network.load_state_dict(tensors, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return network.eval(), meta


def load_single(path: Path) -> tuple[Network, dict[str, Any]]:
    """Load the network and the meta data of a model file that holds a single network.

    Returns:
        The same as `load_model`.

    Raises:
        CheckpointError: if the file holds an ensemble, or as for `load_model`.
    """
    network, meta = load_model(path)
    if isinstance(network, Ensemble):
        raise CheckpointError(f"{path} holds an ensemble; expected a single network")
    return network, meta


def save_model(
    path: Path,
    tensors: dict[str, Tensor],
    architecture: dict[str, Any],
    meta: dict[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write a model file, which replaces an existing file.

    If the program is stopped while it writes, the old file stays complete.

    Args:
        path: the file to write.
        tensors: the network's `state_dict()`.
        architecture: description of the network, in the form that `digits.networks.architecture` explains.
        meta: other JSON values to store, such as the classes, the training data and the versions.
        half: store floating-point tensors as float16, which halves the size of the file.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(path, "model", {"architecture": architecture, **meta}, tensors)


def build_network(description: Any) -> Network | Ensemble:
    """Build an untrained network.

    Args:
        description: dictionary in the form that `digits.networks.architecture` explains.

    Returns:
        The network, with random weights and in training mode.

    Raises:
        CheckpointError: if the description is anything else.
    """
    found = read_architecture(description)
    return Ensemble([_build(member) for member in found]) if isinstance(found, tuple) else _build(found)


def _build(architecture: Architecture) -> Network:
    """Return an untrained MLP or CNN of this architecture."""
    if architecture.kind == "mlp":
        hidden1, hidden2 = architecture.sizes
        return MLP(hidden1, hidden2, architecture.classes, view=architecture.view)
    first, second, third = architecture.sizes
    return CNN((first, second, third), architecture.classes, view=architecture.view)


def versions() -> dict[str, str]:
    """Return the versions of "digits", "torch", "numpy" and "python", for the meta data of a model file."""
    return {
        "digits": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
