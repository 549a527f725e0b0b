"""Training on a GPU is training on the processor, faster: the same steps, the same bits every time."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from support.made_up import made_up

import digits
from digits.data.dataset import Digits
from digits.errors import RunError
from digits.evaluation.logits import compute_logits
from digits.networks import tensor_file
from digits.networks.cnn import CNN
from digits.options import Augmentation, Device, TrainOptions
from digits.training.loop import train
from digits.training.state import State, begin

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

# Every tool of the recipes at once; channels whose kernels do not fill 16 bytes.
MLP = TrainOptions(
    hidden=(48, 32),
    batch_size=40,
    momentum=0.9,
    nesterov=True,
    weight_decay=0.001,
    schedule="one-cycle",
    ema=0.9,
    clip=1.0,
    label_smoothing=0.05,
    augmentation=Augmentation(rotation=10, scaling=0.1, shear=5, translation=1, elastic=20, sharpness=2),
    epochs=2,
    keep="last",
    plots=False,
)
TWO: dict[str, TrainOptions] = {
    "mlp": MLP,
    "mlp with dropout": dataclasses.replace(MLP, dropout=0.3, input_dropout=0.1),
    "cnn": dataclasses.replace(
        MLP, model="cnn", hidden=TrainOptions.hidden, channels=(6, 9, 19), lr=0.02, precision="float32"
    ),
}


def images(count: int, seed: int) -> Digits:
    """Pictures that a network can learn."""
    pixels, labels = made_up(count, seed)
    return Digits(torch.from_numpy(pixels), torch.from_numpy(labels))


def trained(options: TrainOptions, device: Device, teacher: Any = None) -> State:
    """The state after the options' training on the device."""
    options = dataclasses.replace(options, device=device)
    state = begin(options, images(200, 1))
    for _ in train(options, images(200, 1), images(60, 2), state=state, teacher=teacher):
        pass
    return state


@pytest.mark.parametrize("name", TWO)
def test_a_gpu_takes_the_same_steps(name: str) -> None:
    """All tools on, ten steps end near the weights of the processor; the epochs' figures agree.

    In the cnn, roundings that decide which of four pixels is the largest lead as much as 6 % of the weights'
    way apart; a rotation by 9 degrees instead of 10 leads 45 % apart.
    """
    here, there = trained(TWO[name], "cpu"), trained(TWO[name], "cuda")
    assert there.weights.device.type == "cuda"
    start = begin(dataclasses.replace(TWO[name], device="cpu"), images(200, 1)).weights
    away = (there.average_weights.cpu() - here.average_weights).norm()
    assert away < (0.2 if name == "cnn" else 0.001) * (here.average_weights - start).norm()
    for ours, theirs in zip(here.history, there.history, strict=True):
        assert theirs.val_loss == pytest.approx(ours.val_loss, abs=2e-3)
        assert theirs.images == ours.images


@pytest.mark.parametrize("name", TWO)
def test_a_gpu_repeats_itself(name: str) -> None:
    """The same seed on the same GPU ends in the same bits."""
    first, second = trained(TWO[name], "cuda"), trained(TWO[name], "cuda")
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(first.average_weights, second.average_weights)


def test_a_teacher_comes_along() -> None:
    """A teacher from the processor teaches a pupil on the GPU the same."""
    torch.manual_seed(0)
    teacher = CNN((8, 8, 16))
    here = trained(MLP, "cpu", teacher)
    there = trained(MLP, "cuda", teacher)
    torch.testing.assert_close(there.average_weights.cpu(), here.average_weights, rtol=0, atol=2e-4)


def test_resume_on_a_gpu_ends_in_the_same_bits(tiny_folder: Path, tmp_path: Path) -> None:
    """Cut off in the middle of an epoch, a run on the GPU goes on to the bits of an uninterrupted one."""
    options = dataclasses.replace(
        TWO["cnn"], data=tiny_folder, device="cuda", epochs=3, checkpoint_every=1, out=tmp_path, name="whole"
    )
    whole = digits.run(options)
    cut = dataclasses.replace(options, name="cut")

    def fail(state: State) -> None:
        if (state.epoch, state.step) == (1, 3):
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        digits.run(cut, progress=fail)
    with pytest.raises(RunError, match="device cuda is now cpu"):
        digits.run(dataclasses.replace(cut, device="cpu", resume=True))
    resumed = digits.run(dataclasses.replace(cut, resume=True))
    assert [epoch.val_loss for epoch in resumed.history] == [epoch.val_loss for epoch in whole.history]
    models = [
        tensor_file.load_tensors(result.folder / "model.npz", "model")[1] for result in (whole, resumed)
    ]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_a_model_from_a_gpu_is_read_without_one(tiny_folder: Path, tmp_path: Path) -> None:
    """An ensemble trained on a GPU is on the processor when loaded, and reaches what it reported."""
    options = dataclasses.replace(
        TWO["cnn"], data=tiny_folder, device="cuda", ensemble=2, epochs=6, out=tmp_path, name="two"
    )
    result = digits.run(options)
    assert result.test.accuracy > 0.3  # chance is 0.1
    model, test = digits.load(result.folder), digits.load_data("mnist", tiny_folder).test
    assert test is not None
    answers = compute_logits(model, test.images).argmax(dim=1)
    assert float((answers == test.labels).double().mean()) == pytest.approx(result.test.accuracy, abs=0.011)
