"""Pack and read the bytes of model files and checkpoints, without PyTorch or pickle.

A file is a NumPy archive (.npz), which is a zip archive of arrays. `numpy.load` can open it too. It holds
named arrays, and an entry "meta" with JSON text, stored as an array of bytes. The comment at the end of the
zip archive is the SHA-256 checksum of all bytes before it, so that every change is noticed.

A file may be damaged or malicious. Reading never executes code from the file.
`read_arrays` checks, in this order:

1. the size of the file,
2. the checksum,
3. the list of entries in the archive,
4. the header of each array, which must fit the number of its bytes,
5. all numbers, which must be finite,
6. in a model file, all texts, which must be printable: a terminal would obey control characters in them.
"""

import contextlib
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from digits.data.formats.npy import parse_npy
from digits.errors import CheckpointError
from digits.files import read_file

FileKind = Literal["model", "checkpoint"]
FORMAT = 1  # version of the file format; files of other versions are refused
MAX_FILE_BYTES = 256 * 2**20  # bytes; a checkpoint of the default network has 1 to 2 MB
MAX_META_BYTES = 3 * 2**20  # bytes; enough for 10,000 epochs, and parsed within a second
MAX_ENTRIES = 4000  # arrays in an archive, enough for 64 cnns; limits the time and memory to list them
DIRECTORY_ENTRY = b"PK\1\2"  # first bytes of each entry in a zip archive's list: APPNOTE.TXT, section 4.3.12
FILE_DTYPES = (
    "<f2",
    "<f4",
    "<f8",
    "<i8",
    "|u1",
)  # allowed in a file: float16, float32, float64, int64, uint8
DIGEST_LABEL = b"sha256="  # first bytes of the zip archive's comment
COMMENT_BYTES = len(DIGEST_LABEL) + 64  # bytes of the comment: the label and 64 hexadecimal digits


