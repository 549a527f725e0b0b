"""The one file format: models and checkpoints are .npz archives that nothing is executed from.

A file is an ordinary NumPy archive (`numpy.load` opens it without pickle) of named arrays and one entry
`meta`, JSON as bytes. The zip's comment holds the SHA-256 of everything before it, so that a single
changed bit anywhere is refused. Reading checks, in this order: size, digest, the list of members, each
array's header against the bytes that are there, and finite numbers. `fit` then compares names, shapes
and types with what the network expects.
"""

import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from digits.errors import CheckpointError
from digits.files import atomic_write
from digits.models import MLP

Kind = Literal["model", "checkpoint"]
FORMAT = 1
LIMIT = 256 * 2**20  # bytes; the largest network here makes a checkpoint a hundred times smaller
DTYPES = {"<f4": torch.float32, "<f8": torch.float64, "<i8": torch.int64, "|u1": torch.uint8}
LABEL = b"sha256="
COMMENT = len(LABEL) + 64  # bytes of the zip's comment


def save(
    path: Path, kind: Kind, meta: dict[str, Any], tensors: dict[str, Tensor], *, keep: bool = False
) -> None:
    """Write the file whole or not at all; `keep` leaves the file that stood there under `previous(path)`.

    Raises CheckpointError, naming the path, where the disk or the permissions do not allow it.
    """
    try:
        atomic_write(path, pack(kind, meta, tensors), previous=previous(path) if keep else None)
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
    text = json.dumps({"kind": kind, "format": FORMAT, **meta}, allow_nan=False, sort_keys=True)
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]  # numpy's stub
    body = buffer.getvalue()[:-2] + struct.pack("<H", COMMENT)  # the last two bytes: length of the comment
    return body + LABEL + hashlib.sha256(body).hexdigest().encode()


def load(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `save` wrote: the meta data and the tensors. Raises CheckpointError, with the reason."""
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise CheckpointError(f"{path} has {size:,} bytes; expected at most {LIMIT:,}")
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"could not read {path}: {error.strerror or error}") from error
    try:
        return _unpack(content, kind)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}; expected a {kind} file written by digits") from None


def _unpack(content: bytes, kind: Kind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    body, comment = content[:-COMMENT], content[-COMMENT:]
    if not content.startswith(b"PK") or not comment.startswith(LABEL):
        raise CheckpointError("is damaged, cut off or of another kind")
    if comment[len(LABEL) :] != hashlib.sha256(body).hexdigest().encode():
        raise CheckpointError("is damaged: its content does not match its SHA-256")
    members = _members(content)
    meta = _meta(members.pop("meta", b""))
    if meta.get("kind") != kind or meta.get("format") != FORMAT:
        raise CheckpointError(f"is a {meta.get('kind')!r} file of format {meta.get('format')!r}")
    return meta, {name: _tensor(name, data) for name, data in members.items()}


def _members(content: bytes) -> dict[str, bytes]:
    """The archive's entries by name, none of them compressed: a bomb needs compression."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > 1000 or len({entry.filename for entry in entries}) < len(entries):
                raise CheckpointError(f"has {len(entries)} entries, too many or some twice")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(content):
                    raise CheckpointError(f"has a compressed entry, {entry.filename[:80]!r}")
            return {entry.filename.removesuffix(".npy"): archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError) as error:
        raise CheckpointError(f"is no readable archive ({error})") from None


def _meta(data: bytes) -> dict[str, Any]:
    array = _array("meta", data)
    try:
        meta = json.loads(array.tobytes())
    except (ValueError, RecursionError):
        raise CheckpointError("has meta data that are no JSON") from None
    if array.dtype != np.uint8 or not isinstance(meta, dict):
        raise CheckpointError("has meta data that are no JSON object")
    return meta


def _tensor(name: str, data: bytes) -> Tensor:
    tensor = torch.from_numpy(_array(name, data).copy())
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise CheckpointError(f"has numbers that are not finite in {name[:80]!r}")
    return tensor


def _array(name: str, data: bytes) -> NDArray[Any]:
    """One array; its header is believed only where the bytes bear it out."""
    stream = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("version")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise CheckpointError(f"has an entry {name[:80]!r} that is no array") from None
    rest = len(data) - stream.tell()
    if dtype.str not in DTYPES or fortran or rest != dtype.itemsize * int(np.prod(shape, dtype=object)):
        raise CheckpointError(
            f"has an entry {name[:80]!r} of type {dtype} and shape {str(shape)[:80]} in {rest} bytes"
        )
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)


def fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Raise CheckpointError unless both have the same names, shapes and types."""
    odd = sorted(set(tensors) ^ set(expected))
    if odd:
        verb = "has no" if odd[0] in expected else "has an unknown"
        raise CheckpointError(f"{what} {verb} tensor {odd[0][:80]!r}; it belongs to another network")
    for name, tensor in expected.items():
        got = tensors[name]
        if got.shape != tensor.shape or got.dtype != tensor.dtype:
            raise CheckpointError(
                f"{what} has {got.dtype} {tuple(got.shape)} for {name!r}; "
                f"expected {tensor.dtype} {tuple(tensor.shape)}"
            )


# ---------------------------------------------------------------------------------------------- models


def save_model(path: Path, tensors: dict[str, Tensor], hidden: tuple[int, int], meta: dict[str, Any]) -> None:
    """Write a network with all that is needed to use it: its sizes, its normalisation, its class names."""
    save(path, "model", {"architecture": {"name": "mlp", "hidden": list(hidden)}, **meta}, tensors)


def load_model(path: Path) -> tuple[MLP, dict[str, Any]]:
    """The network in `path`, ready to predict, and its meta data."""
    meta, tensors = load(path, "model")
    architecture = meta.get("architecture")
    if not isinstance(architecture, dict) or architecture.get("name") != "mlp":
        raise CheckpointError(f"{path} holds a network {architecture!r}; expected an mlp")
    hidden = architecture.get("hidden")
    largest = LIMIT // 4  # no layer can have more neurons than the file has room for
    if (
        not isinstance(hidden, list)
        or len(hidden) != 2
        or not all(type(n) is int and 0 < n < largest for n in hidden)
    ):
        raise CheckpointError(
            f"{path} has hidden layers of {str(hidden)[:80]} neurons; expected two whole numbers"
        )
    with torch.device("meta"):  # shapes without memory: what the file claims costs nothing until it fits
        skeleton = MLP(*hidden)
    fit(tensors, skeleton.state_dict(), str(path))
    model = MLP(*hidden)
    model.load_state_dict(tensors)
    return model.eval(), meta
