"""`digits.evaluate` and `digits.compare` on saved networks and made-up data."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import digits
from digits.data import loading
from digits.data.dataset import Digits
from digits.data.splits import split
from digits.errors import CheckpointError, DataError
from digits.evaluation.disputed_labels import DISPUTED
from digits.evaluation.logits import compute_logits
from digits.evaluation.metrics import evaluate_logits
from digits.evaluation.saved_models import undisputed_test
from digits.networks.mlp import MLP
from digits.networks.model_file import save_model


def save(path: Path, seed: int, data: Any) -> MLP:
    """Save an untrained MLP with this entry "data" in its meta data."""
    torch.manual_seed(seed)
    network = MLP(8, 4)
    save_model(path, network.state_dict(), {"name": "mlp", "hidden": [8, 4]}, {"data": data})
    return network


def trained_on(test_sha256: str, **changes: Any) -> dict[str, Any]:
    """Return what a model file says of its training data."""
    return {"dataset": "mnist", "split_seed": 0, "test_sha256": test_sha256, **changes}


def test_evaluate_and_compare_use_the_test_images(tiny_folder: Path, tmp_path: Path) -> None:
    """Accuracy and counts are those of both networks' logits for the data's test images."""
    test = loading.load_data("mnist", tiny_folder).test
    assert test is not None
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    networks = [save(path, seed, trained_on(test.sha256())) for seed, path in enumerate(paths)]
    right = [compute_logits(network, test).argmax(1) == test.labels for network in networks]

    found = digits.evaluate(paths[0], tiny_folder)
    assert found.test == evaluate_logits(compute_logits(networks[0], test), test.labels)
    assert found.accuracy == right[0].double().mean().item()
    assert (found.undisputed, found.same_images, found.model) == (None, True, paths[0])

    compared = digits.compare(str(paths[0]), str(paths[1]), tiny_folder)
    assert compared.comparison.both == int((right[0] & right[1]).sum())
    assert compared.comparison.first == int((right[0] & ~right[1]).sum())
    assert compared.p_value == compared.comparison.p_value


def test_other_test_images_are_named(tiny_folder: Path, tmp_path: Path) -> None:
    """The result says if the test images are not those of the network's run."""
    save(tmp_path / "a.npz", 0, trained_on("of another set"))
    assert not digits.evaluate(tmp_path / "a.npz", tiny_folder).same_images


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "does not record which data it was trained on"),
        ({"dataset": "mnist"}, "does not record which data it was trained on"),
        (trained_on("", dataset="letters"), "was trained on the data set 'letters', which is unknown"),
    ],
)
def test_a_network_of_unknown_data_is_refused(
    data: Any, words: str, tiny_folder: Path, tmp_path: Path
) -> None:
    """A model file must name a known data set that the network was trained on."""
    save(tmp_path / "a.npz", 0, data)
    with pytest.raises(CheckpointError, match=words):
        digits.evaluate(tmp_path / "a.npz", tiny_folder)


def test_training_images_are_not_used_for_a_test(tiny_folder: Path, tmp_path: Path) -> None:
    """If the data has no test set, only the network's own held-out images are accepted."""
    collection = loading.load_data("mnist", tiny_folder)
    file = tmp_path / "images.npz"
    np.savez(file, images=collection.train.images.numpy(), labels=collection.train.labels.numpy())
    alone = loading.load_data("mnist", file)
    assert alone.test is None
    save(tmp_path / "a.npz", 0, trained_on(split(alone, seed=0).test.sha256()))
    assert digits.evaluate(tmp_path / "a.npz", file).same_images
    save(tmp_path / "b.npz", 0, trained_on("", split_seed=1))
    with pytest.raises(DataError, match="has no separate test set"):
        digits.evaluate(tmp_path / "b.npz", file)
    save(tmp_path / "c.npz", 0, trained_on(split(alone, seed=1).test.sha256(), split_seed=1))
    with pytest.raises(DataError, match="have different test images"):
        digits.compare(tmp_path / "a.npz", tmp_path / "c.npz", file)


def test_disputed_images_are_known_for_the_published_mnist_only(tiny_folder: Path) -> None:
    """Without the disputed images, the published test set of MNIST has 15 images fewer."""
    made_up = loading.load_data("mnist", tiny_folder)
    test = Digits(torch.zeros(10_000, 28, 28, dtype=torch.uint8), torch.zeros(10_000, dtype=torch.int64))
    logits = torch.zeros(10_000, 10)
    published = dataclasses.replace(made_up, test=test, published=True)
    found = undisputed_test(published, logits, test)
    assert found is not None
    assert found.total == 10_000 - len(DISPUTED)
    assert undisputed_test(dataclasses.replace(published, published=False), logits, test) is None
