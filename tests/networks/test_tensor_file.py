"""Saved tensors come back bit for bit, and a failed save leaves the old file."""

import errno
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.network_files import weights

from digits.errors import CheckpointError
from digits.networks.tensor_file import load_tensors, pack_tensors, previous, save_tensors

finite_numbers = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=arrays.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)
whole_numbers = st.sampled_from([np.int64, np.uint8]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map("model/{}".format)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


any_tensors = st.dictionaries(names, finite_numbers | whole_numbers, max_size=4)
any_meta = st.dictionaries(st.text().map("_{}".format), json_values, max_size=4)
Arrays = dict[str, npt.NDArray[Any]]


def check_round_trip(path: Path, tensors: Arrays, meta: dict[str, Any]) -> None:
    """Save tensors and meta data, load them, and compare every bit."""
    save_tensors(path, "checkpoint", meta, {name: torch.from_numpy(array) for name, array in tensors.items()})
    read_meta, read = load_tensors(path, "checkpoint")
    assert read_meta == {"kind": "checkpoint", "format": 1, **meta}
    assert {k: (v.numpy().dtype, v.shape, v.numpy().tobytes()) for k, v in read.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in tensors.items()
    }


@settings(max_examples=40)
@given(any_tensors, any_meta)
def test_what_is_saved_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, tensors: Arrays, meta: dict[str, Any]
) -> None:
    """Every finite tensor of the four types, and every JSON value, survives a save and a load exactly."""
    check_round_trip(tmp_path_factory.getbasetemp() / "round.npz", tensors, meta)


@pytest.mark.slow
@settings(max_examples=500)
@given(any_tensors, any_meta)
def test_what_is_saved_comes_back_to_the_last_bit_500_times(
    tmp_path_factory: pytest.TempPathFactory, tensors: Arrays, meta: dict[str, Any]
) -> None:
    """The same for 500 sets of tensors and meta data."""
    check_round_trip(tmp_path_factory.getbasetemp() / "round.npz", tensors, meta)


def test_transposed_tensors_are_saved_by_value(tmp_path: Path) -> None:
    """A transposed tensor comes back with the same values, in C order."""
    tensor = torch.arange(12.0).reshape(3, 4).t()
    save_tensors(tmp_path / "a.npz", "model", {}, {"x": tensor})
    read = load_tensors(tmp_path / "a.npz", "model")[1]["x"]
    assert torch.equal(read, tensor)
    assert read.is_contiguous()


def test_same_content_makes_the_same_bytes() -> None:
    """The bytes depend only on the content: not on the time or the order of the meta data."""
    first = pack_tensors("model", {"a": 1, "b": 2}, weights())
    assert pack_tensors("model", {"b": 2, "a": 1}, weights()) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_numpy_opens_the_file_without_pickle(model_file: Path) -> None:
    """A model file is an ordinary NumPy archive of plain arrays, and its meta data are JSON."""
    with np.load(model_file, allow_pickle=False) as archive:
        for name, tensor in weights().items():
            np.testing.assert_array_equal(archive[name], tensor.numpy())
        assert json.loads(archive["meta"].tobytes())["architecture"] == {"name": "mlp", "hidden": [8, 4]}
        assert set(archive.files) == {*weights(), "meta"}


def test_previous_checkpoint_is_kept(tmp_path: Path) -> None:
    """With `keep`, the newest file and the one before it are kept, and no older one."""
    path = tmp_path / "checkpoint.npz"
    for number in range(4):
        save_tensors(path, "checkpoint", {"number": number}, {}, keep=True)
        assert load_tensors(path, "checkpoint")[0]["number"] == number
        if number:
            assert load_tensors(previous(path), "checkpoint")[0]["number"] == number - 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.npz", "checkpoint.prev.npz"]


@pytest.mark.parametrize("keep", [False, True])
def test_full_disk_is_told_with_the_path(
    checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    """If the disk is full, the message names file and reason, and the old file is unchanged."""
    before = checkpoint_file.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device") as caught:
        save_tensors(checkpoint_file, "checkpoint", {}, {"x": torch.zeros(1000)}, keep=keep)
    assert str(checkpoint_file) in str(caught.value)
    assert "Free some space" in str(caught.value)
    assert {p.name: p.read_bytes() for p in checkpoint_file.parent.iterdir()} == {"checkpoint.npz": before}


def test_kernel_refusing_to_write_is_told_with_the_path(checkpoint_file: Path) -> None:
    """If the system stops a write halfway, the message names the file, and the old file is unchanged."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    before = checkpoint_file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="could not write") as caught:
            save_tensors(checkpoint_file, "checkpoint", {}, {"x": torch.zeros(10_000)}, keep=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(checkpoint_file) in str(caught.value)
    assert {p.name: p.read_bytes() for p in checkpoint_file.parent.iterdir()} == {"checkpoint.npz": before}


def test_table_of_epochs_that_could_not_be_read_back_is_not_written(checkpoint_file: Path) -> None:
    """Meta data too long to be loaded again are refused when saving, and the old file is unchanged."""
    before = checkpoint_file.read_bytes()
    with pytest.raises(CheckpointError, match="lower --epochs"):
        save_tensors(checkpoint_file, "checkpoint", {"history": ["an epoch"] * 300_000}, {})
    assert checkpoint_file.read_bytes() == before


def test_meta_data_never_contain_what_json_cannot_say(tmp_path: Path) -> None:
    """NaN in the meta data raises ValueError before anything is written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_tensors(tmp_path / "a.npz", "checkpoint", {"loss": float("nan")}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["missing.npz", "."])
def test_unreadable_place_is_told(place: str, tmp_path: Path) -> None:
    """If the path is missing or a folder, the message has the system's reason."""
    with pytest.raises(CheckpointError, match="could not read"):
        load_tensors(tmp_path / place, "model")
