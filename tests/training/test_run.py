"""`digits.run`: what a caller can rely on besides the figures; teachers, TensorBoard."""

import builtins
import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import made_up

import digits
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.errors import MissingPackageError, OptionError, RunError
from digits.networks import model_file
from digits.networks.mlp import MLP
from digits.options import TrainOptions
from digits.training import threads
from digits.training.run import load_splits, run
from digits.training.teacher import load_teacher

SMALL = TrainOptions(hidden=(8, 8), epochs=1, plots=False, device="cpu", name="run")


def test_the_callers_threads_stay_as_they_were(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training uses --threads; afterwards, and after an error, torch has as many threads as before."""
    monkeypatch.setattr(threads, "step_seconds", lambda *_: 1.0)
    before, seen = torch.get_num_threads(), []
    options = dataclasses.replace(SMALL, data=tiny_folder, out=tmp_path, threads=2)
    run(options, progress=lambda _: seen.append(torch.get_num_threads()))
    assert set(seen) == {2}
    assert torch.get_num_threads() == before
    with pytest.raises(RunError, match="already holds a run; add --resume"):
        run(options)
    assert torch.get_num_threads() == before


def test_a_missing_tensorboard_is_named_before_training(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package, --tensorboard ends with pip's line, before a folder is made."""
    importing = builtins.__import__

    def without_tensorboard(name: str, *rest: Any) -> Any:
        if name == "torch.utils.tensorboard":
            raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_tensorboard)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    options = dataclasses.replace(SMALL, data=tiny_folder, out=tmp_path, tensorboard=True)
    with pytest.raises(
        MissingPackageError, match=r"--tensorboard needs .*pip install 'digits\[tensorboard\]'"
    ):
        run(options)
    assert not (tmp_path / "run").exists()


def test_progress_and_history_of_a_run(tiny_folder: Path, tmp_path: Path) -> None:
    """`progress` sees every step; the result's history has every epoch, and its best one is among them."""
    steps: list[int] = []
    options = dataclasses.replace(SMALL, data=tiny_folder, out=tmp_path, epochs=2, batch_size=100)
    result = digits.run(options, progress=lambda state: steps.append(state.step))
    assert steps == [1, 2, 3, 1, 2, 3]
    assert [epoch.number for epoch in result.history] == [1, 2]
    assert result.best in result.history
    assert result.folder == tmp_path / "run"


def test_training_images_among_the_test_images_are_said(tmp_path: Path) -> None:
    """Eight of the test images are training images: a note counts those that the network learns from."""
    (x, y), (x2, y2) = made_up(60, seed=3), made_up(12, seed=4)
    file = tmp_path / "own.npz"
    for shared in (0, 8):
        test = np.concatenate([x[:shared], x2]), np.concatenate([y[:shared], y2])
        np.savez(file, x_train=x, y_train=y, x_val=x2[:4], y_val=y2[:4], x_test=test[0], y_test=test[1])
        collection, _ = load_splits(TrainOptions(data=file))
        found = [note for note in collection.notices if "training images too" in note]
        assert (
            found
            == ["8 of the test images are training images too: the figures on them are optimistic."][:shared]
        )


# ---------------------------------------------------------------------------------------------- teachers


def saved(path: Path, data: dict[str, str] | None) -> str:
    """An untrained network in a file that says it was trained on this data."""
    small = {"name": "mlp", "hidden": [4, 4]}
    model_file.save_model(path, MLP(4, 4).state_dict(), small, {"data": data} if data else {})
    return str(path)


def test_a_teacher_of_the_same_split_needs_no_notice(tmp_path: Path) -> None:
    """Trained on the same data and split it is taken silently; with another split a notice says so."""
    path = saved(tmp_path / "teacher.npz", {"dataset": "mnist", "val_sha256": "1"})
    teacher, notices = load_teacher(path, "mnist", "1")
    assert isinstance(teacher, MLP)
    assert notices == []
    (notice,) = load_teacher(path, "mnist", "2")[1]
    assert "validation figures are optimistic" in notice


@pytest.mark.parametrize("data", [None, {"dataset": "kmnist", "val_sha256": "1"}])
def test_a_teacher_of_other_data_is_refused(tmp_path: Path, data: dict[str, str] | None) -> None:
    """A network that was not trained on the same data cannot be a teacher."""
    with pytest.raises(OptionError, match=r"--teacher .* was not trained on mnist; expected"):
        load_teacher(saved(tmp_path / "teacher.npz", data), "mnist", "1")


@pytest.mark.parametrize("own_test_set", [True, False])
def test_test_images_that_a_teacher_was_trained_on_are_named(sample: Digits, own_test_set: bool) -> None:
    """The digits of the sample are training images of the bundled networks: such a teacher saw its test."""
    test = sample.at(torch.arange(0, 5000, 10))
    collection = Collection("mnist", sample, test if own_test_set else None, "here", published=False)
    _, notices = load_teacher("mlp", "mnist", "", test=(collection, test))
    assert [notice.split(":")[-1] for notice in notices] == [
        " validation figures are optimistic.",
        " the test accuracy is optimistic.",
    ]


def test_unseen_test_images_need_no_notice() -> None:
    """Images that no training had are no reason for a notice about the test."""
    images, labels = made_up(200, seed=1)
    unseen = Digits(torch.from_numpy(images), torch.from_numpy(labels))
    collection = Collection("mnist", unseen, unseen, "here", published=False)
    assert len(load_teacher("mlp", "mnist", "", test=(collection, unseen))[1]) == 1
