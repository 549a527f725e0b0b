"""The file format: exact round trips, and no damaged, hostile or foreign file gets through."""

import errno
import gzip
import hashlib
import io
import json
import os
import pickle  # to write hostile files, never to read one
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from digits.cli.main import main
from digits.errors import CheckpointError
from digits.networks import tensor_file
from digits.networks.cnn import CNN
from digits.networks.ensemble import Ensemble
from digits.networks.file_format import Kind
from digits.networks.mlp import MLP
from digits.networks.model_file import load_model, load_single, save_model
from digits.networks.tensor_file import load_tensors, pack, previous, save_tensors

HIDDEN = (8, 4)
ARCHITECTURE = {"name": "mlp", "hidden": list(HIDDEN)}
META = {"data": {"dataset": "mnist", "split_seed": 0, "test_sha256": ""}, "epoch": 1}


def weights(seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return MLP(*HIDDEN).state_dict()


def seal(archive: bytes) -> bytes:
    """A zip archive with the digest that digits asks for, as an attacker would add it."""
    body = archive[:-2] + struct.pack("<H", 71)
    return body + b"sha256=" + hashlib.sha256(body).hexdigest().encode()


def reseal(content: bytes) -> bytes:
    """A changed file with its digest put right."""
    return content[:-64] + hashlib.sha256(content[:-71]).hexdigest().encode()


def meta_bytes(**changes: Any) -> npt.NDArray[np.uint8]:
    meta = {"kind": "model", "format": 1, "architecture": ARCHITECTURE, **META, **changes}
    return np.frombuffer(json.dumps(meta).encode(), np.uint8)


def archive_of(members: dict[str, npt.NDArray[Any]], extra: dict[str, bytes] | None = None) -> bytes:
    """A sealed model file of these members, written with zipfile alone; `extra` are raw entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in members.items():
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(f"{name}.npy", entry.getvalue())
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return seal(buffer.getvalue())


def model_members() -> dict[str, npt.NDArray[Any]]:
    return {"meta": meta_bytes(), **{name: tensor.numpy() for name, tensor in weights().items()}}


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    save_model(path, weights(), ARCHITECTURE, META)
    return path


@pytest.fixture
def checkpoint_file(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.npz"
    tensors = {f"{part}/{k}": v for part in ("model", "best", "optimizer") for k, v in weights().items()}
    meta = {"epoch": 3, "step": 17, "history": [{"val_loss": 0.1}] * 3}
    save_tensors(path, "checkpoint", meta, {**tensors, "totals": torch.tensor([2**40, 3, 5])})
    return path


# --------------------------------------------------------------------------------------- round trips

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


@settings(max_examples=150)
@given(
    tensors=st.dictionaries(names, finite_numbers | whole_numbers, max_size=4),
    meta=st.dictionaries(st.text().map("_{}".format), json_values, max_size=4),
)
def test_what_is_saved_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, npt.NDArray[Any]],
    meta: dict[str, Any],
) -> None:
    """Every finite tensor of the four types, and every JSON value, survives a save and a load exactly."""
    path = tmp_path_factory.getbasetemp() / "round.npz"
    save_tensors(path, "checkpoint", meta, {name: torch.from_numpy(array) for name, array in tensors.items()})
    read_meta, read = load_tensors(path, "checkpoint")
    assert read_meta == {"kind": "checkpoint", "format": 1, **meta}
    assert {k: (v.numpy().dtype, v.shape, v.numpy().tobytes()) for k, v in read.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in tensors.items()
    }


def test_a_saved_network_gives_the_same_answers(model_file: Path) -> None:
    """The network in a model file computes the logits it computed when it was saved, bit for bit."""
    torch.manual_seed(0)
    original, images = MLP(*HIDDEN), torch.rand(16, 1, 28, 28)
    loaded, meta = load_model(model_file)
    assert torch.equal(loaded(images), original(images))
    assert not loaded.training
    assert meta["data"] == META["data"]


def test_transposed_tensors_are_saved_by_value(tmp_path: Path) -> None:
    """A tensor whose memory lies in another order comes back equal, in C order."""
    tensor = torch.arange(12.0).reshape(3, 4).t()
    save_tensors(tmp_path / "a.npz", "model", {}, {"x": tensor})
    read = load_tensors(tmp_path / "a.npz", "model")[1]["x"]
    assert torch.equal(read, tensor)
    assert read.is_contiguous()


def test_same_content_makes_the_same_bytes() -> None:
    """The bytes depend on nothing but the content: no clock, no order of the meta data."""
    first = pack("model", {"a": 1, "b": 2}, weights())
    assert pack("model", {"b": 2, "a": 1}, weights()) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_numpy_opens_the_file_without_pickle(model_file: Path) -> None:
    """A model file is an ordinary NumPy archive of plain arrays, and its meta data are JSON."""
    with np.load(model_file, allow_pickle=False) as archive:
        for name, tensor in weights().items():
            np.testing.assert_array_equal(archive[name], tensor.numpy())
        assert json.loads(archive["meta"].tobytes())["architecture"] == {"name": "mlp", "hidden": [8, 4]}
        assert set(archive.files) == {*weights(), "meta"}


# -------------------------------------------------------------------------------------------- writing


def test_previous_checkpoint_is_kept(tmp_path: Path) -> None:
    """With `keep`, the file of the save before is always there beside the newest, and no older one."""
    path = tmp_path / "checkpoint.npz"
    for number in range(4):
        save_tensors(path, "checkpoint", {"number": number}, {}, keep=True)
        assert load_tensors(path, "checkpoint")[0]["number"] == number
        if number:
            assert load_tensors(previous(path), "checkpoint")[0]["number"] == number - 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.npz", "checkpoint.prev.npz"]


def test_without_keep_nothing_else_is_left(model_file: Path) -> None:
    """Saving a model over another leaves one file."""
    save_model(model_file, weights(seed=1), ARCHITECTURE, META)
    assert [p.name for p in model_file.parent.iterdir()] == ["model.npz"]
    assert torch.equal(load_model(model_file)[0].state_dict()["output.bias"], weights(1)["output.bias"])


@pytest.mark.parametrize("keep", [False, True])
def test_full_disk_is_told_with_the_path(
    checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    """When the disk is full, the message names file and reason, and the old file is as it was."""
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
    """A write that the system cuts short in the middle leaves the old file and names the path."""
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


def test_file_that_could_not_be_read_back_is_not_written(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network too large for the format's limit is refused when saving, not when it is wanted again."""
    before = model_file.read_bytes()
    monkeypatch.setattr(tensor_file, "MAX_FILE_BYTES", len(before) - 1)
    with pytest.raises(CheckpointError, match="choose a smaller --hidden"):
        save_model(model_file, weights(), ARCHITECTURE, META)
    assert model_file.read_bytes() == before


def test_table_of_epochs_that_could_not_be_read_back_is_not_written(checkpoint_file: Path) -> None:
    """More epochs than the meta data have room for are refused when saving; what was saved stays."""
    before = checkpoint_file.read_bytes()
    with pytest.raises(CheckpointError, match="lower --epochs"):
        save_tensors(checkpoint_file, "checkpoint", {"history": ["an epoch"] * 200_000}, {})
    assert checkpoint_file.read_bytes() == before


def test_meta_data_never_contain_what_json_cannot_say(tmp_path: Path) -> None:
    """NaN in the meta data is our own bug and stops before anything is written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_tensors(tmp_path / "a.npz", "checkpoint", {"loss": float("nan")}, {})
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------- M1: files that would run a program


class Trap:
    """Whoever unpickles it makes the file `canary`."""

    def __init__(self, function: Callable[..., Any], argument: str) -> None:
        self.function, self.argument = function, argument

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return self.function, (self.argument,)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def torch_saved(what: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer, **how)
    return buffer.getvalue()


def object_array(trap: Trap) -> npt.NDArray[Any]:
    array = np.empty(3, object)
    array[:] = [trap, 1, 2]
    return array


def hostile_files(canary: Path) -> dict[str, bytes]:
    shell = Trap(os.system, f"touch {canary}")
    python = Trap(eval, f"open({str(canary)!r}, 'w').close()")
    state = {**weights(), "hidden1.weight": shell}
    nested = {"model": [{"state": (state, {"deeper": [python]})}]}
    header = (
        f"{{'descr': __import__('os').system('touch {canary}'), 'fortran_order': False, 'shape': (), }}\n"
    )
    code = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode()
    object_npy = io.BytesIO()
    np.save(object_npy, object_array(shell), allow_pickle=True)
    pickled = pickle.dumps(shell, 2)
    return {
        **{f"os.system, protocol {p}": pickle.dumps(shell, p) for p in range(6)},
        **{f"builtins.eval, protocol {p}": pickle.dumps(python, p) for p in (0, 2, 4)},
        "nested state": pickle.dumps(nested),
        "pickle, sealed": seal(pickle.dumps(state)),
        "pickle, gzip": gzip.compress(pickled),
        "pickle, tar": tarred("data.pkl", pickled),
        "pickle, zip": zipped({"archive/data.pkl": pickled}),
        "pickle, zip, sealed": seal(zipped({"meta.npy": pickled, "data.pkl": pickled})),
        "torch.save": torch_saved(state),
        "torch.save, sealed": seal(torch_saved(nested)),
        "torch.save, legacy": torch_saved(state, _use_new_zipfile_serialization=False),
        ".npy of objects": object_npy.getvalue(),
        ".pt inside .npz": archive_of(model_members(), {"extra.pt": torch_saved(state)}),
        ".pt in place of a weight": archive_of(
            {k: v for k, v in model_members().items() if k != "mean"}, {"mean.npy": torch_saved(state)}
        ),
        "pickle in place of the meta data": archive_of(
            {k: v for k, v in model_members().items() if k != "meta"}, {"meta.npy": pickled}
        ),
        "objects as a weight": archive_of({**model_members(), "mean": object_array(shell)}),
        "objects as the meta data": archive_of({**model_members(), "meta": object_array(python)}),
        "code in an array's header": archive_of(
            {k: v for k, v in model_members().items() if k != "mean"}, {"mean.npy": code}
        ),
    }


HOSTILE = sorted(hostile_files(Path("nowhere")))


def test_there_are_twenty_hostile_files() -> None:
    """The list is as long as it is said to be."""
    assert len(HOSTILE) >= 20


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_and_not_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that would run a program is refused with a CheckpointError, also by `digits evaluate`."""
    canary, path = tmp_path / "canary", tmp_path / "model.npz"
    path.write_bytes(hostile_files(canary)[name])
    with pytest.raises(CheckpointError, match=str(path)):
        load_model(path)
    with pytest.raises(CheckpointError, match=str(path)):
        load_tensors(path, "checkpoint")
    assert main(["evaluate", str(path)]) == 1
    assert f"digits: {path}" in capsys.readouterr().err
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "careless"),
    [
        ("os.system, protocol 0", lambda path: pickle.loads(path.read_bytes())),  # noqa: S301  to show it bites
        ("nested state", lambda path: pickle.loads(path.read_bytes())),  # noqa: S301  likewise
        ("torch.save", lambda path: torch.load(path, weights_only=False)),
        ("torch.save, sealed", lambda path: torch.load(path, weights_only=False)),
        ("objects as a weight", lambda path: np.load(path, allow_pickle=True)["mean"]),
    ],
)
def test_hostile_files_are_live(name: str, careless: Callable[[Path], Any], tmp_path: Path) -> None:
    """The same files do run their program in a careless reader, so that refusing them means something."""
    canary, path = tmp_path / "canary", tmp_path / "model.npz"
    path.write_bytes(hostile_files(canary)[name])
    careless(path)
    assert canary.exists()


