"""Save and load trained networks."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digits import __version__
from digits.errors import CheckpointError
from digits.networks.architecture import Architecture, read_architecture
from digits.networks.bundled import model_path
from digits.networks.cnn import CNN
from digits.networks.ensemble import Ensemble
from digits.networks.mlp import MLP
from digits.networks.network import Network
from digits.networks.tensor_file import check_fit, load_tensors, save_tensors


def load(name: str | Path) -> Network | Ensemble:
    """Load a trained network as a `torch.nn.Module` in evaluation mode, on the CPU.

    `name` is a bundled network ("cnn" or "mlp"), the folder of a run, or a model file. The network maps
    images (B, 1, 28, 28), float32 in [0, 1] with white digits on black, to logits (B, classes); its method
    `probabilities` returns their softmax. Raises CheckpointError if the file is missing or damaged.
    """
    return load_model(model_path(str(name)))[0]


def load_model(path: Path) -> tuple[Network | Ensemble, dict[str, Any]]:
    """Load a model file; return its network in evaluation mode, and its meta data.

    The meta data say how the network was trained: "architecture", "classes", "data", "epoch" and others,
    as they were given to `save_model`. Raises CheckpointError if the file is damaged or of another kind.
    """
    meta, tensors = load_tensors(path, "model")
    try:
        # Tensors on the meta device have a shape but no memory: a huge claimed size costs nothing.
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
    """Load a model file as `load_model` does; raise CheckpointError if it holds an ensemble."""
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
    """Write a model file; an interrupted write leaves the old file.

    Args:
        tensors: the network's `state_dict()`.
        architecture: its description, as in `digits.networks.architecture`.
        meta: what else to record, as JSON values: classes, training data, versions.
        half: write floating-point tensors with 16 bits instead of 32.

    Raises CheckpointError if the file cannot be written.
    """
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(path, "model", {"architecture": architecture, **meta}, tensors)


def build_network(description: Any) -> Network | Ensemble:
    """Return an untrained network with the described architecture.

    `description` is a dictionary as in `digits.networks.architecture`; anything else, as a damaged file may
    hold, raises CheckpointError.
    """
    found = read_architecture(description)
    return Ensemble([_build(member) for member in found]) if isinstance(found, tuple) else _build(found)


def _build(architecture: Architecture) -> Network:
    """Return an untrained MLP or CNN."""
    if architecture.kind == "mlp":
        hidden1, hidden2 = architecture.sizes
        return MLP(hidden1, hidden2, architecture.classes, view=architecture.view)
    first, second, third = architecture.sizes
    return CNN((first, second, third), architecture.classes, view=architecture.view)


def versions() -> dict[str, str]:
    """Return the versions of digits, PyTorch, NumPy and Python, to be recorded in a model file."""
    return {
        "digits": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
