"""Make random generators, one for each seed and purpose."""

import hashlib

import torch


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """Return a new random generator for one purpose.

    Equal arguments give equal random numbers. Different arguments give independent ones.

        >>> generator(0, "order", 3)  # for the order of the training images in epoch 3

    Args:
        seed: the user's seed, any whole number.
        purpose: a word for what the random numbers are used for.
        numbers: more numbers to tell generators apart, such as the epoch.
    Returns:
        A generator on the CPU.
    """
    text = " ".join(map(str, (seed, purpose, *numbers)))
    state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    return torch.Generator().manual_seed(state)
