"""Download published files: one mirror after another, verified by SHA-256, resumed after a cut."""

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
"""Called with a file's name, the compressed bytes received, and their total where the mirror states it."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which a download is given up."""

    total: float = 300.0  # for one file: all mirrors, and waiting for another process
    network: float = 5.0  # for connecting to a mirror, and then for each wait for its next bytes


DEFAULT_TIMEOUTS = Timeouts()
ATTEMPTS = 5  # transfers from one mirror; each but the last must have brought something new
CHUNK = 1 << 16  # bytes read at once
PROGRESS_INTERVAL = 0.2  # seconds between two calls of a progress callback


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    progress: Progress | None = None,
    notice: Notice | None = None,
    local: bool = False,
) -> Path:
    """Return the path of `file` in `folder`, verified, after downloading it if it is not there yet.

    The mirrors in `file.urls` are asked in order, over https; `local` also allows http to this machine,
    for tests. A compressed copy that the user has put into `folder` is used instead of a download.
    Raises DownloadError with every mirror's reason; what has arrived by then is kept in a hidden file,
    and the next call continues from there.
    """
    deadline = time.monotonic() + timeouts.total
    download = _Download(file, folder, partial_path(file, folder), deadline, timeouts, progress, local)
    return cached(file, folder, download.content, deadline=deadline, notice=notice)


@dataclass(frozen=True)
class _Download:
    """One file on its way into the folder."""

    file: RemoteFile
    folder: Path
    partial: Path  # collects the compressed bytes
    deadline: float  # in seconds of time.monotonic
    timeouts: Timeouts
    progress: Progress | None
    local: bool

    def content(self) -> bytes:
        """Return the bytes to store, verified: from the folder, or from the first mirror that has them."""
        reasons: dict[str, str] = {}  # where the file was looked for -> why it could not be had there
        try:
            content = self._from_folder(reasons)
            for number, url in enumerate(self.file.urls):
                if content is not None:
                    break
                now, mirrors_left = time.monotonic(), len(self.file.urls) - number
                until = now + (self.deadline - now) / mirrors_left  # an equal share of the time that is left
                content = self._from_mirror(url, until, reasons)
        except OSError:  # of the disk, such as "no space left": free what was taken
            self.partial.unlink(missing_ok=True)
            raise
        if content is None:
            raise DownloadError(self._explanation(reasons))
        return content

    def _from_folder(self, reasons: dict[str, str]) -> bytes | None:
        """Return the content of a copy saved here by the user, or by a process killed just before its end."""
        by_hand = self.folder / f"{self.file.name}.gz"
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
        """Return the content from one mirror, or None after noting the reason in `reasons`.

        A cut transfer is resumed as long as each attempt brings something new. Wrong content is discarded; if
        it began with bytes from an earlier attempt, they may be to blame, and the mirror is asked again.
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
            worth_another = before > 0 if wrong else arrived > before
            if not worth_another or time.monotonic() >= until:
                break
        return None

    def _transfer(self, url: str, offset: int, until: float) -> None:
        """Make one request for the bytes from `offset` on and append them to the partial file."""
        shown = 0.0  # when progress was last reported
        with self.partial.open("ab") as out:
            for position, data, total in self._pieces(url, offset, until):
                if position == 0:
                    out.truncate(0)  # this mirror cannot resume and sends the whole file
                out.write(data)
                received = position + len(data)
                if self.progress and (received == total or time.monotonic() - shown > PROGRESS_INTERVAL):
                    shown = time.monotonic()
                    self.progress(self.file.name, received, total)

    def _pieces(self, url: str, offset: int, until: float) -> Iterator[tuple[int, bytes, int | None]]:
        """Yield (position, bytes, total length if stated) as they arrive.

        This is a generator so that an error of the disk, in `_transfer`, is not taken for the mirror's.
        """
        seconds = min(self.timeouts.network, until - time.monotonic())
        if seconds <= 0:
            raise RequestError(f"the {self.timeouts.total:g} s for all mirrors are over")
        with request(url, offset, timeout=seconds, local=self.local) as (body, position, total):
            if total is not None and total > self.file.largest_download:
                raise RequestError(_too_long(self.file, total))
            while data := body.read1(CHUNK):
                if position == 0 and not GZIP.startswith(data[: len(GZIP)]):
                    raise RequestError(f"not a gzip file; it starts with {data[:16]!r}")
                yield position, data, total
                position += len(data)
                self._check_length(position)
                if time.monotonic() > until:
                    raise RequestError(f"too slow: only {position:,} bytes in its share of the time")
            if total is not None and position < total:
                raise RequestError(f"cut off after {position:,} of {total:,} bytes")

    def _check_length(self, length: int) -> None:
        if length > self.file.largest_download:
            raise WrongContentError(_too_long(self.file, length))

    def _explanation(self, reasons: dict[str, str]) -> str:
        """Return the final error message: every reason, and how to go on by hand."""
        lines = [f"{self.file.name} could not be downloaded:"]
        lines += [f"  {place}: {reason}" for place, reason in reasons.items()]
        if _length(self.partial):
            lines.append("What has arrived is kept; the next start continues from there.")
        if self.file.urls:
            lines.append(
                f"By hand: open one of these addresses in a browser, put the file into {self.folder} and "
                "start again; or name a folder that holds the data with --data or in $DIGITS_DATA."
            )
        return "\n".join(lines)


def _too_long(file: RemoteFile, length: int) -> str:
    return f"has {length:,} bytes; expected at most {file.largest_download:,}"


def _length(path: Path) -> int:
    """Return the bytes in a file, 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
