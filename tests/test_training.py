"""The training loop against hand-computed steps, PyTorch's own tools and scikit-learn."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, log_loss
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from digits.augment import augment
from digits.data import Batches, Digits, generator
from digits.errors import OptionError, TrainingError
from digits.evaluate import predict
from digits.options import Augmentation, TrainOptions
from digits.training import Epoch, State, begin, learning_rate, pick_device, train


def pictures(n: int, seed: int = 0) -> Digits:
    """Random images with a bright square whose place tells the class: a network can learn them."""
    draws = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 60, (n, 28, 28), dtype=torch.uint8, generator=draws)
    labels = torch.arange(n) % 10
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 4)
        image[7 * row + 1 : 7 * row + 6, 7 * column + 1 : 7 * column + 6] += 150
    return Digits(images, labels)


def small(**changes: Any) -> TrainOptions:
    defaults: dict[str, Any] = {"hidden": (24, 16), "epochs": 2, "batch_size": 32, "device": "cpu"}
    return TrainOptions(**{**defaults, **changes})


def run(options: TrainOptions, n: int = 200) -> tuple[State, list[Epoch]]:
    train_set, val_set = pictures(n), pictures(60, seed=1)
    state = begin(options, train_set)
    return state, list(train(options, train_set, val_set, state=state))


# ------------------------------------------------------------------------------------------ optimisers

RULES: list[tuple[dict[str, Any], Any]] = [
    ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, lr=0.01)),
    (
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3, "lr": 0.05},
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    ),
    ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, lr=0.001)),
    (
        {"optimizer": "adamw", "weight_decay": 0.1, "lr": 0.01},
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ),
    (
        {"optimizer": "rmsprop", "momentum": 0.5},
        lambda p: torch.optim.RMSprop(p, lr=0.001, momentum=0.5),
    ),
]


@pytest.mark.parametrize(("choice", "rule"), RULES)
@pytest.mark.parametrize("autograd", [False, True])
def test_training_equals_the_tutorial_loop(choice: dict[str, Any], rule: Any, autograd: bool) -> None:
    """Two epochs end at the weights of the loop every tutorial shows: to the bit with autograd."""
    options = small(autograd=autograd, **choice)
    train_set = pictures(200)
    state = begin(options, train_set)
    model = copy.deepcopy(state.model)
    model.load_state_dict(state.model.state_dict())
    for p in model.parameters():  # out of the one vector that `state` keeps them in
        p.data, p.grad = p.data.clone(), None
    list(train(options, train_set, pictures(60, seed=1), state=state))

    optimizer = rule(model.parameters())
    batches = Batches(train_set, 32, seed=options.seed)
    for epoch in range(2):
        for images, labels in batches.epoch(epoch):
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    gaps = torch.cat(
        [
            (a - b).detach().abs().flatten()
            for a, b in zip(state.model.parameters(), model.parameters(), strict=True)
        ]
    )
    if autograd:
        assert gaps.max() == 0
    else:  # adaptive rules magnify the last bit of a gradient near zero, in a weight here and there
        assert gaps.mean() < 1e-6
        assert gaps.max() < 1e-3


def test_one_batch_can_be_learned_by_heart() -> None:
    """Forty repetitions of one batch of real size bring its loss to almost nothing."""
    options = small(epochs=40, batch_size=64, optimizer="adam", lr=0.01)
    _, epochs = run(options, n=64)
    assert epochs[-1].train_accuracy == 1.0
    assert epochs[-1].train_loss < 0.01


# ------------------------------------------------------------------------------------------- schedules


def rates(options: TrainOptions, total: int) -> list[float]:
    return [learning_rate(options, step, total) for step in range(total)]


def torchs_rates(make: Callable[[torch.optim.Optimizer], LRScheduler], total: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = make(optimizer)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(total - 1):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_cosine_equals_torchs() -> None:
    """The cosine schedule is CosineAnnealingLR's."""
    expected = torchs_rates(lambda o: CosineAnnealingLR(o, T_max=57), 57)
    assert rates(small(schedule="cosine", lr=0.1), 57) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("total", [10, 57, 1000])
def test_one_cycle_equals_torchs(total: int) -> None:
    """The one-cycle schedule is OneCycleLR's with its default constants."""
    expected = torchs_rates(lambda o: OneCycleLR(o, 0.1, total_steps=total, cycle_momentum=False), total)
    assert rates(small(schedule="one-cycle", lr=0.1), total) == pytest.approx(expected, abs=1e-12)


def test_constant_is_constant() -> None:
    """Without a schedule the rate is --lr at every step, 0.01 for SGD unless said otherwise."""
    assert set(rates(small(), 10)) == {0.01}
    assert set(rates(small(optimizer="adam"), 10)) == {0.001}


# --------------------------------------------------------------------------------------------- figures


def test_validation_figures_equal_scikit_learns() -> None:
    """Loss and accuracy of an epoch are scikit-learn's, to the six digits that are written."""
    state, epochs = run(small())
    val_set = pictures(60, seed=1)
    logits = predict(state.model, val_set.images)
    truth = val_set.labels.numpy()
    assert epochs[-1].val_accuracy == accuracy_score(truth, logits.argmax(dim=1).numpy())
    probabilities = logits.double().softmax(dim=1).numpy()
    assert epochs[-1].val_loss == pytest.approx(log_loss(truth, probabilities), abs=1e-6)


