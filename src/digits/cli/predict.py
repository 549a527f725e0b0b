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
    from digits.cli import predict_output
    from digits.reading.picture_folders import pictures_in
    from digits.reading.reader import Reader

    reader = Reader.load(options.model, threshold=options.threshold)
    paths, others = pictures_in(options.images)
    if options.explain:
        answers = _explained(reader, paths, options.explain, single=options.single)
    else:
        answers = reader.read_many(paths, single=options.single)
    names, columns = predict_output.name_width(paths), shutil.get_terminal_size((100, 24)).columns
    failed = 0
    with _bar() as progress:
        for number, (path, answer) in enumerate(zip(paths, answers, strict=True), 1):
            failed += isinstance(answer, PhotoError)
            if options.json:
                line = predict_output.as_json(path, answer)
            else:
                line = predict_output.as_lines(path, answer, names=names, columns=columns)
            print(line, flush=True)
            if not options.json:  # the JSON has the notes
                for sentence in predict_output.notes(path, answer):
                    note(sentence)
            progress(number, len(paths))
    if others and not options.json:
        note(f"{others:,} other file{'s' * (others > 1)} skipped: neither named nor begun like a picture")
    if failed and len(paths) > 1:
        return complain(f"{failed:,} of {len(paths):,} pictures could not be read", 1)
    return int(failed > 0)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on the terminal during a `with` block, if the answers go to a file or a program.

    Yields:
        A function to call with two numbers: pictures read, all pictures.
    """
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from digits.cli.console import counting_bar, make_console

    with counting_bar(make_console(error=True), "reading", "pictures") as progress:
        yield progress


def _explained(
    reader: "Reader", paths: Sequence[Path], target: Path, *, single: bool
) -> "Iterator[Reading | PhotoError]":
    """Read one picture, and draw how it was read.

    Args:
        reader: reads the picture.
        paths: exactly one picture.
        target: the file for the drawing.
        single: treat the picture as a single digit.
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
        reading = reader.read(path, single=single, explain=True)
    except PhotoError as error:
        yield error
        return
    explain(reading, target)
    yield reading
