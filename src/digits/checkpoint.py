"""Models and checkpoints as PyTorch's tensors, in the one file format (archive.py).

`fit` compares names, shapes and types with what the network expects, before any of it is used.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits import archive
from digits.archive import LIMIT, MEMBERS, Kind, brief, sizes, view
from digits.errors import CheckpointError
from digits.files import atomic_write
from digits.models import CLASSES, CNN, MLP, Ensemble, Network


def save(
    path: Path, kind: Kind, meta: dict[str, Any], tensors: dict[str, Tensor], *, keep: bool = False
) -> None:
    """Write the file whole or not at all; `keep` leaves the file that stood there under `previous(path)`.

    Raises CheckpointError, naming the path, where the disk or the permissions do not allow it, and where
    `load` would refuse the file for its size.
    """
    content = pack(kind, meta, tensors)
    if len(content) > LIMIT:
        raise CheckpointError(
            f"{path} would have {len(content):,} bytes; expected at most {LIMIT:,}: choose a smaller --hidden"
        )
    try:
        atomic_write(path, content, previous=previous(path) if keep else None)
    except OSError as error:
        raise CheckpointError(
            f"could not write {path}: {error.strerror or error}; what was saved before is still there. "
            "Free some space or choose another --out, then --resume"
        ) from error


def previous(path: Path) -> Path:
    """Where the checkpoint before the newest one is kept."""
    return path.with_name(f"{path.stem}.prev{path.suffix}")


def pack(kind: Kind, meta: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """The file's bytes: the same content always gives the same bytes."""
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    return archive.pack(kind, meta, arrays)


def load(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `save` wrote: the meta data and the tensors. Raises CheckpointError, with the reason."""
    meta, arrays = archive.read(path, kind)
    return meta, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Raise CheckpointError unless both have the same names, shapes and types."""
    odd = sorted(set(tensors) ^ set(expected))
    if odd:
        verb = "has no" if odd[0] in expected else "has an unknown"
        raise CheckpointError(f"{what} {verb} tensor {brief(odd[0])}; it belongs to another network")
    for name, tensor in expected.items():
        got = tensors[name]
        if got.shape != tensor.shape or got.dtype != tensor.dtype:
            raise CheckpointError(
                f"{what} has {got.dtype} {tuple(got.shape)} for {name!r}; "
                f"expected {tensor.dtype} {tuple(tensor.shape)}"
            )


# ---------------------------------------------------------------------------------------------- models


def save_model(
    path: Path,
    tensors: dict[str, Tensor],
    architecture: dict[str, Any],
    meta: dict[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write a network with all that is needed to use it: its kind and size, its normalisation, its classes.

    `half` writes every weight in 16 bits (IEEE 754 binary16) instead of 32.
    """
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save(path, "model", {"architecture": architecture, **meta}, tensors)


def load_model(path: Path) -> tuple[Network | Ensemble, dict[str, Any]]:
    """The network in `path`, ready to predict, and its meta data."""
    meta, tensors = load(path, "model")
    try:
        with torch.device("meta"):  # shapes without memory: what the file claims costs nothing until it fits
            skeleton = build(meta.get("architecture"))
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    tensors = {name: t.float() if t.dtype == torch.float16 else t for name, t in tensors.items()}
    fit(tensors, skeleton.state_dict(), str(path))
    skeleton.load_state_dict(tensors, assign=True)
    skeleton.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return skeleton.eval(), meta


def load_single(path: Path) -> tuple[Network, dict[str, Any]]:
    """As `load_model`, where an ensemble will not do."""
    network, meta = load_model(path)
    if isinstance(network, Ensemble):
        raise CheckpointError(f"{path} holds an ensemble; expected a single network")
    return network, meta


def build(architecture: Any) -> Network | Ensemble:
    """The network that a file's `architecture` describes, not trained. Raises CheckpointError."""
    name = _name(architecture)
    if name == "mlp":
        hidden1, hidden2 = sizes(architecture, "hidden", 2)
        return MLP(hidden1, hidden2, view=view(architecture))
    if name == "cnn":
        first, second, third = sizes(architecture, "channels", 3)
        (classes,) = sizes({"classes": [architecture.get("classes", CLASSES)]}, "classes", 1)
        return CNN((first, second, third), classes, view=view(architecture))
    if name == "ensemble":
        members = architecture.get("members")
        if (
            isinstance(members, list)
            and 0 < len(members) <= MEMBERS
            and "ensemble" not in map(_name, members)
        ):
            networks = [build(member) for member in members]
            return Ensemble([network for network in networks if isinstance(network, Network)])
    raise CheckpointError(f"holds a network {brief(architecture)}; expected an mlp, a cnn or an ensemble")


def _name(architecture: Any) -> Any:
    return architecture.get("name") if isinstance(architecture, dict) else None
