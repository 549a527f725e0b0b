"""What a person sees while a network trains: plain lines that line up, and a bar where there is a screen.

Nothing here writes an escape code when the output goes to a file or a pipe.
"""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from digits.data import Collection, Splits
from digits.evaluate import Comparison, Evaluation
from digits.files import printable
from digits.recipes import OPTIMIZERS, network, training
from digits.runs import Result, Run
from digits.training import Epoch, State

if TYPE_CHECKING:  # they need Optuna and Pillow, which the other commands do not
    from digits.adapt import Adaptation, Change, Own
    from digits.search import Report, Study, Trial

REFRESH = 0.1  # seconds between two drawings of a bar
SIGNIFICANT = 0.05  # Fisher 1925: a difference that chance brings less often than one time in twenty
ANNOUNCED = 1.0  # seconds after which a pipe is told that work goes on
SHOWN_BEST = 5  # trials beside each other


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


def _line(console: Console, label: str, text: str) -> None:
    console.print(f"{label:<11}{text}")


def show_data(console: Console, collection: Collection, splits: Splits) -> None:
    """Where the data came from and how it is split."""
    for notice in collection.notices:
        console.print(f"note: {notice}\n")
    verified = ", SHA-256 as published" if collection.published else ""
    _line(console, "data", f"{collection.dataset}: {collection.origin}{verified}")
    parts = (("training", splits.train), ("validation", splits.val), ("test", splits.test))
    _line(console, "", " · ".join(f"{len(part):,} {name}" for name, part in parts) + " images")


def show_run(console: Console, run: Run) -> None:
    """What is going to be trained, and how."""
    o = run.options
    each = "" if o.ensemble == 1 else f"{o.ensemble} networks, each "
    _line(console, "network", each + network(o))
    _line(console, "training", training(o))
    _line(console, "run", f"{run.folder}")


def show_notices(console: Console, run: Run) -> None:
    """What happened while the run was opened: a resume, a damaged checkpoint."""
    for notice in run.notices:
        console.print(f"note: {notice}")
    if run.resumed_at:
        epochs, steps = run.resumed_at
        inside = f" and {steps} steps" if steps else ""
        _line(console, "resuming", f"after {epochs} epochs{inside}")


def show_header(console: Console, run: Run) -> None:
    """The table's two lines of names; in an ensemble, which of the networks it is about."""
    console.print()
    if run.member:
        o = run.member.options
        _line(console, run.member.folder.name, f"of {run.options.ensemble}, seed {o.seed}")
        console.print()
    console.print("           training            validation")
    console.print("epoch      loss   accuracy     loss   accuracy      time   images/s")


def show_epoch(console: Console, epoch: Epoch, best: bool) -> None:
    """One line of the table; a star marks the best validation accuracy of this network so far."""
    console.print(
        f"{epoch.number:5d}  {epoch.train_loss:8.4f}  {epoch.train_accuracy:8.2%}"
        f" {epoch.val_loss:8.4f}  {epoch.val_accuracy:8.2%}{'*' if best else ' '}"
        f"  {epoch.seconds:6.2f} s  {epoch.images / max(epoch.seconds, 1e-9):9,.0f}"
    )


def show_result(console: Console, result: Result, collection: Collection) -> None:
    """The test, and where everything is."""
    seconds = sum(epoch.seconds for epoch in result.history)
    console.print(f"      * best validation accuracy; {seconds:.1f} s of training\n")
    best = result.best
    if result.members:
        alone = statistics.fmean(result.members)
        _line(console, "members", f"{alone:.2%} of the test images read right by one, on average")
        _line(console, "validation", f"{best.val_accuracy:.2%} as one")
        what = f"{len(result.members)} networks as one"
    else:
        what = f"the network of epoch {best.number}"
    show_test(console, result.test, result.undisputed, collection, what)
    console.print()
    _line(console, "saved in", str(result.folder))
    for names, what in (
        ("model.npz", "the networks" if result.members else f"the network of epoch {best.number}"),
        ("metrics.csv", "the table above"),
        ("summary.json", "the test in full"),
        ("member-1 ...", "the runs of the networks")
        if result.members
        else ("checkpoint.npz", "all that --resume needs"),
    ):
        _line(console, "", f"{names:<16}{what}")
    if result.pictures:
        _line(console, "", "pictures        " + " ".join(path.name for path in result.pictures))


