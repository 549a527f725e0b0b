"""NumPy gives the answers that PyTorch gives, from the same files, and refuses the same damage."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.saved_network import KINDS, saved, trained
from torch import nn

from digits.errors import CheckpointError
from digits.networks import file_format, model_file, numpy_inference
from digits.networks.bundled import BUNDLED, model_path
from digits.networks.cnn import CNN
from digits.networks.mlp import MLP
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Pool, softmax


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("count", [0, 1, 7, numpy_inference.IMAGES_AT_A_TIME + 3])
def test_numpy_gives_pytorchs_logits(kind: str, count: int, tmp_path: Path) -> None:
    """NumPy and PyTorch compute the same logits, for every kind of network and several batch sizes."""
    images = np.random.default_rng(0).random((count, 28, 28), np.float32) ** 3
    ours = Classifier.load(saved(kind, tmp_path)).logits(images)
    with torch.inference_mode():
        theirs = trained(kind)(torch.from_numpy(images).unsqueeze(1)).numpy()
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_networks_answer_alike_in_both(name: str) -> None:
    """NumPy's logits of the bundled networks differ from PyTorch's by less than 1e-4."""
    images = np.zeros((30, 28, 28), np.float32)
    for i, image in enumerate(images):
        image[4 + i % 5 : 24, 8 + i % 11 : 11 + i % 11] = 1
        image[4 + i % 17 : 7 + i % 17, 6:22] = 0.8
    ours = Classifier.load(name).logits(images)
    network, _ = model_file.load_model(model_path(name))
    with torch.inference_mode():
        theirs = network(torch.from_numpy(images).unsqueeze(1)).numpy()
    assert np.abs(ours - theirs).max() < 1e-4


def test_probabilities_are_the_softmax() -> None:
    """The softmax is PyTorch's, for logits of any size."""
    logits = np.array([[0, 1, 2], [1000, 1001, 999], [-1000, 0, 3]], np.float32)
    assert np.allclose(softmax(logits), torch.from_numpy(logits).softmax(1).numpy(), atol=1e-6)


def test_strided_images_are_read_like_whole_ones(tmp_path: Path) -> None:
    """Mirrored, transposed or strided views of images give the same logits as copies of them."""
    classifier = Classifier.load(saved("cnn", tmp_path))
    images = np.random.default_rng(1).random((8, 28, 28), np.float32)
    for odd in (images[:, ::-1], images.transpose(0, 2, 1), images[::2]):
        assert np.array_equal(classifier.logits(odd), classifier.logits(odd.copy()))


def test_an_odd_row_is_left_out_of_pooling() -> None:
    """Pooling ignores a last odd row or column, as PyTorch's max_pool2d(2) does."""
    x = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
    theirs = nn.functional.max_pool2d(torch.from_numpy(x).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert np.array_equal(Pool()(x), theirs.numpy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output.bias": None}, "has no tensor 'output.bias'"),
        ({"stranger": torch.zeros(1)}, "has an unknown tensor 'stranger'"),
        ({"output.bias": torch.zeros(3)}, r"has a tensor 'output.bias' of shape \(3,\); expected \(10,\)"),
        ({"std": torch.tensor(0.0)}, "has a standard deviation or temperature of 0.0"),
        ({"temperature": torch.tensor(-1.0)}, "has a standard deviation or temperature of -1.0"),
        ({"stem.1.running_var": torch.full((4,), -1.0)}, "has a variance below 0"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The message names the file and the missing, unknown or impossible tensor."""
    path = saved("cnn", tmp_path, **changes)
    with pytest.raises(CheckpointError, match=f"{re.escape(str(path))} {message}"):
        Classifier.load(path)


@pytest.mark.parametrize(
    "about",
    [
        None,
        {},
        {"name": "rnn"},
        {"name": "cnn", "channels": [4, "6", 10]},
        {"name": "mlp", "hidden": [4, 4], "view": "alternate"},
    ],
)
def test_an_unknown_architecture_is_refused(about: Any, tmp_path: Path) -> None:
    """An unknown or impossible architecture is refused."""
    path = tmp_path / "model.npz"
    model_file.save_model(path, MLP(4, 4).state_dict(), about, {})
    with pytest.raises(CheckpointError):
        Classifier.load(path)


def test_the_same_architecture_of_other_sizes_is_refused(tmp_path: Path) -> None:
    """The tensors of a CNN are refused under the description of a larger CNN."""
    path = tmp_path / "model.npz"
    model_file.save_model(path, CNN((4, 6, 10)).state_dict(), {"name": "cnn", "channels": [4, 6, 12]}, {})
    with pytest.raises(CheckpointError, match="expected"):
        Classifier.load(path)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    """Images of another shape raise ValueError, and so an error of this package."""
    with pytest.raises(ValueError, match="expected"):
        Classifier.load(saved("mlp", tmp_path)).logits(np.zeros((1, 1, 28, 28), np.float32))


def test_prediction_imports_no_torch() -> None:
    """Neither loading a bundled network nor reading a picture imports PyTorch or Matplotlib."""
    code = (
        "import sys, numpy as np, digits; print(digits.read(np.full((40, 40), 255, np.uint8)).text); "
        "print(sorted({'torch', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["[]"], done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": {"name": "mlp", "hidden": [-1, -1]}}, "whole numbers above 0"),
        ({"classes": ["0", "1", "2"]}, "has 10 classes, but the names"),
        ({"classes": 10}, "has 10 classes, but the names 10"),
        ({"hidden2.weight": np.ones((12, 20), np.int64)}, "not finite or not floating-point"),
        ({"hidden2.weight": np.full((12, 20), 1e300)}, "not finite or not floating-point"),
        ({"output.weight": np.zeros((0, 12)), "output.bias": np.zeros(0)}, "has 0 classes"),
    ],
)
def test_files_that_would_answer_nonsense_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Sizes below 1, numbers that are not finite and class names that do not fit are refused."""
    network, path = trained("mlp"), tmp_path / "model.npz"
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    meta: dict[str, Any] = {"architecture": KINDS["mlp"], "classes": list("0123456789")}
    for name, value in changes.items():
        (tensors if name in tensors else meta)[name] = value
    path.write_bytes(file_format.pack_arrays("model", meta, tensors))
    with pytest.raises(CheckpointError, match=message):
        Classifier.load(path)


def test_a_name_too_long_for_a_file_is_no_model() -> None:
    """A name too long for the file system is refused like any other unknown name."""
    with pytest.raises(CheckpointError, match="is not there"):
        Classifier.load("x" * 5000)


def test_members_of_an_ensemble_must_know_the_same_classes(tmp_path: Path) -> None:
    """An ensemble of a network with 10 classes and one with 11 is refused."""
    members = [KINDS["cnn"], KINDS["eleven"]]
    tensors = {
        f"members.{i}.{name}": tensor
        for i, kind in enumerate(("cnn", "eleven"))
        for name, tensor in trained(kind).state_dict().items()
    }
    path = tmp_path / "model.npz"
    about = {"name": "ensemble", "members": members}
    model_file.save_model(path, {**tensors, "temperature": torch.tensor(1.0)}, about, {})
    with pytest.raises(CheckpointError, match="members have different numbers of classes"):
        Classifier.load(path)
