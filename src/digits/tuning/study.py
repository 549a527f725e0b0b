"""The search for better options: Optuna proposes, `train` tries, the validation images judge.

    open_study()  ->  Study    trials in a journal file or a database, shared by any number of workers
    Study.search  ->  Trial    one after another, as they end
    Study.report  ->  Report   the best, what mattered, a picture; trials.csv, study.json, tune.png

The test images are never asked for: nothing here is given them. Every trial trains with the same seed on the
same split, so that trials differ by their options only.

A worker that dies, however it dies, lets go of its lock file; the next start finds its trial still running
with nobody at it, and closes it as failed.
"""

import contextlib
import csv
import functools
import io
import json
import math
import multiprocessing
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import filelock
import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from digits import __version__, files
from digits.data.dataset import Digits
from digits.errors import DigitsError, OptionError, RunError, TrainingError
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model
from digits.networks.network import Network
from digits.options import TrainOptions, differences, from_json, to_json
from digits.training import interrupts, run
from digits.training.loop import train
from digits.training.state import State
from digits.tuning import space
from digits.tuning.options import Group, Pruner, TuneOptions
from digits.tuning.storage import open_storage, turn_file
from digits.tuning.trials import ANSWERS, Report, Trial, by_accuracy, is_complete, kept_accuracy, to_trial

POLL = 0.2  # seconds between two looks at what the other processes have finished
WAITING = 600.0  # seconds for one's turn, while others propose
TAKING = 60.0  # seconds at most from making a trial, or a lock file, to taking it
WARM_UP = 5  # nothing is pruned in the first fifth of the epochs, when a schedule has hardly begun
STARTUP = 10  # trials at random before proposals learn from them: Optuna's default
PRUNER_STARTUP = 5  # whole trials before one can be below their median: Optuna's default
REDUCTION = 3  # of three trials one goes on: Li et al. 2020, "A System for Massively Parallel HPT"
TOP = 0.25  # importance is that of being among this share of trials; a tenth, Optuna's default, is too few
ENOUGH = 8  # whole trials, so that there are two at the top
WITHOUT_USE = ("resume", "allow_inexact", "checkpoint_every", "tensorboard")  # options of `digits train`


class _Cut(Exception):  # noqa: N818  # not an error: the user asked for it
    """This worker is to stop."""


@contextlib.contextmanager
def _lost_trials() -> Iterator[None]:
    """Let go of a trial that another process has closed meanwhile, as lost: this one may have slept."""
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError:
        pass
    except ValueError as error:
        if not str(error).startswith("Cannot tell a "):  # all that Optuna says where it looks first
            raise


def tune(
    start: TrainOptions | None = None,
    *,
    search: Sequence[Group] = TuneOptions.search,
    trials: int | None = TuneOptions.trials,
    minutes: float | None = TuneOptions.minutes,
    pruner: Pruner = TuneOptions.pruner,
    workers: int = TuneOptions.workers,
    storage: str | None = TuneOptions.storage,
    out: str | Path = TuneOptions.out,
    name: str | None = TuneOptions.name,
) -> Report:
    """Do all that `digits tune` does, without printing.

    `start` holds the options of `digits train` to begin with; the rest is as in `TuneOptions`.
    """
    start = start or TrainOptions()
    options = TuneOptions(tuple(search), trials, minutes, pruner, workers, storage, Path(out), name)
    _, splits = run.load_splits(start)
    with open_study(options, start, splits.train, splits.val) as study:
        for _ in study.search():
            pass
        return study.report()


