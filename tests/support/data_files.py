"""Small data files, written without looking at the readers, and damaged copies of them."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import settings

from digits.errors import DataError

T = TypeVar("T")
thorough = settings(max_examples=60, deadline=None)


def some_images(count: int = 20, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Images like MNIST's in what matters here: a black border and every grey inside it."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = np.random.default_rng(seed).integers(0, 256, (count, 20, 20))
    return images


def some_labels(count: int = 20) -> npt.NDArray[np.uint8]:
    return (np.arange(count) * 7 % 10).astype(np.uint8)


def idx(array: npt.NDArray[Any]) -> bytes:
    """An IDX file by the letter of its description, written without looking at the reader."""
    code = {"uint8": 0x08, "int32": 0x0C}[array.dtype.name]
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def written(folder: Path, content: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


GOOD = idx(some_labels(3))


def attempt(read: Callable[[Path], T], path: Path) -> T | DataError:
    try:
        return read(path)
    except DataError as error:
        return error


def mutant(good: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three kinds of damage, in the header more often than its size suggests."""
    bad = bytearray(good)
    for _ in range(chance.choice([1, 1, 2, 3])):
        where = chance.randrange(min(len(bad), 24) if chance.random() < 0.5 else len(bad)) if bad else 0
        size = chance.choice([1, 2, 4, chance.randrange(1, 200)])
        match chance.randrange(6):
            case 0 if bad:
                bad[where] ^= 1 << chance.randrange(8)
            case 1:
                bad[where : where + 4] = chance.choice(
                    [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"]
                )
            case 2:
                del bad[where : where + size]
            case 3:
                bad[where:where] = chance.randbytes(size)
            case 4:
                del bad[where:]
            case _:
                bad += bad[where : where + size]
    return bytes(bad)


def csv_text(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    *,
    position: int = 0,
    header: bool = False,
    separator: str = ",",
    cell: str = "{}",
    end: str = "\n",
) -> str:
    """Images and labels as text, the labels' column inserted at `position`."""
    rows: list[list[Any]] = np.insert(images.reshape(-1, 784), position, labels, axis=1).tolist()
    lines = [[cell.format(value) for value in row] for row in rows]
    if header:
        names = [f"pixel{number}" for number in range(784)]
        names.insert(position, "label")
        lines.insert(0, names)
    return "".join(separator.join(line) + end for line in lines)


def zeros(head: bytes, size: int) -> bytes:
    """A gzip file of `head` and `size` zeros, about 1 to 1,000; one compressed block is repeated."""
    press = zlib.compressobj(6, wbits=-15)
    start = press.compress(head) + press.flush(zlib.Z_FULL_FLUSH)
    block = press.compress(bytes(1 << 20)) + press.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(size, 1 << 20)
    end = press.compress(bytes(rest)) + press.flush()
    checksum = zlib.crc32(head)
    for _ in range(whole):
        checksum = zlib.crc32(bytes(1 << 20), checksum)
    checksum = zlib.crc32(bytes(rest), checksum)
    trailer = struct.pack("<II", checksum, (len(head) + size) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + start + block * whole + end + trailer
