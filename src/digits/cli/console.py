"""Make consoles, and show progress bars on them."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment

from digits.cli.terminal import safe_output, trusted, visible

if TYPE_CHECKING:
    from digits.training.state import State

REFRESH = 0.1  # seconds between two updates of the epoch bar, because drawing costs time
ANNOUNCED = 1.0  # seconds of work after which one line is printed, if the output is not a terminal


class PlainConsole(Console):
    """A console for texts of strangers and closed outputs."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Convert everything that is shown to pieces of text; only rich's own pieces hold escape codes."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> None:
        """Raise the current BrokenPipeError again, as from `head` in `digits ... | head`."""
        raise  # rich would exit the process here


def make_console(*, quiet: bool = False, error: bool = False) -> Console:
    """Return a console for standard output.

    Args:
        quiet: print nothing.
        error: use standard error instead.
    """
    file = trusted(sys.stderr if error else sys.stdout)
    return PlainConsole(file=file, quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True)


def show_line(console: Console, label: str, text: str) -> None:
    """Print a label on the left, and a text from column 12 on."""
    console.print(f"{label:<11}{text}")


@contextlib.contextmanager
def progress_bar(console: Console, *columns: ProgressColumn, auto_refresh: bool = True) -> Iterator[Progress]:
    """Show rich's progress bar during a `with` block."""
    bar = Progress(
        *columns,
        console=console,
        transient=True,
        auto_refresh=auto_refresh,
        # Print above the bar what is written meanwhile, if it is for the same place.
        redirect_stdout=console.file is trusted(sys.stdout),
    )
    with bar, safe_output():
        yield bar


@contextlib.contextmanager
def download_bar(console: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show progress bars for downloads during a `with` block.

    Yields:
        A function to call whenever bytes have arrived. Its arguments:
        the file's name, the number of bytes so far, the total number (None: unknown).
    """
    if not console.is_terminal:  # print one line per file
        named: set[str] = set()

        def announce(name: str, received: int, expected: int | None) -> None:
            if name not in named:
                named.add(name)
                console.print(f"fetching   {name}")

        yield announce
        return
    columns = (
        TextColumn("fetching   {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with progress_bar(console, *columns) as bar:
        tasks: dict[str, TaskID] = {}

        def update(name: str, received: int, expected: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=received, total=expected)

        yield update


@contextlib.contextmanager
def counting_bar(console: Console, what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar during a `with` block.

    Args:
        console: where to print.
        what: text on the left of the bar, such as "training".
        unit: plural name of the counted things, such as "steps".
    Yields:
        A function to call with two numbers: how many are done, how many there are.
    """
    started, named = time.monotonic(), False

    def announce(done: int, total: int) -> None:
        nonlocal named
        if not named and time.monotonic() - started > ANNOUNCED:
            named = True
            show_line(console, what, f"{total:,} {unit}")

    if not console.is_terminal:  # print one line, and only if the work takes longer than ANNOUNCED
        yield announce
        return
    columns = (
        TextColumn(f"{what:<10}"),
        BarColumn(46),
        TextColumn(f"{{task.completed:,}} of {{task.total:,}} {unit}"),
    )
    with progress_bar(console, *columns) as bar:
        task = bar.add_task("", total=1)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def epoch_bar(console: Console, steps: int) -> "Iterator[Callable[[State], None] | None]":
    """Show a progress bar for one epoch during a `with` block.

    Args:
        console: where to print.
        steps: number of steps in one epoch.
    Yields:
        A function to call with the training state after each step; None if the output is not a terminal.
    """
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description:>5}"),
        BarColumn(46),
        TextColumn("{task.percentage:3.0f} %"),
    )
    with progress_bar(console, *columns, auto_refresh=False) as bar:
        task = bar.add_task("", total=steps)
        drawn = 0.0

        def update(state: "State") -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn > REFRESH:
                drawn = now
                bar.update(task, completed=state.step, description=str(state.epoch + 1), refresh=True)

        yield update
