"""The cache: verified on each use, safe beside other processes, clear about bad disks."""

import contextlib
import gzip
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mirror import (
    Server,
    gives,
    gives_slowly,
)
from support.remote_file import CONTENT, FILE, PACKED, at, child, flipped, get, left_in

from digits.data import cache
from digits.data.cache import cache_folder
from digits.data.catalogue import RemoteFile
from digits.data.download import Timeouts, fetch
from digits.errors import DataError, DownloadError
from digits.files import TEMPORARY, locked


def test_kill_while_the_final_file_is_written_leaves_nothing(server: Server, tmp_path: Path) -> None:
    """D5: the half-written copy of a process killed at the very end is removed by the next run."""
    (tmp_path / f".{FILE.name}.12345{TEMPORARY}").write_bytes(CONTENT[:1000])
    get(tmp_path, server.route("/good", gives(PACKED)))
    assert left_in(tmp_path) == {FILE.name}


@pytest.mark.slow
def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    """D5: the second waits for the first and finds its file: both succeed, and one download is made."""
    url = server.route("/file.gz", gives_slowly(PACKED, 20_000, 0.1))
    folder = tmp_path / "new" / "folder"
    both = [child(folder, url), child(folder, url)]
    for process in both:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out.strip()) == (0, str(folder / FILE.name)), err
    assert len(server.asked) == 1
    assert (folder / FILE.name).read_bytes() == CONTENT
    assert left_in(folder) == {FILE.name}


def test_two_threads_at_once(server: Server, tmp_path: Path) -> None:
    """A second thread waits too, and finds the first one's file."""
    url = server.route("/file.gz", gives_slowly(PACKED, 50_000, 0.1))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(get(tmp_path, url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / FILE.name] * 2
    assert len(server.asked) == 1


def test_waiting_for_another_process_ends_at_the_deadline(tmp_path: Path) -> None:
    """If another process holds the folder too long, the error says so."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / cache.LOCK, "the folder"):
            held.set()
            release.wait(10.0)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10.0)
    with pytest.raises(DownloadError, match=f"another process is still downloading into {tmp_path}"):
        get(tmp_path, timeouts=Timeouts(total=0.3))
    release.set()
    holder.join()


def test_cached_file_needs_no_mirror(server: Server, tmp_path: Path) -> None:
    """A genuine cached file is returned without a request and without a change to the folder."""
    path = get(tmp_path, server.route("/good", gives(PACKED)))
    (tmp_path / cache.LOCK).unlink()
    assert get(tmp_path, server.url("/good")) == path
    assert len(server.asked) == 1
    assert not (tmp_path / cache.LOCK).exists()  # the folder was not touched


@pytest.mark.parametrize("damage", [flipped(CONTENT), CONTENT[:-1], CONTENT + b"\0", b""])
def test_damaged_cache_is_replaced(server: Server, tmp_path: Path, damage: bytes) -> None:
    """D6: a cached file that has changed is noticed, reported, and downloaded again."""
    path = tmp_path / FILE.name
    path.write_bytes(damage)
    notices: list[str] = []
    url = server.route("/good", gives(PACKED))
    assert fetch(at(url), tmp_path, notice=notices.append, local=True).read_bytes() == CONTENT
    assert len(notices) == 1
    assert f"{path} is damaged" in notices[0]


def test_damaged_cache_without_mirrors_is_an_error(tmp_path: Path) -> None:
    """D6: a damaged file is never returned, even if no mirror can replace it."""
    (tmp_path / FILE.name).write_bytes(flipped(CONTENT))
    with pytest.raises(DownloadError):
        get(tmp_path)


def test_file_known_by_its_compressed_digest_is_kept_compressed(server: Server, tmp_path: Path) -> None:
    """If only the compressed file's digest is known, the compressed file is kept, to be verified again."""
    digest = hashlib.sha256(PACKED).hexdigest()
    file = RemoteFile("digits-idx", len(CONTENT), digest, compressed_size=len(PACKED))
    url = server.route("/good", gives(PACKED))
    path = get(tmp_path, url, file=file)
    assert path.name == "digits-idx.gz"
    assert path.read_bytes() == PACKED
    path.write_bytes(flipped(PACKED))
    assert get(tmp_path, url, file=file).read_bytes() == PACKED
    again = gzip.compress(CONTENT, 1, mtime=0)
    assert again != PACKED
    path.unlink()
    with pytest.raises(DownloadError, match=r"expected"):
        get(tmp_path, server.route("/recompressed", gives(again)), file=file)
    assert left_in(tmp_path) == set()


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_read_only_folder_is_named(server: Server, tmp_path: Path) -> None:
    """D7: a read-only cache is at once an error that names the path and what to do."""
    url = server.route("/good", gives(PACKED))
    with mounted(tmp_path / "disk", "ro") as folder:
        for place in (folder, folder / "cache"):
            begin = time.monotonic()
            with pytest.raises(DownloadError, match=f"cannot be stored in {place}: Read-only.*DIGITS_CACHE"):
                get(place, url)
            assert time.monotonic() - begin < 1.0


@pytest.mark.parametrize("room", [64, 256], ids=["for part of the download", "not for the result"])
def test_full_disk_is_named(server: Server, tmp_path: Path, room: int) -> None:
    """D7: a full disk is an error with the path; no incomplete file stays, and the space is freed."""
    url = server.route("/good", gives(PACKED))
    with mounted(tmp_path / "disk", f"size={room}k") as folder:
        (folder / "other").write_bytes(bytes((room - 60) * 1024))
        with pytest.raises(DownloadError, match=f"cannot be stored in {folder}: No space left"):
            get(folder, url)
        assert left_in(folder) == {"other"}


def test_missing_folder_is_made_or_named(server: Server, tmp_path: Path) -> None:
    """D7: a missing folder is created; one that cannot be created is an error with its path."""
    url = server.route("/good", gives(PACKED))
    assert get(tmp_path / "a" / "b c" / "ü", url).read_bytes() == CONTENT
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DownloadError, match=f"cannot be stored in {folder}: .*DIGITS_CACHE"):
            get(folder, url)


def test_folder_in_the_file_s_place_is_named(server: Server, tmp_path: Path) -> None:
    """D7: a folder in the place of the file is an error with its path."""
    (tmp_path / FILE.name).mkdir()
    with pytest.raises(DownloadError, match=r"cannot be stored in .* directory"):
        get(tmp_path, server.route("/good", gives(PACKED)))
    assert left_in(tmp_path) == {FILE.name}


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"DIGITS_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/digits"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/h/.cache/digits"),
        ("linux", {"DIGITS_CACHE": ""}, "/h/.cache/digits"),
        ("freebsd14", {}, "/h/.cache/digits"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/h/Library/Caches/digits"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/digits/Cache"),
        ("win32", {}, "/h/AppData/Local/digits/Cache"),
    ],
)
def test_cache_folder(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], expected: str
) -> None:
    """The cache is where the user says, else where the operating system wants it."""
    for name in ("DIGITS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/h", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert cache_folder() == Path(expected)


def test_no_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME and without an entry in the list of users, the error names the variable to set."""
    for name in ("DIGITS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    pwd = pytest.importorskip("pwd", reason="only POSIX has a list of users")

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(DataError, match=r"\$DIGITS_CACHE"):
        cache_folder()