def test_training_figures_are_those_seen_while_learning() -> None:
    """With a learning rate of almost nothing they equal the figures of the unchanged network."""
    options = small(epochs=1, lr=1e-30)
    state, (epoch,) = run(options)
    train_set = pictures(200)
    logits = predict(state.model, train_set.images)
    loss = F.cross_entropy(logits, train_set.labels).item()
    assert epoch.train_loss == pytest.approx(loss, abs=1e-6)
    assert epoch.train_accuracy == (logits.argmax(dim=1) == train_set.labels).double().mean().item()
    assert epoch.images == 200


def test_the_last_short_batch_counts_by_its_images() -> None:
    """An epoch of 200 images in batches of 32 sees all 200; with drop_last 192."""
    assert run(small(epochs=1))[1][0].images == 200
    assert run(small(epochs=1, drop_last=True))[1][0].images == 192


# ------------------------------------------------------------------------------------ best and stopping


def test_the_best_weights_are_those_of_the_best_epoch() -> None:
    """What is kept as best gives the best epoch's validation figures again."""
    state, epochs = run(small(epochs=6, lr=1.0))
    best = min(epochs, key=lambda e: (-e.val_accuracy, e.val_loss, e.number))
    assert state.best == best
    state.model.load_state_dict(state.best_weights)
    logits = predict(state.model, pictures(60, seed=1).images)
    right = (logits.argmax(dim=1) == torch.arange(60) % 10).double().mean().item()
    assert right == best.val_accuracy


def test_patience_stops_early() -> None:
    """Training ends after `patience` epochs without a better one, and not before."""
    _, epochs = run(small(epochs=50, patience=3, lr=0.3))
    accuracies = [epoch.val_accuracy for epoch in epochs]
    assert len(epochs) == accuracies.index(max(accuracies)) + 1 + 3 < 50


def test_a_loss_that_is_no_number_ends_training() -> None:
    """A rate far too high is reported as such, with the epoch and the step."""
    with pytest.raises(
        TrainingError, match=r"epoch 1, step \d+: the loss is not a finite number; lower --lr"
    ):
        run(small(lr=1e20, epochs=3), n=2000)


# --------------------------------------------------------------------------------------- augmentation


def test_augmentation_is_drawn_from_seed_epoch_and_step() -> None:
    """The loop trains on exactly what `augment` makes of each batch with the generator of its place."""
    strengths = Augmentation(rotation=20, scaling=0.2, elastic=20, erasing=0.5)
    options = small(autograd=True, augmentation=strengths)
    train_set = pictures(200)
    state = begin(options, train_set)
    model = copy.deepcopy(state.model)
    for p in model.parameters():
        p.data, p.grad = p.data.clone(), None
    list(train(options, train_set, pictures(60, seed=1), state=state))

    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches = Batches(train_set, 32, seed=options.seed)
    for epoch in range(2):
        for step, (images, labels) in enumerate(batches.epoch(epoch)):
            changed = augment(images, strengths, generator(options.seed, "augment", epoch, step))
            optimizer.zero_grad()
            F.cross_entropy(model(changed), labels).backward()
            optimizer.step()
    for ours, theirs in zip(state.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_validation_images_are_never_augmented() -> None:
    """With a learning rate of almost nothing the validation figures stay those of the plain images."""
    strengths = Augmentation(rotation=90, translation=10)
    plain = run(small(epochs=1, lr=1e-30))[1][0]
    changed = run(small(epochs=1, lr=1e-30, augmentation=strengths))[1][0]
    assert (changed.val_loss, changed.val_accuracy) == (plain.val_loss, plain.val_accuracy)
    assert changed.train_loss != plain.train_loss


# ---------------------------------------------------------------------------------------- determinism


def test_the_seed_decides_everything() -> None:
    """The same seed gives the same bits, another seed other ones."""
    first, again, other = (run(small(seed=seed))[0] for seed in (7, 7, 8))
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.weights, other.weights)


def test_the_callers_random_numbers_are_left_alone() -> None:
    """Training draws nothing from the global generator."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(small(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a graphics card without one names the option and the way out; auto takes the processor."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match=r"--device cuda: .* use --device cpu"):
        pick_device("cuda")
    assert pick_device("auto") == torch.device("cpu")


def test_parameters_are_views_of_one_vector() -> None:
    """A step on the one vector moves every parameter, and no number is left out."""
    state = begin(small(), pictures(20))
    count = sum(p.numel() for p in state.model.parameters())
    assert len(state.weights) == count
    with torch.no_grad():
        state.weights.fill_(math.pi)
    assert all(bool((p == math.pi).all()) for p in state.model.parameters())


def test_normalisation_comes_from_the_training_images() -> None:
    """The network's mean and deviation are those of the pixels it is trained on."""
    train_set = pictures(200)
    state = begin(small(), train_set)
    pixels = train_set.images.double() / 255
    buffers = dict(state.model.named_buffers())
    assert buffers["mean"].item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert buffers["std"].item() == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)
