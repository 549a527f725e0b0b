"""The training loop against hand-computed steps, PyTorch's own tools and scikit-learn."""

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, log_loss

from digits.data.augmentation import augment
from digits.data.batches import Batches
from digits.data.dataset import Digits
from digits.errors import OptionError, TrainingError
from digits.evaluation.epoch import Epoch
from digits.evaluation.logits import compute_logits
from digits.networks.cnn import CNN
from digits.networks.dropout import Dropout
from digits.options import Augmentation, TrainOptions
from digits.seeds import generator
from digits.training.devices import pick_device, pick_precision
from digits.training.loop import clip, train
from digits.training.state import State, begin


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
    defaults: dict[str, Any] = {"epochs": 2, "batch_size": 32, "device": "cpu"}
    if changes.get("model") != "cnn":
        defaults["hidden"] = (24, 16)
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


# --------------------------------------------------------------------------------------------- figures


def test_validation_figures_equal_scikit_learns() -> None:
    """Loss and accuracy of an epoch are scikit-learn's, to the six digits that are written."""
    state, epochs = run(small())
    val_set = pictures(60, seed=1)
    logits = compute_logits(state.model, val_set.images)
    truth = val_set.labels.numpy()
    assert epochs[-1].val_accuracy == accuracy_score(truth, logits.argmax(dim=1).numpy())
    probabilities = logits.double().softmax(dim=1).numpy()
    assert epochs[-1].val_loss == pytest.approx(log_loss(truth, probabilities), abs=1e-6)


def test_training_figures_are_those_seen_while_learning() -> None:
    """With a learning rate of almost nothing they equal the figures of the unchanged network."""
    options = small(epochs=1, lr=1e-30)
    state, (epoch,) = run(options)
    train_set = pictures(200)
    logits = compute_logits(state.model, train_set.images)
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
    logits = compute_logits(state.model, pictures(60, seed=1).images)
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
    """With a learning rate of almost nothing the validation figures stay those of the images as they are."""
    strengths = Augmentation(rotation=90, translation=10)
    same = run(small(epochs=1, lr=1e-30))[1][0]
    changed = run(small(epochs=1, lr=1e-30, augmentation=strengths))[1][0]
    assert (changed.val_loss, changed.val_accuracy) == (same.val_loss, same.val_accuracy)
    assert changed.train_loss != same.train_loss


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
    """A step on the one vector moves every parameter; each begins where graphics processors want it."""
    for options in (small(hidden=(23, 17)), small(model="cnn", channels=(3, 5, 7))):
        state = begin(options, pictures(20))
        parameters = list(state.model.parameters())
        starts = [t.data_ptr() for p in parameters for t in (p, p.grad) if t is not None]
        assert len(starts) == 2 * len(parameters)
        assert all((start - starts[i % 2]) % 16 == 0 for i, start in enumerate(starts))
        assert state.weights.count_nonzero() == sum(int(p.count_nonzero()) for p in parameters)
        with torch.no_grad():
            state.weights.fill_(math.pi)
        assert all(bool((p == math.pi).all()) for p in parameters)


def test_normalisation_comes_from_the_training_images() -> None:
    """The network's mean and deviation are those of the pixels it is trained on."""
    train_set = pictures(200)
    state = begin(small(), train_set)
    pixels = train_set.images.double() / 255
    buffers = dict(state.model.named_buffers())
    assert buffers["mean"].item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert buffers["std"].item() == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)


# ------------------------------------------------------------------------------------- training tools


@pytest.mark.parametrize("longest", [0.5, 100.0, 0.0])
def test_clipping_equals_torchs(longest: float) -> None:
    """A gradient is shortened as torch's clip_grad_norm_ does it; 0 leaves it alone."""
    gradient = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.Parameter(torch.zeros(1000))
    theirs.grad = gradient.clone()
    if longest:
        torch.nn.utils.clip_grad_norm_([theirs], longest)
    clip(gradient, longest)
    assert torch.allclose(gradient, theirs.grad, rtol=1e-5)


