"""What `open_picture` takes: paths, file objects, bytes, data: URLs, arrays and tensors."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.hostile import saved
from support.strokefont import sheet

from digits.errors import QUOTED, PhotoError, shortened
from digits.reading.image_files import open_picture

PLAIN = sheet("5", size=(90, 120), height=80)
ARRAY = np.asarray(PLAIN)
INK = (ARRAY < 128).astype(np.uint8)  # 0 and 1
FILE = saved(PLAIN, "PNG")


class Upload:
    """An upload as Flask gives it: a name, and `read` with a size."""

    filename = "seven.png"

    def __init__(self, content: Any) -> None:
        self.content = content

    def read(self, _: int) -> Any:
        """Return the whole content."""
        return self.content


SOURCES: dict[str, Any] = {
    "bytearray": bytearray(FILE),
    "memoryview": memoryview(FILE),
    "data URL": "data:image/png;base64," + base64.b64encode(FILE).decode(),
    "data URL with percent signs": "DATA:,%" + FILE.hex("%"),
    "upload": Upload(FILE),
    "(H, W, 1)": ARRAY[..., None],
    "(1, H, W)": ARRAY[None],
    "tensor": torch.tensor(ARRAY),
    "tensor (1, H, W) from 0 to 1": torch.tensor(ARRAY)[None] / 255,
    "a batch of one": torch.tensor(ARRAY)[None, None],
    "tensor with gradients": (torch.tensor(ARRAY) / 255).requires_grad_(),
    **{f"{kind}": ARRAY.astype(kind) for kind in ("i2", "u2", "i4", ">i4", "i8", "u8")},
    "tensor of int64": torch.tensor(ARRAY).long(),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_picture_from_everything(name: str) -> None:
    """Each form of the same picture gives the same pixels."""
    assert np.array_equal(open_picture(SOURCES[name]).pixels, ARRAY)


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f4"])
def test_arrays_of_0_and_1_are_black_and_white(kind: str) -> None:
    """0 and 1 of any type are black and white."""
    assert np.array_equal(open_picture(INK.astype(kind)).pixels, INK * 255)


def test_bfloat16_is_read() -> None:
    """A tensor of a type that NumPy lacks gives the pixels within its precision."""
    pixels = open_picture((torch.tensor(ARRAY) / 255).bfloat16()).pixels
    assert np.abs(pixels.astype(int) - ARRAY).max() <= 1


def test_open_files_are_read(tmp_path: Path) -> None:
    """Open files and BytesIO are read from where they stand."""
    (tmp_path / "five.png").write_bytes(b"before" + FILE)
    with open(tmp_path / "five.png", "rb") as file:
        file.seek(6)
        assert np.array_equal(open_picture(file).pixels, ARRAY)
        with pytest.raises(PhotoError, match=r"five.png is empty, or was read .* seek\(0\)"):
            open_picture(file)
    assert np.array_equal(open_picture(io.BytesIO(FILE)).pixels, ARRAY)


BAD: dict[str, tuple[Any, str]] = {
    "text": (io.StringIO("7"), 'str and not bytes; open it with mode "rb"'),
    "closed": (Upload(None), "seven.png gives NoneType"),
    "nothing": (None, "NoneType is no picture; expected a path"),
    "a list": ([[0, 1]], "list is no picture"),
    "negative": (np.full((5, 5), -1), "from -1 to -1"),
    "too large": (np.full((5, 5), 256), "from 256 to 256"),
    "words": (np.array([["7"]]), "type <U1"),
    "batch": (np.zeros((3, 28, 28), np.uint8), r"shape \(3, 28, 28\)"),
    "damaged data URL": ("data:image/png;base64,a", "the data: URL is damaged"),
    "data URL of text": ("data:,seven", "the data: URL is no picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_refused_with_a_sentence(name: str) -> None:
    """Other things are refused; the message says what they are and what was expected."""
    source, message = BAD[name]
    with pytest.raises(PhotoError, match=message):
        open_picture(source)


def test_a_file_object_that_fails_is_refused() -> None:
    """An error while reading becomes a PhotoError."""
    file = io.BytesIO(FILE)
    file.close()
    with pytest.raises(PhotoError, match="could not read the file object: I/O operation on closed file"):
        open_picture(file)


def test_files_that_must_be_awaited_are_refused() -> None:
    """An upload whose `read` is asynchronous is refused with a word about await."""

    async def read() -> bytes:
        return FILE

    with pytest.raises(PhotoError, match=r"seven.png must be awaited; .*await file.read\(\)"):
        open_picture(Upload(read()))


def test_large_file_objects_are_not_read_to_their_end() -> None:
    """Of a file object without an end one byte more than allowed is read."""

    class Endless:
        def read(self, size: int) -> bytes:
            return bytes(size)

    with pytest.raises(PhotoError, match="25,000,001 bytes"):
        open_picture(Endless())


@pytest.mark.parametrize(
    "source",
    [
        "data:image/png;base64," + "A" * 100_000,
        "x" * 5000,
        "/".join(["y" * 200] * 20),
        np.zeros((2, *(1,) * 59), np.uint8),
        type("N" * 5000, (), {})(),
    ],
)
def test_messages_quote_little_of_any_input(source: Any) -> None:
    """However long the input, the message stays short."""
    with pytest.raises(PhotoError) as caught:
        open_picture(source)
    assert len(str(caught.value)) < QUOTED + 200


def test_long_texts_lose_their_middle() -> None:
    """A shortened text has its start and its end; a short one stays as it is."""
    assert shortened("a" * QUOTED) == "a" * QUOTED
    long = shortened("start" + "a" * 1000 + "end.png")
    assert len(long) <= QUOTED
    assert long.startswith("start")
    assert long.endswith("end.png")


def test_a_long_path_is_named_whole(tmp_path: Path) -> None:
    """A message names the path of a file as it is, however deep its folder lies."""
    path = tmp_path.joinpath(*["folder"] * 20) / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_text("no picture")
    with pytest.raises(PhotoError, match=f"^{re.escape(str(path))} is no picture"):
        open_picture(path)