def show_test(
    console: Console, test: Evaluation, undisputed: Evaluation | None, collection: Collection, what: str
) -> None:
    """A test's figures, the whole and class by class."""
    low, high = test.interval
    _line(console, "test", f"{test.accuracy:.2%} of {test.total:,} images read right by {what}")
    _line(console, "", f"95 % interval {low:.2%} to {high:.2%} · loss {test.loss:.4f}")
    _line(console, "", f"expected calibration error {test.ece:.2%}")
    if undisputed:
        left_out = test.total - undisputed.total
        _line(console, "", f"{undisputed.accuracy:.2%} without {left_out} images whose labels are disputed")
    console.print()
    width = max(9, *(len(name) for name in collection.classes))
    console.print(f"{'class':>{width}}    images   recall  precision       F1")
    for name, row in zip(collection.classes, test.per_class, strict=True):
        console.print(
            f"{name:>{width}}  {row.support:8,d} {row.recall:8.2%}  {row.precision:9.2%} {row.f1:8.2%}"
        )


def show_comparison(console: Console, found: Comparison, names: tuple[str, str]) -> None:
    """Which images one network reads right and the other does not, and whether that may be chance."""
    total = found.both + found.first + found.second + found.neither
    width = max(map(len, (*names, "network")))
    console.print(f"{'network':<{width}}      right  only it")
    for name, alone in zip(names, (found.first, found.second), strict=True):
        console.print(f"{name:<{width}}  {(found.both + alone) / total:9.2%}  {alone:7,d}")
    console.print(f"\nboth right {found.both:,} · both wrong {found.neither:,} of {total:,} images")
    p = "less than 0.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}"
    verdict = "a difference" if found.p_value < SIGNIFICANT else "no difference that could not be chance"
    console.print(f"McNemar's exact test: p = {p}, {verdict}")


# ------------------------------------------------------------------------------------------------- adapt

NAMED = 5  # skipped pictures that are named; the others are counted


def show_own(console: Console, own: "Own", folder: Path) -> None:
    """How many pictures of each digit there are, and which could not be used."""
    counts = torch.bincount(own.digits.labels, minlength=10).tolist()
    _line(console, "yours", f"{len(own.digits):,} pictures in {printable(str(folder))}")
    _line(console, "", " · ".join(f"{n:,} of {digit}" for digit, n in enumerate(counts) if n))
    missing = [str(digit) for digit, n in enumerate(counts) if not n]
    if missing:
        _line(console, "", f"none of {', '.join(missing)}")
    for reason in own.skipped[:NAMED]:
        _line(console, "skipped", printable(reason))
    if len(own.skipped) > NAMED:
        _line(console, "", f"and {len(own.skipped) - NAMED:,} more")


def show_adaptation(console: Console, found: "Adaptation", folder: Path) -> None:
    """Before and after, on your digits and on MNIST's, and where the network is."""
    for notice in found.notices:
        console.print(f"note: {notice}")
    how = (
        f"in {found.folds} parts, each read by a network that learned the others"
        if found.folds > 1
        else "a fifth, which was not learned"
    )
    _line(console, "held back", f"{found.own.after.total:,} of yours, {how}")
    _line(console, "MNIST", found.origin)
    console.print(f"\n{'read right':<19}{'before':>7}{'after':>26}{'gained':>25}  lost")
    rows = (("yours, held back", found.own), ("MNIST, validation", found.val), ("MNIST, test", found.test))
    for name, change in rows:
        sides = "".join(f"{_with_interval(side):<26}" for side in (change.before, change.after))
        console.print(f"{name:<19}{sides}{change.compared.second:6,d}{change.compared.first:6,d}")
    console.print(f"\n{_changed(found.own)}")
    console.print(f"yours: {_verdict(found.own.compared)}\n")
    _line(console, "saved in", str(folder))
    _line(console, "", f"model.npz       the network, after {found.seconds:.1f} s of learning")
    _line(console, "", "adapt.json      these figures and more")
    console.print(f"\n  digits predict --model {folder} photo.jpg")


def _with_interval(side: Evaluation) -> str:
    low, high = side.interval
    return f"{side.accuracy:7.2%} ({low:.1%} to {high:.1%})"


def _changed(own: "Change") -> str:
    """The digits of yours that are read better or worse than before."""
    pairs = zip(own.before.per_class, own.after.per_class, strict=True)
    words = [
        f"{digit} from {round(before.recall * before.support)} to {round(after.recall * after.support)}"
        f" of {before.support:,}"
        for digit, (before, after) in enumerate(pairs)
        if before.recall != after.recall
    ]
    return f"digit by digit: {', '.join(words)}" if words else "digit by digit: as many as before"


