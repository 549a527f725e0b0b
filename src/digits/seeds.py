"""Make random generators whose numbers depend only on a seed and a purpose."""

import hashlib

import torch


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """Return a new random generator for a seed, a purpose and optional numbers.

    Equal arguments give generators with equal random numbers. Different arguments give generators with
    independent random numbers.

        >>> generator(0, "order", 3)  # for the order of the training images in epoch 3

    Args:
        seed: the user's seed, any whole number.
        purpose: a word for what the random numbers are used for.
        numbers: further numbers that distinguish the generators of one purpose, such as the epoch.

    Returns:
        A generator on the CPU.
    """
    text = " ".join(map(str, (seed, purpose, *numbers)))
    state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    return torch.Generator().manual_seed(state)
