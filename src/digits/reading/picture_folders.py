"""List the pictures in folders."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib",
    ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif",
}  # fmt: skip
# First bytes of JPEG, PNG and GIF, and bytes 4 to 12 of AVIF and HEIC. Those of other formats are not unique.
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8")
BRANDS = (b"ftypavif", b"ftypheic", b"ftypheix", b"ftypmif1")


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """List the files in folders, sorted by name.

    Subfolders and hidden files are left out.

    Args:
        paths: Files and folders.

    Yields:
        Each file. An empty or unreadable folder is yielded itself.
    """
    for path in paths:
        yield from _files_of_folder(path) or [path]


def _files_of_folder(path: Path) -> list[Path]:
    """Return the files in a folder by name; none if unreadable."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.name[0] != "." and not _is_folder(entry)]
    except (OSError, ValueError):  # ValueError: a NUL byte in the name
        return []
    return [path / name for name in sorted(names)]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a link to itself; opening the file later raises an error that says so
        return False


def pictures_in(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """List the pictures in folders and their subfolders.

    In a folder, a picture is a file with a suffix of SUFFIXES, or one that begins like a picture. Hidden
    files and folders are left out, and links to folders are not followed.

    Args:
        paths: Files and folders.

    Returns:
        The files, sorted by name in each folder, and the number of other files. A path that is no folder is
        listed itself, and so is a folder without pictures or one that cannot be read.
    """
    found: list[Path] = []
    others = 0
    for path in paths:
        before = len(found)
        waiting = [path]
        while waiting:
            here = waiting.pop()
            try:
                with os.scandir(here) as entries:
                    listed = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
            except (OSError, ValueError):  # it is no folder or cannot be read; ValueError: a NUL byte in it
                found.append(here)
                continue
            files = [entry for entry in listed if not entry.is_dir(follow_symlinks=False)]
            pictures = [here / entry.name for entry in files if _may_be_picture(entry)]
            found += pictures
            others += len(files) - len(pictures)
            waiting += [here / e.name for e in reversed(listed) if e.is_dir(follow_symlinks=False)]
        if len(found) == before:
            found.append(path)
    return found, others


def _may_be_picture(entry: "os.DirEntry[str]") -> bool:
    """Return True if a file of a folder is named like a picture, or begins like one."""
    named = Path(entry.name).suffix.lower() in SUFFIXES
    try:
        about = entry.stat()
        # Pipes and devices are not opened, nor files of the system without a size, which may never end.
        if named or not stat.S_ISREG(about.st_mode) or not about.st_size:
            return named and stat.S_ISREG(about.st_mode)
        with open(entry.path, "rb") as file:
            start = file.read(12)
    except OSError:  # for example a link to itself; opening the file later raises an error that says so
        return named
    return start.startswith(STARTS) or start[8:] == b"WEBP" or start[4:] in BRANDS
