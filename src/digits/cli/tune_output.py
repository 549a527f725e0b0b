"""Print the progress and the results of `digits tune`."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from digits.cli.console import progress_bar, show_line
from digits.cli.describe import OPTIMIZER_LABELS
from digits.tuning.report import Report
from digits.tuning.study import Study
from digits.tuning.trials import Trial

SHOWN_BEST = 5  # number of trials in the final table
NOTES = {"complete": "", "pruned": "pruned", "failed": "failed"}  # printed after a trial that has no note


def show_study(console: Console, study: Study) -> None:
    """Print the options of a search and the header of its table."""
    o, start, done = study.options, study.start, len(study.trials)
    limits = [
        f"{o.budget} trials" if o.budget is not None else "",
        f"{o.minutes:g} minutes" if o.minutes is not None else "",
        f"up to {start.epochs} epoch{'s' * (start.epochs > 1)} each",
        f"{o.pruner} pruning" if o.pruner != "none" else "no pruning",
        f"{o.workers} worker{'s' * (o.workers > 1)}",
    ]
    show_line(console, "study", f"{study.folder}{f', {done} trials done before' if done else ''}")
    show_line(console, "searched", f"{', '.join(study.groups)}; compared by validation accuracy")
    show_line(console, "budget", " · ".join(filter(None, limits)))
    console.print()
    console.print("trial  validation   epochs      time      layers  optimizer        lr  momentum  batch")


def show_trial(console: Console, study: Study, trial: Trial) -> None:
    """Print the line of one trial in the table."""
    o = trial.options
    # A star marks the best trial so far.
    star = "*" if study.best and study.best.number == trial.number else " "
    accuracy = f"{trial.accuracy:.2%}" if trial.accuracies else "-"
    epochs = f"{len(trial.accuracies)}/{o.epochs}"
    layers = o.hidden if o.model == "mlp" else o.channels
    console.print(
        f"{trial.number:5d}  {accuracy:>9}{star}  {epochs:>7}  {trial.seconds:6.1f} s"
        f"  {'-'.join(map(str, layers)):>10}  {OPTIMIZER_LABELS[o.optimizer]:>9}  {o.learning_rate:8.4g}"
        f"  {f'{o.momentum:.4g}' if o.momentum else '-':>8}  {o.batch_size:5d}"
        f"  {trial.note or NOTES[trial.state]}".rstrip()
    )


def show_report(console: Console, study: Study, report: Report) -> None:
    """Print the best trials, their options and a training command."""
    for notice in study.notices:
        console.print(f"note: {notice}")
    states = [trial.state for trial in report.trials]
    console.print("      * best validation accuracy of a complete trial so far\n")
    counts = (f"{states.count(state)} {state}" for state in NOTES if state in states)
    show_line(console, "trials", ", ".join(counts) or "none")
    if not report.best:
        show_line(console, "", "no trial is complete; increase --trials or --minutes")
        return
    _show_best(console, study, report)
    console.print("\nto train a network with the best options and test it:\n")
    console.print(f"  {report.command}\n")
    show_line(console, "saved in", str(report.folder))
    names = {"tune.png": "plots of the trials"} if report.picture else {}
    for name, what in {"study.json": "this report", "trials.csv": "all trials", **names}.items():
        show_line(console, "", f"{name:<16}{what}")


def _show_best(console: Console, study: Study, report: Report) -> None:
    """Print a table: one column per trial, one row per searched option."""
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
def trial_bar(console: Console, study: Study) -> Iterator[Callable[[], None]]:
    """Show a progress bar for the trials during a `with` block.

    Yields:
        A function to call after each trial.
    """
    if not console.is_terminal:  # show no bar
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(46), TimeElapsedColumn())
    with progress_bar(console, *columns) as bar:
        task = bar.add_task("", total=study.options.budget)

        def update() -> None:
            done = sum(trial.state != "failed" for trial in study.trials)
            of = f" of {study.options.budget}" if study.options.budget is not None else ""
            best = f", best {study.best.accuracy:.2%}" if study.best else ""
            bar.update(task, completed=done, description=f"{done}{of} trials{best}")

        update()
        yield update
