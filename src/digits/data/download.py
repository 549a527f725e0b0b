"""Download published files: mirror after mirror, verified by SHA-256, resumed after a cut."""

import contextlib
import dataclasses
import hashlib
import http.client
import os
import queue
import re
import socket
import ssl
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from digits.data.catalogue import RemoteFile
from digits.errors import DataError, DownloadError, RunError
from digits.files import TEMPORARY, atomic_write, locked

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the compressed bytes received and how many there will be, if known."""
Notice = Callable[[str], None]
"""Called with a sentence the user should see, though nothing failed."""


@dataclasses.dataclass(frozen=True)
class DownloadLimits:
    """How long to wait for what."""

    total: float = 300.0  # s, for one file, all mirrors and waiting for another process together
    connect: float = 4.0  # s, until a mirror is called unreachable; all are tried at the same time
    window: float = 10.0  # s, over which the speed is looked at
    slowest: float = 1000.0  # bytes/s; below it the next mirror gets its chance


PATIENT = DownloadLimits()
TRIES = 5  # transfers from one mirror, each of which must bring something new
PROMPT = 1.0  # s; a mirror that takes longer to connect is asked after those that do not
CHUNK = 1 << 16  # bytes read at once
LOCK = ".download.lock"


def cache_folder() -> Path:
    """Where downloads are kept: $DIGITS_CACHE, or the operating system's place for a user's caches.

    Raises DataError when there is neither that variable nor a home folder.
    """
    if chosen := os.environ.get("DIGITS_CACHE"):
        return Path(chosen)
    # system -> the variable that names the place, the folder below it, the folder below home without it
    systems = {
        "win32": ("LOCALAPPDATA", "digits/Cache", "AppData/Local/digits/Cache"),
        "darwin": ("", "", "Library/Caches/digits"),
    }
    variable, below, below_home = systems.get(sys.platform, ("XDG_CACHE_HOME", "digits", ".cache/digits"))
    place = Path(os.environ.get(variable, ""))
    if place.is_absolute():  # the XDG rules ignore relative ones
        return place / below
    try:
        return Path.home() / below_home
    except RuntimeError:
        raise DataError(
            "no place for downloads: this user has no home folder; name a folder in $DIGITS_CACHE"
        ) from None


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    mirrors: Sequence[str] | None = None,
    limits: DownloadLimits = PATIENT,
    progress: Progress | None = None,
    notice: Notice | None = None,
    local: bool = False,
) -> Path:
    """The path of `file`, verified, in `folder`: already there, or now from the first mirror that has it.

    `mirrors` are full addresses in place of the catalogue's. Only https is spoken; `local` allows http to
    this machine as well, for tests. A compressed file the user put into `folder` is taken like a mirror's.
    Raises DownloadError with the reason of every mirror; the start of a transfer that was cut stays, as a
    hidden file, for the next call to go on with.
    """
    until = time.monotonic() + limits.total
    urls = file.urls if mirrors is None else tuple(mirrors)
    download = _Download(file, folder, limits, until, progress, local)
    return keep(file, folder, until, notice, lambda: download.content(urls))


def fetch_all(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    limits: DownloadLimits = PATIENT,
    progress: Progress | None = None,
    notice: Notice | None = None,
    local: bool = False,
) -> list[Path]:
    """`fetch` for each of `files` in turn; the first that no mirror gives ends it with its DownloadError."""
    return [
        fetch(file, folder, limits=limits, progress=progress, notice=notice, local=local) for file in files
    ]


def keep(
    file: RemoteFile, folder: Path, until: float, notice: Notice | None, obtain: Callable[[], bytes]
) -> Path:
    """The path of `file` in `folder`, written from `obtain()` unless it is there and genuine."""
    path = folder / file.kept_name
    try:
        if _genuine(file, path):  # without the lock: a folder that is read-only but complete is fine
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder, until):
            if _genuine(file, path):  # another process was quicker
                return path
            if notice is not None and path.exists():
                notice(f"{path} is damaged (its SHA-256 is not {file.digest}); getting it anew")
            for stale in folder.glob(f".{file.kept_name}.*{TEMPORARY}"):  # of a process killed while writing
                stale.unlink()
            content = obtain()
            _partial(file, folder).unlink(missing_ok=True)  # first: a kill in between must leave nothing
            atomic_write(path, content)
    except OSError as error:
        raise DownloadError(
            f"{file.name} cannot be kept in {folder}: {error.strerror or error} "
            f"({error.filename or path}); make room or give permission there, or name another folder "
            "in $DIGITS_CACHE"
        ) from None
    return path


@contextlib.contextmanager
def _alone_in(folder: Path, until: float) -> Iterator[None]:
    """Hold the folder's lock; whoever waits for it finds the other's download afterwards."""
    with contextlib.ExitStack() as stack:
        try:
            wait = max(0.0, until - time.monotonic())
            stack.enter_context(locked(folder / LOCK, str(folder), timeout=wait))
        except RunError as error:
            if isinstance(error.__cause__, OSError):  # nobody holds the lock: the folder is at fault
                raise error.__cause__ from None
            raise DownloadError(
                f"another process is still downloading into {folder}; wait for it or stop it, "
                "then start again"
            ) from None
        yield


def _genuine(file: RemoteFile, path: Path) -> bool:
    """Whether `path` holds `file`, by its size and SHA-256."""
    try:
        return path.stat().st_size == file.kept_size and sha256_of(path.read_bytes()) == file.digest
    except (FileNotFoundError, NotADirectoryError):
        return False


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _partial(file: RemoteFile, folder: Path) -> Path:
    """Where the compressed bytes gather; the name is always the same so that a later process can resume."""
    return folder / f".{file.kept_name}{TEMPORARY}"


def _length(path: Path) -> int:
    """Bytes in `path`, 0 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class MirrorError(Exception):
    """This mirror does not give the file; what has arrived may be right and stays."""


