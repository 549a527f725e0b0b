"""The application: the names of its networks and its answer to unexpected errors."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.served import asked
from support.strokefont import FONT

import digits
from digits.reading.reader import Reader
from digits.serving.api import describe
from digits.serving.app import application, load_readers
from digits.serving.options import ServeOptions

STROKES = [[[100 * x, 100 * y] for x, y in stroke] for stroke in FONT[4]]


def test_a_bug_is_noted_without_telling_the_client(caplog: pytest.LogCaptureFixture, reader: Reader) -> None:
    """An unexpected error is logged and answered with status 500."""

    class Broken(Reader):
        def read_strokes(self, *_: Any) -> Any:
            raise ZeroDivisionError("secret\n/usr/lib")

    app = application(ServeOptions(), 80, readers={"broken": Broken(reader.classifier)})
    with pytest.raises(ZeroDivisionError):  # what the client gets was sent before
        asyncio.run(asked(app, "POST", "/api/predict", json={"strokes": STROKES}))
    assert "secret" in caplog.text


def test_ones_own_networks_come_first_under_their_names(tmp_path: Path) -> None:
    """Networks are named after their folders; taken names get a number, odd letters become _."""
    for folder in ("cnn", "my run é"):
        (tmp_path / folder).mkdir()
        source = Path(digits.__file__).parent / "weights" / "mlp.npz"
        (tmp_path / folder / "model.npz").write_bytes(source.read_bytes())
    found = load_readers([str(tmp_path / "my run é"), str(tmp_path / "cnn")])
    assert list(found) == ["my_run__", "cnn", "cnn-2", "mlp"]
    assert describe("my_run__", found["my_run__"].classifier).architecture == "mlp"
