"""Fine-tune a copy of a network on custom digits.

After training on a few custom digits only, a network soon misreads other digits. Two methods prevent this.
Three quarters of the training images come from MNIST. At the end, the old and new weights are averaged.
"""

import copy
from collections.abc import Callable, Sequence

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
    """Return a copy of the network, trained further on custom digits.

    MNIST images are mixed in. At the end, old and new weights are averaged.

    Args:
        network: the network to start from; it is not changed.
        custom: N custom digits and their labels.
        splits: MNIST; only its training images are used.
        seed: random seed, 0 or more.
        number: number of the copy, from 0. Each copy is trained with other random numbers.
        after_step: called after each of the STEPS training steps.

    Returns:
        The new network on the CPU, in evaluation mode, with temperature 1 (not calibrated).

    Raises:
        TrainingError: if the loss becomes infinite or not a number.

    Source for the mean of weights: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    custom_count = round(CUSTOM_SHARE * STEPS * BATCH)
    draws = generator(seed, "replay", number)
    mixed = mix([(splits.train, STEPS * BATCH - custom_count), (custom, custom_count)], draws)
    return train_further(network, mixed, custom, seed, after_step)


def mix(parts: Sequence[tuple[Digits, int]], draws: torch.Generator) -> Digits:
    """Draw images at random from several data sets.

    Args:
        parts: data sets, and how many images to take from each. If it has fewer, they are repeated.
        draws: random numbers.

    Returns:
        The images and labels, one data set after the other.
    """
    drawn = []
    for part, count in parts:
        order = torch.randperm(len(part), generator=draws)
        drawn.append(part.at(order[torch.arange(count) % len(part)]))
    return Digits(torch.cat([part.images for part in drawn]), torch.cat([part.labels for part in drawn]))


def train_further(
    network: Network,
    mixed: Digits,
    custom: Digits,
    seed: int,
    after_step: Callable[[], None] | None = None,
) -> Network:
    """Return a copy of a network, trained once on some images and averaged with the old one.

    Args:
        network: the network to start from; it is not changed.
        mixed: STEPS * BATCH images and labels.
        custom: custom digits, for the validation that training needs; it decides nothing.
        seed, after_step: see `fine_tune`.

    Returns:
        The new network on the CPU, in evaluation mode, with temperature 1 (not calibrated).
    """
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
        threads=torch.get_num_threads(),  # those that the caller has chosen
        device="cpu",
    )
    state = State(recipe, tuned)
    for _ in train(recipe, mixed, custom, state=state, after_step=lambda _: after_step and after_step()):
        pass
    # The mean keeps most of the accuracy of both networks.
    return mean_network(network, state.network).eval()


def mean_network(before: Network, after: Network) -> Network:
    """Average the weights of two networks.

    The temperature does not change.

    Args:
        before: the network before fine-tuning; it is not changed.
        after: a network of the same kind and sizes; it gets the mean.

    Returns:
        The network `after`.
    """
    # NEW_SHARE * after + (1 - NEW_SHARE) * before
    old = before.state_dict()
    with torch.no_grad():
        for name, tensor in after.state_dict().items():
            if tensor.is_floating_point() and name != "temperature":
                tensor.lerp_(old[name], 1 - NEW_SHARE)
    return after
