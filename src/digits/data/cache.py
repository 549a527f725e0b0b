"""The folder of downloaded files: verified on every use, written whole, safe beside a second process."""

import contextlib
import hashlib
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from digits.data.catalogue import RemoteFile
from digits.data.formats.content import GZIP_WINDOW
from digits.errors import DataError, DownloadError, RunError
from digits.files import TEMPORARY, atomic_write, locked

Notice = Callable[[str], None]
"""Called with a sentence that the user should see although nothing failed."""
LOCK = ".download.lock"  # file in the folder that a process locks while it downloads


class IncompleteError(Exception):
    """The end of a file is missing; the bytes that have arrived may be right and are kept."""


class WrongContentError(Exception):
    """The bytes of a file are wrong, whatever might follow; they are discarded."""


def cache_folder() -> Path:
    """Return $DIGITS_CACHE, or else the folder that the operating system has for a user's caches.

    Raises DataError if that variable is not set and the user has no home folder.
    """
    if chosen := os.environ.get("DIGITS_CACHE"):
        return Path(chosen)
    # system -> variable with the base folder, folder below it, folder below home if the variable is not set
    systems = {
        "win32": ("LOCALAPPDATA", "digits/Cache", "AppData/Local/digits/Cache"),
        "darwin": ("", "", "Library/Caches/digits"),
    }
    variable, below, below_home = systems.get(sys.platform, ("XDG_CACHE_HOME", "digits", ".cache/digits"))
    base = Path(os.environ.get(variable, ""))
    if base.is_absolute():  # the XDG specification says to ignore relative paths
        return base / below
    try:
        return Path.home() / below_home
    except RuntimeError:
        raise DataError(
            "no place for downloads: this user has no home folder; name a folder in $DIGITS_CACHE"
        ) from None


def cached(
    file: RemoteFile,
    folder: Path,
    obtain: Callable[[], bytes],
    *,
    deadline: float,
    notice: Notice | None = None,
) -> Path:
    """Return the path of `file` in `folder`, after writing what `obtain` returns if it is not there yet.

    A file that is there is verified by its SHA-256; a damaged one is reported to `notice` and replaced.
    `obtain` returns the verified bytes. While it runs, the folder is locked: a second process waits until
    `deadline` (in seconds of time.monotonic) and then uses the first one's file. Raises DownloadError if
    the wait is too long or the folder cannot be written to.
    """
    path = folder / file.cached_name
    try:
        if is_genuine(file, path):  # checked without the lock, so that a read-only folder can be used
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _folder_lock(folder, deadline):
            if is_genuine(file, path):  # another process has downloaded it meanwhile
                return path
            if notice is not None and path.exists():
                notice(f"{path} is damaged (its SHA-256 is not {file.sha256}); it is downloaded again")
            for stale in folder.glob(
                f".{file.cached_name}.*{TEMPORARY}"
            ):  # of processes killed while writing
                stale.unlink()
            content = obtain()
            partial_path(file, folder).unlink(
                missing_ok=True
            )  # first: a kill in between must leave no rubbish
            atomic_write(path, content)
    except OSError as error:
        raise DownloadError(
            f"{file.name} cannot be stored in {folder}: {error.strerror or error} "
            f"({error.filename or path}); free some space or grant access there, or name another folder "
            "in $DIGITS_CACHE"
        ) from None
    return path


def is_genuine(file: RemoteFile, path: Path) -> bool:
    """Return True if `path` holds `file`, judged by size and SHA-256; False if not or if it is missing."""
    try:
        return path.stat().st_size == file.cached_size and sha256_of(path.read_bytes()) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def partial_path(file: RemoteFile, folder: Path) -> Path:
    """Return where compressed bytes are collected; a later process finds them there and goes on."""
    return folder / f".{file.cached_name}{TEMPORARY}"


@contextlib.contextmanager
def _folder_lock(folder: Path, deadline: float) -> Iterator[None]:
    """Hold the folder's lock; raises DownloadError if another process still holds it at the deadline."""
    with contextlib.ExitStack() as stack:
        try:
            seconds = max(0.0, deadline - time.monotonic())
            stack.enter_context(locked(folder / LOCK, str(folder), timeout=seconds))
        except RunError as error:
            if isinstance(error.__cause__, OSError):  # not a busy lock: the file could not be created
                raise error.__cause__ from None
            raise DownloadError(
                f"another process is still downloading into {folder}; wait for it or stop it, "
                "then start again"
            ) from None
        yield


def unpack(file: RemoteFile, compressed: bytes) -> bytes:
    """Return the bytes to store for `file`, verified, from its gzip-compressed form.

    Memory stays within the file's known size, whatever `compressed` would expand to. Raises IncompleteError
    if `compressed` ends early, and WrongContentError if it is something else than the file.
    """
    inflate = zlib.decompressobj(wbits=GZIP_WINDOW)
    try:
        content = inflate.decompress(compressed, file.size + 1)
    except zlib.error as error:
        raise WrongContentError(
            f"not an intact gzip file ({error}); it starts with {compressed[:16]!r}"
        ) from None
    if len(content) > file.size:
        raise WrongContentError(f"unpacks to more than the expected {file.size:,} bytes")
    if not inflate.eof:
        raise IncompleteError(f"ends early, after {len(compressed):,} bytes")
    if inflate.unused_data:
        raise WrongContentError(f"{len(inflate.unused_data):,} bytes follow the end of the gzip data")
    stored = compressed if file.content_sha256 is None else content
    if (found := sha256_of(stored)) != file.sha256:
        raise WrongContentError(f"wrong content: its SHA-256 is {found}, expected {file.sha256}")
    return stored


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
