"""`digits.evaluate` and `digits.compare` on saved networks and made-up data."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import MakeFolder

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
from digits.options import from_json


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


@pytest.fixture
def undivided(make_folder: MakeFolder, tmp_path: Path) -> tuple[Path, Path]:
    """One file of 400 images without a test set, and a folder in which 100 of them are the test set."""
    folder = make_folder()
    whole = loading.load_data("mnist", folder)
    assert whole.test is not None
    file = tmp_path / "whole.npz"
    both = [
        torch.cat([getattr(part, name) for part in (whole.train, whole.test)])
        for name in ("images", "labels")
    ]
    np.savez(file, x=both[0].numpy(), y=both[1].numpy())
    return file, folder


def trained(file: Path, out: Path, **options: Any) -> Path:
    """Train for an epoch, and return the folder of the run."""
    return digits.run(digits.TrainOptions(data=file, out=out, epochs=1, plots=False, **options)).folder


def test_a_run_is_tested_on_the_part_that_it_held_out(undivided: tuple[Path, Path], tmp_path: Path) -> None:
    """Without a place, with its place, or with the same content at another: always the images of the run."""
    file, _ = undivided
    for options in ({}, {"split_seed": 3, "test_size": 90, "val_size": 70}):
        run = trained(file, tmp_path / "runs", **options)
        claimed = json.loads((run / "summary.json").read_text())["test"]
        moved, model = tmp_path / "elsewhere.npz", tmp_path / "alone.npz"
        shutil.copy(file, moved)
        shutil.copy(run / "model.npz", model)
        for found in (digits.evaluate(run), digits.evaluate(run, str(file)), digits.evaluate(model, moved)):
            assert found.same_images
            assert found.test.to_json() == claimed


def test_a_test_set_that_the_network_has_seen_is_refused(
    undivided: tuple[Path, Path], tmp_path: Path
) -> None:
    """A test set that was part of the training data is refused, also without the folder of the run."""
    file, folder = undivided
    run = trained(file, tmp_path / "runs")
    model = tmp_path / "alone.npz"
    shutil.copy(run / "model.npz", model)
    seen = r"was trained on about \d+ of the 100 test images"
    for name in (run, model):
        with pytest.raises(DataError, match=seen):
            digits.evaluate(name, folder)
        with pytest.raises(DataError, match=seen):
            digits.compare(name, name, folder)
    other = tmp_path / "other.npz"
    save(other, 0, trained_on(loading.load_data("mnist", folder).test.sha256()))  # type: ignore[union-attr]
    with pytest.raises(DataError, match=seen):
        digits.compare(other, run, folder)


def test_a_test_set_that_the_network_has_not_seen_is_accepted(
    undivided: tuple[Path, Path], make_folder: MakeFolder, tmp_path: Path
) -> None:
    """Images of other people are a fair test, and the result says that they are not those of the run."""
    file, _ = undivided
    run = trained(file, tmp_path / "runs")
    fresh = make_folder(seed=7, name="fresh")
    assert not digits.evaluate(run, fresh).same_images


def test_without_a_record_of_the_images_a_foreign_test_set_is_refused(
    undivided: tuple[Path, Path], tmp_path: Path
) -> None:
    """A file of an earlier version only says that its data had no test set."""
    _, folder = undivided
    save(tmp_path / "old.npz", 0, trained_on("", own_test_set=False))
    with pytest.raises(DataError, match="without a separate test set"):
        digits.evaluate(tmp_path / "old.npz", folder)


def test_networks_of_different_data_sets_are_not_compared(tmp_path: Path) -> None:
    """The message names both data sets."""
    save(tmp_path / "a.npz", 0, trained_on(""))
    save(tmp_path / "b.npz", 0, trained_on("", dataset="kmnist"))
    with pytest.raises(DataError, match="different data sets: kmnist, mnist"):
        digits.compare(tmp_path / "a.npz", tmp_path / "b.npz")


def test_the_changes_of_a_run_are_made_again(tiny_folder: Path, tmp_path: Path) -> None:
    """A run with --invert and --transpose is tested with both, wherever its data are."""
    run = trained(tiny_folder, tmp_path / "runs", invert=True, transpose=True)
    claimed = json.loads((run / "summary.json").read_text())["test"]
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    for found in (
        digits.evaluate(run),
        digits.evaluate(run, copy),
        digits.evaluate(run, copy, invert=True, transpose=True),
    ):
        assert found.same_images
        assert found.test.to_json() == claimed
    assert not digits.evaluate(run, copy, invert=True).same_images
    assert digits.compare(run, run).comparison.both == round(claimed["accuracy"] * claimed["total"])


def test_a_resumed_run_has_the_same_changes(tiny_folder: Path, tmp_path: Path) -> None:
    """The options of a run hold the changes, so that it goes on with the same images."""
    run = trained(tiny_folder, tmp_path / "runs", flip=True)
    stored = from_json((run / "options.json").read_text())
    assert stored.chosen() == ("flip",)
    again = digits.run(dataclasses.replace(stored, resume=True, epochs=2))
    assert len(again.history) == 2
