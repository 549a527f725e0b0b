"""Name, open and lock the folder of a run.

A run is one call of `digits train`. Its folder holds:

    options.json         the options of `digits train`
    checkpoint.npz       everything that is needed to continue the training
    checkpoint.prev.npz  the previous checkpoint
    metrics.csv          loss and accuracy, one row per epoch
    model.npz            the network of the best epoch, or of the last epoch with --keep last
    *.png                figures such as learning curves and mistakes
    summary.json         the test results; written last, so it marks a finished run

An ensemble's folder has the same files, and one such folder for each of its networks: member-1, member-2 and
so on. The ensemble's model.npz holds all networks.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from digits import files, options
from digits.errors import RunError
from digits.options import TrainOptions


@contextlib.contextmanager
def open_folder(folder: Path, wanted: TrainOptions) -> Iterator[None]:
    """Create the folder of a run, and lock it during the `with` block.

    No other training can use a locked folder. If a new run fails before its first checkpoint, nothing of it
    remains.

    Args:
        folder: the run's folder.
        wanted: the options of the run. With `resume`, the folder must hold a run.

    Raises:
        RunError: in these cases:
            - another process has locked the folder
            - the folder holds a run, and `resume` is False
            - the folder holds no run, and `resume` is True
            - the folder holds a single network and an ensemble is wanted, or the other way round
            - a file cannot be written inside the `with` block
    """
    try:
        if wanted.resume or not (folder / ".lock").exists():
            check_folder(folder, wanted)  # before a lock file is made
        folder.mkdir(parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
        with files.locked(folder / ".lock", str(folder)):
            check_folder(folder, wanted)  # again, because another process may have had the lock until now
            try:
                yield
            except BaseException:
                if not wanted.resume and not _worth_keeping(folder):
                    (folder / "options.json").unlink(missing_ok=True)
                    if empty:
                        shutil.rmtree(folder, ignore_errors=True)
                raise
    except OSError as error:
        if error.filename is None:  # The error is not about a file of the run, but perhaps about printing.
            raise
        raise RunError(
            f"could not write {error.filename}: {error.strerror}; files saved before are unchanged. "
            "Free some space or choose another --out, then continue with --resume"
        ) from error


def check_folder(folder: Path, wanted: TrainOptions) -> None:
    """Check that a run may use its folder. Nothing is written.

    Args:
        folder: the run's folder; it may be missing.
        wanted: the options of the run.

    Raises:
        RunError: see `open_folder`.
        OptionError: if options.json is damaged or from another version of digits.
    """
    holds_run = (folder / "options.json").exists()
    if not wanted.resume:
        if holds_run:
            raise RunError(
                f"{folder} already holds a run; add --resume to continue it, or choose another --name"
            )
        return
    if not holds_run:
        raise RunError(f"{folder} holds no run to resume; leave out --resume to start a new run")
    stored = options.load_options(folder / "options.json")
    # The folder of an ensemble has other files than that of a single network, and a smaller ensemble would
    # replace the larger one.
    if wanted.ensemble < stored.ensemble or (stored.ensemble == 1 and wanted.ensemble > 1):
        raise RunError(
            f"{folder} cannot be resumed, because --ensemble {stored.ensemble} is now {wanted.ensemble}. "
            "Undo this change, or choose another --name to start a new run"
        )


def _worth_keeping(folder: Path) -> bool:
    """Return True if the folder holds a checkpoint, or a network of an ensemble."""
    return any(folder.glob("checkpoint*.npz")) or any(folder.glob("member-*"))


def next_name(out: Path, stem: str) -> str:
    """Create a folder with the next free number in its name.

    Args:
        out: the folder that holds all runs; created if it does not exist.
        stem: first part of the name, for example "classic".

    Returns:
        The first unused name of stem-1, stem-2 and so on, for example "classic-1".

    Raises:
        RunError: if the folder cannot be created.
    """
    number = 1
    while True:
        name = f"{stem}-{number}"
        try:
            (out / name).mkdir(parents=True)
            return name
        except FileExistsError:
            if not (out / name).is_dir() and not out.is_dir():
                raise RunError(f"{out} is not a folder; choose another --out") from None
            number += 1
        except OSError as error:
            raise RunError(
                f"could not create {out / name}: {error.strerror or error}; choose another --out"
            ) from error


def find_unfinished(out: Path, name: str | None) -> TrainOptions:
    """Return the stored options of the run to resume.

    Args:
        out: the folder that holds all runs.
        name: the run's folder in `out`. None: the unfinished run that started last.

    Returns:
        The options from options.json, with `resume` set to True.

    Raises:
        RunError: if there is no such run.
        OptionError: if options.json is damaged or from another version of digits.
    """
    if name is not None:
        folder = out / name
        if not (folder / "options.json").exists():
            raise RunError(f"{folder} holds no run to resume; leave out --resume to start a new run")
    else:
        started = [path.parent for path in out.glob("*/options.json")]
        unfinished = [folder for folder in started if not (folder / "summary.json").exists()]
        if not unfinished:
            raise RunError(
                f"{out} holds no unfinished run; leave out --resume to start a new run, "
                "or name a finished run with --name"
            )
        folder = max(unfinished, key=lambda folder: (folder / "options.json").stat().st_mtime_ns)
    stored = options.load_options(folder / "options.json")
    return dataclasses.replace(stored, out=out, name=folder.name, resume=True)
