"""Parse the header and the array of an .npy file without evaluating anything."""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.data.formats.arrays import MOST_DIMENSIONS
from digits.errors import DataError

_NPY_HEADER = 10_000  # bytes; NumPy believes no longer one either


def parse_npy(content: bytearray, name: str) -> npt.NDArray[Any]:
    """The array in an .npy file; its header, a Python dictionary, is searched and never evaluated.

    Format versions 1 to 3: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    if content[:6] != b"\x93NUMPY":
        raise DataError(f"{name}: not an array; it starts with {bytes(content[:6])!r}, expected '\\x93NUMPY'")
    width = 2 if content[6:7] == b"\x01" else 4  # bytes of the header's length, more since version 2
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    header = bytes(content[8 + width : min(start, _NPY_HEADER)])
    dtype = re.search(rb"'descr'\s*:\s*'([<>|=]?(?:[iu][1248]|f[248]))'", header)
    order = re.search(rb"'fortran_order'\s*:\s*(True|False)", header)
    shape = re.search(rb"'shape'\s*:\s*\(([\d\s,L]*)\)", header)  # Python 2 wrote 60000L
    if not (dtype and order and shape):
        found = re.sub(rb"\s+", b" ", header[:80]).decode("ascii", "replace")
        raise DataError(f"{name}: its header is {found!r}; expected plain whole numbers or floats")
    values = np.dtype(dtype[1].decode())
    dimensions = tuple(int(number) for number in re.findall(rb"\d{1,20}", shape[1]))
    size = start + math.prod(dimensions) * values.itemsize
    if len(content) != size or not 1 <= len(dimensions) <= MOST_DIMENSIONS or 0 in dimensions:
        raise DataError(
            f"{name}: {len(content):,} bytes, expected {size:,} for a shape of {dimensions}, 1 to 4 numbers"
        )
    flat = np.frombuffer(content, values, offset=start)
    return flat.reshape(dimensions, order="F" if order[1] == b"True" else "C")
