"""Read images and labels from NumPy archives (.npz).

An archive is a zip file. It contains one .npy file for each array.
"""

import dataclasses
import itertools
import re
import zipfile
from pathlib import Path

from digits.data.formats.arrays import LabelledImages, check_pair
from digits.data.formats.content import CHUNK, check_claim, content_limit, explained_errors, looks_like
from digits.data.formats.npy import parse_npy
from digits.errors import DataError
from digits.files import printable

# The known ways to name the arrays of an archive: part of the data -> names of its images and its labels.
LAYOUTS: tuple[dict[str, tuple[str, str]], ...] = (
    # as in Keras
    {"train": ("x_train", "y_train"), "val": ("x_val", "y_val"), "test": ("x_test", "y_test")},
    # as in MedMNIST
    {
        "train": ("train_images", "train_labels"),
        "val": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
    {"all": ("x", "y")},
    {"all": ("images", "labels")},
)
VALIDATION = re.compile("validation|valid(?=_|$)")  # in names; the same as "val"
ENCRYPTED = 0x1  # bit in the flags of an encrypted zip entry (APPNOTE.TXT, section 4.4.4)


def read_npz(path: Path) -> dict[str, LabelledImages]:
    """Read the images and labels in a NumPy archive.

    The names of the arrays are listed in LAYOUTS, for example x_train and y_train.
    Upper and lower case make no difference, nor do "val", "valid" and "validation".
    Other arrays are not read; a note of the first part names them.

    Args:
        path: The archive, as np.savez or np.savez_compressed writes it.
    Returns:
        Part of the data -> its images, uint8 (N, 28, 28), and labels, uint8 (N,). The parts are one of:
            "train", "val" and "test", or some of them
            "all", for data that is not divided
    Raises:
        DataError: if the archive is damaged or too large, or names or arrays are wrong.
    """
    limit = content_limit(path)
    with explained_errors(path):
        with path.open("rb") as file:
            found_kind = looks_like(file.read(20))
        if found_kind and not found_kind.endswith("archive"):
            raise DataError(f"{path}: not an .npz archive but {found_kind}; fetch it again")
        archive = zipfile.ZipFile(path)
    with archive:
        entries = _entries_by_name(path, archive)
        pairs = _pairs_by_part(path, set(entries))
        wanted = itertools.chain(*pairs.values())
        check_claim(path, sum(entries[name].file_size for name in wanted), limit)
        found = {part: _read_pair(path, archive, entries, *names) for part, names in pairs.items()}
    unused = sorted(set(entries).difference(*pairs.values()))
    if unused:
        listed = ", ".join(printable(name[:40]) for name in unused[:10])
        first = next(iter(found))
        notes = *found[first].notes, f"{path}: {listed} {'is' if len(unused) == 1 else 'are'} not used."
        found[first] = dataclasses.replace(found[first], notes=notes)
    return found


def _entries_by_name(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return a dictionary: name of an array in lower case -> zip entry.

    Raises:
        DataError: if two entries have the same name.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = VALIDATION.sub("val", entry.filename.removesuffix(".npy").casefold())
        if name in entries:
            raise DataError(f"{path}: contains {name[:40]!r} twice, expected each name once")
        entries[name] = entry
    return entries


def _pairs_by_part(path: Path, names: set[str]) -> dict[str, tuple[str, str]]:
    """Find the arrays with the images and labels of each part.

    Args:
        path: The archive, for error messages.
        names: Names of the arrays in the archive, in lower case.
    Returns:
        Part ("train", "val", "test" or "all") -> names of its images and its labels.
    Raises:
        DataError: if no layout or several layouts fit, or an array is missing.
    """
    layouts = [layout for layout in LAYOUTS if names.intersection(itertools.chain(*layout.values()))]
    if len(layouts) != 1:
        listed = ", ".join(sorted(name[:40] for name in names)[:10])
        raise DataError(
            f"{path}: contains {listed or 'no arrays'}; expected x_train, y_train, x_test, y_test, or x and y"
        )
    pairs = {part: pair for part, pair in layouts[0].items() if names.intersection(pair)}
    missing = set(itertools.chain(*pairs.values())) - names
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} is missing; expected images and labels in pairs")
    return pairs


def _read_pair(
    path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], *names: str
) -> LabelledImages:
    """Read and check the images and labels of one part.

    Args:
        path, archive: The archive.
        entries: Name of an array -> zip entry.
        names: Name of the images, then name of the labels.
    Raises:
        DataError: if an array is damaged or `check_pair` does not accept it.
    """
    sources = [f"{path}: {name}" for name in names]
    arrays = []
    for name, source in zip(names, sources, strict=True):
        try:
            arrays.append(parse_npy(_read_entry(path, archive, entries[name])))
        except ValueError as error:
            raise DataError(f"{source}: {error}") from None
    return check_pair(arrays[0], arrays[1], sources[0], sources[1])


def _read_entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytearray:
    """Read the decompressed bytes of one zip entry.

    Raises:
        DataError: if the entry is encrypted, damaged, or compressed by an unusual method.
    """
    name = entry.filename[:40]
    if entry.flag_bits & ENCRYPTED:
        raise DataError(f"{path}: {name!r} is encrypted, expected a file that np.savez wrote")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # These methods are risky: LZMA can need 4 GB of memory, and bzip2 can expand one byte to a million.
        raise DataError(
            f"{path}: {name!r} is compressed by method {entry.compress_type},"
            " expected 0 (stored) or 8 (deflated), as np.savez writes"
        )
    # zipfile reads no more than the stated length, and checks the checksum.
    content = bytearray()  # not bytes, because arrays made from it must be writable
    with explained_errors(path), archive.open(entry) as file:
        while chunk := file.read(CHUNK):
            content += chunk
    return content
