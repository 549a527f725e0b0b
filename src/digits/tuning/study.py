"""Search for training options with a better validation accuracy.

Each trial trains one network and measures its validation accuracy. The package Optuna proposes the options of
a trial from the results of earlier trials. A study is a search together with its stored trials.

    open_study()      open or create a study
    Study.search()    run trials
    Study.report()    write the results to files

All trials use the same seed, training images and validation images. They differ only in the searched options.
The search never uses the test images.
"""

import contextlib
import functools
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from digits import files
from digits.data.batches import Batches
from digits.data.dataset import Digits
from digits.errors import DigitsError, OptionError, RunError
from digits.networks.ensemble import Ensemble
from digits.networks.network import Network
from digits.options import TrainOptions, differences, from_json, to_json
from digits.training import run
from digits.training.file_limits import check_file_sizes
from digits.training.resume import WITHOUT_EFFECT
from digits.training.teacher import load_teacher
from digits.tuning import space
from digits.tuning.objective import SearchStopped, make_sampler, propose, train_trial
from digits.tuning.options import Group, Pruner, TuneOptions
from digits.tuning.pruning import make_pruner
from digits.tuning.report import Report, write_report
from digits.tuning.storage import open_storage, proposal_lock
from digits.tuning.trials import FINISHED, Trial, by_rank, to_trial
from digits.tuning.workers import WorkerProcesses, has_died, sweep_locks, worker_lock

