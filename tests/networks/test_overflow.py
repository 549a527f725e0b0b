"""A model whose finite numbers would overflow in use is refused, with and without PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.network_files import archive_of, meta_bytes, model_members
from support.saved_network import saved, trained

from digits.cli.main import main
from digits.errors import CheckpointError, TrainingError
from digits.networks.model_file import load_model
from digits.networks.numpy_inference import MAX_NUMBER, Classifier

OVERFLOWING = [  # kind of network, tensor, factor or value: all finite as float32
    ("mlp", "hidden1.weight", 3e38),
    ("mlp", "hidden2.bias", -3e38),
    ("mlp", "output.weight", -1e13),
    ("mlp", "temperature", 1e-44),
    ("mlp", "temperature", 1e-13),
    ("mlp", "std", 1e-44),
    ("mlp", "mean", 3e38),
    ("cnn", "stem.0.weight", 3e38),
    ("cnn", "top.3.weight", 1e20),
    ("cnn", "stem.1.weight", 3e38),  # the scale of a batch normalisation
    ("cnn", "top.4.running_mean", -3e38),
    ("upright", "std", 1e-40),
    ("ensemble", "temperature", 1e-44),
    ("ensemble", "members.0.temperature", 1e-44),
    ("ensemble", "members.1.output.weight", 3e38),
]


@pytest.mark.parametrize(("kind", "name", "value"), OVERFLOWING)
def test_a_model_that_may_overflow_is_refused(kind: str, name: str, value: float, tmp_path: Path) -> None:
    """Weights, statistics and temperatures that lead to infinite results are refused by both loaders."""
    tensors = trained(kind).state_dict()
    path = saved(kind, tmp_path, **{name: torch.full_like(tensors[name], value)})
    messages = []
    for load in (load_model, Classifier.load):
        with pytest.raises(CheckpointError, match=str(path)) as refused:
            load(path)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


def test_large_factors_that_overflow_together_are_refused(tmp_path: Path) -> None:
    """Layers whose numbers are each allowed are refused if their product is too large."""
    tensors = trained("cnn").state_dict()
    large = {name: t * 1e5 for name, t in tensors.items() if name.endswith(".weight") and t.ndim == 4}
    path = saved("cnn", tmp_path, **large)
    with pytest.raises(CheckpointError, match="may overflow: up to"):
        load_model(path)


@pytest.mark.parametrize("variance", [0.0, 1e-44, MAX_NUMBER / 10])
def test_extreme_variances_give_finite_answers(variance: float, tmp_path: Path) -> None:
    """A variance of zero or a subnormal one is no overflow, because epsilon is added to it."""
    tensors = trained("cnn").state_dict()
    changed = {n: torch.full_like(t, variance) for n, t in tensors.items() if n == "middle.1.running_var"}
    path = saved("cnn", tmp_path, **changed)
    images = np.random.default_rng(0).random((5, 28, 28), np.float32)
    with_numpy = Classifier.load(path).probabilities(images)
    with_torch = load_model(path)[0].probabilities(torch.from_numpy(images).unsqueeze(1)).numpy()
    assert np.isfinite(with_numpy).all()
    assert np.allclose(with_numpy, with_torch, atol=1e-4)


def test_a_network_in_memory_gives_no_nan() -> None:
    """A network whose weights became NaN in the user's own training answers with an error."""
    network = trained("mlp")
    torch.nn.init.constant_(network.get_submodule("hidden2").get_parameter("bias"), float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        network.probabilities(torch.zeros(2, 1, 28, 28))


@pytest.mark.parametrize("command", ["predict", "evaluate", "adapt", "serve"])
def test_every_command_refuses_it(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command that takes a network ends with one sentence and without a number."""
    path = str(saved("mlp", tmp_path, temperature=torch.tensor(1e-44)))
    words = {
        "predict": [str(tmp_path / "a.png"), "--model", path],
        "evaluate": [path],
        "adapt": [str(tmp_path), "--model", path],
        "serve": ["--model", path, "--port", "0"],
    }
    assert main([command, *words[command]]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"digits: {path} has a standard deviation or temperature of 9.8")


@pytest.mark.parametrize("text", ["evil\x1b[2J", "a\nb", "\x9b31m", "\u202eabc"])
def test_control_characters_in_a_model_are_refused(text: str, tmp_path: Path) -> None:
    """Names of classes and other texts that a terminal would obey are refused, and not printed."""
    path = tmp_path / "model.npz"
    for changes in ({"classes": [*"012345678", text]}, {"data": {"dataset": text}}, {"data": {text: 1}}):
        path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(**changes)}))
        with pytest.raises(CheckpointError, match="has a text with control characters") as refused:
            load_model(path)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_numbers_in_meta_data_that_are_not_json_are_refused(number: float, tmp_path: Path) -> None:
    """NaN and Infinity are not JSON; Python's reader would take them, and they would leave again."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(val_accuracy=number)}))
    with pytest.raises(CheckpointError, match="meta data that are not a JSON object"):
        load_model(path)


def test_class_names_are_texts(tmp_path: Path) -> None:
    """Names of classes that are numbers or lists are refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(classes=[*range(9), ["9"]])}))
    with pytest.raises(CheckpointError, match="has 10 classes, but the names"):
        Classifier.load(path)