def _verdict(found: Comparison) -> str:
    """Whether the difference may be chance."""
    p = "less than 0.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}"
    if found.p_value >= SIGNIFICANT:
        return f"McNemar's exact test: p = {p}, no difference that could not be chance"
    return f"McNemar's exact test: p = {p}, a {'gain' if found.second > found.first else 'loss'}"


# ------------------------------------------------------------------------------------------------ search


def show_study(console: Console, study: "Study") -> None:
    """What is searched, from where, and how long."""
    o, start, done = study.options, study.start, len(study.trials)
    limits = [
        f"{study.options.budget} trials" if o.budget is not None else "",
        f"{o.minutes:g} minutes" if o.minutes is not None else "",
        f"up to {start.epochs} epoch{'s' * (start.epochs > 1)} each",
        f"{o.pruner} pruning" if o.pruner != "none" else "no pruning",
        f"{o.workers} worker{'s' * (o.workers > 1)}",
    ]
    _line(console, "study", f"{study.folder}{f', {done} trials done before' if done else ''}")
    _line(console, "searched", f"{', '.join(study.groups)}; judged by the validation images alone")
    _line(console, "budget", " · ".join(filter(None, limits)))
    console.print()
    console.print("trial  validation   epochs      time      layers  optimizer        lr  momentum  batch")


def show_trial(console: Console, study: "Study", trial: "Trial") -> None:
    """One line; a star marks the best whole trial so far."""
    o = trial.options
    star = "*" if study.best and study.best.number == trial.number else " "
    accuracy = f"{trial.accuracy:.2%}" if trial.accuracies else "-"
    epochs = f"{len(trial.accuracies)}/{o.epochs}"
    layers = o.hidden if o.model == "mlp" else o.channels
    note = trial.note or {"complete": "", "pruned": "pruned", "failed": "failed"}[trial.state]
    console.print(
        f"{trial.number:5d}  {accuracy:>9}{star}  {epochs:>7}  {trial.seconds:6.1f} s"
        f"  {'-'.join(map(str, layers)):>10}  {OPTIMIZERS[o.optimizer]:>9}  {o.learning_rate:8.4g}"
        f"  {f'{o.momentum:.4g}' if o.momentum else '-':>8}  {o.batch_size:5d}  {note}".rstrip()
    )


def show_report(console: Console, study: "Study", report: "Report") -> None:
    """The best trials beside each other, what mattered, and the command to train with the best options."""
    for notice in study.notices:
        console.print(f"note: {notice}")
    states = [trial.state for trial in report.trials]
    console.print("      * best validation accuracy of a whole trial so far\n")
    counts = (
        f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed") if state in states
    )
    _line(console, "trials", ", ".join(counts) or "none")
    if not report.best:
        _line(console, "", "none was complete, so there is no best; give it more --trials or --minutes")
        return
    _show_best(console, study, report)
    console.print("\ntrain with the best options, and test once:\n")
    console.print(f"  {report.command}\n")
    _line(console, "saved in", str(report.folder))
    names = {"tune.png": "all of this as a picture"} if report.picture else {}
    for name, what in {"study.json": "this report", "trials.csv": "every trial", **names}.items():
        _line(console, "", f"{name:<16}{what}")


def _show_best(console: Console, study: "Study", report: "Report") -> None:
    best = report.best[:SHOWN_BEST]
    console.print()
    console.print(f"{'best trials':<14}" + "".join(f"{f'#{t.number}':>11}" for t in best) + "   importance")
    console.print(f"{'validation':<14}" + "".join(f"{t.accuracy:>11.2%}" for t in best))
    console.print(f"{'seconds':<14}" + "".join(f"{t.seconds:>11.1f}" for t in best))
    columns = [study.settings(trial.options) for trial in best]
    for name in columns[0]:
        cells = (f"{v:>11.4g}" if isinstance(v := column[name], float) else f"{v:>11}" for column in columns)
        share = f"{report.importances[name]:>13.0%}" if name in report.importances else ""
        console.print(f"{name.replace('_', '-'):<14}" + "".join(cells) + share)


@contextlib.contextmanager
def trial_bar(console: Console, study: "Study") -> Iterator[Callable[[], None]]:
    """A bar over the trials, below the table; nothing on a pipe."""
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(46), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=study.options.budget)

        def update() -> None:
            done = sum(trial.state != "failed" for trial in study.trials)
            of = f" of {study.options.budget}" if study.options.budget is not None else ""
            best = f", best {study.best.accuracy:.2%}" if study.best else ""
            bar.update(task, completed=done, description=f"{done}{of} trials{best}")

        update()
        yield update


# ------------------------------------------------------------------------------------------------- bars


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
            _line(console, what, f"{total:,} {unit}")

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
