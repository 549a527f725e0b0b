"""Save and load named PyTorch tensors with meta data.

Model files and checkpoints are written and read by this module. A checkpoint is a file from which
interrupted training can continue.
"""

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
    """Write tensors and meta data to a file.

    An old file is replaced only when the new one is complete.

    Args:
        path: the file to write.
        kind: "model" or "checkpoint"; `load_tensors` needs the same kind.
        meta: JSON values to store with the tensors.
        tensors: by name; float16, float32, float64, int64 or uint8; finite numbers.
        keep: keep the old file under the name `previous(path)`.

    Raises:
        CheckpointError: if the file is too large or cannot be written.
    """
    content = pack_tensors(kind, meta, tensors)
    if len(content) > MAX_FILE_BYTES:
        raise CheckpointError(
            f"{path} would have {len(content):,} bytes; expected at most {MAX_FILE_BYTES:,}: "
            "choose a smaller --hidden or fewer --channels"
        )
    try:
        atomic_write(path, content, previous=previous(path) if keep else None)
    except OSError as error:
        raise CheckpointError(
            f"could not write {path}: {error.strerror or error}; the files saved before are unchanged. "
            "Free some space or choose another --out, then continue with --resume"
        ) from error


def load_tensors(path: Path, kind: FileKind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load the tensors and meta data of a file.

    Args:
        path: the file, written by `save_tensors`.
        kind: the expected kind, "model" or "checkpoint".

    Returns:
        The meta data, and the tensors by name, on the CPU.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    meta, arrays = file_format.read_arrays(path, kind)
    return meta, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def pack_tensors(kind: FileKind, meta: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return tensors and meta data as the bytes of a file.

    Equal arguments give equal bytes.

    Args:
        kind, meta, tensors: see `save_tensors`.

    Raises:
        CheckpointError: if the meta data are too long.
    """
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    return file_format.pack_arrays(kind, meta, arrays)


def previous(path: Path) -> Path:
    """Return the path for the old version of a file.

    Example: checkpoint.npz gives checkpoint.prev.npz.
    """
    return path.with_name(f"{path.stem}.prev{path.suffix}")


def check_fit(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Check that tensors have the expected names, shapes and dtypes.

    Args:
        tensors: the tensors to check, by name.
        expected: tensors with the expected names, shapes and dtypes.

    Raises:
        CheckpointError: if a name, shape or dtype differs.
    """
    odd = sorted(set(tensors) ^ set(expected))
    if odd:
        verb = "has no" if odd[0] in expected else "has an unknown"
        raise CheckpointError(f"{verb} tensor {brief(odd[0])}; it belongs to another network")
    for name, tensor in expected.items():
        got = tensors[name]
        if got.shape != tensor.shape or got.dtype != tensor.dtype:
            raise CheckpointError(
                f"has a tensor {name!r} of {got.dtype} and shape {tuple(got.shape)}; "
                f"expected {tensor.dtype} and {tuple(tensor.shape)}"
            )