def test_harmless_torch_file_is_refused_too(tmp_path: Path) -> None:
    """There is no second reader to fall back to: a harmless .pt file is refused like a hostile one."""
    path = tmp_path / "model.pt"
    path.write_bytes(torch_saved(weights()))
    with pytest.raises(CheckpointError, match="of another kind"):
        load_model(path)


# ------------------------------------------------------------- M2: files that would take memory or time


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    """An .npy file whose header claims what it likes."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def with_mean(data: bytes) -> bytes:
    """A model file with these bytes where the scalar `mean` is expected."""
    return archive_of({k: v for k, v in model_members().items() if k != "mean"}, {"mean.npy": data})


def with_meta(text: bytes) -> bytes:
    return archive_of({**model_members(), "meta": np.frombuffer(text, np.uint8)})


def compressed(size: int) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, meta=meta_bytes(), mean=np.zeros(size, np.uint8))
    return seal(buffer.getvalue())


def directory(members: list[tuple[bytes, int]], content: bytes) -> bytes:
    """A sealed archive of `content` stored once, under one name, and listed under all of `members`.

    Each of them is (name, bytes it claims).
    """
    entry = zipped({"x": content})
    local = entry[: entry.index(b"PK\1\2")]
    crc = struct.pack("<I", zipfile.crc32(content))  # type: ignore[attr-defined]  # zipfile imports it
    fixed = b"PK\1\2\x14\0\x14\0\0\0\0\0\0\0!\0" + crc
    listed = b"".join(
        fixed + struct.pack("<IIHHHHHII", size, size, len(name), 0, 0, 0, 0, 0, 0) + name
        for name, size in members
    )
    count = min(len(members), 0xFFFF)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(listed), len(local), 0)
    return seal(local + listed + end)


def zip64_claim() -> bytes:
    """A stored entry that claims 10^12 bytes by the 64-bit extension."""
    name, size = b"meta.npy", 0xFFFFFFFF
    extra = struct.pack("<HHQQ", 1, 16, 10**12, 10**12)
    central = b"PK\1\2\x2d\0\x2d\0" + bytes(6) + b"!\0" + bytes(4)
    central += struct.pack("<IIHHHHHII", size, size, len(name), len(extra), 0, 0, 0, 0, 0) + name + extra
    local = b"PK\3\4\x2d\0" + bytes(6) + b"!\0" + bytes(4) + struct.pack("<IIHH", 0, 0, len(name), 0) + name
    return seal(local + central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0))


def bombs() -> dict[str, bytes]:
    hidden = {"name": "mlp", "hidden": [10**7, 10**7]}
    stored = npy("|u1", f"({20 * 2**20},)", bytes(20 * 2**20))
    return {
        "10^12 elements": with_mean(npy("<f4", "(1000000, 1000000)", bytes(4))),
        "10^18 elements of nothing": with_mean(npy("<f4", "(0, 1000000000000000000)")),
        "2^64 elements, which is 0 modulo 2^64": with_mean(npy("<f4", f"({2**32}, {2**32})")),
        "negative elements": with_mean(npy("<f4", "(-1, 4)", bytes(4))),
        "70 dimensions": with_mean(npy("<f4", f"({'1, ' * 70})", bytes(4))),
        "nested header": with_mean(npy("<f4", "(" * 9000, bytes(4))),
        "unary minus 60,000 times in a header": with_mean(npy("<f4", f"({'-' * 60_000}1,)", bytes(4))),
        "number of 60,000 digits in a header": with_mean(npy("<f4", f"({'9' * 60_000},)", bytes(4))),
        "10^6 members": directory([(b"%06d.npy" % i, 8) for i in range(10**6)], npy("<f4", "()", bytes(4))),
        "900 members that are the same 20 MB": directory(
            [(b"meta.npy", len(stored))] + [(b"%03d.npy" % i, len(stored)) for i in range(899)], stored
        ),
        "900 members of 64 kB names": directory(
            [(b"%064000d" % i, 8) for i in range(900)], npy("<f4", "()", bytes(4))
        ),
        "member of 10^12 bytes": zip64_claim(),
        "compressed zeros": compressed(50 * 2**20),
        "nested JSON": with_meta(b"[" * 10**6),
        "nested JSON of legal depth as the kind": with_meta(b'{"kind": ' + b"[" * 900 + b"]" * 900 + b"}"),
        "2 MB of empty lists": with_meta(b'{"x": [' + b"[]," * (2 * 2**20 // 3 - 10) + b"[]]}"),
        "60 MB of empty lists": with_meta(b"[" + b"[]," * (20 * 2**20) + b"[]]"),
        "kind of 1 MB": archive_of({**model_members(), "meta": meta_bytes(kind="k" * 10**6)}),
        "network's name of 1 MB": archive_of(
            {**model_members(), "meta": meta_bytes(architecture={"name": "n" * 10**6})}
        ),
        "hidden layers of 10^14 weights": archive_of(
            {**model_members(), "meta": meta_bytes(architecture=hidden)}
        ),
    }


WEIGH = """
import gc, json, re, sys, time
from pathlib import Path
from digits.networks.model_file import load_model
from digits.cli.main import main
from digits.errors import CheckpointError

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

