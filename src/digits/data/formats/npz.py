"""Read labelled images from NumPy archives (.npz)."""

import itertools
import zipfile
from pathlib import Path

from digits.data.formats.arrays import LabelledImages, check_pair
from digits.data.formats.content import CHUNK, check_claim, content_limit, explained_errors
from digits.data.formats.npy import parse_npy
from digits.errors import DataError

_NPZ_LAYOUTS: tuple[dict[str, tuple[str, str]], ...] = (
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},  # Keras
    {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},
    {"all": ("x", "y")},
    {"all": ("images", "labels")},
)


def read_npz(path: Path) -> dict[str, LabelledImages]:
    """The sets in a NumPy archive, by part: "train" and/or "test", or "all" if it is not divided.

    Known are Keras' names (x_train, y_train, x_test, y_test), train_images, train_labels, test_images,
    test_labels, and for one set x, y or images, labels, in any case; other members are not opened.
    Values as `check_pair` has them. Pickled objects are refused unread.
    """
    limit = content_limit(path)
    with explained_errors(path):
        archive = zipfile.ZipFile(path)
    with archive:
        members = _npz_members(path, archive)
        pairs = _npz_pairs(path, set(members))
        wanted = {name: members[name] for name in itertools.chain(*pairs.values())}
        check_claim(path, sum(member.file_size for member in wanted.values()), limit)
        sources = {name: f"{path}: {name}" for name in wanted}
        return {
            part: check_pair(
                parse_npy(_member(path, archive, members[images]), sources[images]),
                parse_npy(_member(path, archive, members[labels]), sources[labels]),
                sources[images],
                sources[labels],
            )
            for part, (images, labels) in pairs.items()
        }


def _npz_members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by array name in lower case."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy").casefold()
        if name in members:
            raise DataError(f"{path}: holds {name[:40]!r} twice, expected each name once")
        members[name] = member
    return members


def _npz_pairs(path: Path, names: set[str]) -> dict[str, tuple[str, str]]:
    """The names of images and labels by part, of the one layout whose names occur."""
    layouts = [layout for layout in _NPZ_LAYOUTS if names.intersection(itertools.chain(*layout.values()))]
    if len(layouts) != 1:
        listed = ", ".join(sorted(name[:40] for name in names)[:10])
        raise DataError(
            f"{path}: holds {listed or 'nothing'}; expected x_train, y_train, x_test, y_test, or x and y"
        )
    pairs = {part: pair for part, pair in layouts[0].items() if names.intersection(pair)}
    missing = set(itertools.chain(*pairs.values())) - names
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} is missing; expected images and labels in pairs")
    return pairs


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    """A zip entry's content, at most as long as it states; zipfile compares its checksum at the end."""
    if member.flag_bits & 0x1:  # APPNOTE.TXT, section 4.4.4
        raise DataError(f"{path}: {member.filename[:40]!r} is encrypted, expected a file that np.savez wrote")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # LZMA may ask for 4 GB of memory before its first byte, bzip2 packs a million bytes into one
        raise DataError(
            f"{path}: {member.filename[:40]!r} is compressed by method {member.compress_type},"
            " expected 0 (stored) or 8 (deflated), as np.savez writes"
        )
    content = bytearray()
    with explained_errors(path), archive.open(member) as file:
        while chunk := file.read(CHUNK):
            content += chunk
    return content
