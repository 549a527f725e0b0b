"""Names of run folders, and which run --resume continues."""

import dataclasses
from pathlib import Path

from digits import options
from digits.errors import RunError
from digits.options import TrainOptions


def next_name(out: Path, stem: str) -> str:
    """The stem and the next free number, claimed by making the folder."""
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
    """The options of the run to go on with: `name`, or the newest one without a summary.

    Raises RunError where there is none.
    """
    if name is not None:
        folder = out / name
        if not (folder / "options.json").exists():
            raise RunError(f"{folder} holds no run to resume; leave out --resume to start one")
    else:
        started = [path.parent for path in out.glob("*/options.json")]
        open_runs = [folder for folder in started if not (folder / "summary.json").exists()]
        if not open_runs:
            raise RunError(
                f"{out} holds no unfinished run; leave out --resume to start one, or say which --name"
            )
        folder = max(open_runs, key=lambda folder: (folder / "options.json").stat().st_mtime_ns)
    stored = options.from_json((folder / "options.json").read_text())
    return dataclasses.replace(stored, out=out, name=folder.name, resume=True)
