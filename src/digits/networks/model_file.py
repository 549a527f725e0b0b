"""Save and load trained networks."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digits import __version__
from digits.errors import CheckpointError
from digits.mnist import CLASSES
from digits.networks.architecture import MEMBERS, sizes, view
from digits.networks.bundled import model_path
from digits.networks.cnn import CNN
from digits.networks.ensemble import Ensemble
from digits.networks.file_format import brief
from digits.networks.mlp import MLP
from digits.networks.network import Network
from digits.networks.tensor_file import check_fit, load_tensors, save_tensors


def save_model(
    path: Path,
    tensors: dict[str, Tensor],
    architecture: dict[str, Any],
    meta: dict[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write a network with all that is needed to use it: its kind and size, its normalisation, its classes.

    `half` writes every weight in 16 bits (IEEE 754 binary16) instead of 32.
    """
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(path, "model", {"architecture": architecture, **meta}, tensors)


def load_model(path: Path) -> tuple[Network | Ensemble, dict[str, Any]]:
    """The network in `path`, ready to predict, and its meta data."""
    meta, tensors = load_tensors(path, "model")
    try:
        with torch.device("meta"):  # shapes without memory: what the file claims costs nothing until it fits
            skeleton = build(meta.get("architecture"))
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    tensors = {name: t.float() if t.dtype == torch.float16 else t for name, t in tensors.items()}
    check_fit(tensors, skeleton.state_dict(), str(path))
    skeleton.load_state_dict(tensors, assign=True)
    skeleton.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return skeleton.eval(), meta


def load_single(path: Path) -> tuple[Network, dict[str, Any]]:
    """As `load_model`, where an ensemble will not do."""
    network, meta = load_model(path)
    if isinstance(network, Ensemble):
        raise CheckpointError(f"{path} holds an ensemble; expected a single network")
    return network, meta


def build(architecture: Any) -> Network | Ensemble:
    """The network that a file's `architecture` describes, not trained. Raises CheckpointError."""
    name = _name(architecture)
    if name == "mlp":
        hidden1, hidden2 = sizes(architecture, "hidden", 2)
        return MLP(hidden1, hidden2, view=view(architecture))
    if name == "cnn":
        first, second, third = sizes(architecture, "channels", 3)
        (classes,) = sizes({"classes": [architecture.get("classes", CLASSES)]}, "classes", 1)
        return CNN((first, second, third), classes, view=view(architecture))
    if name == "ensemble":
        members = architecture.get("members")
        if (
            isinstance(members, list)
            and 0 < len(members) <= MEMBERS
            and "ensemble" not in map(_name, members)
        ):
            networks = [build(member) for member in members]
            return Ensemble([network for network in networks if isinstance(network, Network)])
    raise CheckpointError(f"holds a network {brief(architecture)}; expected an mlp, a cnn or an ensemble")


def _name(architecture: Any) -> Any:
    return architecture.get("name") if isinstance(architecture, dict) else None


def versions() -> dict[str, str]:
    """Of what a model file depends on."""
    return {
        "digits": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def load(name: str | Path) -> Network | Ensemble:
    """The trained network of a run's folder, a model file or a bundled name ("cnn"), ready to predict."""
    return load_model(model_path(str(name)))[0]
