"""Download published files from their mirrors.

A mirror is a web server with a copy of a file. The mirrors are tried one after another. The download ends
when a mirror has sent the file with the right SHA-256. An interrupted download continues where it stopped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from digits.data.cache import IncompleteError, Notice, WrongContentError, cached, partial_path, unpack
from digits.data.catalogue import RemoteFile
from digits.data.formats.content import GZIP
from digits.data.https import RequestError, WrongRangeError, request
from digits.errors import DownloadError

Progress = Callable[[str, int, int | None], None]
"""A function that shows the progress of a download.

It is called with the name of the file, the number of compressed bytes received so far, and the total number,
or None if the mirror does not state it.
"""


@dataclass(frozen=True)
class Timeouts:
    """Time limits of a download, in seconds."""

    total: float = 300.0  # for one file: all mirrors together, and waiting for another process
    network: float = 5.0  # for connecting to a mirror, and again for each wait for the next bytes


DEFAULT_TIMEOUTS = Timeouts()
ATTEMPTS = 5  # maximum number of requests to one mirror for one file
DOWNLOAD_CHUNK = 1 << 16  # bytes read at a time
PROGRESS_INTERVAL = 0.2  # seconds; minimum time between two calls of a progress function


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    progress: Progress | None = None,
    notice: Notice | None = None,
    local: bool = False,
) -> Path:
    """Return the path of a verified file in the cache.

    A missing or damaged file is downloaded first, from the mirrors in `file.urls`.

    Args:
        file: The wanted file.
        folder: The cache folder; it is created if it does not exist.
            A gzip file that the user has saved there is used before any mirror.
        timeouts: Time limits.
        progress: Called repeatedly during the download.
        notice: Called with a sentence if a damaged file in the cache is downloaded again.
        local: True to allow http addresses on this machine too, for tests.
    Raises:
        DownloadError: if no mirror sends the file, with the reason for each mirror.
            Received bytes are kept, and the next call continues.
    """
    deadline = time.monotonic() + timeouts.total
    download = _Download(file, folder, partial_path(file, folder), deadline, timeouts, progress, local)
    return cached(file, folder, download.content, deadline=deadline, notice=notice)


@dataclass(frozen=True)
class _Download:
    """The download of one file."""

    file: RemoteFile
    folder: Path
    partial: Path  # hidden file for the compressed bytes received so far
    deadline: float  # time of time.monotonic() at which to stop, in seconds
    timeouts: Timeouts
    progress: Progress | None
    local: bool

    def content(self) -> bytes:
        """Return the verified bytes from the folder or from a mirror.

        Raises:
            DownloadError: if neither the folder nor a mirror has the file.
            OSError: if the disk fails. The partial file is then deleted.
        """
        reasons: dict[str, str] = {}  # path or address -> why the file could not be used from there
        try:
            content = self._from_folder(reasons)
            for number, url in enumerate(self.file.urls):
                if content is not None:
                    break
                now, mirrors_left = time.monotonic(), len(self.file.urls) - number
                until = now + (self.deadline - now) / mirrors_left  # an equal part of the remaining time
                content = self._from_mirror(url, until, reasons)
        except OSError:  # an error of the disk, such as "no space left": free the space of the partial file
            self.partial.unlink(missing_ok=True)
            raise
        if content is None:
            raise DownloadError(self._explanation(reasons))
        return content

    def _from_folder(self, reasons: dict[str, str]) -> bytes | None:
        """Return the verified bytes from a complete file in the folder.

        Args:
            reasons: Path -> why the user's file is not usable; it is changed.
        Returns:
            The bytes to store, or None if there is no such file.
        """
        by_hand = self.folder / f"{self.file.name}.gz"
        # The partial file is complete if a process was killed after it had received the last byte.
        for path in (by_hand, self.partial):
            length = _length(path)
            try:
                self._check_length(length)
                if length:
                    return unpack(self.file, path.read_bytes())
            except (IncompleteError, WrongContentError) as error:
                if path == by_hand:
                    reasons[str(path)] = str(error)
                elif isinstance(error, WrongContentError):
                    path.unlink()
        return None

    def _from_mirror(self, url: str, until: float, reasons: dict[str, str]) -> bytes | None:
        """Return the verified bytes from one mirror.

        Args:
            url: Address of the compressed file.
            until: When to stop, in seconds of time.monotonic().
            reasons: Address -> why the download failed; it is changed.
        Returns:
            The bytes to store, or None if the download failed.
        """
        for _ in range(ATTEMPTS):
            before = _length(self.partial)
            try:
                self._transfer(url, before, until)
                return unpack(self.file, self.partial.read_bytes())
            except (RequestError, IncompleteError, WrongContentError) as error:
                reasons[url] = str(error)
                wrong = isinstance(error, (WrongContentError, WrongRangeError))
            arrived = _length(self.partial)
            if wrong or not arrived:
                self.partial.unlink()
            # Wrong content may begin with bytes of an earlier request, perhaps to another mirror. Then the
            # whole file is requested once more. An interrupted download continues if new bytes have arrived.
            worth_another = before > 0 if wrong else arrived > before
            if not worth_another or time.monotonic() >= until:
                break
        return None

    def _transfer(self, url: str, offset: int, until: float) -> None:
        """Append the bytes that are still missing to the partial file.

        Args:
            url: Address of the compressed file.
            offset: Length of the partial file: position of the first missing byte.
            until: When to stop, in seconds of time.monotonic().
        Raises:
            RequestError: if the request fails, is interrupted or is too slow.
            WrongContentError: if the mirror sends too many bytes.
        """
        shown = 0.0  # time of the last call of `progress`
        with self.partial.open("ab") as out:
            for position, data, total in self._pieces(url, offset, until):
                if position == 0:
                    out.truncate(0)  # the mirror cannot continue a download and sends the whole file
                out.write(data)
                received = position + len(data)
                if self.progress and (received == total or time.monotonic() - shown > PROGRESS_INTERVAL):
                    shown = time.monotonic()
                    self.progress(self.file.name, received, total)

    def _pieces(self, url: str, offset: int, until: float) -> Iterator[tuple[int, bytes, int | None]]:
        """Yield the bytes of a file in pieces, as they arrive.

        Args:
            url: Address of the compressed file.
            offset: Position of the first wanted byte.
            until: When to stop, in seconds of time.monotonic().
        Yields:
            Position of the piece in the file, the piece, total number of bytes or None.
        Raises:
            RequestError: if the request fails, is interrupted or is too slow.
            WrongContentError: if the mirror sends too many bytes.
        """
        seconds = min(self.timeouts.network, until - time.monotonic())
        if seconds <= 0:
            raise RequestError(f"no time left: the limit for all mirrors is {self.timeouts.total:g} s")
        # Here every OSError counts as an error of the mirror. So `_transfer` writes to the disk, outside of
        # this block.
        with request(url, offset, timeout=seconds, local=self.local) as (body, position, total):
            if total is not None and total > self.file.largest_download:
                raise RequestError(_too_long(self.file, total))
            while data := body.read1(DOWNLOAD_CHUNK):
                if position == 0 and not GZIP.startswith(data[: len(GZIP)]):
                    raise RequestError(f"not a gzip file; it starts with {data[:16]!r}")
                yield position, data, total
                position += len(data)
                self._check_length(position)
                if time.monotonic() > until:
                    raise RequestError(f"too slow: only {position:,} bytes in the time for this mirror")
            if total is not None and position < total:
                raise RequestError(f"the connection ended after {position:,} of {total:,} bytes")

    def _check_length(self, length: int) -> None:
        """Check the length in bytes of a compressed file.

        Raises:
            WrongContentError: if `length` is too large.
        """
        if length > self.file.largest_download:
            raise WrongContentError(_too_long(self.file, length))

    def _explanation(self, reasons: dict[str, str]) -> str:
        """Return the error message of the download.

        Args:
            reasons: Path or address -> why it failed.
        """
        lines = [f"{self.file.name} could not be downloaded:"]
        lines += [f"  {place}: {reason}" for place, reason in reasons.items()]
        if _length(self.partial):
            lines.append("The bytes received so far are kept; the next start continues from there.")
        if self.file.urls:
            lines.append(
                f"You can download it yourself: open one of these addresses in a browser, save the file in "
                f"{self.folder} and start again. Or give a folder with the data by --data or $DIGITS_DATA."
            )
        return "\n".join(lines)


def _too_long(file: RemoteFile, length: int) -> str:
    """Return an error message for a compressed file of too many bytes."""
    return f"has {length:,} bytes; expected at most {file.largest_download:,}"


def _length(path: Path) -> int:
    """Return the length of a file in bytes; 0 without a file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
