"""What schemathesis sends where the schema says `image/png` or `text/csv`: by the schema alone, any bytes.

Loaded by its command line through $SCHEMATHESIS_HOOKS.
"""

import io

import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image

SAVED = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "gif": "GIF", "tiff": "TIFF", "bmp": "BMP"}


def _pictures(format_: str) -> st.SearchStrategy[bytes]:
    def make(seed: int, width: int, height: int) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format_)
        return buffer.getvalue()

    return st.builds(make, st.integers(0, 1000), st.integers(1, 90), st.integers(1, 90))


for kind, format_ in SAVED.items():
    schemathesis.openapi.media_type(f"image/{kind}", _pictures(format_))
for kind in ("application/octet-stream", "image/avif", "image/heic"):  # any picture, whatever the header says
    schemathesis.openapi.media_type(kind, _pictures("PNG"))

# Rosters: any bytes would be refused, since a line must have a number.
numbers = st.lists(st.integers(0, 10**9), min_size=1, max_size=5)
schemathesis.openapi.media_type("text/csv", numbers.map(lambda found: "\n".join(map(str, found)).encode()))