@contextlib.contextmanager
def open_study(
    options: TuneOptions, start: TrainOptions, train_set: Digits, val_set: Digits
) -> Iterator["Study"]:
    """The study of this name, made where there is none yet; any number of processes may have it open.

    Raises RunError where it was begun from other options or on other images.
    """
    for name in WITHOUT_USE:
        if getattr(start, name) != getattr(TrainOptions, name):
            raise OptionError(
                f"--{name.replace('_', '-')} means nothing to a search, which goes on by itself; leave it out"
            )
    folder = options.out / (options.name or f"tune-{start.recipe}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"could not make {folder}: {error.strerror}; choose another --out") from error
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with open_storage(options.storage, folder) as storage:
        with files.locked(folder / ".lock", str(folder), timeout=TAKING):
            found = optuna.create_study(
                storage=storage, study_name=folder.name, direction="maximize", load_if_exists=True
            )
            study = Study(folder, options, start, found, train_set, val_set)
            study.begin()
        yield study


class Study:
    """Trials of one search, in `folder` and its storage."""

    def __init__(
        self,
        folder: Path,
        options: TuneOptions,
        start: TrainOptions,
        optuna_study: optuna.Study,
        train_set: Digits,
        val_set: Digits,
    ) -> None:
        self.folder, self.options, self.start, self._study = folder, options, start, optuna_study
        self._train_set, self._val_set = train_set, val_set
        self.groups = space.groups(start, options.search)
        self.notices: list[str] = []
        self._teacher = self._load_teacher()
        self._turn = turn_file(options.storage, folder)
        self._shown: set[int] = set()
        self._study.pruner = _pruner(options.pruner, start.epochs)

    def begin(self) -> None:
        """Check that it is the study that was begun, fail what dead workers left."""
        known, images = self._study.user_attrs, self._train_set.sha256() + self._val_set.sha256()
        if "start" not in known:
            self._study.set_user_attr("images", images)
            self._study.set_user_attr("start", to_json(self.start))
        else:
            stored = from_json(known["start"])
            changes = differences(stored, self.start, run.WITHOUT_EFFECT - {"patience"})
            changes += ["the images are others"] if known["images"] != images else []
            if changes:
                raise RunError(
                    f"the study {self.folder.name} was begun otherwise: {'; '.join(changes)}. "
                    "Put it back as it was, or choose another --name"
                )
        self.close_abandoned()
        self._shown = {trial.number for trial in self._ended()}

    def _load_teacher(self) -> Network | Ensemble | None:
        """The network that every trial learns from."""
        if self.start.teacher is None:
            return None
        teacher, meta = load_model(model_path(self.start.teacher))
        taught = meta.get("data")
        if not isinstance(taught, dict) or taught.get("val_sha256") != self._val_set.sha256():
            self.notices.append(
                "the teacher was trained with another split, perhaps on the validation images: "
                "the accuracies flatter"
            )
        return teacher

    def settings(self, options: TrainOptions) -> dict[str, Any]:
        """The options that are searched, by name."""
        return space.settings(options, self.groups)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All that have ended, by number."""
        return tuple(to_trial(found, self.start) for found in self._ended())

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest accuracy, the first of equals."""
        return min(filter(is_complete, self.trials), key=by_accuracy, default=None)

    def _ended(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=tuple(ANSWERS))

    def search(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Trial]:
        """Spend what is left of the budget, yielding each trial as it ends, whichever process it was in.

        When `stop` becomes true, trials under way are cut off and closed as failed.
        """
        minutes = math.inf if self.options.minutes is None else self.options.minutes
        deadline = time.time() + 60 * minutes
        if self.options.workers == 1 or not self._wanted(deadline):
            for _ in self.work(deadline, stop):
                yield from self._fresh()
        else:
            yield from self._search_in_processes(deadline, stop)
        yield from self._fresh()

    def work(self, deadline: float, stop: Callable[[], bool]) -> Iterator[None]:
        """Try one proposal after another, as one of the study's workers, until the budget is spent."""
        with _alive(self.folder) as worker:
            while not stop():
                with contextlib.ExitStack() as turn:  # proposals are made one at a time
                    turn.enter_context(files.locked(self._turn, str(self.folder), timeout=WAITING))
                    if not self._wanted(deadline):
                        return
                    self._sign(worker)
                    self._study.sampler = self._sampler()
                    one = functools.partial(self._try, worker=worker, let_others=turn.close, stop=stop)
                    with contextlib.suppress(_Cut), _lost_trials():
                        self._study.optimize(one, n_trials=1)
                yield

    def _wanted(self, deadline: float) -> bool:
        """Whether another trial may begin."""
        if time.time() >= deadline:
            return False
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        budget = self.options.budget
        return budget is None or len(self._study.get_trials(deepcopy=False, states=states)) < budget

    def _sign(self, worker: str) -> None:
        """Have the next trial bear its worker's name from the moment it runs; the first one is `start`."""
        trials = self._study.get_trials(deepcopy=False)
        if not any(trial.state == TrialState.WAITING for trial in trials):
            first = {} if trials else space.point(self.start)
            self._study.enqueue_trial(first, user_attrs={"worker": worker})

    def _sampler(self) -> optuna.samplers.BaseSampler:
        """What it draws depends on seed and number of trials, so that a study goes on as if never stopped."""
        number = len(self._study.get_trials(deepcopy=False, states=(*ANSWERS, TrialState.RUNNING)))
        seed = (1_000_003 * self.start.seed + number) % 2**32
        return optuna.samplers.TPESampler(n_startup_trials=STARTUP, constant_liar=True, seed=seed)

    def _try(
        self, trial: optuna.Trial, worker: str, let_others: Callable[[], None], stop: Callable[[], bool]
    ) -> float:
        """One trial: the validation accuracy of the network that `digits train` would keep."""
        trial.set_user_attr("worker", worker)  # it may have been meant for one that died since
        options = space.at(self.start, self._propose(trial))
        let_others()

        def after_step(state: State) -> None:
            if stop():
                trial.set_user_attr("note", "stopped")
                raise _Cut

        accuracies: list[float] = []
        try:
            sets = (self._train_set, self._val_set)
            for epoch in train(options, *sets, teacher=self._teacher, after_step=after_step):
                accuracies.append(epoch.val_accuracy)
                trial.report(epoch.val_accuracy, epoch.number)
                if epoch.number < options.epochs and trial.should_prune():
                    raise optuna.TrialPruned
        except TrainingError:  # to the sampler that is a bad trial, not a missing one
            trial.set_user_attr("note", "diverged")
            raise optuna.TrialPruned from None
        return kept_accuracy(accuracies, options)

    def _propose(self, trial: optuna.Trial) -> dict[str, Any]:
        """A point of the space; momentum has a value only where the optimiser has use for it."""
        if "optimizer" in self.groups:
            trial.suggest_categorical("optimizer", space.OPTIMIZERS)
        for name, (low, high, log, whole) in space.ranges(self.start, self.groups).items():
            if whole:
                trial.suggest_int(name, int(low), int(high), log=log)
            elif name != "momentum" or trial.params["optimizer"] in space.WITH_MOMENTUM:
                trial.suggest_float(name, low, high, log=log)
        return trial.params

    def _fresh(self) -> Iterator[Trial]:
        """The trials that ended since the last time."""
        for found in self._ended():
            if found.number not in self._shown:
                self._shown.add(found.number)
                yield to_trial(found, self.start)

    # --------------------------------------------------------------------------------- processes

    def _search_in_processes(self, deadline: float, stop: Callable[[], bool]) -> Iterator[Trial]:
        """Let workers do it, and watch them."""
        spawn = multiprocessing.get_context("spawn")
        arguments = (self.options, self.start, deadline)
        workers = [
            spawn.Process(target=_work, args=arguments, daemon=True) for _ in range(self.options.workers)
        ]
        for worker in workers:
            worker.start()
        told, living = False, len(workers)
        try:
            while living:
                time.sleep(POLL)
                before, living = living, sum(worker.is_alive() for worker in workers)
                if living < before:  # the others make up for the trial of one that died
                    self.close_abandoned()
                if stop() and not told:  # a second signal would not let them close their trials
                    told = True
                    _terminate(workers)
                yield from self._fresh()
        finally:
            _terminate([] if told else workers)
            for worker in workers:
                worker.join()
        if not told:
            self._note_ends([worker.exitcode or 0 for worker in workers])

    def _note_ends(self, codes: list[int]) -> None:
        """Say which workers ended badly; raise RunError when all of them did."""
        killed = [-code for code in codes if code < 0]
        if killed:
            names = ", ".join(signal.Signals(number).name for number in killed)
            self.notices.append(f"{len(killed)} of {len(codes)} workers died ({names}); their trials failed")
        failed = sum(code > 0 for code in codes)
        if failed == len(codes):
            raise RunError("every worker ended with an error: see above; the same command goes on")
        if failed:
            self.notices.append(f"{failed} of {len(codes)} workers ended with an error: see above")

    def close_abandoned(self) -> None:
        """Mark trials as failed whose worker died on this machine.

        Those of other machines are found by the heartbeats of a database, minutes after their last one.
        """
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            name = trial.user_attrs.get("worker", "")
            lock = self.folder / name
            if name:
                gone = name.startswith(_worker_prefix()) and lock.exists() and _free(lock)
            else:  # another machine took the name and died before it gave its own
                gone = trial.datetime_start is None or _age(trial.datetime_start.timestamp()) > TAKING
            if gone:
                with _lost_trials():  # others that look at the same moment may have been first
                    self._study.tell(trial.number, state=TrialState.FAIL)
        for lock in self.folder.glob(f"{_worker_prefix()}*"):
            if _age(lock.stat().st_mtime) > TAKING and _free(lock):  # a younger one may be about to be locked
                lock.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------ the end

    def report(self) -> Report:
        """What was found so far, written into the folder as well."""
        trials = self.trials
        best = tuple(sorted(filter(is_complete, trials), key=by_accuracy))
        command = space.train_command(best[0].options) if best else ""
        importances = self._importances() if len(best) >= ENOUGH else {}
        picture = self.folder / "tune.png" if best and self.start.plots else None
        report = Report(self.folder, trials, best, importances, command, picture)
        try:
            self._write(report)
        except OSError as error:
            raise RunError(
                f"could not write {error.filename}: {error.strerror}; the trials are kept; "
                "free some space, then the same command reports again"
            ) from error
        return report

    def _importances(self) -> dict[str, float]:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
        found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {space.label(name): share for name, share in found.items()}

    def _write(self, report: Report) -> None:
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        names = self.settings(self.start)
        rows.writerow(["number", "state", "val_accuracy", "epochs", "seconds", *names, "note"])
        for t in report.trials:
            row = [t.number, t.state, f"{t.accuracy:.6f}", len(t.accuracies), f"{t.seconds:.2f}"]
            rows.writerow([*row, *self.settings(t.options).values(), t.note])
        files.atomic_write(self.folder / "trials.csv", table.getvalue().encode())
        summary = {
            "study": self.folder.name,
            "trials": {s: sum(t.state == s for t in report.trials) for s in ANSWERS.values()},
            "best": {"number": report.best[0].number, "val_accuracy": report.best[0].accuracy}
            if report.best
            else None,
            "command": report.command,
            "importances": report.importances,
            "searched": list(self.groups),
            "start": json.loads(to_json(self.start)),
            "versions": {"digits": __version__, "torch": torch.__version__, "optuna": optuna.__version__},
        }
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        files.atomic_write(self.folder / "study.json", text.encode())
        if report.picture:
            # Matplotlib takes half a second to import.
            from digits.figure_style import save_png
            from digits.tuning.figure import tuning_figure

            save_png(tuning_figure(report.trials, report.importances), report.picture)


def _pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    if name == "median":
        return optuna.pruners.MedianPruner(PRUNER_STARTUP, n_warmup_steps=epochs // WARM_UP)
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
    return optuna.pruners.NopPruner()


def _work(options: TuneOptions, start: TrainOptions, deadline: float) -> None:
    """A worker's process: open the study and work on it until its budget is spent, or told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which sends SIGTERM on
    torch.set_num_threads(start.threads)
    try:
        _, splits = run.load_splits(start)
        with interrupts.Interrupts() as told, open_study(options, start, splits.train, splits.val) as study:
            parent = multiprocessing.parent_process()
            for _ in study.work(deadline, lambda: bool(told.number) or not (parent and parent.is_alive())):
                pass
    except DigitsError as error:
        sys.exit(f"digits: {error}")


def _terminate(workers: Sequence[SpawnProcess]) -> None:
    for worker in workers:
        worker.terminate()


@contextlib.contextmanager
def _alive(folder: Path) -> Iterator[str]:
    """The name of a file that is locked for as long as this worker lives."""
    path = folder / f"{_worker_prefix()}{secrets.token_hex(4)}"
    try:
        with files.locked(path, str(path)):
            yield path.name
    finally:
        path.unlink(missing_ok=True)


def _worker_prefix() -> str:
    """Of the names of this machine's workers: locks of other machines cannot be trusted."""
    return f".worker-{socket.gethostname()}-"


def _age(timestamp: float) -> float:
    """Seconds since then."""
    return time.time() - timestamp


def _free(path: Path) -> bool:
    """Whether nobody holds the lock."""
    try:
        with filelock.FileLock(path, timeout=0):
            return True
    except filelock.Timeout:
        return False