def pack_arrays(kind: FileKind, meta: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays and meta data as the bytes of a file.

    Equal arguments give equal bytes.

    Args:
        kind: "model" or "checkpoint".
        meta: JSON values to store with the arrays.
        arrays: by name; float16, float32, float64, int64 or uint8; finite numbers.

    Raises:
        CheckpointError: if the meta data are too long.
    """
    text = json.dumps({"kind": kind, "format": FORMAT, **meta}, allow_nan=False, sort_keys=True)
    if len(text) > MAX_META_BYTES:
        raise CheckpointError(
            f"the meta data, mainly the table of epochs, have {len(text):,} bytes; "
            f"expected at most {MAX_META_BYTES:,}: lower --epochs"
        )
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]  # numpy's stub
    # The last two bytes of a zip archive without a comment are the length of the comment, which is 0 here.
    # They are replaced by the length of the comment that follows.
    body = buffer.getvalue()[:-2] + struct.pack("<H", COMMENT_BYTES)
    return body + DIGEST_LABEL + hashlib.sha256(body).hexdigest().encode()


def read_arrays(path: Path, kind: FileKind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a file and check its content.

    Args:
        path: the file to read.
        kind: the expected kind, "model" or "checkpoint".

    Returns:
        The meta data, and the arrays by name. The arrays are read-only.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    try:
        content = read_file(path, MAX_FILE_BYTES)
    except OSError as error:
        raise CheckpointError(f"could not read {path}: {error.strerror or error}") from error
    try:
        return _unpack(content, kind)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}; expected a {kind} file written by digits") from None


def _unpack(content: bytes, kind: FileKind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Check the bytes of a file and return meta data and arrays.

    Raises:
        CheckpointError: if the bytes are damaged or of another kind.
    """
    body, comment = memoryview(content)[:-COMMENT_BYTES], content[-COMMENT_BYTES:]
    if not content.startswith(b"PK") or not comment.startswith(DIGEST_LABEL):
        raise CheckpointError("is damaged, incomplete or of another kind")
    if comment[len(DIGEST_LABEL) :] != hashlib.sha256(body).hexdigest().encode():
        raise CheckpointError("is damaged: its content does not match its SHA-256 checksum")
    members = _members(content)
    meta = _meta(members.pop("meta", b""))
    if meta.get("kind") != kind or meta.get("format") != FORMAT:
        raise CheckpointError(f"is a {brief(meta.get('kind'))} file of format {brief(meta.get('format'))}")
    if kind == "model":  # a checkpoint has the user's own paths, with whatever characters they have
        _require_printable(meta)
    return meta, {name: _finite(name, data) for name, data in members.items()}


def _members(content: bytes) -> dict[str, bytes]:
    """Return the bytes of each entry of a zip archive.

    Returns:
        Name of the entry without ".npy" -> its bytes.

    Raises:
        CheckpointError: if the archive is damaged or an entry is not allowed.
    """
    if content.count(DIRECTORY_ENTRY) > MAX_ENTRIES:
        raise CheckpointError(f"has more than {MAX_ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if len(entries) < len(archive.infolist()):
                raise CheckpointError("has entries of the same name")
            # A small file with compressed or overlapping entries could unpack to gigabytes.
            for name, entry in entries.items():
                if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                    raise CheckpointError(f"has a compressed entry, {brief(name)}")
            if sum(entry.file_size for entry in entries.values()) > len(content):
                raise CheckpointError("has entries that are together longer than the file")
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
        raise CheckpointError(f"is not a readable zip archive ({brief(str(error))})") from None


def _meta(data: bytes) -> dict[str, Any]:
    """Return the meta data in the bytes of the entry "meta".

    Raises:
        CheckpointError: if they are not a JSON object, or too long.
    """
    array = _array("meta", data)
    if array.dtype != np.uint8 or array.size > MAX_META_BYTES:
        raise CheckpointError(
            f"has meta data of type {array.dtype} and {array.size:,} values, "
            f"instead of uint8 and at most {MAX_META_BYTES:,}"
        )
    try:
        meta = json.loads(array.tobytes(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise CheckpointError("has meta data that are not a JSON object")
    return meta


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads although they are not JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not JSON")


def _require_printable(meta: dict[str, Any]) -> None:
    """Check that the texts in the meta data have no control characters.

    Raises:
        CheckpointError: if a text is not printable.
    """
    waiting: list[Any] = [meta]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and not value.isprintable():
            raise CheckpointError(f"has a text with control characters, {brief(value)}")


def _finite(name: str, data: bytes) -> NDArray[Any]:
    """Return an entry's array after a check that its numbers are finite.

    Args:
        name: name of the entry, for the error message.
        data: bytes of the entry.

    Raises:
        CheckpointError: if the array has a NaN or an infinity.
    """
    array = _array(name, data)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CheckpointError(f"has numbers that are not finite in {brief(name)}")
    return array


def _array(name: str, data: bytes) -> NDArray[Any]:
    """Return the array of an entry.

    Args:
        name: name of the entry, for the error message.
        data: bytes of the entry.

    Raises:
        CheckpointError: if the bytes are damaged, or the dtype is not allowed.
    """
    try:
        array = parse_npy(data)
    except ValueError as error:
        raise CheckpointError(f"has an entry {brief(name)} that cannot be read: {error}") from None
    if array.dtype.str not in FILE_DTYPES or not array.flags.c_contiguous:
        raise CheckpointError(
            f"has an entry {brief(name)} of type {array.dtype.str}; "
            "expected float16, float32, float64, int64 or uint8 in C order"
        )
    return array


def brief(what: object) -> str:
    """Return the first 80 characters of `repr(what)`."""
    return repr(what)[:80]


@contextlib.contextmanager
def errors_named(what: object) -> Iterator[None]:
    """Put `what`, such as the path of a file, before the message of a CheckpointError in a `with` block."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{what} {error}") from None
