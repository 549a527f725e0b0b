"""The file format of models and checkpoints: a checked .npz archive, read without PyTorch or pickle.

A file is a NumPy archive, which `numpy.load` opens too. It holds named arrays and an entry "meta": JSON,
stored as an array of bytes. The comment of the zip archive holds the SHA-256 of all bytes before it, so a
single changed bit is noticed. Reading never executes anything from a file. It checks, in this order, the
file's size, its digest, the list of entries, each array's header against its bytes, and that all numbers
are finite.
"""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from digits.data.formats.npy import parse_npy
from digits.errors import CheckpointError

FileKind = Literal["model", "checkpoint"]
FORMAT = 1  # version of the format; files of another version are refused
MAX_FILE_BYTES = 256 * 2**20  # generous: a checkpoint of the default network has 1 to 2 MB
MAX_META_BYTES = 2 * 2**20  # room for 10,000 epochs; JSON of this length is parsed within a second
MAX_ENTRIES = 1000  # arrays in an archive, generous: zipfile spends time and memory on each of them
DIRECTORY_ENTRY = b"PK\1\2"  # start of each entry in a zip archive's directory: APPNOTE.TXT, section 4.3.12
DTYPES = ("<f2", "<f4", "<f8", "<i8", "|u1")  # of the arrays in a file: float16 to float64, int64, uint8
DIGEST_LABEL = b"sha256="
COMMENT_BYTES = len(DIGEST_LABEL) + 64  # the zip archive's comment: the label and 64 hexadecimal digits


def pack(kind: FileKind, meta: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a file; the same content always gives the same bytes.

    Args:
        kind: "model" or "checkpoint".
        meta: JSON values to store with the arrays.
        arrays: float16, float32, float64, int64 or uint8, all numbers finite.

    Raises CheckpointError if the meta data are too long to be read again.
    """
    text = json.dumps({"kind": kind, "format": FORMAT, **meta}, allow_nan=False, sort_keys=True)
    if len(text) > MAX_META_BYTES:
        raise CheckpointError(
            f"the table of epochs takes {len(text):,} bytes; expected at most {MAX_META_BYTES:,}: "
            "lower --epochs"
        )
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]  # numpy's stub
    # The last two bytes of a zip archive without a comment are the comment's length, 0.
    body = buffer.getvalue()[:-2] + struct.pack("<H", COMMENT_BYTES)
    return body + DIGEST_LABEL + hashlib.sha256(body).hexdigest().encode()


def read(path: Path, kind: FileKind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the meta data and the arrays of a file written by `pack`; the arrays are read-only.

    Raises CheckpointError, with the reason, if the file is missing, damaged or not of this kind.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise CheckpointError(f"{path} has {size:,} bytes; expected at most {MAX_FILE_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"could not read {path}: {error.strerror or error}") from error
    try:
        return _unpack(content, kind)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}; expected a {kind} file written by digits") from None


def _unpack(content: bytes, kind: FileKind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Check the bytes of a file; return its meta data and its arrays."""
    body, comment = memoryview(content)[:-COMMENT_BYTES], content[-COMMENT_BYTES:]
    if not content.startswith(b"PK") or not comment.startswith(DIGEST_LABEL):
        raise CheckpointError("is damaged, cut off or of another kind")
    if comment[len(DIGEST_LABEL) :] != hashlib.sha256(body).hexdigest().encode():
        raise CheckpointError("is damaged: its content does not match its SHA-256")
    members = _members(content)
    meta = _meta(members.pop("meta", b""))
    if meta.get("kind") != kind or meta.get("format") != FORMAT:
        raise CheckpointError(f"is a {brief(meta.get('kind'))} file of format {brief(meta.get('format'))}")
    return meta, {name: _finite(name, data) for name, data in members.items()}


def _members(content: bytes) -> dict[str, bytes]:
    """Return the bytes of each entry of the zip archive, by name without ".npy".

    Compressed entries, and entries that share bytes, are refused: with either of them a small file could
    unpack to gigabytes.
    """
    if content.count(DIRECTORY_ENTRY) > MAX_ENTRIES:
        raise CheckpointError(f"has more than {MAX_ENTRIES} entries")
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
    """Return the JSON object in the entry "meta"."""
    array = _array("meta", data)
    if array.dtype != np.uint8 or array.size > MAX_META_BYTES:
        raise CheckpointError(f"has meta data of type {array.dtype} and {array.size:,} values")
    try:
        meta = json.loads(array.tobytes())
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise CheckpointError("has meta data that are no JSON object")
    return meta


def _finite(name: str, data: bytes) -> NDArray[Any]:
    """Return the array in an entry; NaN and infinity are refused."""
    array = _array(name, data)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CheckpointError(f"has numbers that are not finite in {brief(name)}")
    return array


def _array(name: str, data: bytes) -> NDArray[Any]:
    """Return the array stored in one entry, after checking its header against its bytes."""
    try:
        array = parse_npy(data)
    except ValueError as error:
        raise CheckpointError(f"has an entry {brief(name)} that cannot be read: {error}") from None
    if array.dtype.str not in DTYPES or not array.flags.c_contiguous:
        raise CheckpointError(
            f"has an entry {brief(name)} of type {array.dtype.str}; "
            "expected float16, float32, float64, int64 or uint8 in C order"
        )
    return array


def brief(what: object) -> str:
    """Return repr(what), cut off after 80 characters, for a message: a file may hold megabytes of text."""
    return repr(what)[:80]
