"""Digits and folders are interchangeable with torchvision's."""

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from support.made_up import MakeFolder

from digits.data.loading import load_data


@pytest.fixture(scope="module")
def torchvision() -> ModuleType:
    """The real torchvision; its compiled part is not needed, so its two operators are only declared."""
    for operator, arguments in (
        ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
        ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ):
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(f"torchvision::{operator}", arguments)
    reason = "needs torchvision: pip install --no-deps torchvision==0.28.0"
    module: ModuleType = pytest.importorskip("torchvision", reason=reason)
    importlib.import_module("torchvision.transforms.v2")
    return module


@pytest.fixture
def torchvision_folder(make_folder: MakeFolder, tmp_path: Path) -> Path:
    """A folder as torchvision's datasets.MNIST leaves it."""
    shutil.copytree(make_folder(), tmp_path / "MNIST" / "raw")
    return tmp_path


def items(digits: Any) -> tuple[torch.Tensor, list[int]]:
    """All items one after the other, with the same random numbers for whoever asks."""
    torch.manual_seed(0)
    images, labels = zip(*(digits[i] for i in range(len(digits))), strict=True)
    return torch.stack(images), list(labels)


def test_items_equal_torchvisions(torchvision: ModuleType, torchvision_folder: Path) -> None:
    """Our items are those of torchvision.datasets.MNIST with ToTensor, bit for bit."""
    found = load_data("mnist", torchvision_folder)
    to_tensor = torchvision.transforms.ToTensor()
    for ours, train in ((found.train, True), (found.test, False)):
        theirs = torchvision.datasets.MNIST(torchvision_folder, train=train, transform=to_tensor)
        (images, labels), (their_images, their_labels) = items(ours), items(theirs)
        assert torch.equal(images, their_images)
        assert labels == their_labels


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "RandomRotation": lambda t: t.RandomRotation(10),
    "Compose": lambda t: t.Compose([t.RandomCrop(28, padding=2), t.Normalize((0.1307,), (0.3081,))]),
    "v2.RandomAffine": lambda t: t.v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1)),
    "v2.Compose": lambda t: t.v2.Compose([t.v2.RandomRotation(10), t.v2.RandomErasing(p=1.0)]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_torchvisions_transforms_work_on_digits(
    torchvision: ModuleType, torchvision_folder: Path, name: str
) -> None:
    """Old and new transforms give the same tensors on our Digits as on torchvision's own dataset."""
    transform = TRANSFORMS[name](torchvision.transforms)
    ours = load_data("mnist", torchvision_folder).train
    plain = items(ours)[0]
    ours.transform = transform
    after_to_tensor = torchvision.transforms.Compose([torchvision.transforms.ToTensor(), transform])
    theirs = torchvision.datasets.MNIST(torchvision_folder, transform=after_to_tensor)
    images = items(ours)[0]
    assert torch.equal(images, items(theirs)[0])
    assert not torch.equal(images, plain)