class _CutError(MirrorError):
    """The connection broke; the same mirror may give the rest."""


class WrongContentError(Exception):
    """What has arrived is wrong and must go."""


def _check_length(file: RemoteFile, length: int) -> None:
    if length > file.most_packed:
        raise WrongContentError(f"has {length:,} bytes; no more than {file.most_packed:,} can be right")


def unpack(file: RemoteFile, packed: bytes) -> bytes:
    """The bytes to keep, proven to be `file`; memory stays within its known size, whatever `packed` claims.

    Raises _MirrorError when `packed` ends early and _WrongError when no continuation could make it right.
    """
    engine = zlib.decompressobj(wbits=31)  # 31: gzip, with its own length and CRC checked
    try:
        content = engine.decompress(packed, file.size + 1)
    except zlib.error as error:
        raise WrongContentError(f"not a sound gzip file ({error}); it starts with {packed[:16]!r}") from None
    if len(content) > file.size:
        raise WrongContentError(f"unpacks to more than the expected {file.size:,} bytes")
    if not engine.eof:
        raise MirrorError(f"ends early, after {len(packed):,} bytes")
    if engine.unused_data:
        raise WrongContentError(f"{len(engine.unused_data):,} bytes follow the end of the gzip data")
    kept = content if file.sha256 else packed
    if (got := sha256_of(kept)) != file.digest:
        raise WrongContentError(f"wrong content: its SHA-256 is {got}, expected {file.digest}")
    return kept


class _Piece(NamedTuple):
    """Some bytes of the compressed file as they arrived; none at its end."""

    at: int  # position of the first
    data: bytes
    total: int | None  # bytes the whole compressed file will have, if the mirror says so


