"""Save and load named tensors in the package's file format."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits.errors import CheckpointError
from digits.files import atomic_write
from digits.networks import file_format
from digits.networks.file_format import LIMIT, Kind, brief


def save_tensors(
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
    return file_format.pack(kind, meta, arrays)


def load_tensors(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `save` wrote: the meta data and the tensors. Raises CheckpointError, with the reason."""
    meta, arrays = file_format.read(path, kind)
    return meta, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def check_fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
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
