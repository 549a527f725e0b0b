"""Model files made by hand, as an attacker or another program would write them."""

import hashlib
import io
import json
import struct
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from digits.networks.mlp import MLP

HIDDEN = (8, 4)
ARCHITECTURE = {"name": "mlp", "hidden": list(HIDDEN)}
META = {"data": {"dataset": "mnist", "split_seed": 0, "test_sha256": ""}, "epoch": 1}


def weights(seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return MLP(*HIDDEN).state_dict()


def seal(archive: bytes) -> bytes:
    """Add the comment with the right SHA-256 to a zip archive, as an attacker would."""
    body = archive[:-2] + struct.pack("<H", 71)
    return body + b"sha256=" + hashlib.sha256(body).hexdigest().encode()


def reseal(content: bytes) -> bytes:
    """Return a changed file with its digest corrected."""
    return content[:-64] + hashlib.sha256(content[:-71]).hexdigest().encode()


def meta_bytes(**changes: Any) -> npt.NDArray[np.uint8]:
    meta = {"kind": "model", "format": 1, "architecture": ARCHITECTURE, **META, **changes}
    return np.frombuffer(json.dumps(meta).encode(), np.uint8)


def archive_of(members: dict[str, npt.NDArray[Any]], extra: dict[str, bytes] | None = None) -> bytes:
    """Return a model file of these arrays, written with zipfile alone; `extra` are entries given as bytes."""
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


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    """Return an .npy file with the given header, true or not."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def with_meta(text: bytes) -> bytes:
    return archive_of({**model_members(), "meta": np.frombuffer(text, np.uint8)})