gc.freeze()  # the collector's look at PyTorch's own objects is not the file's doing
for name in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak starts again from what is used now
    before, start = peak_kb(), time.process_time()
    try:
        load_model(Path(name))
        answer = "accepted"
    except CheckpointError as error:
        answer = str(error)
    print(json.dumps([answer, time.process_time() - start, (peak_kb() - before) / 1000]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")
def test_bombs_are_refused_in_a_second_and_300_mb(tmp_path: Path) -> None:
    """What a file claims costs nothing: each bomb is refused within 1 s of processor time and 300 MB."""
    paths = []
    for number, content in enumerate(files := bombs()):
        paths.append(tmp_path / f"{number}.npz")
        paths[-1].write_bytes(files[content])
    done = subprocess.run([sys.executable, "-c", WEIGH, *map(str, paths)], capture_output=True, text=True)
    assert done.stderr == ""
    results = {name: json.loads(line) for name, line in zip(files, done.stdout.splitlines(), strict=True)}
    wrong = {
        name: result
        for name, result in results.items()
        if result[0] == "accepted" or len(result[0]) > 600 or result[1] >= 1 or result[2] >= 300
    }
    assert not wrong


@pytest.mark.parametrize(
    "hidden",
    [[8], [8, 4, 2], [8, 0], [8, -4], [8, 4.0], [True, 4], ["8", "4"], [8, None], "84", None, [2**40, 4]],
    ids=str,
)
def test_hidden_sizes_that_cannot_be_are_refused(hidden: Any, tmp_path: Path) -> None:
    """The sizes in the meta data must be two whole numbers that the file has room for."""
    path = tmp_path / "model.npz"
    architecture = {"name": "mlp", "hidden": hidden}
    path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(architecture=architecture)}))
    with pytest.raises(CheckpointError, match="2 whole numbers"):
        load_model(path)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ({"name": "cnn"}, "3 whole numbers"),
        ({"name": "cnn", "channels": [4, 4]}, "3 whole numbers"),
        ({"name": "ensemble"}, "expected an mlp, a cnn or an ensemble"),
        ({"name": "ensemble", "members": []}, "expected an mlp, a cnn or an ensemble"),
        ({"name": "ensemble", "members": [ARCHITECTURE] * 65}, "expected an mlp, a cnn or an ensemble"),
        ({"name": "ensemble", "members": [{"name": "rnn"}]}, "expected an mlp, a cnn or an ensemble"),
        (
            {"name": "ensemble", "members": [{"name": "ensemble", "members": [ARCHITECTURE]}]},
            "expected an mlp",
        ),
        ({"name": ["mlp"]}, "expected an mlp, a cnn or an ensemble"),
        ("cnn", "expected an mlp, a cnn or an ensemble"),
    ],
    ids=str,
)
def test_networks_that_cannot_be_are_refused(architecture: Any, words: str, tmp_path: Path) -> None:
    """A file that claims a kind or a size of network that is not known here is refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({**model_members(), "meta": meta_bytes(architecture=architecture)}))
    with pytest.raises(CheckpointError, match=words):
        load_model(path)


def test_every_kind_of_network_comes_back(tmp_path: Path) -> None:
    """An mlp, a cnn and an ensemble of both answer after loading as they did before saving."""
    torch.manual_seed(0)
    mlp, cnn = MLP(*HIDDEN), CNN((3, 5, 7))
    about = [ARCHITECTURE, {"name": "cnn", "channels": [3, 5, 7]}]
    images = torch.rand(9, 1, 28, 28)
    for network, architecture in (
        (mlp, about[0]),
        (cnn, about[1]),
        (Ensemble([mlp, cnn]), {"name": "ensemble", "members": about}),
    ):
        save_model(tmp_path / "model.npz", network.state_dict(), architecture, META)
        loaded, meta = load_model(tmp_path / "model.npz")
        assert meta["architecture"] == architecture
        assert type(loaded) is type(network)
        with torch.no_grad():
            assert torch.equal(loaded(images), network.eval()(images))


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    """Saved in 16 bits, every weight comes back as the nearest number that 16 bits can say."""
    torch.manual_seed(0)
    cnn = CNN((8, 16, 32))
    for half in (False, True):
        path = tmp_path / f"{half}.npz"
        save_model(path, cnn.state_dict(), {"name": "cnn", "channels": [8, 16, 32]}, META, half=half)
    full, small = ((tmp_path / f"{half}.npz").stat().st_size for half in (False, True))
    assert small < 0.7 * full  # the names and the meta data do not shrink
    for name, tensor in load_model(tmp_path / "True.npz")[0].state_dict().items():
        original = cnn.state_dict()[name]
        assert tensor.dtype == original.dtype
        assert torch.equal(tensor, original.half().float() if tensor.is_floating_point() else original)


def test_an_ensemble_where_one_network_is_wanted(tmp_path: Path) -> None:
    """What needs a single network says so when it is given several."""
    path = tmp_path / "model.npz"
    several = Ensemble([MLP(*HIDDEN), MLP(*HIDDEN)])
    save_model(path, several.state_dict(), {"name": "ensemble", "members": [ARCHITECTURE] * 2}, META)
    with pytest.raises(CheckpointError, match="holds an ensemble; expected a single network"):
        load_single(path)


def test_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    """A file larger than any of ours is refused by its length alone."""
    path = tmp_path / "model.npz"
    with path.open("wb") as file:
        file.truncate(10**12)  # a hole: it takes no room on the disk
    with pytest.raises(CheckpointError, match=r"has 1,000,000,000,000 bytes; expected at most"):
        load_model(path)


# ------------------------------------------------------------------- M3: tensors that are not ours


def bent(name: str, index: Any, value: float) -> dict[str, npt.NDArray[Any]]:
    array = weights()[name].numpy().copy()
    array[index] = value
    return {name: array}


ODD_TENSORS: dict[str, tuple[str, dict[str, npt.NDArray[Any]]]] = {
    "NaN": ("hidden1.weight", bent("hidden1.weight", (7, 783), np.nan)),
    "infinity": ("hidden2.bias", bent("hidden2.bias", 0, np.inf)),
    "minus infinity, in a scalar": ("std", bent("std", (), -np.inf)),
    "transposed": ("hidden1.weight", {"hidden1.weight": np.zeros((784, 8), np.float32)}),
    "one row more": ("output.weight", {"output.weight": np.zeros((11, 4), np.float32)}),
    "flat": ("hidden2.weight", {"hidden2.weight": np.zeros(32, np.float32)}),
    "a vector for a scalar": ("mean", {"mean": np.zeros(1, np.float32)}),
    "empty": ("output.bias", {"output.bias": np.zeros(0, np.float32)}),
    "float64": ("output.bias", {"output.bias": np.zeros(10, np.float64)}),
    "int64": ("output.bias", {"output.bias": np.zeros(10, np.int64)}),
    "uint8": ("output.bias", {"output.bias": np.zeros(10, np.uint8)}),
    "int32": ("output.bias", {"output.bias": np.zeros(10, np.int32)}),
    "bool": ("output.bias", {"output.bias": np.zeros(10, np.bool_)}),
    "big-endian": ("output.bias", {"output.bias": np.zeros(10, ">f4")}),
    "complex": ("output.bias", {"output.bias": np.zeros(10, np.complex64)}),
    "text": ("output.bias", {"output.bias": np.array(["0.1"] * 10)}),
    "dates": ("output.bias", {"output.bias": np.zeros(10, "M8[s]")}),
    "records": ("output.bias", {"output.bias": np.zeros(10, [("a", "<f4")])}),
    "Fortran order": ("hidden2.weight", {"hidden2.weight": np.asfortranarray(np.zeros((4, 8), np.float32))}),
    "an unknown name": ("hidden3.weight", {"hidden3.weight": np.zeros(1, np.float32)}),
}


@pytest.mark.parametrize("case", ODD_TENSORS)
def test_odd_tensor_is_refused_by_name(case: str, tmp_path: Path) -> None:
    """A tensor of another value, shape, type or name than the network has is refused, and named."""
    name, changes = ODD_TENSORS[case]
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({**model_members(), **changes}))
    with pytest.raises(CheckpointError, match=str(path)) as caught:
        load_model(path)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", list(weights()))
def test_missing_tensor_is_refused_by_name(name: str, tmp_path: Path) -> None:
    """A file without one of the network's tensors is refused, and the tensor named."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of({k: v for k, v in model_members().items() if k != name}))
    with pytest.raises(CheckpointError, match=f"has no tensor '{name}'"):
        load_model(path)


