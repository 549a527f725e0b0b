"""Read labelled images from NumPy archives (.npz)."""

import itertools
import zipfile
from pathlib import Path

from digits.data.formats.arrays import LabelledImages, check_pair
from digits.data.formats.content import CHUNK, check_claim, content_limit, explained_errors
from digits.data.formats.npy import parse_npy
from digits.errors import DataError

LAYOUTS: tuple[dict[str, tuple[str, str]], ...] = (  # part -> names of its images and of its labels
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},  # Keras
    {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},
    {"all": ("x", "y")},
    {"all": ("images", "labels")},
)
ENCRYPTED = 0x1  # bit of a zip entry's flags (APPNOTE.TXT, section 4.4.4)


def read_npz(path: Path) -> dict[str, LabelledImages]:
    """Return the sets in a NumPy archive by part: "train" and/or "test", or "all" if it is not divided.

    The known names, in upper or lower case, are x_train, y_train, x_test, y_test (Keras), train_images,
    train_labels, test_images, test_labels, and for an undivided set x, y or images, labels. Entries of other
    names are not opened. Raises DataError for damaged files, for values that `check_pair` refuses, and for
    pickled objects, which are not loaded.
    """
    limit = content_limit(path)
    with explained_errors(path):
        archive = zipfile.ZipFile(path)
    with archive:
        entries = _entries_by_name(path, archive)
        pairs = _pairs_by_part(path, set(entries))
        wanted = itertools.chain(*pairs.values())
        check_claim(path, sum(entries[name].file_size for name in wanted), limit)
        return {part: _read_pair(path, archive, entries, *names) for part, names in pairs.items()}


def _entries_by_name(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's entries by the name of their array, in lower case."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy").casefold()
        if name in entries:
            raise DataError(f"{path}: holds {name[:40]!r} twice, expected each name once")
        entries[name] = entry
    return entries


def _pairs_by_part(path: Path, names: set[str]) -> dict[str, tuple[str, str]]:
    """Return the names of images and labels by part, of the one layout whose names occur."""
    layouts = [layout for layout in LAYOUTS if names.intersection(itertools.chain(*layout.values()))]
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


def _read_pair(
    path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], *names: str
) -> LabelledImages:
    """Return the images and labels whose names are given in this order."""
    sources = [f"{path}: {name}" for name in names]
    arrays = []
    for name, source in zip(names, sources, strict=True):
        try:
            arrays.append(parse_npy(_read_entry(path, archive, entries[name])))
        except ValueError as error:
            raise DataError(f"{source}: {error}") from None
    return check_pair(arrays[0], arrays[1], sources[0], sources[1])


def _read_entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytearray:
    """Return an entry's content; zipfile stops at the length it states and compares its checksum."""
    name = entry.filename[:40]
    if entry.flag_bits & ENCRYPTED:
        raise DataError(f"{path}: {name!r} is encrypted, expected a file that np.savez wrote")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # LZMA may ask for 4 GB of memory before its first byte, bzip2 packs a million bytes into one.
        raise DataError(
            f"{path}: {name!r} is compressed by method {entry.compress_type},"
            " expected 0 (stored) or 8 (deflated), as np.savez writes"
        )
    content = bytearray()  # not bytes: the arrays made of it are to be writable
    with explained_errors(path), archive.open(entry) as file:
        while chunk := file.read(CHUNK):
            content += chunk
    return content
