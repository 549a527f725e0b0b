"""Check what a model file says about its network's architecture."""

from typing import Any

from digits.errors import CheckpointError
from digits.networks.file_format import LIMIT, brief
from digits.options import VIEWS, View

MEMBERS = 64  # of an ensemble, at most


def sizes(architecture: dict[str, Any], name: str, count: int) -> list[int]:
    """So many numbers of neurons or channels from what a file says of its network. Raises CheckpointError."""
    found = architecture.get(name)
    largest = LIMIT // 4  # no layer can have more neurons than the file has room for
    if (
        not isinstance(found, list)
        or len(found) != count
        or not all(type(size) is int and 0 < size < largest for size in found)
    ):
        raise CheckpointError(f"has {name} of {brief(found)}; expected {count} whole numbers above 0")
    return found


def view(architecture: dict[str, Any]) -> View:
    """What the network sees, from what its file says of it. Raises CheckpointError."""
    found = architecture.get("view", VIEWS[0])
    for known in VIEWS:
        if found == known:
            return known
    raise CheckpointError(f"has a view {brief(found)}; expected one of {', '.join(VIEWS)}")
