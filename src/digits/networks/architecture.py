"""The description of a network's architecture in a model file.

    {"name": "mlp", "hidden": [128, 64]}
    {"name": "cnn", "channels": [32, 64, 128], "view": "upright"}
    {"name": "ensemble", "members": [{"name": "mlp", ...}, {"name": "cnn", ...}]}

A description may come from a damaged or malicious file, so nothing in it is believed before it is checked.
"""

from dataclasses import dataclass
from typing import Any

from digits.errors import CheckpointError
from digits.mnist import CLASSES
from digits.networks.file_format import MAX_FILE_BYTES, brief
from digits.options import VIEWS, Model, View

MAX_MEMBERS = 64  # networks in an ensemble: a generous limit; the largest recipe has 8
MAX_LAYER_SIZE = MAX_FILE_BYTES // 4  # neurons or channels: each has at least one weight of 4 bytes


@dataclass(frozen=True)
class Architecture:
    """Kind and size of a single network."""

    kind: Model
    sizes: tuple[int, ...]  # mlp: neurons of the two hidden layers; cnn: channels of the three pairs
    classes: int
    view: View


def read_architecture(description: Any) -> Architecture | tuple[Architecture, ...]:
    """Return the checked architecture of a single network, or those of the members of an ensemble.

    Raises CheckpointError if the description is not one of the kinds above or a size is impossible.
    """
    members = description.get("members") if _kind(description) == "ensemble" else None
    if isinstance(members, list) and 0 < len(members) <= MAX_MEMBERS:
        return tuple(_single(member) for member in members)
    return _single(description)


def _single(description: Any) -> Architecture:
    """Return the checked architecture of a single network; refuse everything else."""
    kind = _kind(description)
    if kind == "mlp":
        sizes = _sizes("hidden", description.get("hidden"), 2)
        return Architecture("mlp", sizes, CLASSES, _view(description))
    if kind == "cnn":
        sizes = _sizes("channels", description.get("channels"), 3)
        (classes,) = _sizes("classes", [description.get("classes", CLASSES)], 1)
        return Architecture("cnn", sizes, classes, _view(description))
    raise CheckpointError(f"holds a network {brief(description)}; expected an mlp, a cnn or an ensemble")


def _kind(description: Any) -> Any:
    return description.get("name") if isinstance(description, dict) else None


def _sizes(name: str, found: Any, count: int) -> tuple[int, ...]:
    """Return `found` as a tuple if it is a list of `count` layer sizes."""
    if (
        not isinstance(found, list)
        or len(found) != count
        or not all(type(size) is int and 0 < size < MAX_LAYER_SIZE for size in found)
    ):
        raise CheckpointError(f"has {name} of {brief(found)}; expected {count} whole numbers above 0")
    return tuple(found)


def _view(description: dict[str, Any]) -> View:
    """Return the described view of the input, "as-is" if there is none."""
    found = description.get("view", VIEWS[0])
    for known in VIEWS:
        if found == known:
            return known
    raise CheckpointError(f"has a view {brief(found)}; expected one of {', '.join(VIEWS)}")
