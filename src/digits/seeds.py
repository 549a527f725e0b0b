"""Random generators derived from a seed, a purpose and numbers."""

import hashlib

import torch


def generator(seed: int, purpose: str, *numbers: int) -> torch.Generator:
    """A random generator of its own for every (seed, purpose, numbers), such as (0, 'order', epoch)."""
    text = " ".join(map(str, (seed, purpose, *numbers)))
    state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    return torch.Generator().manual_seed(state)