def test_the_average_is_the_exponential_moving_average() -> None:
    """After three steps it is what the formula gives for the weights after each of them."""
    options = small(epochs=1, ema=0.2, lr=0.5)
    train_set = pictures(96)
    state = begin(options, train_set)
    seen = [state.weights.clone()]
    after = lambda state: seen.append(state.weights.clone())  # noqa: E731  # two of them side by side
    list(train(options, train_set, pictures(60, seed=1), state=state, after_step=after))
    expected = seen[0]
    for step, weights in enumerate(seen[1:], start=1):
        decay = min(0.2, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    assert len(seen) == 4
    assert torch.allclose(state.average_weights, expected, atol=1e-6)
    assert not torch.allclose(state.average_weights, state.weights, atol=1e-4)


def test_the_average_is_what_is_validated_and_kept() -> None:
    """Validation figures and best weights are the average's, statistics of batch normalisation included."""
    options = small(model="cnn", channels=(3, 4, 5), ema=0.9, epochs=2, lr=0.1, precision="float32")
    state, epochs = run(options)
    assert state.network is state.average
    logits = compute_logits(state.network, pictures(60, seed=1).images)
    assert (logits.argmax(1) == torch.arange(60) % 10).double().mean().item() == epochs[-1].val_accuracy
    name = "stem.1.running_mean"
    average, current = (network.state_dict()[name] for network in (state.network, state.model))
    assert not torch.equal(average, current)
    expected = F.cross_entropy(logits, torch.arange(60) % 10).item()
    assert epochs[-1].val_loss == pytest.approx(expected, abs=1e-6)


def test_keeping_the_last_epoch() -> None:
    """With `keep` last the saved weights are those of the last epoch, be it the best or not."""
    state, epochs = run(small(epochs=6, lr=1.0, keep="last"))
    assert state.best == epochs[-1]
    assert min(epochs, key=lambda e: -e.val_accuracy) != epochs[-1]  # else this would show nothing
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(state.best_weights[name], tensor)


@pytest.mark.parametrize("autograd", [False, True])
def test_label_smoothing_equals_pytorchs(autograd: bool) -> None:
    """One step with smoothed labels is the step of F.cross_entropy's label_smoothing."""
    check_one_step(
        small(label_smoothing=0.2, autograd=autograd),
        lambda logits, labels, images: F.cross_entropy(logits, labels, label_smoothing=0.2),
    )


@pytest.mark.parametrize("autograd", [False, True])
def test_distillation_follows_the_teacher(autograd: bool) -> None:
    """One step with a teacher is the step of Hinton's loss, computed by hand from the teacher's answers."""
    torch.manual_seed(9)
    teacher = CNN((3, 4, 5)).eval()

    def loss(logits: torch.Tensor, labels: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        soft = (teacher(images) / 3).softmax(1).detach()
        divergence = F.kl_div((logits / 3).log_softmax(1), soft, reduction="batchmean")
        return 0.3 * F.cross_entropy(logits, labels) + 0.7 * 9 * divergence

    options = small(
        teacher="a file", teacher_weight=0.7, temperature=3.0, autograd=autograd, precision="float32"
    )
    check_one_step(options, loss, teacher)


def test_a_teacher_that_is_named_must_be_there() -> None:
    """From Python the network itself is passed; leaving it out is an error, not a training without it."""
    with pytest.raises(OptionError, match=r"pass train\(teacher=digits.load\('cnn'\)\)"):
        run(small(teacher="cnn"))


def check_one_step(options: TrainOptions, loss: Callable[..., torch.Tensor], teacher: Any = None) -> None:
    """Train on one batch, and do the same step with autograd and SGD by hand."""
    options = dataclasses.replace(options, epochs=1, batch_size=64, lr=0.5)
    train_set = pictures(64)
    state = begin(options, train_set)
    model = copy.deepcopy(state.model)
    list(train(options, train_set, pictures(60, seed=1), state=state, teacher=teacher))
    ((images, labels),) = Batches(train_set, 64, seed=options.seed).epoch(0)
    gradients = torch.autograd.grad(loss(model(images), labels, images), list(model.parameters()))
    for ours, before, gradient in zip(state.model.parameters(), model.parameters(), gradients, strict=True):
        assert torch.allclose(ours, before - 0.5 * gradient, atol=1e-6)
        assert not torch.equal(ours, before)


def test_dropout_masks_come_from_seed_epoch_and_step() -> None:
    """Training with dropout is the tutorial loop under the masks of each place, and repeats itself."""
    options = small(dropout=0.5, input_dropout=0.2)
    train_set = pictures(200)
    state = begin(options, train_set)
    model = copy.deepcopy(state.model)
    for p in model.parameters():
        p.data, p.grad = p.data.clone(), None
    list(train(options, train_set, pictures(60, seed=1), state=state))

    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches = Batches(train_set, 32, seed=options.seed)
    layers = [layer for layer in model.modules() if isinstance(layer, Dropout)]
    for epoch in range(2):
        for step, (images, labels) in enumerate(batches.epoch(epoch)):
            draws = generator(options.seed, "dropout", epoch, step)
            for layer in layers:
                layer.mask = layer.draw(len(images), draws)
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
    for ours, theirs in zip(state.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


# ------------------------------------------------------------------------------------------------ CNN


def test_training_a_cnn_equals_the_tutorial_loop() -> None:
    """Two epochs end at the weights of the tutorial's loop, up to the order of adding."""
    options = small(model="cnn", channels=(4, 6, 8), precision="float32", lr=0.05)
    train_set = pictures(200)
    state = begin(options, train_set)
    model = copy.deepcopy(state.model)
    for p in model.parameters():
        p.data, p.grad = p.data.clone(), None
    list(train(options, train_set, pictures(60, seed=1), state=state))

    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    batches = Batches(train_set, 32, seed=options.seed)
    for epoch in range(2):
        for images, labels in batches.epoch(epoch):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
    for name, ours in state.model.state_dict().items():
        assert torch.allclose(ours, model.state_dict()[name], atol=1e-4), name


def test_a_cnn_learns_one_batch_by_heart() -> None:
    """Thirty repetitions of one batch bring its loss to almost nothing."""
    options = small(model="cnn", channels=(4, 8, 16), epochs=30, batch_size=64, optimizer="adam", lr=0.02)
    _, epochs = run(options, n=64)
    assert epochs[-1].train_accuracy == 1.0
    assert epochs[-1].train_loss < 0.05


def test_bfloat16_stays_near_float32() -> None:
    """Training in bfloat16 gives nearly the losses of float32, with weights kept in float32."""
    base = {"model": "cnn", "channels": (4, 8, 16), "epochs": 3, "lr": 0.05}
    (state, low), (_, full) = (run(small(**base, precision=kind)) for kind in ("bfloat16", "float32"))
    assert state.weights.dtype == torch.float32
    for a, b in zip(low, full, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=0.05)
        assert a.train_loss != b.train_loss


def test_precision_is_chosen_by_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto takes bfloat16 for the cnn where the processor has instructions for it, and only there."""
    cpu = torch.device("cpu")
    for able, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda able=able: able)
        assert pick_precision("auto", "cnn", cpu) == expected
        assert pick_precision("auto", "mlp", cpu) == torch.float32
    assert pick_precision("bfloat16", "mlp", cpu) == torch.bfloat16
