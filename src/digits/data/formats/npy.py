"""Read arrays in NumPy's .npy format.

The header of an .npy file is text, written as a Python dictionary. It is never evaluated as Python code.
Regular expressions find the type, the order and the shape of the array in it. Source:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"\x93NUMPY"  # first bytes of every .npy file
HEADER_LIMIT = 10_000  # bytes of the header that are searched; NumPy refuses a longer header
MOST_DIMENSIONS = 4  # images (N, 28, 28, 1) and the weights of a convolution have four
DTYPE = re.compile(rb"'descr'\s*:\s*'([<>|=]?(?:[iu][1248]|f[248]))'")  # integers and floats only
ORDER = re.compile(rb"'fortran_order'\s*:\s*(True|False)")
SHAPE = re.compile(rb"'shape'\s*:\s*\(([\d\s,L]*)\)")  # with L, because Python 2 wrote 60000L


def parse_npy(content: bytes | bytearray) -> npt.NDArray[Any]:
    """Return the array in the bytes of an .npy file.

    The values are not copied.

    Args:
        content: All bytes of a file in format version 1, 2 or 3.
    Returns:
        Integers or floats with 0 to 4 dimensions; writable if `content` is a bytearray.
    Raises:
        ValueError: if `content` is not such a file. The message does not name the file.
    """
    if content[: len(MAGIC)] != MAGIC:
        raise ValueError(f"not an array; it starts with {bytes(content[:6])!r}, expected '\\x93NUMPY'")
    width = 2 if content[6:7] == b"\x01" else 4  # size of the length field: 2 bytes, since version 2 4 bytes
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    header = bytes(content[8 + width : min(start, HEADER_LIMIT)])
    dtype, order, shape = (pattern.search(header) for pattern in (DTYPE, ORDER, SHAPE))
    if not (dtype and order and shape):
        found = re.sub(rb"\s+", b" ", header[:80]).decode("ascii", "replace")
        raise ValueError(f"its header is {found!r}; expected an array of integers or floats")
    values = np.dtype(dtype[1].decode())
    dimensions = tuple(int(number) for number in re.findall(rb"\d{1,20}", shape[1]))
    size = start + math.prod(dimensions) * values.itemsize
    if len(content) != size or len(dimensions) > MOST_DIMENSIONS:
        raise ValueError(
            f"{len(content):,} bytes, expected {size:,} for the shape {str(dimensions)[:80]}, "
            f"and at most {MOST_DIMENSIONS} dimensions"
        )
    flat = np.frombuffer(content, values, offset=start)
    return flat.reshape(dimensions, order="F" if order[1] == b"True" else "C")
