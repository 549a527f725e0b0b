"""The one file format, without PyTorch: .npz archives of named arrays that nothing is executed from.

A file is an ordinary NumPy archive (`numpy.load` opens it without pickle) of named arrays and one entry
`meta`, JSON as bytes. The zip's comment holds the SHA-256 of everything before it, so that a single
changed bit anywhere is refused. Reading checks, in this order: size, digest, the list of members, each
array's header against the bytes that are there, and finite numbers.
"""

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from digits.errors import CheckpointError

Kind = Literal["model", "checkpoint"]
FORMAT = 1
LIMIT = 256 * 2**20  # bytes; the default network's checkpoint is a hundred times smaller
META_LIMIT = 2 * 2**20  # bytes; room for 10,000 epochs, and JSON of this length is parsed within a second
ENTRIES = 1000  # at most; every one costs time and memory before its name is known
ENTRY = b"PK\1\2"  # each entry of a zip's directory starts so (APPNOTE.TXT, section 4.3.12)
# What NumPy writes before an array of the five types used here; reading evaluates none of it.
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '(<f2|<f4|<f8|<i8|\|u1)', 'fortran_order': False, "
    rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18}){1,3})\), \} *\n",
    re.DOTALL,
)
LABEL = b"sha256="
COMMENT = len(LABEL) + 64  # bytes of the zip's comment


def pack(kind: Kind, meta: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The file's bytes: the same content always gives the same bytes."""
    text = json.dumps({"kind": kind, "format": FORMAT, **meta}, allow_nan=False, sort_keys=True)
    if len(text) > META_LIMIT:
        raise CheckpointError(
            f"the table of epochs takes {len(text):,} bytes; expected at most {META_LIMIT:,}: lower --epochs"
        )
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]  # numpy's stub
    body = buffer.getvalue()[:-2] + struct.pack("<H", COMMENT)  # the last two bytes: length of the comment
    return body + LABEL + hashlib.sha256(body).hexdigest().encode()


def read(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The meta data and the arrays of a file that `pack` made. Raises CheckpointError, with the reason."""
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


def _unpack(content: bytes, kind: Kind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    body, comment = memoryview(content)[:-COMMENT], content[-COMMENT:]
    if not content.startswith(b"PK") or not comment.startswith(LABEL):
        raise CheckpointError("is damaged, cut off or of another kind")
    if comment[len(LABEL) :] != hashlib.sha256(body).hexdigest().encode():
        raise CheckpointError("is damaged: its content does not match its SHA-256")
    members = _members(content)
    meta = _meta(members.pop("meta", b""))
    if meta.get("kind") != kind or meta.get("format") != FORMAT:
        raise CheckpointError(f"is a {brief(meta.get('kind'))} file of format {brief(meta.get('format'))}")
    return meta, {name: _finite(name, data) for name, data in members.items()}


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
                    raise CheckpointError(f"has a compressed entry, {brief(name)}")
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
        raise CheckpointError(f"is no readable archive ({brief(str(error))})") from None


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


def _finite(name: str, data: bytes) -> NDArray[Any]:
    array = _array(name, data)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CheckpointError(f"has numbers that are not finite in {brief(name)}")
    return array


def _array(name: str, data: bytes) -> NDArray[Any]:
    """One array; its header is believed only where the bytes bear it out."""
    header = HEADER.match(data)
    if header is None or header.end() != 10 + int.from_bytes(header[1], "little"):
        raise CheckpointError(
            f"has an entry {brief(name)} that is no array of float16, float32, float64, int64 or uint8: "
            f"{data[:80]!r}"
        )
    dtype, shape = np.dtype(header[2].decode()), tuple(map(int, re.findall(rb"\d+", header[3])))
    try:
        return np.frombuffer(data, dtype, offset=header.end()).reshape(shape)
    except ValueError:
        rest = len(data) - header.end()
        raise CheckpointError(
            f"has an entry {brief(name)} of type {dtype} and shape {brief(shape)} in {rest} bytes"
        ) from None


def brief(what: object) -> str:
    """What a file says, for a message: it may be megabytes long."""
    return repr(what)[:80]
