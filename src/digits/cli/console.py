"""The console on standard output, and progress bars."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from digits.training.state import State

REFRESH = 0.1  # seconds between two updates of a bar
ANNOUNCED = 1.0  # seconds after which a line replaces the bar where output is not a terminal


class PlainConsole(Console):
    """A console that raises BrokenPipeError when the reader has gone; rich would exit the process."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that rich is handling."""
        raise


def make_console(*, quiet: bool = False) -> Console:
    """Return a console on standard output. With `quiet`, it prints nothing.

    Characters that the output's encoding does not have become question marks.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return PlainConsole(quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True)


def show_line(console: Console, label: str, text: str) -> None:
    """Print `text` in a column to the right of `label`."""
    console.print(f"{label:<11}{text}")


@contextlib.contextmanager
def download_bar(console: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a bar for each file that is downloaded.

    Yields a function to call with a file's name, the bytes received and the bytes expected (None if unknown).
    If output is not a terminal, each file has a line instead of a bar.
    """
    if not console.is_terminal:
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
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def update(name: str, received: int, expected: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=received, total=expected)

        yield update


@contextlib.contextmanager
def counting_bar(console: Console, what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for `what`, counted in `unit`. Yields a function to call with the number done and the total.

    If output is not a terminal, print one line, and only if the work takes longer than a second.
    """
    started, named = time.monotonic(), False

    def announce(done: int, total: int) -> None:
        nonlocal named
        if not named and time.monotonic() - started > ANNOUNCED:
            named = True
            show_line(console, what, f"{total:,} {unit}")

    if not console.is_terminal:
        yield announce
        return
    columns = (
        TextColumn(f"{what:<10}"),
        BarColumn(46),
        TextColumn(f"{{task.completed:,}} of {{task.total:,}} {unit}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def epoch_bar(console: Console, steps: int) -> Iterator[Callable[[State], None] | None]:
    """Show a bar below the table for the steps of the current epoch; `steps` is their number.

    Yields a function to call after each step, or None if output is not a terminal.
    """
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description:>5}"),
        BarColumn(46),
        TextColumn("{task.percentage:3.0f} %"),
    )
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=steps)
        drawn = 0.0

        def update(state: State) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn > REFRESH:
                drawn = now
                bar.update(task, completed=state.step, description=str(state.epoch + 1), refresh=True)

        yield update
