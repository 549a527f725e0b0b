"""Search for better training options: Optuna proposes, `train` tries, the validation images judge.

    open_study()   ->  Study     trials in a journal file or a database, shared by any number of workers
    Study.search() ->  Trial     each trial when it has ended
    Study.report() ->  Report    the best trials and the importances; trials.csv, study.json, tune.png

A search is given training and validation images only, never the test images. All trials have the same seed
and the same split, so that they differ in the searched options alone.
"""

import contextlib
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from digits import files
from digits.data.dataset import Digits
from digits.errors import DigitsError, OptionError, RunError
from digits.networks.ensemble import Ensemble
from digits.networks.network import Network
from digits.options import TrainOptions, differences, from_json, to_json
from digits.training import run
from digits.training.resume import WITHOUT_EFFECT
from digits.training.teacher import load_teacher
from digits.tuning import space
from digits.tuning.objective import Stopped, make_pruner, make_sampler, propose, train_trial
from digits.tuning.options import Group, Pruner, TuneOptions
from digits.tuning.report import Report, write_report
from digits.tuning.storage import open_storage, proposal_lock
from digits.tuning.trials import FINISHED, Trial, by_rank, to_trial
from digits.tuning.workers import WorkerProcesses, has_died, sweep_locks, worker_lock

PROPOSAL_TIMEOUT = 600.0  # seconds to wait while other workers propose trials
START_TIMEOUT = 60.0  # seconds after which a trial that no worker has taken counts as abandoned
TOP = 0.25  # importances compare the best quarter with all trials; a tenth, Optuna's default, is too few
ENOUGH = 8  # complete trials needed for importances, so that the best quarter has two
UNUSED = ("resume", "allow_inexact", "checkpoint_every", "tensorboard")  # training options without effect


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
    """Search for better training options, as `digits tune` does, without printing.

    Args:
        start: Training options to start from; by default those of the recipe classic.
        search: Groups of options to vary.
        trials: Trials to finish, including those of earlier calls. Default: 50, or unlimited with `minutes`.
        minutes: Stop starting trials after this many minutes; running trials finish.
        pruner: "median" or "halving" stop bad trials early; "none" does not.
        workers: Number of processes. With more than one, call it under `if __name__ == "__main__"`.
        storage: URL of a database. Default: a journal file in the study's folder.
        out: Folder that holds the study's folder.
        name: Name of the study and its folder. Default: "tune-" and the recipe.

    Returns a Report; its files are in `out / name`. Repeat the call to continue a search. Raises OptionError
    if an option is wrong, and RunError if the study was started with other options or cannot be written.
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
    """Open the study that the options name, or create it. Several processes may have it open.

    Raises RunError if it was started with other training options or on other images.
    """
    for name in UNUSED:
        if getattr(start, name) != getattr(TrainOptions, name):
            raise OptionError(f"--{name.replace('_', '-')} has no effect on a search; leave it out")
    folder = options.out / (options.name or f"tune-{start.recipe}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"could not make {folder}: {error.strerror}; choose another --out") from error
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with open_storage(options.storage, folder) as storage:
        with files.locked(folder / ".lock", str(folder), timeout=START_TIMEOUT):
            found = optuna.create_study(
                storage=storage, study_name=folder.name, direction="maximize", load_if_exists=True
            )
            study = Study(folder, options, start, found, train_set, val_set)
            study.check_start()
        yield study


class Study:
    """The trials of one search, and the methods that add to them.

    `folder` holds the report and lock files; `optuna_study` is the study in its storage.
    """

    def __init__(
        self,
        folder: Path,
        options: TuneOptions,
        start: TrainOptions,
        optuna_study: optuna.Study,
        train_set: Digits,
        val_set: Digits,
    ) -> None:
        self.folder, self.options, self.start, self.optuna_study = folder, options, start, optuna_study
        self._train_set, self._val_set = train_set, val_set
        self.groups = space.groups(start, options.search)
        self.notices: list[str] = []
        self._teacher = self._load_teacher()
        self.optuna_study.pruner = make_pruner(options.pruner, start.epochs)
        self._shown = {trial.number for trial in self._finished()}

    def check_start(self) -> None:
        """Record the start of a new study; raise RunError if an old one started differently."""
        known, images = self.optuna_study.user_attrs, self._train_set.sha256() + self._val_set.sha256()
        if "start" not in known:
            self.optuna_study.enqueue_trial(space.point(self.start), skip_if_exists=True)  # the first trial
            self.optuna_study.set_user_attr("images", images)
            self.optuna_study.set_user_attr("start", to_json(self.start))
            return
        stored = from_json(known["start"])
        changes = differences(stored, self.start, WITHOUT_EFFECT - {"patience"})
        changes += ["the images are different"] if known["images"] != images else []
        if changes:
            raise RunError(
                f"the study {self.folder.name} was started with other options: {'; '.join(changes)}. "
                "Use the same options as before, or choose another --name"
            )

    def _load_teacher(self) -> Network | Ensemble | None:
        """Return the network that all trials distil from, if there is one."""
        if self.start.teacher is None:
            return None
        teacher, notices = load_teacher(self.start.teacher, self.start.dataset, self._val_set.sha256())
        self.notices += notices
        return teacher

    def settings(self, options: TrainOptions) -> dict[str, Any]:
        """Return the values of the searched options, by name."""
        return space.settings(options, self.groups)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All finished trials, by number."""
        return tuple(to_trial(found, self.start) for found in self._finished())

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest accuracy; of equal ones, the first."""
        return next(iter(by_rank(self.trials)), None)

    def _finished(self) -> list[FrozenTrial]:
        return self.optuna_study.get_trials(deepcopy=False, states=tuple(FINISHED))

    def search(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Trial]:
        """Run trials until the budget is used up; yield each one when it ends, also those of other workers.

        As soon as `stop` returns True, running trials are cut off and recorded as failed.
        """
        minutes = math.inf if self.options.minutes is None else self.options.minutes
        deadline = time.time() + 60 * minutes
        if self.options.workers > 1 and self._wanted(deadline):
            yield from self._search_in_processes(deadline, stop)
        # With several workers, this replaces the trial of a worker that was killed when the others had ended.
        for _ in self.work(deadline, stop):
            yield from self._fresh()
        yield from self._fresh()

    def work(self, deadline: float, stop: Callable[[], bool]) -> Iterator[None]:
        """Run one trial after another in this process until the budget is used up; yield after each.

        `deadline` is a time of `time.time()` after which no trial starts.
        """
        # Optuna's own limits, n_trials and MaxTrialsCallback, do not count running trials, so that several
        # workers would exceed them. Here only one worker proposes at a time, and running trials count too.
        with contextlib.ExitStack() as life:
            worker = ""
            while not stop():
                with contextlib.ExitStack() as turn:
                    lock = proposal_lock(self.options.storage, self.folder)
                    turn.enter_context(files.locked(lock, str(self.folder), timeout=PROPOSAL_TIMEOUT))
                    worker = worker or life.enter_context(worker_lock(self.folder))
                    self.close_abandoned()
                    if not self._wanted(deadline):
                        return
                    started = (*FINISHED, TrialState.RUNNING)
                    self.optuna_study.sampler = make_sampler(self.start.seed, self._count(started))
                    one = functools.partial(self._try, worker=worker, let_others=turn.close, stop=stop)
                    with contextlib.suppress(Stopped), _closed_by_others():
                        self.optuna_study.optimize(one, n_trials=1)
                yield

    def _try(
        self, trial: optuna.Trial, worker: str, let_others: Callable[[], None], stop: Callable[[], bool]
    ) -> float:
        """Propose options, let other workers propose theirs, and train; return the validation accuracy."""
        trial.set_user_attr("worker", worker)
        options = propose(trial, self.start, self.groups)
        let_others()
        return train_trial(trial, options, self._train_set, self._val_set, self._teacher, stop)

    def _wanted(self, deadline: float) -> bool:
        """Return True if another trial may start."""
        budget = math.inf if self.options.budget is None else self.options.budget
        used = self._count((TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
        return time.time() < deadline and used < budget

    def _count(self, states: tuple[TrialState, ...]) -> int:
        return len(self.optuna_study.get_trials(deepcopy=False, states=states))

    def _fresh(self) -> Iterator[Trial]:
        """Yield the trials that ended since the last call."""
        for found in self._finished():
            if found.number not in self._shown:
                self._shown.add(found.number)
                yield to_trial(found, self.start)

    def close_abandoned(self) -> None:
        """Record running trials as failed whose worker on this machine died. Call it with the proposal lock.

        Trials of other machines are closed by Optuna when their heartbeats in the database stop.
        """
        for trial in self.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get("worker")
            if has_died(worker) if worker else self._never_started(trial):
                with _closed_by_others():
                    self.optuna_study.tell(trial.number, state=TrialState.FAIL)
        sweep_locks(self.folder)

    def _never_started(self, trial: FrozenTrial) -> bool:
        """Return True if a trial without a worker's name belongs to a worker that died before writing it."""
        if self.options.storage is None or self.options.storage.startswith("sqlite"):
            return True  # no other worker can be at this point, since this one holds the proposal lock
        begun = trial.datetime_start
        return begun is None or time.time() - begun.timestamp() > START_TIMEOUT

    def _search_in_processes(self, deadline: float, stop: Callable[[], bool]) -> Iterator[Trial]:
        """Let worker processes run the trials; yield each trial when it ends."""
        arguments = (self.options, self.start, deadline)
        processes = WorkerProcesses(_work, arguments, self.options.workers)
        for _ in processes.run(stop):
            yield from self._fresh()
        failed = processes.failures()
        if len(failed) == self.options.workers:
            raise RunError(
                f"all workers failed ({', '.join(failed)}); run the same command again to continue"
            )
        if failed:
            self.notices.append(
                f"{len(failed)} of {self.options.workers} workers failed ({', '.join(failed)})"
            )

    def report(self) -> Report:
        """Return what was found so far, and write it into the folder."""
        trials = self.trials
        best = tuple(by_rank(trials))
        command = space.train_command(best[0].options) if best else ""
        importances = self._importances() if len(best) >= ENOUGH else {}
        picture = self.folder / "tune.png" if best and self.start.plots else None
        report = Report(self.folder, trials, best, importances, command, picture)
        write_report(report, self.start, self.groups)
        return report

    def _importances(self) -> dict[str, float]:
        """Return each option's importance by PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255)."""
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
        found = optuna.importance.get_param_importances(self.optuna_study, evaluator=evaluator)
        return {space.label(name): share for name, share in found.items()}


@contextlib.contextmanager
def _closed_by_others() -> Iterator[None]:
    """Ignore that another process has closed a trial, for example while this machine was asleep."""
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError:
        pass
    except ValueError as error:
        if not str(error).startswith("Cannot tell a "):  # Optuna has no error class for this case
            raise


def _work(options: TuneOptions, start: TrainOptions, deadline: float, stop: Callable[[], bool]) -> None:
    """Work on a study in a worker process until its budget is used up or `stop` returns True."""
    torch.set_num_threads(start.threads)
    try:
        _, splits = run.load_splits(start)
        with open_study(options, start, splits.train, splits.val) as study:
            for _ in study.work(deadline, stop):
                pass
    except DigitsError as error:
        sys.exit(f"digits: {error}")
