"""Files whole or not at all, whatever fails on the way; locks that die with their holder."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from digits import files
from digits.errors import RunError
from digits.files import MARKER, TEMPORARY, atomic_write, locked, read_file, sweep

OLDER, OLD, NEW = b"older" * 1000, b"old" * 2000, b"new" * 3000


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A file with its previous state beside it."""
    path, previous = tmp_path / "state.bin", tmp_path / "state.prev.bin"
    path.write_bytes(OLD)
    previous.write_bytes(OLDER)
    return path, previous


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail(
    monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, call: int = 1
) -> Callable[[], int]:
    """Have call number `call` of a function in `os` raise `error`; the result tells the calls so far."""
    real, count = getattr(os, name), 0

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == call:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, stand_in)
    return lambda: count


# ---------------------------------------------------------------------------------------- atomic_write


def test_new_file_and_replaced_file(tmp_path: Path) -> None:
    """The path holds exactly the last content written, and nothing else is in the folder."""
    for content in (b"", b"first", bytes(range(256)) * 5000, b"short"):
        atomic_write(tmp_path / "a", content)
        assert contents(tmp_path) == {"a": content}


def test_previous_content_is_kept(tmp_path: Path) -> None:
    """With `previous`, the content that stood there before is beside the new one; at first there is none."""
    path, previous = tmp_path / "a", tmp_path / "b"
    atomic_write(path, b"1", previous=previous)
    assert contents(tmp_path) == {"a": b"1"}
    for old, new in ((b"1", b"2"), (b"2", b"3")):
        atomic_write(path, new, previous=previous)
        assert contents(tmp_path) == {"a": new, "b": old}


# where it fails, and what path and previous hold then
POINTS = [
    ("fsync", 1, OLD, OLDER),  # of the file
    ("link", 1, OLD, OLDER),
    ("replace", 1, OLD, OLDER),  # of previous
    ("replace", 2, OLD, OLD),  # of path
    ("open", 1, NEW, OLD),  # of the folder
    ("fsync", 2, NEW, OLD),  # of the folder
]


@pytest.mark.skipif(os.name != "posix", reason="folders are made durable on POSIX only")
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt()],
    ids=["full", "io", "ctrl-c"],
)
@pytest.mark.parametrize(("name", "call", "path_holds", "previous_holds"), POINTS)
def test_failure_leaves_whole_files_and_no_rubbish(
    pair: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    name: str,
    call: int,
    path_holds: bytes,
    previous_holds: bytes,
) -> None:
    """Whichever system call fails, both files are complete, no temporary is left, and the error arrives."""
    path, previous = pair
    calls = fail(monkeypatch, name, error, call)
    with pytest.raises(type(error)):
        atomic_write(path, NEW, previous=previous)
    assert calls() == call
    assert contents(path.parent) == {path.name: path_holds, previous.name: previous_holds}
    if isinstance(error, OSError):
        assert error.filename == str(path)


def test_write_cut_short_leaves_the_old_file(pair: tuple[Path, Path]) -> None:
    """When the system refuses to write on in the middle, the old files are as they were."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    path, previous = pair
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(NEW) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match=str(path)) as caught:
            atomic_write(path, NEW, previous=previous)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert contents(path.parent) == {path.name: OLD, previous.name: OLDER}


def test_missing_folder_is_an_error_naming_the_file(tmp_path: Path) -> None:
    """A folder that is not there raises OSError with the path that was to be written."""
    with pytest.raises(FileNotFoundError, match=r"state\.bin"):
        atomic_write(tmp_path / "nowhere" / "state.bin", NEW)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_systems_without_hard_links(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Where hard links are not known, the previous content is kept all the same."""
    path, previous = pair
    fail(monkeypatch, "link", OSError(code, os.strerror(code)))
    atomic_write(path, NEW, previous=previous)
    assert contents(path.parent) == {path.name: NEW, previous.name: OLD}


