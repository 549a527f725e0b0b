"""Adapt the rejection network: a user's digits count as digits, and other marks stay rejected.

The rejection network has eleven classes; the last one is "no digit". It is fine-tuned on custom digits, MNIST
and non-digits: letters, signs and doodles, made in code by benchmarks/nondigits.py.
"""

import copy
import math

import numpy as np
import torch

from digits.data.dataset import Digits
from digits.data.splits import Splits
from digits.mnist import CLASSES
from digits.networks.bundled import NON_DIGITS
from digits.networks.network import Network
from digits.seeds import generator
from digits.training import fine_tuning

NO_DIGIT_LABEL = CLASSES  # the label after 9
# Expected share of digits among the marks in users' pictures; in training it is about half. The correction is
# that of Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
# probabilities", 2002.
DIGITS_AMONG_MARKS = 0.95
NON_DIGIT_SHARE = 0.5  # fraction of the training images; 0.35 accepts a few more letters: docs/log.md
HELD_OUT = 300  # non-digits that are only used to measure how many are accepted


def load_non_digits() -> tuple[Digits, Digits]:
    """Load the non-digits of the package.

    Returns:
        Those for training and those for testing, with the label NO_DIGIT_LABEL.
    """
    with np.load(NON_DIGITS, allow_pickle=False) as archive:
        images = torch.from_numpy(archive["images"])  # uint8 (1500, 28, 28)
    all_of_them = Digits(images, torch.full((len(images),), NO_DIGIT_LABEL))
    order = torch.arange(len(images))
    return all_of_them.at(order[HELD_OUT:]), all_of_them.at(order[:HELD_OUT])


def fine_tune_rejection(
    network: Network, non_digits: Digits, custom: Digits, splits: Splits, seed: int, number: int
) -> Network:
    """Return a copy of the rejection network, trained further on custom digits.

    Args:
        network: the rejection network; it is not changed.
        non_digits: images with the label NO_DIGIT_LABEL.
        custom, splits, seed, number: see `fine_tuning.fine_tune`.

    Returns:
        The new network, with the temperature of the old one.

    Raises:
        TrainingError: if the loss becomes infinite or not a number.
    """
    total = fine_tuning.STEPS * fine_tuning.BATCH
    counts = round(fine_tuning.CUSTOM_SHARE * total), round(NON_DIGIT_SHARE * total)
    draws = generator(seed, "rejection", number)
    mixed = fine_tuning.mix(
        [(splits.train, total - sum(counts)), (custom, counts[0]), (non_digits, counts[1])], draws
    )
    # In the mixture, non-digits are more frequent than in pictures. So the network unlearns its expectation
    # before, and learns it again afterwards.
    shift = bias_of_expectation(network, 1 - NON_DIGIT_SHARE)
    start = copy.deepcopy(network)
    start.output.bias.data[NO_DIGIT_LABEL] += shift
    tuned = fine_tuning.train_further(start, mixed, custom, seed)
    tuned.output.bias.data[NO_DIGIT_LABEL] -= shift
    tuned.temperature.copy_(network.temperature)
    return tuned


def bias_of_expectation(network: Network, among_training: float) -> float:
    """Return by how much the bias of "no digit" must be lowered to expect DIGITS_AMONG_MARKS.

    Args:
        network: the rejection network, with its final temperature.
        among_training: share of digits in the training set, in (0, 1).
    """
    odds = DIGITS_AMONG_MARKS / (1 - DIGITS_AMONG_MARKS) * (1 - among_training) / among_training
    return float(network.temperature) * math.log(odds)
