"""No damaged file is accepted."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from support.network_files import archive_of, meta_bytes, model_members, npy, reseal, with_meta

from digits.errors import CheckpointError
from digits.networks.file_format import FileKind
from digits.networks.model_file import load_model
from digits.networks.tensor_file import load_tensors


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (b"", "not a JSON object"),
        (b"\xff\xfe\x00", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"9" * 5000, "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "is a None file"),
        (b'{"kind": "checkpoint", "format": 1}', "is a 'checkpoint' file"),
        (b'{"kind": "model", "format": 2}', "of format 2"),
        (b'{"kind": "model", "format": 1}', "holds a network None"),
        (b'{"kind": "model", "format": 1, "architecture": {"name": "rnn"}}', "expected an mlp"),
    ],
)
def test_odd_meta_data_are_refused(meta: bytes, words: str, tmp_path: Path) -> None:
    """Meta data that are not a JSON object, or of another kind or format, are refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(with_meta(meta))
    with pytest.raises(CheckpointError, match=words):
        load_model(path)


def test_meta_data_of_numbers_are_refused(tmp_path: Path) -> None:
    """Meta data stored in an array of another type than bytes are refused."""
    text = bytes(meta_bytes())
    path = tmp_path / "model.npz"
    padded = np.frombuffer(text + b" " * (-len(text) % 8), np.int64)
    path.write_bytes(archive_of({**model_members(), "meta": padded}))
    with pytest.raises(CheckpointError, match="meta data of type int64"):
        load_model(path)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    """An archive with two entries of the same name is refused."""
    path = tmp_path / "model.npz"
    path.write_bytes(archive_of(model_members(), {"mean": npy("<f4", "()", bytes(4))}))
    with pytest.raises(CheckpointError, match="same name"):
        load_model(path)


MUTANTS = pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])


def mutants(content: bytes, count: int) -> list[bytes]:
    """Return `count` damaged copies of `content`, each damaged at random in one of eight ways."""
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


def refused(path: Path, kind: FileKind, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        load_tensors(path, kind)
    except CheckpointError:
        return True
    return False


@MUTANTS
@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_no_damaged_file_is_accepted(
    kind: FileKind, count: int, model_file: Path, checkpoint_file: Path, tmp_path: Path
) -> None:
    """Of many damaged copies of a file not one is read: each raises CheckpointError."""
    content = (model_file if kind == "model" else checkpoint_file).read_bytes()
    assert not refused(tmp_path / "copy.npz", kind, content)
    accepted = [m for m in mutants(content, count) if not refused(tmp_path / "copy.npz", kind, m)]
    assert accepted == []


def test_every_byte_of_the_directory_and_of_the_digest_counts(model_file: Path) -> None:
    """Flipping a bit in any byte of the archive's directory or of the digest itself is noticed."""
    content = model_file.read_bytes()
    for at in range(content.index(b"PK\1\2"), len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        assert refused(model_file, "model", bytes(damaged)), at


@MUTANTS
def test_damage_under_a_right_digest_is_refused_or_harmless(model_file: Path, count: int) -> None:
    """Of many damaged copies with a new, right digest, each is refused or has the original's content."""
    content = model_file.read_bytes()
    draws = random.Random(1)
    marks = [at for at in range(len(content)) if content[at : at + 2] in (b"PK", b"\x93N")]
    original = load_model(model_file)
    for _ in range(count):
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