def test_sealed_archive_of_another_writer_is_accepted(tmp_path: Path) -> None:
    """The refusals above are for what was changed: the same archive unchanged is read."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of(model_members()))
    assert all(map(torch.equal, load_tensors(path, "model")[1].values(), weights().values()))
    assert load_model(path)[0].state_dict()["hidden1.bias"].shape == (8,)


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (b"", "no JSON object"),
        (b"\xff\xfe\x00", "no JSON object"),
        (b"{", "no JSON object"),
        (b"9" * 5000, "no JSON object"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{}", "is a None file"),
        (b'{"kind": "checkpoint", "format": 1}', "is a 'checkpoint' file"),
        (b'{"kind": "model", "format": 2}', "of format 2"),
        (b'{"kind": "model", "format": 1}', "holds a network None"),
        (b'{"kind": "model", "format": 1, "architecture": {"name": "rnn"}}', "expected an mlp"),
    ],
)
def test_odd_meta_data_are_refused(meta: bytes, words: str, tmp_path: Path) -> None:
    """Meta data that are no JSON object, of another kind or of another format are refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(with_meta(meta))
    with pytest.raises(CheckpointError, match=words):
        load_model(path)


def test_meta_data_of_numbers_are_refused(tmp_path: Path) -> None:
    """JSON is stored as bytes; the same text in an array of another type is not ours."""
    text = bytes(meta_bytes())
    path = tmp_path / "model.npz"
    padded = np.frombuffer(text + b" " * (-len(text) % 8), np.int64)
    path.write_bytes(archive_of({**model_members(), "meta": padded}))
    with pytest.raises(CheckpointError, match="meta data of type int64"):
        load_model(path)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    """An archive in which two entries would be the same tensor is refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of(model_members(), {"mean": npy("<f4", "()", bytes(4))}))
    with pytest.raises(CheckpointError, match="same name"):
        load_model(path)


@pytest.mark.parametrize("place", ["missing.npz", "."])
def test_unreadable_place_is_told(place: str, tmp_path: Path) -> None:
    """What is not there, or is a folder, is refused with the system's reason."""
    with pytest.raises(CheckpointError, match="could not read"):
        load_tensors(tmp_path / place, "model")


