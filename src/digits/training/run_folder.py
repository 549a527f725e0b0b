"""The folder of a run: its name, its lock, and which run --resume continues.

    options.json     the options of `digits train`
    checkpoint.npz   the whole state of training (checkpoint.prev.npz: the one before it)
    metrics.csv      one row an epoch
    model.npz        the network of the epoch with the best validation accuracy; with --keep last of the last
    *.png            pictures
    summary.json     the test, written last: a run that has it is finished

An ensemble's folder holds such a folder for each network, member-1 and so on, and a model.npz of them all.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from digits import files, options
from digits.errors import RunError
from digits.options import TrainOptions


@contextlib.contextmanager
def open_folder(folder: Path, resume: bool) -> Iterator[None]:
    """Make the folder if need be and lock it against other trainers for as long as `with` lasts.

    Half-written files of killed trainers are removed. Raises RunError if another process holds the lock, if
    the folder holds a run and `resume` is false, and if a file of the run could not be written within `with`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.locked(folder / ".lock", str(folder)):
            if not resume and (folder / "options.json").exists():
                raise RunError(
                    f"{folder} holds a run already; add --resume to continue it, or choose another --name"
                )
            files.sweep(folder)
            yield
    except OSError as error:
        if error.filename is None:  # This is not about one of our files: standard output, perhaps.
            raise
        raise RunError(
            f"could not write {error.filename}: {error.strerror}; what was saved before is still there. "
            "Free some space or choose another --out, then --resume"
        ) from error


def next_name(out: Path, stem: str) -> str:
    """Return the first free name of stem-1, stem-2 and so on in `out`, and make its folder to reserve it.

    Raises RunError where no folder can be made.
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
            raise RunError(f"could not make {out / name}: {error.strerror or error}") from error


def find_unfinished(out: Path, name: str | None) -> TrainOptions:
    """Return the stored options of the run to resume, with `resume` set.

    That is the run `name` in the folder `out`, or without a name the one started last that has no
    summary.json. Raises RunError where there is none.
    """
    if name is not None:
        folder = out / name
        if not (folder / "options.json").exists():
            raise RunError(f"{folder} holds no run to resume; leave out --resume to start one")
    else:
        started = [path.parent for path in out.glob("*/options.json")]
        unfinished = [folder for folder in started if not (folder / "summary.json").exists()]
        if not unfinished:
            raise RunError(
                f"{out} holds no unfinished run; leave out --resume to start one, or say which --name"
            )
        folder = max(unfinished, key=lambda folder: (folder / "options.json").stat().st_mtime_ns)
    stored = options.from_json((folder / "options.json").read_text())
    return dataclasses.replace(stored, out=out, name=folder.name, resume=True)
