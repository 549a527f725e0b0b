"""The application: the names of its networks and its answer to unexpected errors."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from support.saved_network import saved as saved_network
from support.served import asked
from support.strokefont import FONT

import digits
from digits.errors import OptionError
from digits.networks.bundled import model_path
from digits.reading.reader import Reader
from digits.serving.api import describe
from digits.serving.app import application, load_readers
from digits.serving.browser_network import network_bytes
from digits.serving.error_answers import BusyError, error_answer
from digits.serving.options import ServeOptions

STROKES = [[[100 * x, 100 * y] for x, y in stroke] for stroke in FONT[4]]


def test_a_bug_is_noted_without_telling_the_client(caplog: pytest.LogCaptureFixture, reader: Reader) -> None:
    """An unexpected error is logged and answered with status 500."""

    class Broken(Reader):
        def read_strokes(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("secret\n/usr/lib")

    app = application(ServeOptions(), 80, readers={"broken": Broken(reader.classifier)})
    answer = asyncio.run(asked(app, "POST", "/api/predict", json={"strokes": STROKES}))
    assert (answer.status_code, answer.json()["kind"]) == (500, "bug")
    assert "secret" not in answer.text
    assert "ZeroDivisionError: secret\\n/usr/lib" in caplog.text


def test_ones_own_networks_come_first_under_their_names(tmp_path: Path) -> None:
    """Networks are named after their folders; taken names get a number, odd letters become _."""
    for folder in ("cnn", "my run é"):
        (tmp_path / folder).mkdir()
        source = Path(digits.__file__).parent / "weights" / "mlp.npz"
        (tmp_path / folder / "model.npz").write_bytes(source.read_bytes())
    found = load_readers([str(tmp_path / "my run é"), str(tmp_path / "cnn")])
    assert list(found) == ["my_run__", "cnn", "cnn-2", "mlp"]
    assert describe("my_run__", found["my_run__"].classifier).architecture == "mlp"


def test_names_that_look_like_numbered_ones_do_not_hang(tmp_path: Path) -> None:
    """A network may be called as the number of another one would make it; every name is given once."""
    source = Path(digits.__file__).parent / "weights" / "mlp.npz"
    paths = [tmp_path / str(i) / name for i, name in enumerate(("cnn-2", "cnn", "cnn-3", "cnn", "rejection"))]
    for path in paths:
        path.mkdir(parents=True)
        (path / "model.npz").write_bytes(source.read_bytes())
    found = load_readers(map(str, paths))
    assert list(found) == ["cnn-2", "cnn", "cnn-3", "cnn-4", "rejection-2", "cnn-5", "mlp"]


def test_the_threshold_decides_what_is_accepted() -> None:
    """--threshold 1 accepts nothing, --threshold 0 everything with ink; /api/model tells it to the page."""
    with pytest.raises(OptionError, match="--threshold is 2; expected a number from 0 to 1"):
        ServeOptions(threshold=2)
    for threshold, accepted in ((1.0, False), (0.0, True)):
        app = application(ServeOptions(threshold=threshold), 80)
        answer = asyncio.run(asked(app, "POST", "/api/predict", json={"strokes": STROKES}))
        assert [digit["accepted"] for digit in answer.json()["digits"]] == [accepted]
        assert asyncio.run(asked(app, "GET", "/api/model")).json()["threshold"] == threshold


def test_a_busy_server_says_when_to_try_again() -> None:
    """BusyError is answered with status 503 and Retry-After."""
    answer = asyncio.run(error_answer(Request({"type": "http"}), BusyError()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_wrong_parameter_is_refused(client: httpx.Client) -> None:
    """A parameter of a wrong type gets status 422 and a fixed sentence."""
    answer = client.post("/api/predict?single=maybe", json={"strokes": STROKES})
    assert (answer.status_code, answer.json()["kind"]) == (422, "parameter")
    assert "maybe" not in answer.text


def test_each_network_has_its_own_rejection_network(tmp_path: Path) -> None:
    """A network of `digits adapt` brings its rejection network; the page computes each with its own."""
    for folder, seen in (("adapted", True), ("other", False)):
        (tmp_path / folder).mkdir()
        shutil.copy(model_path("mlp"), tmp_path / folder / "model.npz")
        if seen:
            shutil.copy(saved_network("eleven", tmp_path), tmp_path / folder / "rejection.npz")
    readers = load_readers([str(tmp_path / "other"), str(tmp_path / "adapted")])
    app = application(ServeOptions(), 80, readers={**readers, "free": Reader(readers["cnn"].classifier)})
    models = asyncio.run(asked(app, "GET", "/api/model")).json()["models"]
    assert {model["name"]: model["rejection"] for model in models} == {
        "other": "rejection",
        "adapted": "rejection-2",
        "cnn": "rejection",
        "mlp": "rejection",
        "free": None,
    }
    for name in ("other", "adapted"):
        rejection = readers[name].rejection
        assert rejection is not None
        label = next(model["rejection"] for model in models if model["name"] == name)
        answer = asyncio.run(asked(app, "GET", f"/api/network/{label}"))
        assert answer.content == network_bytes(rejection)