# ----------------------------------------------------------------------------------- M4: damaged files


def mutants(content: bytes, count: int) -> list[bytes]:
    """Copies of `content`, each damaged in one of eight ways, no two damages the same on purpose."""
    draws = random.Random(0)
    made: list[bytes] = []
    while len(made) < count:
        copy = bytearray(content)
        at, to = sorted(draws.sample(range(len(copy)), 2))
        way = draws.randrange(8)
        if way == 0:
            copy[at] ^= 1 << draws.randrange(8)
        elif way == 1:
            copy[at] = draws.randrange(256)
        elif way == 2:
            del copy[at:]
        elif way == 3:
            del copy[at : at + draws.randrange(1, 100)]
        elif way == 4:
            copy[at:at] = draws.randbytes(draws.randrange(1, 100))
        elif way == 5:
            copy[at : at + 512] = bytes(len(copy[at : at + 512]))  # a sector that was never written
        elif way == 6:
            copy[at], copy[to] = copy[to], copy[at]
        else:
            copy += draws.randbytes(draws.randrange(1, 100))
        if copy != content:
            made.append(bytes(copy))
    return made


def refused(path: Path, kind: Kind, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        load_tensors(path, kind)
    except CheckpointError:
        return True
    return False


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_no_damaged_file_is_accepted(
    kind: Kind, model_file: Path, checkpoint_file: Path, tmp_path: Path
) -> None:
    """Of 2,000 damaged copies of a file not one is read, and none fails in any other way."""
    content = (model_file if kind == "model" else checkpoint_file).read_bytes()
    assert not refused(tmp_path / "copy.npz", kind, content)
    accepted = [m for m in mutants(content, 2000) if not refused(tmp_path / "copy.npz", kind, m)]
    assert accepted == []


def test_every_byte_of_the_directory_and_of_the_digest_counts(model_file: Path) -> None:
    """Flipping a bit in any byte of the archive's directory or of the digest itself is noticed."""
    content = model_file.read_bytes()
    for at in range(content.index(b"PK\1\2"), len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        assert refused(model_file, "model", bytes(damaged)), at


def test_damage_under_a_right_digest_is_refused_or_harmless(model_file: Path) -> None:
    """Of 2,000 mutants that a forger sealed anew, each is refused or says just what the original said."""
    content = model_file.read_bytes()
    draws = random.Random(1)
    marks = [at for at in range(len(content)) if content[at : at + 2] in (b"PK", b"\x93N")]
    original = load_model(model_file)
    for _ in range(2000):
        copy = bytearray(content)
        for _ in range(draws.choice([1, 1, 1, 2, 4])):
            at = (draws.choice(marks) + draws.randrange(140)) % (len(copy) - 71)
            copy[at] = draws.choice([draws.randrange(256), copy[at] ^ (1 << draws.randrange(8)), 0, 255])
        model_file.write_bytes(reseal(bytes(copy)))
        try:
            model, meta = load_model(model_file)
        except CheckpointError:
            continue
        assert meta == original[1]
        assert all(map(torch.equal, model.state_dict().values(), original[0].state_dict().values()))
