"""Fine-tune a copy of a network on custom digits without making it forget MNIST."""

import copy
from collections.abc import Callable

import torch

from digits.data.dataset import Digits
from digits.data.splits import Splits
from digits.networks.cnn import CNN
from digits.networks.network import Network
from digits.options import Augmentation, TrainOptions
from digits.seeds import generator
from digits.training.loop import train
from digits.training.state import State

# Chosen on made-up writers; docs/log.md says what else was tried.
STEPS, BATCH = 60, 64  # steps, images a step
CUSTOM_SHARE = 0.25  # of the images in a batch; the others are MNIST's
NEW_SHARE = 0.5  # weight of the fine-tuned network in the mean of the networks before and after
RATE = 0.02  # highest learning rate
AUGMENTATION = Augmentation(rotation=10, scaling=0.1, shear=5, translation=1)


def fine_tune(
    network: Network,
    custom: Digits,
    splits: Splits,
    seed: int,
    number: int,
    after_step: Callable[[], None] | None = None,
) -> Network:
    """Return a copy of the network, fine-tuned on the custom digits, with temperature 1.

    Three quarters of every batch are training images of `splits`, so that they are not forgotten. At the end
    each weight is the mean of its values before and after, which keeps what both networks know (Wortsman et
    al., "Robust fine-tuning of zero-shot models", CVPR 2022). `number` gives networks of the same seed
    different random numbers. `after_step` is called STEPS times.
    """
    custom_count = round(CUSTOM_SHARE * STEPS * BATCH)
    draws = generator(seed, "replay", number)
    replay = splits.train.at(
        torch.randperm(len(splits.train), generator=draws)[: STEPS * BATCH - custom_count]
    )
    repeated = torch.randperm(len(custom), generator=draws)[torch.arange(custom_count) % len(custom)]
    mixed = Digits(
        torch.cat([replay.images, custom.images[repeated]]),
        torch.cat([replay.labels, custom.labels[repeated]]),
    )
    tuned = copy.deepcopy(network)
    tuned.temperature.fill_(1)
    recipe = TrainOptions(
        model="cnn" if isinstance(network, CNN) else "mlp",
        epochs=1,
        batch_size=BATCH,
        lr=RATE,
        momentum=0.9,
        schedule="one-cycle",
        augmentation=AUGMENTATION,
        seed=seed,
        device="cpu",
    )
    state = State(recipe, tuned)
    for _ in train(recipe, mixed, custom, state=state, after_step=lambda _: after_step and after_step()):
        pass
    return mean_network(network, state.network).eval()


def mean_network(before: Network, after: Network) -> Network:
    """Move the weights of `after` to the mean of both networks' weights, in place, and return `after`.

    NEW_SHARE is the weight of `after`. Its temperature stays as it is.
    """
    old = before.state_dict()
    with torch.no_grad():
        for name, tensor in after.state_dict().items():
            if tensor.is_floating_point() and name != "temperature":
                tensor.lerp_(old[name], 1 - NEW_SHARE)
    return after
