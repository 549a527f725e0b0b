"""Small networks of every kind, as if trained, and their files."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from digits.networks import model_file
from digits.networks.ensemble import Ensemble
from digits.networks.network import Network

KINDS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "hidden": [20, 12]},
    "cnn": {"name": "cnn", "channels": [4, 6, 10]},
    "eleven": {"name": "cnn", "channels": [3, 5, 7], "classes": 11},
    "upright": {"name": "cnn", "channels": [4, 6, 10], "view": "upright"},
    "ensemble": {
        "name": "ensemble",
        "members": [
            {"name": "mlp", "hidden": [8, 6]},
            {"name": "cnn", "channels": [2, 3, 4]},
            {"name": "mlp", "hidden": [9, 7], "view": "upright"},
        ],
    },
}


def trained(kind: str) -> Network | Ensemble:
    """Return a network of that kind with random statistics and temperature 0.7."""
    torch.manual_seed(3)
    network = model_file.build_network(KINDS[kind])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                assert isinstance(tensor, torch.Tensor)
                tensor.data.normal_()
            for tensor in (module.running_var, module.weight):
                assert isinstance(tensor, torch.Tensor)
                tensor.data.uniform_(0.5, 2)
        if isinstance(module, Network | Ensemble):
            module.temperature.fill_(0.7)
    return network.eval()


def saved(kind: str, folder: Path, **changes: Any) -> Path:
    """Save the network of that kind to folder/model.npz and return the path; `changes` replace tensors."""
    tensors = {**trained(kind).state_dict(), **changes}
    path = folder / "model.npz"
    model_file.save_model(path, {k: t for k, t in tensors.items() if t is not None}, KINDS[kind], {})
    return path
