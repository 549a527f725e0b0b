"""Read arrays in NumPy's .npy format; a header is a Python expression, which is searched, not evaluated."""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 10_000  # bytes; NumPy does not accept a longer header either
MOST_DIMENSIONS = 4  # images as (N, 28, 28, 1) and the weights of a convolution have four
DTYPE = re.compile(rb"'descr'\s*:\s*'([<>|=]?(?:[iu][1248]|f[248]))'")
ORDER = re.compile(rb"'fortran_order'\s*:\s*(True|False)")
SHAPE = re.compile(rb"'shape'\s*:\s*\(([\d\s,L]*)\)")  # Python 2 wrote 60000L


def parse_npy(content: bytes | bytearray) -> npt.NDArray[Any]:
    """Return the array in the bytes of an .npy file, without copying its values.

    The values are whole numbers or floats in 0 to 4 dimensions; the array is writable if `content` is a
    bytearray. Raises ValueError for other values and unless `content` is exactly as long as its header says;
    the message is a clause for the caller's sentence. Format versions 1 to 3:
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    if content[: len(MAGIC)] != MAGIC:
        raise ValueError(f"not an array; it starts with {bytes(content[:6])!r}, expected '\\x93NUMPY'")
    width = 2 if content[6:7] == b"\x01" else 4  # bytes of the header's length; four since version 2
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    header = bytes(content[8 + width : min(start, HEADER_LIMIT)])
    dtype, order, shape = (pattern.search(header) for pattern in (DTYPE, ORDER, SHAPE))
    if not (dtype and order and shape):
        found = re.sub(rb"\s+", b" ", header[:80]).decode("ascii", "replace")
        raise ValueError(f"its header is {found!r}; expected plain whole numbers or floats")
    values = np.dtype(dtype[1].decode())
    dimensions = tuple(int(number) for number in re.findall(rb"\d{1,20}", shape[1]))
    size = start + math.prod(dimensions) * values.itemsize
    if len(content) != size or len(dimensions) > MOST_DIMENSIONS:
        raise ValueError(
            f"{len(content):,} bytes, expected {size:,} for a shape of {str(dimensions)[:80]}, "
            f"at most {MOST_DIMENSIONS} numbers"
        )
    flat = np.frombuffer(content, values, offset=start)
    return flat.reshape(dimensions, order="F" if order[1] == b"True" else "C")
