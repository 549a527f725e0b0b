"""Save and load named tensors: the content of model files and checkpoints."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits.errors import CheckpointError
from digits.files import atomic_write
from digits.networks import file_format
from digits.networks.file_format import MAX_FILE_BYTES, FileKind, brief


def save_tensors(
    path: Path, kind: FileKind, meta: dict[str, Any], tensors: dict[str, Tensor], *, keep: bool = False
) -> None:
    """Write tensors and meta data to a file; an interrupted write leaves the old file.

    Args:
        kind: "model" or "checkpoint"; `load_tensors` checks it.
        meta: JSON values to store with the tensors.
        tensors: float16, float32, float64, int64 or uint8; all numbers must be finite.
        keep: rename the file that is there already to `previous(path)`.

    Raises CheckpointError if the file would be too large to load again, or cannot be written; then the old
    file is unchanged.
    """
    content = pack(kind, meta, tensors)
    if len(content) > MAX_FILE_BYTES:
        raise CheckpointError(
            f"{path} would have {len(content):,} bytes; expected at most {MAX_FILE_BYTES:,}: "
            "choose a smaller --hidden"
        )
    try:
        atomic_write(path, content, previous=previous(path) if keep else None)
    except OSError as error:
        raise CheckpointError(
            f"could not write {path}: {error.strerror or error}; what was saved before is still there. "
            "Free some space or choose another --out, then --resume"
        ) from error


def load_tensors(path: Path, kind: FileKind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the meta data and the tensors of a file written by `save_tensors`.

    Raises CheckpointError if the file is missing, damaged or not of this kind.
    """
    meta, arrays = file_format.read(path, kind)
    return meta, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def pack(kind: FileKind, meta: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return the bytes of a file; the same content always gives the same bytes."""
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    return file_format.pack(kind, meta, arrays)


def previous(path: Path) -> Path:
    """Return the path of the older checkpoint: checkpoint.npz gives checkpoint.prev.npz."""
    return path.with_name(f"{path.stem}.prev{path.suffix}")


def check_fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Raise CheckpointError unless both have the same names, and for each name the same shape and dtype.

    `what` begins the message: the file's path or "the checkpoint".
    """
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
