"""Check the description of a network's architecture that a model file contains.

A description is a JSON object. There are three kinds:

    {"name": "mlp", "hidden": [128, 64]}
    {"name": "cnn", "channels": [32, 64, 128], "view": "upright"}
    {"name": "ensemble", "members": [{"name": "mlp", ...}, {"name": "cnn", ...}]}

The file may be damaged or malicious, so `read_architecture` checks every value before it is used.
"""

from dataclasses import dataclass
from typing import Any

from digits.errors import CheckpointError
from digits.mnist import CLASSES
from digits.networks.file_format import MAX_FILE_BYTES, brief
from digits.options import MAX_MEMBERS, VIEWS, Model, View

# Neurons or channels in a layer. Each has at least one weight of 4 bytes, so more cannot fit into a file.
MAX_LAYER_SIZE = MAX_FILE_BYTES // 4


@dataclass(frozen=True)
class Architecture:
    """The kind and the sizes of a single network."""

    kind: Model  # "mlp" or "cnn"
    sizes: tuple[int, ...]  # mlp: neurons of its 2 hidden layers; cnn: channels of its 3 convolution pairs
    classes: int  # number of outputs
    view: View  # "upright": the slant of each digit is removed first; "as-is": it is not


def read_architecture(description: Any) -> Architecture | tuple[Architecture, ...]:
    """Check the description of a network and return its architecture.

    Args:
        description: the value of "architecture" in a model file; may be anything.

    Returns:
        For a single network one `Architecture`.
        For an ensemble a tuple with one `Architecture` for each member.

    Raises:
        CheckpointError: if the description has another form.
    """
    members = description.get("members") if _kind(description) == "ensemble" else None
    if isinstance(members, list) and 0 < len(members) <= MAX_MEMBERS:
        return tuple(_single(member) for member in members)
    return _single(description)


def _single(description: Any) -> Architecture:
    """Return the architecture of a single network.

    Raises:
        CheckpointError: if the description has another form.
    """
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
    """Return the "name" in a description; None if it is missing."""
    return description.get("name") if isinstance(description, dict) else None


def _sizes(name: str, found: Any, count: int) -> tuple[int, ...]:
    """Check a list of layer sizes and return it as a tuple.

    Args:
        name: name of the list, for the error message.
        found: the list; may be anything.
        count: the expected number of sizes.

    Raises:
        CheckpointError: if `found` is not a list of `count` whole numbers above 0.
    """
    if (
        not isinstance(found, list)
        or len(found) != count
        or not all(type(size) is int and 0 < size < MAX_LAYER_SIZE for size in found)
    ):
        raise CheckpointError(f"has {name} of {brief(found)}; expected {count} whole numbers above 0")
    return tuple(found)


def _view(description: dict[str, Any]) -> View:
    """Return the "view" in a description; "as-is" if it is missing.

    Raises:
        CheckpointError: if the view is unknown.
    """
    found = description.get("view", VIEWS[0])
    for known in VIEWS:
        if found == known:
            return known
    raise CheckpointError(f"has a view {brief(found)}; expected one of {', '.join(VIEWS)}")
