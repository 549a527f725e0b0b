"""The console and its progress bars."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from digits.training.state import State

REFRESH = 0.1  # seconds between two drawings of a bar
ANNOUNCED = 1.0  # seconds after which a pipe is told that work goes on


class PlainConsole(Console):
    """A console that leaves a reader who has gone to the caller, where rich would exit by itself."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise  # rich calls this while it handles the BrokenPipeError


def make_console() -> Console:
    """Standard output; what its encoding cannot show becomes a question mark, not an error."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return PlainConsole(highlight=False, markup=False, emoji=False, soft_wrap=True)


def show_line(console: Console, label: str, text: str) -> None:
    console.print(f"{label:<11}{text}")


@contextlib.contextmanager
def download_bar(console: Console) -> Iterator[Callable[[str, int, int | None], None] | None]:
    """A bar for each file that is downloaded; on a pipe, a line when a file begins."""
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
    """A bar over things counted as (done, of how many); on a pipe, a line when it takes over a second."""
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
    """A bar over the steps of the current epoch, below the table; nothing on a pipe."""
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