class _Download:
    """One file on its way from the mirrors into the partial file."""

    def __init__(
        self,
        file: RemoteFile,
        folder: Path,
        limits: DownloadLimits,
        until: float,
        progress: Progress | None,
        local: bool,
    ) -> None:
        self.file, self.folder, self.partial = file, folder, _partial(file, folder)
        self.limits, self.until = limits, until
        self.progress, self.local = progress, local
        self.reasons: dict[str, str] = {}  # place asked -> why it did not give the file

    def content(self, urls: Sequence[str]) -> bytes:
        """The verified bytes to keep, or DownloadError."""
        try:
            found = self._from_disk() or self._from_network(urls)
        except OSError:  # the disk, not a mirror: give the room back
            self.partial.unlink(missing_ok=True)
            raise
        if found is None:
            if not _length(self.partial):
                self.partial.unlink(missing_ok=True)
            raise DownloadError(self._explanation(urls))
        return found

    def _from_disk(self) -> bytes | None:
        """What the user put into the folder, or what a process killed just before its end left there."""
        by_hand = self.folder / f"{self.file.name}.gz"
        for path in filter(_length, (by_hand, self.partial)):
            try:
                _check_length(self.file, _length(path))
                return unpack(self.file, path.read_bytes())
            except (MirrorError, WrongContentError) as error:
                if path == by_hand:
                    self.reasons[str(path)] = str(error)
                elif isinstance(error, WrongContentError):
                    path.unlink()
        return None

    def _from_network(self, urls: Sequence[str]) -> bytes | None:
        """The first mirror's bytes that prove right; those slow to connect are asked last."""
        begin = time.monotonic()
        probes = {url: _Probe(url, self.limits.connect, self.local) for url in urls}
        for patience in (PROMPT, self.limits.connect):
            for url, probe in probes.items():
                if url in self.reasons:
                    continue
                probe.join(max(0.0, min(begin + patience, self.until) - time.monotonic()))
                if probe.is_alive():
                    continue
                try:
                    return self._from_mirror(url, probe)
                except (MirrorError, WrongContentError) as error:
                    self.reasons[url] = str(error)
        for url in urls:
            self.reasons.setdefault(url, f"no connection within {self.limits.connect:g} s")
        return None

    def _from_mirror(self, url: str, probe: "_Probe") -> bytes:
        """The verified bytes; a cut transfer is resumed as long as each attempt brings something new."""
        if probe.problem is not None:
            raise MirrorError(probe.problem)
        inherited = _length(self.partial) > 0
        for _ in range(TRIES):
            before = _length(self.partial)
            try:
                self._receive(url)
                return unpack(self.file, self.partial.read_bytes())
            except _CutError:
                if _length(self.partial) <= before:
                    raise
            except WrongContentError:
                self.partial.unlink(missing_ok=True)
                if not inherited:
                    raise
                inherited = False  # perhaps not this mirror's fault: once more, from zero
        raise MirrorError(f"cut off {TRIES} times")

    def _receive(self, url: str) -> None:
        """One transfer, appended to the partial file."""
        shown = 0.0
        with self.partial.open("ab") as out:
            for piece in self._pieces(url, _length(self.partial)):
                if piece.at == 0:
                    if not b"\x1f\x8b".startswith(piece.data[:2]):  # what we have is worth more than that
                        raise MirrorError(f"not a gzip file; it starts with {piece.data[:16]!r}")
                    out.truncate(0)  # the mirror ignored our wish to resume
                out.write(piece.data)
                received = piece.at + len(piece.data)
                if self.progress and (received == piece.total or time.monotonic() - shown > 0.2):
                    shown = time.monotonic()
                    self.progress(self.file.name, received, piece.total)

    def _pieces(self, url: str, offset: int) -> Iterator[_Piece]:
        """The pieces as a thread reads them, so that no wait is longer than our limits.

        Python's socket time-outs cover a single read: a mirror that sends a byte now and then, in the TLS
        handshake or the headers, would hold the caller for ever.
        """
        self._check_time()
        answers: queue.SimpleQueue[_Piece | Exception] = queue.SimpleQueue()
        abandoned = threading.Event()
        threading.Thread(target=self._read, args=(url, offset, answers, abandoned), daemon=True).start()
        mark, fresh, least = time.monotonic(), 0, self.limits.slowest * self.limits.window
        try:
            while True:
                now = self._check_time()
                if now >= mark + self.limits.window:
                    if fresh < least:
                        raise MirrorError(f"too slow: {fresh:,} bytes in {self.limits.window:g} s")
                    mark, fresh = now, 0
                with contextlib.suppress(queue.Empty):
                    piece = answers.get(timeout=min(mark + self.limits.window, self.until) - now)
                    if isinstance(piece, Exception):
                        raise piece
                    if not piece.data:
                        return
                    fresh += len(piece.data)
                    yield piece
        finally:
            abandoned.set()

    def _read(
        self,
        url: str,
        offset: int,
        answers: "queue.SimpleQueue[_Piece | Exception]",
        abandoned: threading.Event,
    ) -> None:
        """Put one transfer's pieces into `answers`, then an empty one or the exception that ended it."""
        try:
            for piece in self._transfer(url, offset):
                answers.put(piece)
                if abandoned.is_set():
                    return
        except (MirrorError, WrongContentError) as error:
            answers.put(error)
        except urllib.error.HTTPError as error:
            wrong_start = error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE
            answers.put((WrongContentError if wrong_start else MirrorError)(_reason(error)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.put(_CutError(_reason(error)))

    def _transfer(self, url: str, offset: int) -> Iterator[_Piece]:
        """One request for the bytes from `offset` on; the last piece is empty."""
        headers = {"User-Agent": "digits", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  _Probe saw the scheme
        with _opener(self.local).open(request, timeout=self.limits.window) as response:
            at, total = _place(response, offset)
            if total is not None and total > self.file.most_packed:
                raise MirrorError(
                    f"offers {total:,} bytes; no more than {self.file.most_packed:,} can be right"
                )
            while data := response.read1(CHUNK):
                yield _Piece(at, data, total)
                at += len(data)
                _check_length(self.file, at)
            if total is not None and at < total:
                raise _CutError(f"cut off after {at:,} of {total:,} bytes")
            yield _Piece(at, b"", total)

    def _check_time(self) -> float:
        now = time.monotonic()
        if now >= self.until:
            raise MirrorError(f"out of time after {self.limits.total:g} s in all")
        return now

    def _explanation(self, urls: Sequence[str]) -> str:
        lines = [f"{self.file.name} could not be downloaded:"]
        lines += [f"  {place}: {reason}" for place, reason in self.reasons.items()]
        if _length(self.partial):
            lines.append("What has arrived is kept; starting again goes on from there.")
        if urls:
            lines.append(
                f"By hand: open one of these addresses in a browser, put the file into {self.folder} and "
                "start again; or name a folder that holds the data with --data or in $DIGITS_DATA."
            )
        return "\n".join(lines)


class _Probe(threading.Thread):
    """Knocks at a mirror's door in the background: no time-out of Python's covers looking up a name.

    All mirrors are knocked at together, so that a firewall that drops packets costs one wait, not one for
    each mirror. Behind a proxy only the proxy can be reached, and it answers by itself.
    """

    def __init__(self, url: str, seconds: float, local: bool) -> None:
        super().__init__(daemon=True)
        self.url, self.seconds, self.local = url, seconds, local
        self.problem: str | None = None
        self.start()

    def run(self) -> None:
        if not _allowed(self.url, self.local):
            self.problem = "not https"
        elif self.local or "https" not in urllib.request.getproxies():
            parts = urlsplit(self.url)
            address = parts.hostname or "", parts.port or http.client.HTTPS_PORT
            try:
                socket.create_connection(address, self.seconds).close()
            except (OSError, ValueError) as error:
                self.problem = _reason(error)


def _place(response: http.client.HTTPResponse, offset: int) -> tuple[int, int | None]:
    """Where in the file the response's body begins, and how many bytes the whole file has, if said."""
    if response.status == http.client.OK:
        return 0, response.length
    stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status != http.client.PARTIAL_CONTENT or not stated or not 0 < offset == int(stated[1]):
        raise WrongContentError(f"answers HTTP {response.status} with other bytes than asked for")
    return offset, None if stated[2] == "*" else int(stated[2])


def _opener(local: bool) -> urllib.request.OpenerDirector:
    """https with certificates checked, the user's proxies, and redirections only to what is allowed."""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({} if local else None),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        _Redirections(local),
    )


class _Redirections(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def __init__(self, local: bool) -> None:
        self.local = local

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _allowed(newurl, self.local):
            fp.close()
            raise MirrorError(f"redirects to {newurl!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _allowed(url: str, local: bool) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        local and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    )


def _reason(error: Exception) -> str:
    """Why a request failed, in the words of the standards rather than of the server."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        circles = "; redirected without end" if 300 <= error.code < 400 else ""
        return f"HTTP {error.code} {http.client.responses.get(error.code, '')}{circles}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
