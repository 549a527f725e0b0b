"""Take a picture from what people have: a path, a file object, bytes, a data: URL, an array or a tensor."""

import base64
import binascii
import inspect
import os
import stat
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.errors import PhotoError, shortened, shortened_path
from digits.options import expanded


class Readable(Protocol):
    """A file object in binary mode: `open(path, "rb")`, BytesIO, an upload of Flask or Streamlit."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""


class Tensor(Protocol):
    """A tensor of PyTorch, or anything else that NumPy can convert to an array."""

    def __array__(self) -> npt.NDArray[Any]:
        """Return the values."""


Buffer: TypeAlias = bytes | bytearray | memoryview
Source: TypeAlias = "str | os.PathLike[str] | Buffer | Readable | Image.Image | npt.NDArray[Any] | Tensor"
_EXPECTED = "expected a path, the bytes of a file, a file object, a Pillow image or an array"


def is_array(source: Source) -> bool:
    """Return True for arrays, tensors and everything else that NumPy can convert."""
    return hasattr(source, "__array__") and not isinstance(source, Image.Image)


def image_from_array(source: Any) -> Image.Image:
    """Convert an array to a Pillow image.

    Args:
        source: (H, W), (H, W, 1) or (1, H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA; bool, integers from 0 to
            255 or floats from 0 to 1. Integers that are only 0 and 1 are black and white.

    Raises:
        PhotoError: if the array has another shape, type or range.
    """
    array = _as_array(source)
    while array.ndim > 3 and array.shape[0] == 1:  # a batch of one
        array = array[0]
    shape = array.shape
    if array.ndim == 3 and 1 in (shape[0], shape[2]):
        array = array.reshape(shape[:2] if shape[2] == 1 else shape[1:])
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or array.size == 0:
        raise PhotoError(
            f"the array has shape {shortened(shape)}; "
            "expected (H, W), (H, W, 1), (1, H, W), (H, W, 3) or (H, W, 4)",
            kind="format",
        )
    return Image.fromarray(_bytes_of(array))


def _as_array(source: Any) -> npt.NDArray[Any]:
    """Convert to an array; a tensor of PyTorch may need gradients, be on a graphics card or have 16 bits."""
    try:
        if hasattr(source, "detach"):
            source = source.detach().cpu()
            source = source.float() if source.is_floating_point() else source
        return np.asarray(source)
    except Exception as error:  # libraries raise errors of many types
        raise PhotoError(
            f"a {shortened(type(source).__name__)} could not be converted to an array; {_EXPECTED}",
            kind="format",
        ) from error


def _bytes_of(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Convert the values of an array to 0..255.

    Raises:
        PhotoError: if they are of another type, or outside the range.
    """
    kind = array.dtype.kind
    if kind not in "buif" or not np.isfinite(array).all():
        raise PhotoError(
            f"the array has values of type {shortened(array.dtype)}, or some that are not finite; "
            "expected bool, integers from 0 to 255 or floats from 0 to 1",
            kind="format",
        )
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > (1 if kind == "f" else 255):
        raise PhotoError(
            f"the array has values from {low:g} to {high:g}; "
            "expected bool, integers from 0 to 255 or floats from 0 to 1",
            kind="format",
        )
    if kind == "f":
        return (array * np.float64(255)).round().astype(np.uint8)
    # A picture whose brightest pixel is 1 of 255 shows nothing: 0 and 1 are black and white.
    return np.ascontiguousarray(array.astype(np.uint8) * np.uint8(255 if high <= 1 else 1))


def content_of(source: Any, most: int, name: str) -> tuple[bytes, str]:
    """Return the bytes of a picture file.

    Args:
        source: Path, data: URL, file object, or the bytes themselves.
        most: Largest number of bytes.
        name: Name for error messages; "": found from the source.

    Returns:
        The bytes, and the name for error messages.

    Raises:
        PhotoError: if there are none or too many, or they cannot be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        content, name = bytes(source), name or "the picture"
        size = len(content)
    elif isinstance(source, str) and source[:5].lower() == "data:":
        content, name = _from_data_url(source), name or "the data: URL"
        size = len(content)
    elif isinstance(source, (str, os.PathLike)):
        name = name or shortened_path(source)
        content, size = _read(expanded(source), most, name)
    elif hasattr(source, "read"):
        name = name or _name_of(source)
        content, size = _from_file_object(source, most, name)
    else:
        raise PhotoError(f"a {shortened(type(source).__name__)} is no picture; {_EXPECTED}", kind="format")
    if size > most:
        raise PhotoError(
            f"{name} has {size:,} bytes, more than the {most:,} allowed; "
            "save a smaller picture, or save it as JPEG",
            kind="limit",
        )
    if not content:
        raise PhotoError(f"{name} is empty; expected a picture", kind="format")
    return content, name


def _from_data_url(url: str) -> bytes:
    """Decode a data: URL, such as `data:image/png;base64,iVBORw0...`; source: RFC 2397."""
    head, _, data = url.partition(",")
    try:
        content = unquote_to_bytes(data)
        return base64.b64decode(content) if head.lower().endswith(";base64") else content
    except (binascii.Error, UnicodeError) as error:
        raise PhotoError(
            "the data: URL is damaged; expected data:image/png;base64, and the file in Base64", kind="damaged"
        ) from error


def _name_of(file: Any) -> str:
    """Return the name of a file object for error messages."""
    name = getattr(file, "filename", None) or getattr(file, "name", None)
    return shortened(name) if isinstance(name, str) and name else "the file object"


def _from_file_object(file: Any, most: int, name: str) -> tuple[bytes, int]:
    """Read a file object from where it stands, at most one byte more than allowed."""
    try:
        content = file.read(most + 1)
    except Exception as error:  # for example OSError, or ValueError of a closed file
        raise PhotoError(f"could not read {name}: {shortened(error)}", kind="format") from error
    if inspect.iscoroutine(content):  # UploadFile of Starlette and FastAPI
        content.close()
        raise PhotoError(f"{name} must be awaited; give the result of await file.read()", kind="format")
    if not isinstance(content, bytes):
        raise PhotoError(
            f'{name} gives {type(content).__name__} and not bytes; open it with mode "rb"', kind="format"
        )
    if not content:
        raise PhotoError(
            f"{name} is empty, or was read to its end before; if so, call its seek(0) first", kind="format"
        )
    return content, len(content)


def _read(path: Path, most: int, name: str) -> tuple[bytes, int]:
    """Read a regular file.

    Args:
        path: The file.
        most: Largest size in bytes that is read.
        name: Name for error messages.

    Returns:
        Its bytes and its size. A larger file gives no bytes.

    Raises:
        PhotoError: if the path is not a readable regular file.
    """
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            os.scandir(path).close()  # raises a better error if the folder cannot be listed
            raise PhotoError(f"{name} is a folder without pictures; name a picture file", kind="format")
        # Pipes and devices are refused, because they may never end.
        if not stat.S_ISREG(about.st_mode):
            raise PhotoError(f"{name} is not a regular file; name a picture file", kind="format")
        if about.st_size > most:
            return b"", about.st_size
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"could not read {name}: {shortened(reason)}", kind="format") from error
    return content, len(content)
