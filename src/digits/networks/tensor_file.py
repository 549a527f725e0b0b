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
    """Write tensors and meta data to a file, which replaces an existing file.

    If the program is stopped while it writes, the old file stays complete.

    Args:
        path: the file to write.
        kind: "model" or "checkpoint". `load_tensors` must be called with the same kind.
        meta: JSON values to store with the tensors.
        tensors: by name; float16, float32, float64, int64 or uint8 on any device. All numbers must be
            finite: `load_tensors` refuses a file with other numbers.
        keep: keep an existing file under the name `previous(path)`.

    Raises:
        CheckpointError: if the file is too large to be loaded again, or cannot be written. The old file is
            then unchanged.
    """
    content = pack(kind, meta, tensors)
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
    """Load a file that `save_tensors` wrote.

    Args:
        path: the file to read.
        kind: the expected kind, "model" or "checkpoint".

    Returns:
        The meta data, and the tensors by name, on the CPU.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    meta, arrays = file_format.read(path, kind)
    return meta, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def pack(kind: FileKind, meta: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return the bytes of a file with these tensors and meta data.

    Equal arguments give equal bytes. The arguments are those of `save_tensors`.

    Raises:
        CheckpointError: if the meta data are too long.
    """
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    return file_format.pack(kind, meta, arrays)


def previous(path: Path) -> Path:
    """Return the path of the second newest checkpoint: for checkpoint.npz, checkpoint.prev.npz."""
    return path.with_name(f"{path.stem}.prev{path.suffix}")


def check_fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Check that tensors have the expected names, shapes and dtypes.

    Args:
        tensors: the tensors to check, by name.
        expected: tensors with the expected names, shapes and dtypes; their values do not matter.
        what: the first words of the error message, such as the file's path or "the checkpoint".

    Raises:
        CheckpointError: if a name, shape or dtype differs.
    """
    odd = sorted(set(tensors) ^ set(expected))
    if odd:
        verb = "has no" if odd[0] in expected else "has an unknown"
        raise CheckpointError(f"{what} {verb} tensor {brief(odd[0])}; it belongs to another network")
    for name, tensor in expected.items():
        got = tensors[name]
        if got.shape != tensor.shape or got.dtype != tensor.dtype:
            raise CheckpointError(
                f"{what} has a tensor {name!r} of {got.dtype} and shape {tuple(got.shape)}; "
                f"expected {tensor.dtype} and {tuple(tensor.shape)}"
            )
