"""Random generators that depend on a seed and a purpose only."""

import hashlib

import torch


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """Return a new random generator for a seed, a purpose and numbers, such as (0, "order", epoch).

    The same arguments give the same random numbers, whatever else was drawn before; different arguments
    give independent ones.
    """
    text = " ".join(map(str, (seed, purpose, *numbers)))
    state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    return torch.Generator().manual_seed(state)
