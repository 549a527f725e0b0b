"""Files that would run a program (reliability M1), or take too much memory or time (M2), are refused."""

import gzip
import io
import json
import os
import pickle  # to write hostile files, never to read one
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
from support.network_files import (
    archive_of,
    meta_bytes,
    model_members,
    npy,
    seal,
    weights,
    with_meta,
    zipped,
)

from digits.cli.main import main
from digits.errors import CheckpointError
from digits.networks.model_file import load_model
from digits.networks.tensor_file import load_tensors


class Trap:
    """An object that calls a function when it is unpickled; here the function makes the file `canary`."""

    def __init__(self, function: Callable[..., Any], argument: str) -> None:
        self.function, self.argument = function, argument

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return self.function, (self.argument,)


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
    """At least twenty hostile files are tested."""
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
    """A careless reader runs the program in the same files, so the test above means something."""
    canary, path = tmp_path / "canary", tmp_path / "model.npz"
    path.write_bytes(hostile_files(canary)[name])
    careless(path)
    assert canary.exists()


def test_harmless_torch_file_is_refused_too(tmp_path: Path) -> None:
    """A harmless .pt file is refused too: PyTorch's reader is never used."""
    path = tmp_path / "model.pt"
    path.write_bytes(torch_saved(weights()))
    with pytest.raises(CheckpointError, match="of another kind"):
        load_model(path)


def with_mean(data: bytes) -> bytes:
    """Return a model file with these bytes in place of the scalar `mean`."""
    return archive_of({k: v for k, v in model_members().items() if k != "mean"}, {"mean.npy": data})


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
    """Return an archive whose only entry claims 10^12 bytes in its 64-bit extension."""
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


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory by Linux's /proc")
def test_bombs_are_refused_in_a_second_and_300_mb(tmp_path: Path) -> None:
    """Files that claim huge sizes are refused within 1 s of processor time and 300 MB of memory."""
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


def test_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    """A file above the size limit is refused without reading it."""
    path = tmp_path / "model.npz"
    with path.open("wb") as file:
        file.truncate(10**12)  # a hole: it takes no room on the disk
    with pytest.raises(CheckpointError, match=r"has 1,000,000,000,000 bytes; expected at most"):
        load_model(path)