PROPOSAL_TIMEOUT = 600.0  # seconds to wait for the proposal lock while other workers propose trials
START_TIMEOUT = 60.0  # seconds after which a started trial without a worker's name counts as abandoned
TOP = 0.25  # importances compare the best quarter of the trials with all; Optuna's default, 0.1, is too few
ENOUGH = 8  # number of complete trials needed for importances, so that the best quarter has two
UNUSED = ("resume", "allow_inexact", "checkpoint_every", "tensorboard")  # options that a search cannot use


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
    """Search for training options with a better validation accuracy, like `digits tune`.

    Nothing is printed. Repeat the call to continue a search.

    Args:
        start: training options from which the search starts. Default: those of the recipe "classic".
        search: groups of options to search; the other options keep their values.
        trials: total number of trials, including earlier calls.
            Default: 50, or no limit if `minutes` is given.
        minutes: start no trial after this many minutes. Default: no limit.
        pruner: rule that stops bad trials early: "median", "halving" or "none".
        workers: number of processes; above 1, call `tune` under `if __name__ == "__main__"`.
        storage: URL of a database for the trials. Default: the file journal.log in the study's folder.
        out: folder that contains the study's folder.
        name: name of the study and of its folder. Default: "tune-" and the recipe.
    Returns:
        The results. They are also in trials.csv, study.json and tune.png.
    Raises:
        OptionError: if an option has an invalid value.
        RunError: if the study was started with other options.
        RunError: if a file cannot be written.
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
    """Open a study for a `with` block.

    A missing study is created. Several processes can open one study together.

    Args:
        options: options of the search, with the folder and name of the study.
        start: training options from which the search starts.
        train_set: training images and labels.
        val_set: validation images and labels.
    Yields:
        The study.
    Raises:
        OptionError: if an option has no effect on a search, or is invalid.
        RunError: if the study was started with other options or images.
        RunError: if the folder or the storage cannot be used.
    """
    _check_use(start)
    check_file_sizes(start, train_set.classes)
    Batches(train_set, start.batch_size, drop_last=start.drop_last)  # refuses a batch that is never full
    teacher, notices = _load_teacher(start, train_set, val_set)
    folder = options.out / (options.name or f"tune-{start.recipe}")
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with contextlib.ExitStack() as opened:
        with _new_folder(folder):
            storage = opened.enter_context(open_storage(options.storage, folder))
            with files.locked(folder / ".lock", str(folder), timeout=START_TIMEOUT):
                study = Study(folder, options, start, _open(storage, folder.name), train_set, val_set)
                study.teacher, study.notices = teacher, notices
                study.check_start()
        yield study


def _check_use(start: TrainOptions) -> None:
    """Check that all training options have an effect on a search.

    Raises:
        OptionError: if one has none.
    """
    for name in UNUSED:
        if getattr(start, name) != getattr(TrainOptions, name):
            raise OptionError(f"--{name.replace('_', '-')} has no effect on a search; leave it out")
    if start.ensemble > 1:
        raise OptionError(
            f"--ensemble {start.ensemble} has no effect on a search, which trains single networks; "
            "add --ensemble 1, or choose another --recipe"
        )


def _load_teacher(
    start: TrainOptions, train_set: Digits, val_set: Digits
) -> tuple[Network | Ensemble | None, list[str]]:
    """Load the teacher network, None without --teacher, and the sentences about it."""
    if start.teacher is None:
        return None, []
    return load_teacher(start.teacher, start.dataset, val_set.sha256(), train_set.classes)


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Create a study's folder. If the `with` block fails, a folder that was not there before is removed.

    Raises:
        RunError: if the folder cannot be created.
    """
    missing = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"could not create the folder {folder}: {error.strerror}; choose another --out"
        ) from error
    try:
        yield
    except DigitsError:
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _open(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    """Return the study of this name; a missing one is created."""
    # With load_if_exists=True, Optuna would write to the storage of an existing study too.
    if name in optuna.get_all_study_names(storage):
        return optuna.load_study(storage=storage, study_name=name)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


class Study:
    """One search with its stored trials. Open it with `open_study`.

    Args:
        folder: folder for the report and the lock files.
        options: options of the search.
        start: training options from which the search starts.
        optuna_study: Optuna's study, which contains the trials.
        train_set: training images and labels.
        val_set: validation images and labels.

    Attributes:
        groups: the groups of options that are searched.
        teacher: the network to distil from; None without --teacher.
        notices: messages for the user.
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
        self.teacher: Network | Ensemble | None = None
        self.optuna_study.pruner = make_pruner(options.pruner, start.epochs)
        self._shown = {trial.number for trial in self._finished()}

    def check_start(self) -> None:
        """Check that the study has the same start as before.

        A new study stores its starting options and images.

        Raises:
            RunError: if the study was started with other options or images.
        """
        known, images = self.optuna_study.user_attrs, self._train_set.sha256() + self._val_set.sha256()
        if "start" not in known:
            self.optuna_study.enqueue_trial(space.point(self.start), skip_if_exists=True)  # the first trial
            self.optuna_study.set_user_attr("search", list(self.groups))
            self.optuna_study.set_user_attr("images", images)
            self.optuna_study.set_user_attr("start", to_json(self.start))
            return
        if not all(isinstance(known.get(name), str) for name in ("start", "images")):
            raise RunError(f"the study {self.folder.name} is damaged; choose another --name")
        stored = from_json(known["start"])
        changes = differences(stored, self.start, WITHOUT_EFFECT - {"patience"})
        changes += ["the images are different"] if known["images"] != images else []
        searched = known.get("search", list(self.groups))
        if searched != list(self.groups):
            changes.append(f"--search {' '.join(searched)} is now {' '.join(self.groups)}")
        if changes:
            raise RunError(
                f"the study {self.folder.name} was started with other options: {'; '.join(changes)}. "
                "Use the same options as before, or choose another --name"
            )

    def settings(self, options: TrainOptions) -> dict[str, Any]:
        """Return the values of the searched options.

        Args:
            options: the options of a trial.
        Returns:
            Name of the option -> value.
        """
        return space.settings(options, self.groups)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All finished trials of the study, sorted by number."""
        return tuple(to_trial(found, self.start) for found in self._finished())

    @property
    def best(self) -> Trial | None:
        """The best complete trial; None if no trial is complete."""
        return next(iter(by_rank(self.trials)), None)

    def _finished(self) -> list[FrozenTrial]:
        """Return Optuna's records of all finished trials, by number."""
        return self.optuna_study.get_trials(deepcopy=False, states=tuple(FINISHED))

    def search(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Trial]:
        """Run the trials of the search.

        The search ends at its limits `trials` and `minutes`.

        Args:
            stop: returns True if the user wants to stop. Running trials then fail.
        Yields:
            Each finished trial, including trials of other workers.
        Raises:
            RunError: if all worker processes failed.
        """
        minutes = math.inf if self.options.minutes is None else self.options.minutes
        deadline = time.monotonic() + 60 * minutes
        if self.options.workers > 1 and self._wanted(deadline):
            yield from self._search_in_processes(deadline, stop)
        # If a worker process was killed at the end, its trial is still missing. This process runs it now.
        for _ in self.work(deadline, stop):
            yield from self._fresh()
        yield from self._fresh()

    def work(self, deadline: float, stop: Callable[[], bool]) -> Iterator[None]:
        """Run trials in this process, one after another.

        The search ends at its limits `trials` and `deadline`.

        Args:
            deadline: start no trial after this time, in seconds of `time.monotonic`.
            stop: returns True if the user wants to stop.
        Yields:
            None after each trial.
        """
        # Optuna's own limits, n_trials and MaxTrialsCallback, do not count running trials. Several workers
        # would therefore run too many trials. Here only one worker proposes at a time, and running trials
        # count.
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
                    with contextlib.suppress(SearchStopped), _closed_by_others():
                        self.optuna_study.optimize(one, n_trials=1)
                yield

    def _try(
        self, trial: optuna.Trial, worker: str, let_others: Callable[[], None], stop: Callable[[], bool]
    ) -> float:
        """Propose the options of one trial, and train with them.

        Args:
            trial: Optuna's record of the trial.
            worker: name of this worker, stored with the trial.
            let_others: called before the training; releases the proposal lock.
            stop: returns True if the user wants to stop.
        Returns:
            Validation accuracy, from 0 to 1.
        """
        trial.set_user_attr("worker", worker)
        options = propose(trial, self.start, self.groups)
        let_others()
        started = time.monotonic()
        try:
            return train_trial(trial, options, self._train_set, self._val_set, self.teacher, stop)
        finally:
            with _closed_by_others():
                trial.set_user_attr("seconds", time.monotonic() - started)

    def _wanted(self, deadline: float) -> bool:
        """Return True if the limits allow another trial."""
        budget = math.inf if self.options.budget is None else self.options.budget
        # Running trials count, failed ones do not.
        used = self._count((TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
        return time.monotonic() < deadline and used < budget

    def _count(self, states: tuple[TrialState, ...]) -> int:
        """Return the number of trials that are in one of these states."""
        return len(self.optuna_study.get_trials(deepcopy=False, states=states))

    def _fresh(self) -> Iterator[Trial]:
        """Yield the trials that ended since the last call."""
        for found in self._finished():
            if found.number not in self._shown:
                self._shown.add(found.number)
                yield to_trial(found, self.start)

    def close_abandoned(self) -> None:
        """Mark the trials of dead workers as failed.

        This includes only workers on this machine. The caller holds the proposal lock.
        """
        # Optuna marks the trials of other machines when their heartbeats stop; see `storage.HEARTBEAT`.
        for trial in self.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get("worker")
            if has_died(worker) if worker else self._never_started(trial):
                with _closed_by_others():
                    self.optuna_study.tell(trial.number, state=TrialState.FAIL)
        sweep_locks(self.folder)

    def _never_started(self, trial: FrozenTrial) -> bool:
        """Return True if a worker died before it stored its name."""
        if self.options.storage is None or self.options.storage.startswith("sqlite"):
            return True  # a living worker would hold the proposal lock, but this worker holds it
        begun = trial.datetime_start
        # Other machines have other clocks, and a clock may have been set back, so this is a time of day.
        return begun is None or abs(time.time() - begun.timestamp()) > START_TIMEOUT

    def _search_in_processes(self, deadline: float, stop: Callable[[], bool]) -> Iterator[Trial]:
        """Run trials in worker processes, and yield each finished trial.

        Raises:
            RunError: if all worker processes failed.
        """
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
        """Return the results, and write them to files.

        The files are trials.csv, study.json and tune.png.

        Raises:
            RunError: if a file cannot be written.
        """
        trials = self.trials
        alone = sum(found.user_attrs.get("threads", 1) < self.start.threads for found in self._finished())
        if alone:
            self.notices.append(
                f"{alone} of {len(trials)} trials used one thread: {self.start.threads} threads would have "
                "hindered each other, because other programs or workers are busy."
            )
        best = tuple(by_rank(trials))
        command = space.train_command(best[0].options) if best else ""
        importances = self._importances() if len(best) >= ENOUGH else {}
        picture = self.folder / "tune.png" if best and self.start.plots else None
        report = Report(self.folder, trials, best, importances, command, picture)
        write_report(report, self.start, self.groups)
        return report

    def _importances(self) -> dict[str, float]:
        """Compute the importance of each searched option.

        Returns:
            Name of the option -> share, from 0 to 1, sum 1.

        Source: Watanabe et al. 2023, arXiv 2304.10255.
        """
        # PED-ANOVA compares the best quarter of the complete trials with all of them. An option is important
        # if its values are distributed differently in the two groups.
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
        found = optuna.importance.get_param_importances(self.optuna_study, evaluator=evaluator)
        return {space.option_label(name): share for name, share in found.items()}


@contextlib.contextmanager
def _closed_by_others() -> Iterator[None]:
    """Ignore the error for a trial that another process has ended."""
    # For example, this machine was asleep, and its heartbeats stopped.
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError:
        pass
    except ValueError as error:
        if not str(error).startswith("Cannot tell a "):  # Optuna has no error class for this case
            raise


def _work(options: TuneOptions, start: TrainOptions, deadline: float, stop: Callable[[], bool]) -> None:
    """Open the study in a worker process, and run trials.

    Args:
        options: options of the search.
        start: training options from which the search starts.
        deadline: start no trial after this time, in seconds of `time.monotonic`, which all processes share.
        stop: returns True if the user wants to stop.
    """
    torch.set_num_threads(1)  # The training steps use --threads.
    try:
        _, splits = run.load_splits(start)
        with open_study(options, start, splits.train, splits.val) as study:
            for _ in study.work(deadline, stop):
                pass
    except DigitsError as error:
        sys.exit(f"digits: {error}")
