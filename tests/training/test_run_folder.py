"""The folder of a run: full disks, two trainers at once, names, folders that cannot be used."""

import contextlib
import functools
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reliability import trainer
from reliability.trainer import (
    STEP,
    STEPS,
    Moment,
    Reference,
    Trainer,
    command,
    contents,
    resume,
    resumption,
    signalled,
    small_options,
)
from support.slow import mostly_slow

from digits.errors import RunError
from digits.training.distributed import World
from digits.training.run import open_run
from digits.training.run_folder import find_unfinished, next_name

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)


# -------------------------------------------------------------------------------------------- K5: full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, spare: int) -> None:
    """Leave `spare` bytes on the disk, or fewer."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(disk / "filler", max((disk / "filler").stat().st_size - spare, 0))


def forbid_writing(size: int) -> None:
    """Have this process fail to write any file beyond `size` bytes, as it does when a quota is used up."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


# What is written when the disk is full, and the function, with its call, just before: after the first epoch.
WRITES = {
    "checkpoint.npz": ("digits.training.state:State.finish_epoch", 2),
    "metrics.csv": ("digits.training.metrics_table:write_table", 2),
    "model.npz": ("digits.networks.model_file:save_model", 2),
    "curves.png": ("digits.evaluation.plots.curves:curves_figure", 1),
    "summary.json": ("digits.evaluation.metrics:evaluate_logits", 1),
}


def starve(data: Path, folder: Path, written: str, deed: Callable[[], object]) -> None:
    """Run into a full disk: one sentence that names the file, exit code 1, and every file still whole."""
    start = command(data, folder, *(["--plots"] if written == "curves.png" else []))
    ended = trainer.run(start, Moment(*WRITES[written], deed))
    assert ended.code == 1, ended.output
    assert ended.output.splitlines()[-1].startswith(f"digits: could not write {folder / written}: ")
    assert "Traceback" not in ended.output
    assert trainer.unsound(folder) == []
    assert trainer.leftovers(folder) == []
    assert (folder / "checkpoint.npz").exists()


@pytest.mark.parametrize(
    ("written", "spare"),
    mostly_slow(
        [
            *itertools.product(["checkpoint.npz"], [0, 4096, 65536]),
            *itertools.product(["model.npz", "curves.png"], [0, 4096, 16384]),
            ("metrics.csv", 0),  # less than a page: it fits or it does not
            ("summary.json", 0),
        ],
        [("checkpoint.npz", 4096)],
    ),
)
def test_full_disk(place: Path, whole: Reference, small_disk: Path, written: str, spare: int) -> None:
    """K5: a disk that fills up stops the run with a sentence and costs nothing; with space, it goes on."""
    folder = small_disk / "run"
    starve(place / "data.npz", folder, written, functools.partial(fill, small_disk, spare))
    (small_disk / "filler").unlink()
    resume(folder, "--no-plots")
    assert trainer.differences(folder, whole()) == []


@pytest.mark.parametrize("written", mostly_slow(WRITES, ["model.npz"]))
def test_used_up_quota(place: Path, whole: Reference, tmp_path: Path, written: str) -> None:
    """K5: likewise where the system lets no file grow any more."""
    folder = tmp_path / "run"
    starve(place / "data.npz", folder, written, functools.partial(forbid_writing, 0))
    resume(folder, "--no-plots")
    assert trainer.differences(folder, whole()) == []


# ------------------------------------------------------------------------- K10: two trainers on one folder


def test_second_trainer_is_refused(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K10: while one process trains, others are told who it is; when it was killed, the next one goes on."""
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder)
    first = Trainer(start, Moment(STEP, STEPS + 2, signalled(signal.SIGSTOP)))
    first.await_stop()
    before = contents(folder)
    for arguments in (start, resumption(folder)):
        second = trainer.run(arguments)
        assert second.code == 1
        assert f"{folder} is in use by process {first.pid} on " in second.output
    assert contents(folder) == before
    first.send(signal.SIGKILL)
    assert first.wait().code == -signal.SIGKILL
    assert (folder / ".lock").read_text().startswith(f"process {first.pid} ")  # stale, and no hindrance
    resume(folder)
    assert trainer.differences(folder, whole()) == []


@pytest.mark.slow
def test_simultaneous_starts_of_one_name(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K10: of several that start the same run at once, one does it and the others are refused."""
    folder = tmp_path / "run"
    processes = [Trainer(command(place / "data.npz", folder), held=True) for _ in range(3)]
    for process in processes:
        process.await_stop()
    for process in processes:
        process.send(signal.SIGCONT)
    ended = [process.wait() for process in processes]
    assert sorted(end.code for end in ended) == [0, 1, 1], ended
    assert all("in use" in end.output or "already holds a run" in end.output for end in ended if end.code)
    assert trainer.differences(folder, whole()) == []


def test_started_run_is_not_started_again(place: Path, whole: Reference, tmp_path: Path) -> None:
    """A name that is taken is refused without --resume, and nothing of the old run is touched."""
    folder = shutil.copytree(place / "whole", tmp_path / "run") if whole() else tmp_path
    before = contents(folder)
    ended = trainer.run(command(place / "data.npz", folder))
    assert ended.code == 1
    assert f"{folder} already holds a run; add --resume" in ended.output
    assert contents(folder) == before


# ------------------------------------------------------------------------------------- the folder's errors


@pytest.mark.slow
@pytest.mark.parametrize("out", ["/dev/null/runs", "/proc/runs"])
def test_unusable_folders(place: Path, out: str) -> None:
    """A folder that cannot be made is named in a sentence, whether or not the run has a name."""
    for name in (["--name", "x"], []):
        ended = trainer.run(["train", "--data", str(place / "data.npz"), "--out", out, *name])
        assert ended.code == 1
        assert out in ended.output.splitlines()[-1]
        assert "Traceback" not in ended.output


def test_errors_of_other_files_keep_their_meaning(place: Path, tmp_path: Path) -> None:
    """A reader that hangs up (`digits train | head`) is not mistaken for a full disk in the run's folder."""
    options = small_options(place, tmp_path / "run")
    with pytest.raises(BrokenPipeError), open_run(options, World()):
        raise BrokenPipeError


def test_names_are_numbered(tmp_path: Path) -> None:
    """The first free number is taken and reserved; where no folder can be made, the error says so."""
    assert [next_name(tmp_path / "runs", "classic") for _ in range(2)] == ["classic-1", "classic-2"]
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file"):
        next_name(tmp_path / "file", "classic")


def test_what_there_is_to_resume(tmp_path: Path) -> None:
    """Without a run of that name, or without an unfinished one, the error says what to do."""
    with pytest.raises(RunError, match="holds no run to resume; leave out --resume"):
        find_unfinished(tmp_path, "none")
    with pytest.raises(RunError, match="holds no unfinished run"):
        find_unfinished(tmp_path, None)
