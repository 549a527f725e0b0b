"""Run `digits predict`: read handwritten digits in pictures."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from digits.cli.messages import complain, note
from digits.cli.parsing import parse
from digits.errors import OptionError, PhotoError
from digits.reading.options import PredictOptions

if TYPE_CHECKING:
    from digits.reading.fields import Field
    from digits.reading.reader import Reader
    from digits.reading.results import Reading


def predict(arguments: list[str]) -> int:
    """Run `digits predict` and return its exit code.

    Args:
        arguments: the words after `digits predict`.
    Returns:
        0 if all pictures could be read, otherwise 1. Files in a folder that are no pictures do not count.
    """
    options = parse(PredictOptions, arguments, "digits predict")
    # NumPy reads this variable when it is imported. One thread is best: on a busy machine, several threads
    # would wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from digits.cli import numbers_output, predict_output
    from digits.reading.picture_folders import pictures_in
    from digits.reading.reader import Reader

    field = _field(options)
    _check_table(options.csv)
    reader = Reader.load(options.model, threshold=options.threshold)
    paths, others = pictures_in(options.images)
    if options.explain:
        answers = _explained(reader, paths, options.explain, single=options.single, field=field)
    else:
        answers = reader.read_many(paths, single=options.single, field=field)
    names, columns = predict_output.name_width(paths), shutil.get_terminal_size((100, 24)).columns
    table = numbers_output.NumbersTable()
    failed = 0
    with _bar(always=options.csv is not None) as progress:
        for number, (path, answer) in enumerate(zip(paths, answers, strict=True), 1):
            failed += isinstance(answer, PhotoError)
            if options.csv is not None:
                table.add(path, answer)
            if options.json:
                print(predict_output.as_json(path, answer), flush=True)
            elif options.csv is None:
                line = predict_output.as_lines(path, answer, names=names, columns=columns, field=bool(field))
                print(line, flush=True)
            if not options.json:  # the JSON has the notes
                for sentence in predict_output.notes(path, answer):
                    note(sentence)
            progress(number, len(paths))
    if options.csv is not None:
        table.save(options.csv)
        note(f"{options.csv} has {table.numbers:,} numbers from {len(paths):,} pictures")
    if others and not options.json:
        note(f"{others:,} other file{'s' * (others > 1)} skipped: neither named nor begun like a picture")
    if failed and len(paths) > 1:
        return complain(f"{failed:,} of {len(paths):,} pictures could not be read", 1)
    return int(failed > 0)


def _field(options: PredictOptions) -> "Field | None":
    """Return the field that the options describe; None if they describe none.

    Raises:
        OptionError: if they contradict each other, or the roster cannot be used.
    """
    from digits.reading.fields import Field
    from digits.reading.roster import Roster

    if (options.length, options.pattern, options.roster, options.cells) == (None,) * 4:
        return None
    if options.single:
        raise OptionError("--single is for one digit, a field for a number; choose one of them")
    return Field(
        length=options.length,
        pattern=options.pattern,
        roster=None if options.roster is None else Roster.load(options.roster),
        cells=options.cells,
    )


def _check_table(target: Path | None) -> None:
    """Check early that the CSV file can be written, because reading the pictures may take long.

    Raises:
        OptionError: if its folder is missing.
    """
    if target is not None and not target.parent.is_dir():
        raise OptionError(f"--csv is {target}; expected a file in a folder that is there")


@contextlib.contextmanager
def _bar(*, always: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on the terminal during a `with` block, if the answers go to a file or a program.

    Args:
        always: also if standard output is a terminal.
    Yields:
        A function to call with two numbers: pictures read, all pictures.
    """
    if (sys.stdout.isatty() and not always) or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from digits.cli.console import counting_bar, make_console

    with counting_bar(make_console(error=True), "reading", "pictures") as progress:
        yield progress


def _explained(
    reader: "Reader", paths: Sequence[Path], target: Path, *, single: bool, field: "Field | None"
) -> "Iterator[Reading | PhotoError]":
    """Read one picture, and draw how it was read.

    Args:
        reader: reads the picture.
        paths: exactly one picture.
        target: the file for the drawing.
        single: treat the picture as a single digit.
        field: what is known about the number on the picture.
    Yields:
        The result, or the error if the picture cannot be read.
    Raises:
        OptionError: if there are several pictures, or `target` is the picture itself.
    """
    from digits.reading.explanation import explain

    path, *others = paths
    if others:
        raise OptionError(f"--explain works with one picture, but {len(paths):,} are given; give only one")
    if target.exists() and path.exists() and target.samefile(path):
        raise OptionError(f"--explain would overwrite {path}, the picture itself; choose another name")
    try:
        reading = reader.read(path, single=single, field=field, explain=True)
    except PhotoError as error:
        yield error
        return
    explain(reading, target)
    yield reading