def test_write_after_a_kill_between_the_two_renamings(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When both names are one file, as a kill can leave them, the next write puts that right, cleanly."""
    path, previous = pair
    previous.unlink()
    os.link(path, previous)
    atomic_write(path, NEW, previous=previous)
    assert contents(path.parent) == {path.name: NEW, previous.name: OLD}


def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synchronised before it gets its name, the folder after: a power cut finds either whole."""
    calls: list[str] = []

    def watched(name: str, describe: Callable[..., str]) -> None:
        real = getattr(os, name)

        def stand_in(*args: Any) -> Any:
            calls.append(describe(*args))
            return real(*args)

        monkeypatch.setattr(os, name, stand_in)

    watched("fsync", lambda handle: "sync folder" if os.path.isdir(handle) else "sync file")  # noqa: PTH112  a handle
    watched("replace", lambda source, target: f"name {Path(target).name}")
    atomic_write(pair[0], NEW, previous=pair[1])
    assert calls == ["sync file", "name state.prev.bin", "name state.bin", "sync folder"]


@pytest.mark.skipif(os.name != "posix", reason="folders are made durable on POSIX only")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("call", [1, 2])  # of the file, of the folder
def test_file_systems_that_cannot_synchronise(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, code: int, call: int
) -> None:
    """Where `fsync` answers that it does not exist, files are written all the same."""
    path, previous = pair
    calls = fail(monkeypatch, "fsync", OSError(code, os.strerror(code)), call)
    atomic_write(path, NEW, previous=previous)
    assert calls() == 2
    assert contents(path.parent) == {path.name: NEW, previous.name: OLD}


@pytest.mark.skipif(os.name != "posix", reason="folders are made durable on POSIX only")
def test_a_folder_that_cannot_be_listed(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with write permission alone cannot be opened, but files are written into it."""
    fail(monkeypatch, "open", PermissionError(errno.EACCES, "Permission denied"))
    atomic_write(pair[0], NEW)
    assert pair[0].read_bytes() == NEW


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """Whoever reads while the file is replaced 200 times gets one complete content each time."""
    path, previous = tmp_path / "a", tmp_path / "b"
    for each in (path, previous):
        each.write_bytes(bytes(100_000))
    done = threading.Event()
    whole: list[bool] = []

    def read() -> None:
        while not done.is_set():
            for content in (path.read_bytes(), previous.read_bytes()):
                whole.append(content == content[:1] * 100_000)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        atomic_write(path, bytes([number]) * 100_000, previous=previous)
    done.set()
    reader.join()
    assert len(whole) > 100
    assert all(whole)


# ------------------------------------------------------------------------------------------- read_file


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """The content comes back; one byte above the limit is an OSError that says so."""
    path = tmp_path / "a"
    path.write_bytes(OLD)
    assert read_file(path, len(OLD)) == OLD
    with pytest.raises(OSError, match=r"it has 6,000 bytes; expected at most 5,999"):
        read_file(path, len(OLD) - 1)


@pytest.mark.skipif(os.name != "posix", reason="named pipes have paths on POSIX only")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe without a writer, a device, a folder and a missing file are an OSError at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "nowhere"):
        with pytest.raises(OSError, match=r"named pipe or a device|directory"):
            read_file(path, 1000)


# ----------------------------------------------------------------------------------------------- sweep


def test_sweep_takes_what_killed_writers_left_and_nothing_else(tmp_path: Path) -> None:
    """Hidden files with our suffix go, by name; everything else stays."""
    rubbish = {f".checkpoint.npz.123{TEMPORARY}", f".metrics.csv.99999{TEMPORARY}"}
    keep = {"checkpoint.npz", "notes.part", ".lock", ".hidden", "a.part.txt"}
    for name in rubbish | keep:
        (tmp_path / name).write_bytes(b"x")
    assert set(sweep(tmp_path)) == rubbish
    assert set(contents(tmp_path)) == keep
    assert sweep(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_sweep_cleans_up_after_a_killed_writer(tmp_path: Path) -> None:
    """What a writer leaves that is killed in the middle of a write is found by `sweep`."""
    program = (
        "import os, signal, sys; from pathlib import Path; from digits.files import atomic_write\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic_write(Path(sys.argv[1]), b'new')"
    )
    path = tmp_path / "a"
    path.write_bytes(OLD)
    assert subprocess.run([sys.executable, "-c", program, str(path)]).returncode == -9
    assert len(contents(tmp_path)) == 2
    assert len(sweep(tmp_path)) == 1
    assert contents(tmp_path) == {"a": OLD}


# ---------------------------------------------------------------------------------------------- locked

ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has locks everywhere")


def refuse_locks(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let the file system have no locks."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)


HOLD = """
import errno, sys
from pathlib import Path
def refuse(*_):
    raise OSError(errno.ENOSYS, "Function not implemented")
if "without locks" in sys.argv:
    import fcntl
    fcntl.flock = refuse
from digits.files import locked
with locked(Path(sys.argv[1]), "the run"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(params=["locks", pytest.param("without locks", marks=ON_POSIX)])
def holder(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock until it is told a line; on file systems with locks and without."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".lock"), request.param]
    if request.param == "without locks":
        refuse_locks(monkeypatch, errno.ENOSYS)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.skipif(os.name != "posix", reason="the holder's name can be read on POSIX only")
def test_second_process_is_refused_and_told_the_holder(
    holder: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """Who finds the lock taken gets a RunError at once that names what, the holder's pid and a way out."""
    with pytest.raises(RunError, match="runs/a is in use by") as caught, locked(tmp_path / ".lock", "runs/a"):
        pass
    assert f"process {holder.pid} on " in str(caught.value)
    assert "choose another --name" in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_lock_of_a_killed_process_is_free(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """After kill -9 of its holder the lock can be taken at once, though its file is still there."""
    holder.kill()
    holder.wait()
    with locked(tmp_path / ".lock", "runs/a"):
        assert (tmp_path / ".lock").exists()


def test_waiting_for_a_lock(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """With a time-out, the lock is waited for and taken when its holder lets go."""
    assert holder.stdin is not None
    tell = threading.Timer(0.3, lambda: (holder.stdin.write("go\n"), holder.stdin.flush()))  # type: ignore[union-attr]  # asserted above
    start = time.monotonic()
    tell.start()
    with locked(tmp_path / ".lock", "runs/a", timeout=20):
        assert 0.2 < time.monotonic() - start < 15


def test_waiting_in_vain_ends(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """The time-out is kept when the holder does not let go."""
    start = time.monotonic()
    with pytest.raises(RunError, match="in use"), locked(tmp_path / ".lock", "runs/a", timeout=0.3):
        pass
    assert 0.2 < time.monotonic() - start < 5


def test_lock_is_free_after_use_and_after_an_error(tmp_path: Path) -> None:
    """The lock ends with the block, also when the block ends with an exception."""
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), locked(tmp_path / ".lock", "runs/a"):
            raise ZeroDivisionError
    with locked(tmp_path / ".lock", "runs/a"), pytest.raises(RunError), locked(tmp_path / ".lock", "runs/a"):
        pass


@ON_POSIX
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_marker_instead_of_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Without locks a marker names the process; it goes with the block, and one of a dead process is none.

    A marker of a process with the same number, but another start, is one of a dead process; one of another
    machine counts, and the message names the file to delete.
    """
    refuse_locks(monkeypatch, code)
    marker = tmp_path / f".lock{MARKER}"
    with locked(tmp_path / ".lock", "runs/a"):
        number, host, start = marker.read_text().split()
        assert int(number) == os.getpid()
    assert not marker.exists()
    for stale in (f"{2**22 - 1}\n{host}\n{start}\n", f"{os.getpid()}\n{host}\n{int(start) + 1}\n"):
        marker.write_text(stale)
        with locked(tmp_path / ".lock", "runs/a"):
            assert marker.read_text() == f"{number}\n{host}\n{start}\n"
    marker.write_text(f"1\nanother-{host}\n")
    message = r"in use by .*if it has ended, delete .*\.lock\.held"
    with pytest.raises(RunError, match=message), locked(tmp_path / ".lock", "runs/a"):
        pass


def test_lock_where_there_is_no_folder(tmp_path: Path) -> None:
    """A lock that cannot be made is a RunError naming it, not a traceback."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match=r"could not lock .*file/\.lock"), locked(tmp_path / "file/.lock", "a"):
        pass


def two_files(folder: Path) -> None:
    """Write two files into a folder."""
    for name in ("a", "b"):
        files.atomic_write(folder / name, name.encode())


def test_a_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    """Nothing is visible under its name while it is filled; the first free name is used."""

    def fill(folder: Path) -> None:
        two_files(folder)
        assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == []

    (tmp_path / "out").mkdir()
    folder = files.create_folder(tmp_path / "out", ["run-1"], fill)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    assert folder.stat().st_mode & 0o777 == (tmp_path / "out").stat().st_mode & 0o777
    assert files.create_folder(tmp_path / "out", ["run-1", "run-2"], two_files).name == "run-2"
    with pytest.raises(FileExistsError):
        files.create_folder(tmp_path / "out", ["run-1"], two_files)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["run-1", "run-2"]


def test_a_folder_that_cannot_be_filled_is_not_there(tmp_path: Path) -> None:
    """After an error or Ctrl-C in the middle, no file is left."""

    def fail(folder: Path) -> None:
        two_files(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.create_folder(tmp_path, ["run"], fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_process_leaves_no_half_folder(number: signal.Signals, tmp_path: Path) -> None:
    """Killed between two files: nothing has the folder's name, and what is left is removed after an hour."""
    code = (
        "import os, pathlib\nfrom digits import files\n"
        "def fill(folder):\n    files.atomic_write(folder / 'a', b'a')\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        f"files.create_folder(pathlib.Path({str(tmp_path)!r}), ['run'], fill)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -number
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(files.TEMPORARY)
    os.utime(left, (0, 0))
    files.create_folder(tmp_path, ["run"], two_files)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
