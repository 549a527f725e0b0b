"""Fine-tune a copy of a network on custom digits, without losing much accuracy on MNIST.

A network that is trained on a few custom digits alone soon misreads other digits. Two methods prevent this:
three quarters of the training images are MNIST's, and at the end the old and new weights are averaged.
"""

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

# These values were chosen in experiments with digits of invented writers; see docs/log.md.
STEPS, BATCH = 60, 64  # number of training steps, and images in each step
CUSTOM_SHARE = 0.25  # fraction of the training images that are custom digits; the others are MNIST's
NEW_SHARE = 0.5  # weight of the new network in the mean of the old and the new network
RATE = 0.02  # highest learning rate of the one-cycle schedule
AUGMENTATION = Augmentation(rotation=10, scaling=0.1, shear=5, translation=1)


def fine_tune(
    network: Network,
    custom: Digits,
    splits: Splits,
    seed: int,
    number: int,
    after_step: Callable[[], None] | None = None,
) -> Network:
    """Return a copy of the network that is fine-tuned on custom digits.

    The copy is trained for STEPS steps of BATCH images. A quarter of the images are custom digits, which are
    repeated as needed. The others are MNIST's training images, chosen at random. Afterwards every weight is
    set to the mean of its old and its new value. This keeps most of the accuracy of both networks.

    Args:
        network: the network to start from; it is not changed.
        custom: N custom digits and their labels.
        splits: MNIST; only its training images are used.
        seed: random seed, 0 or more.
        number: number of the new network, from 0. Networks with the same seed and different numbers are
            trained with different random numbers.
        after_step: called after each of the STEPS steps.

    Returns:
        The new network on the CPU, in evaluation mode, with temperature 1 (not calibrated).

    Raises:
        TrainingError: if the loss becomes infinite or not a number.

    Source for the mean of weights: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
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
    """Set the weights of `after` to the mean of the weights of both networks, and return `after`.

    In the mean, `after` has the weight NEW_SHARE and `before` the rest. The temperature does not change.

    Args:
        before: the network before fine-tuning; it is not changed.
        after: a network of the same kind and sizes.
    """
    old = before.state_dict()
    with torch.no_grad():
        for name, tensor in after.state_dict().items():
            if tensor.is_floating_point() and name != "temperature":
                tensor.lerp_(old[name], 1 - NEW_SHARE)
    return after
