"""A saved network gives the same logits; tensors that do not fit are refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from support.network_files import ARCHITECTURE, HIDDEN, META, archive_of, model_members, weights

from digits.errors import CheckpointError
from digits.networks import tensor_file
from digits.networks.cnn import CNN
from digits.networks.ensemble import Ensemble
from digits.networks.mlp import MLP
from digits.networks.model_file import load_model, load_single, save_model
from digits.networks.tensor_file import load_tensors


def test_a_saved_network_gives_the_same_answers(model_file: Path) -> None:
    """A loaded network computes the same logits as the saved one, bit for bit."""
    torch.manual_seed(0)
    original, images = MLP(*HIDDEN), torch.rand(16, 1, 28, 28)
    loaded, meta = load_model(model_file)
    assert torch.equal(loaded(images), original(images))
    assert not loaded.training
    assert meta["data"] == META["data"]


def test_without_keep_nothing_else_is_left(model_file: Path) -> None:
    """Saving a model over another leaves one file."""
    save_model(model_file, weights(seed=1), ARCHITECTURE, META)
    assert [p.name for p in model_file.parent.iterdir()] == ["model.npz"]
    assert torch.equal(load_model(model_file)[0].state_dict()["output.bias"], weights(1)["output.bias"])


def test_file_that_could_not_be_read_back_is_not_written(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network too large to be loaded again is refused when it is saved."""
    before = model_file.read_bytes()
    monkeypatch.setattr(tensor_file, "MAX_FILE_BYTES", len(before) - 1)
    with pytest.raises(CheckpointError, match="choose a smaller --hidden"):
        save_model(model_file, weights(), ARCHITECTURE, META)
    assert model_file.read_bytes() == before


def test_every_kind_of_network_comes_back(tmp_path: Path) -> None:
    """An MLP, a CNN and an ensemble of both compute the same logits after loading."""
    torch.manual_seed(0)
    mlp, cnn = MLP(*HIDDEN), CNN((3, 5, 7))
    about = [ARCHITECTURE, {"name": "cnn", "channels": [3, 5, 7]}]
    images = torch.rand(9, 1, 28, 28)
    for network, architecture in (
        (mlp, about[0]),
        (cnn, about[1]),
        (Ensemble([mlp, cnn]), {"name": "ensemble", "members": about}),
    ):
        save_model(tmp_path / "model.npz", network.state_dict(), architecture, META)
        loaded, meta = load_model(tmp_path / "model.npz")
        assert meta["architecture"] == architecture
        assert type(loaded) is type(network)
        with torch.no_grad():
            assert torch.equal(loaded(images), network.eval()(images))


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    """Weights saved with 16 bits are rounded to the nearest such number, and the file is smaller."""
    torch.manual_seed(0)
    cnn = CNN((8, 16, 32))
    for half in (False, True):
        path = tmp_path / f"{half}.npz"
        save_model(path, cnn.state_dict(), {"name": "cnn", "channels": [8, 16, 32]}, META, half=half)
    full, small = ((tmp_path / f"{half}.npz").stat().st_size for half in (False, True))
    assert small < 0.7 * full  # the names and the meta data do not shrink
    for name, tensor in load_model(tmp_path / "True.npz")[0].state_dict().items():
        original = cnn.state_dict()[name]
        assert tensor.dtype == original.dtype
        assert torch.equal(tensor, original.half().float() if tensor.is_floating_point() else original)


def test_an_ensemble_where_one_network_is_wanted(tmp_path: Path) -> None:
    """`load_single` refuses an ensemble."""
    path = tmp_path / "model.npz"
    several = Ensemble([MLP(*HIDDEN), MLP(*HIDDEN)])
    save_model(path, several.state_dict(), {"name": "ensemble", "members": [ARCHITECTURE] * 2}, META)
    with pytest.raises(CheckpointError, match="holds an ensemble; expected a single network"):
        load_single(path)


def bent(name: str, index: Any, value: float) -> dict[str, npt.NDArray[Any]]:
    array = weights()[name].numpy().copy()
    array[index] = value
    return {name: array}


ODD_TENSORS: dict[str, tuple[str, dict[str, npt.NDArray[Any]]]] = {
    "NaN": ("hidden1.weight", bent("hidden1.weight", (7, 783), np.nan)),
    "infinity": ("hidden2.bias", bent("hidden2.bias", 0, np.inf)),
    "minus infinity, in a scalar": ("std", bent("std", (), -np.inf)),
    "transposed": ("hidden1.weight", {"hidden1.weight": np.zeros((784, 8), np.float32)}),
    "one row more": ("output.weight", {"output.weight": np.zeros((11, 4), np.float32)}),
    "flat": ("hidden2.weight", {"hidden2.weight": np.zeros(32, np.float32)}),
    "a vector for a scalar": ("mean", {"mean": np.zeros(1, np.float32)}),
    "empty": ("output.bias", {"output.bias": np.zeros(0, np.float32)}),
    "float64": ("output.bias", {"output.bias": np.zeros(10, np.float64)}),
    "int64": ("output.bias", {"output.bias": np.zeros(10, np.int64)}),
    "uint8": ("output.bias", {"output.bias": np.zeros(10, np.uint8)}),
    "int32": ("output.bias", {"output.bias": np.zeros(10, np.int32)}),
    "bool": ("output.bias", {"output.bias": np.zeros(10, np.bool_)}),
    "big-endian": ("output.bias", {"output.bias": np.zeros(10, ">f4")}),
    "complex": ("output.bias", {"output.bias": np.zeros(10, np.complex64)}),
    "text": ("output.bias", {"output.bias": np.array(["0.1"] * 10)}),
    "dates": ("output.bias", {"output.bias": np.zeros(10, "M8[s]")}),
    "records": ("output.bias", {"output.bias": np.zeros(10, [("a", "<f4")])}),
    "Fortran order": ("hidden2.weight", {"hidden2.weight": np.asfortranarray(np.zeros((4, 8), np.float32))}),
    "an unknown name": ("hidden3.weight", {"hidden3.weight": np.zeros(1, np.float32)}),
}


@pytest.mark.parametrize("case", ODD_TENSORS)
def test_odd_tensor_is_refused_by_name(case: str, tmp_path: Path) -> None:
    """A tensor of another value, shape, type or name than the network has is refused, and named."""
    name, changes = ODD_TENSORS[case]
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({**model_members(), **changes}))
    with pytest.raises(CheckpointError, match=str(path)) as caught:
        load_model(path)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", list(weights()))
def test_missing_tensor_is_refused_by_name(name: str, tmp_path: Path) -> None:
    """A file without one of the network's tensors is refused, and the tensor named."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({k: v for k, v in model_members().items() if k != name}))
    with pytest.raises(CheckpointError, match=f"has no tensor '{name}'"):
        load_model(path)


def test_sealed_archive_of_another_writer_is_accepted(tmp_path: Path) -> None:
    """An undamaged archive written by another program is accepted."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of(model_members()))
    assert all(map(torch.equal, load_tensors(path, "model")[1].values(), weights().values()))
    assert load_model(path)[0].state_dict()["hidden1.bias"].shape == (8,)
