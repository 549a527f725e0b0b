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
import re
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
from digits.models import CNN, MLP, Ensemble, Network

Kind = Literal["model", "checkpoint"]
FORMAT = 1
LIMIT = 256 * 2**20  # bytes; the default network's checkpoint is a hundred times smaller
META_LIMIT = 2 * 2**20  # bytes; room for 10,000 epochs, and JSON of this length is parsed within a second
ENTRIES = 1000  # at most; every one costs time and memory before its name is known
MEMBERS = 64  # of an ensemble, at most
ENTRY = b"PK\1\2"  # each entry of a zip's directory starts so (APPNOTE.TXT, section 4.3.12)
# What NumPy writes before an array of the five types used here; reading evaluates none of it.
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '(<f2|<f4|<f8|<i8|\|u1)', 'fortran_order': False, "
    rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18}){1,3})\), \} *\n",
    re.DOTALL,
)
LABEL = b"sha256="
COMMENT = len(LABEL) + 64  # bytes of the zip's comment


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
    text = json.dumps({"kind": kind, "format": FORMAT, **meta}, allow_nan=False, sort_keys=True)
    if len(text) > META_LIMIT:
        raise CheckpointError(
            f"the table of epochs takes {len(text):,} bytes; expected at most {META_LIMIT:,}: lower --epochs"
        )
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
    body, comment = memoryview(content)[:-COMMENT], content[-COMMENT:]
    if not content.startswith(b"PK") or not comment.startswith(LABEL):
        raise CheckpointError("is damaged, cut off or of another kind")
    if comment[len(LABEL) :] != hashlib.sha256(body).hexdigest().encode():
        raise CheckpointError("is damaged: its content does not match its SHA-256")
    members = _members(content)
    meta = _meta(members.pop("meta", b""))
    if meta.get("kind") != kind or meta.get("format") != FORMAT:
        raise CheckpointError(f"is a {_brief(meta.get('kind'))} file of format {_brief(meta.get('format'))}")
    return meta, {name: _tensor(name, data) for name, data in members.items()}


def _members(content: bytes) -> dict[str, bytes]:
    """The archive's entries by name, stored one after the other: a bomb needs compression or overlaps."""
    if content.count(ENTRY) > ENTRIES:
        raise CheckpointError(f"has more than {ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if len(entries) < len(archive.infolist()):
                raise CheckpointError("has entries of the same name")
            for name, entry in entries.items():
                if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                    raise CheckpointError(f"has a compressed entry, {_brief(name)}")
            if sum(entry.file_size for entry in entries.values()) > len(content):
                raise CheckpointError("has entries that claim more bytes than there are")
            return {name: archive.read(entry) for name, entry in entries.items()}
    except (
        zipfile.BadZipFile,
        EOFError,
        ArithmeticError,
        ValueError,
        struct.error,
        RuntimeError,
        OSError,
    ) as error:
        raise CheckpointError(f"is no readable archive ({_brief(str(error))})") from None


def _meta(data: bytes) -> dict[str, Any]:
    array = _array("meta", data)
    if array.dtype != np.uint8 or array.size > META_LIMIT:
        raise CheckpointError(f"has meta data of type {array.dtype} and {array.size:,} values")
    try:
        meta = json.loads(array.tobytes())
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise CheckpointError("has meta data that are no JSON object")
    return meta


def _tensor(name: str, data: bytes) -> Tensor:
    tensor = torch.from_numpy(_array(name, data).copy())
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise CheckpointError(f"has numbers that are not finite in {_brief(name)}")
    return tensor


def _array(name: str, data: bytes) -> NDArray[Any]:
    """One array; its header is believed only where the bytes bear it out."""
    header = HEADER.match(data)
    if header is None or header.end() != 10 + int.from_bytes(header[1], "little"):
        raise CheckpointError(
            f"has an entry {_brief(name)} that is no array of float16, float32, float64, int64 or uint8: "
            f"{data[:80]!r}"
        )
    dtype, shape = np.dtype(header[2].decode()), tuple(map(int, re.findall(rb"\d+", header[3])))
    try:
        return np.frombuffer(data, dtype, offset=header.end()).reshape(shape)
    except ValueError:
        rest = len(data) - header.end()
        raise CheckpointError(
            f"has an entry {_brief(name)} of type {dtype} and shape {_brief(shape)} in {rest} bytes"
        ) from None


def _brief(what: object) -> str:
    """What a file says, for a message: it may be megabytes long."""
    return repr(what)[:80]


def fit(tensors: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Raise CheckpointError unless both have the same names, shapes and types."""
    odd = sorted(set(tensors) ^ set(expected))
    if odd:
        verb = "has no" if odd[0] in expected else "has an unknown"
        raise CheckpointError(f"{what} {verb} tensor {_brief(odd[0])}; it belongs to another network")
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
        return MLP(*_sizes(architecture, "hidden", 2))
    if name == "cnn":
        first, second, third = _sizes(architecture, "channels", 3)
        return CNN((first, second, third))
    if name == "ensemble":
        members = architecture.get("members")
        if (
            isinstance(members, list)
            and 0 < len(members) <= MEMBERS
            and "ensemble" not in map(_name, members)
        ):
            networks = [build(member) for member in members]
            return Ensemble([network for network in networks if isinstance(network, Network)])
    raise CheckpointError(f"holds a network {_brief(architecture)}; expected an mlp, a cnn or an ensemble")


def _name(architecture: Any) -> Any:
    return architecture.get("name") if isinstance(architecture, dict) else None


def _sizes(architecture: dict[str, Any], name: str, count: int) -> list[int]:
    sizes = architecture.get(name)
    largest = LIMIT // 4  # no layer can have more neurons than the file has room for
    if (
        not isinstance(sizes, list)
        or len(sizes) != count
        or not all(type(size) is int and 0 < size < largest for size in sizes)
    ):
        raise CheckpointError(f"has {name} of {_brief(sizes)}; expected {count} whole numbers")
    return sizes
