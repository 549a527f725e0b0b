"""Files of small networks, and random images."""

from pathlib import Path

import pytest
import torch
from support.network_files import ARCHITECTURE, META, weights

from digits.networks.model_file import save_model
from digits.networks.tensor_file import save_tensors


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    save_model(path, weights(), ARCHITECTURE, META)
    return path


@pytest.fixture
def checkpoint_file(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.npz"
    tensors = {f"{part}/{k}": v for part in ("model", "best", "optimizer") for k, v in weights().items()}
    meta = {"epoch": 3, "step": 17, "history": [{"val_loss": 0.1}] * 3}
    save_tensors(path, "checkpoint", meta, {**tensors, "totals": torch.tensor([2**40, 3, 5])})
    return path


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(1))
