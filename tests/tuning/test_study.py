"""Searches: what they try, how they judge it, and how they continue."""

import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from support.small_search import ALL, QUICK, SMALL, TRAIN, VAL, conduct, digits_of, outcome

from digits.cli.main import main
from digits.errors import OptionError, RunError
from digits.training import loop
from digits.tuning.options import TuneOptions
from digits.tuning.study import open_study, tune
from digits.tuning.trials import to_trial
from digits.tuning.workers import lock_file, worker_lock


@pytest.fixture
def epochs_trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the number of every epoch that is trained."""
    numbers: list[int] = []

    def counted(*arguments: Any, **named: Any) -> Iterator[Any]:
        for epoch in original(*arguments, **named):
            numbers.append(epoch.number)
            yield epoch

    original = loop.train
    monkeypatch.setattr("digits.tuning.objective.train", counted)
    return numbers


def test_the_search_starts_where_it_was_told_to(small: Callable[..., TuneOptions]) -> None:
    """Trial 0 has the options that were given; the others differ from it in what is searched alone."""
    trials = conduct(small()).trials
    assert trials[0].options == SMALL
    assert len({(trial.options.lr, trial.options.optimizer) for trial in trials}) == 6
    for trial in trials:
        same = dataclasses.replace(trial.options, optimizer="sgd", lr=SMALL.lr, momentum=0, nesterov=False)
        assert same == SMALL


def test_the_same_seed_is_the_same_search(small: Callable[..., TuneOptions]) -> None:
    """Proposals and accuracies repeat to the last digit, also if the search stopped after 4 trials."""
    wide: dict[str, Any] = {"search": ("lr", "optimizer", "batch-size"), "pruner": "median"}
    whole = conduct(small(name="whole", trials=12, **wide))  # two more than are random
    conduct(small(name="parts", trials=4, **wide))
    parts = conduct(small(name="parts", trials=12, **wide))
    assert outcome(whole.trials) == outcome(parts.trials)
    assert whole.importances == parts.importances
    hidden = [
        conduct(small(name=f"seed-{seed}", trials=2, search=ALL), dataclasses.replace(SMALL, seed=seed))
        for seed in (0, 1)
    ]
    assert hidden[0].trials[1].options.hidden != hidden[1].trials[1].options.hidden


def test_a_finished_search_only_reports(small: Callable[..., TuneOptions], epochs_trained: list[int]) -> None:
    """The same command again trains nothing and finds the same."""
    first, trained = conduct(small()), len(epochs_trained)
    assert trained == 6 * SMALL.epochs
    assert conduct(small()) == first
    assert len(epochs_trained) == trained


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_a_pruned_trial_is_not_trained_to_the_end(
    small: Callable[..., TuneOptions], epochs_trained: list[int], pruner: str
) -> None:
    """Whole trials have all epochs, pruned ones fewer, and no epoch is trained that is not in the table."""
    trials = conduct(small(trials=16, pruner=pruner), dataclasses.replace(SMALL, epochs=6)).trials
    epochs = {
        state: [len(t.accuracies) for t in trials if t.state == state] for state in ("complete", "pruned")
    }
    assert set(epochs["complete"]) == {6}
    assert epochs["pruned"]
    assert max(epochs["pruned"]) < 6
    assert sum(map(sum, epochs.values())) == len(epochs_trained)


def test_what_diverges_is_a_bad_trial(small: Callable[..., TuneOptions]) -> None:
    """A loss that is not finite ends the trial, not the search, and counts against the budget."""
    start = dataclasses.replace(SMALL, lr=1e12)
    trials = conduct(small(trials=3, search=("batch-size",)), start).trials
    assert [(trial.state, trial.note) for trial in trials] == [("pruned", "diverged")] * 3


def test_the_test_images_are_out_of_reach(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    """Two data folders that differ in their test images alone give the very same search."""
    found = []
    for name, test in (("few", 60), ("many", 100)):
        start = dataclasses.replace(SMALL, data=make_folder(test=test, name=name))
        options = TuneOptions(out=tmp_path, name=f"study-{name}", search=QUICK, trials=3)
        found.append(
            [
                (t.state, t.accuracies)
                for t in tune(
                    start, search=options.search, trials=options.trials, out=options.out, name=options.name
                ).trials
            ]
        )
    assert found[0] == found[1]


def test_a_trial_is_judged_by_the_network_that_is_kept(small: Callable[..., TuneOptions]) -> None:
    """With --keep last the last epoch counts, otherwise the best one."""
    for keep in ("best", "last"):
        start = dataclasses.replace(SMALL, lr=1.0, keep=keep)
        for trial in conduct(small(name=keep, trials=4), start).trials:
            assert trial.accuracy == (trial.accuracies[-1] if keep == "last" else max(trial.accuracies))


def test_a_teacher_teaches_every_trial(
    small: Callable[..., TuneOptions], tiny_folder: Path, tmp_path: Path
) -> None:
    """A saved network is learned from; that it may have seen the validation images is said."""
    words = ["--data", str(tiny_folder), "--hidden", "16", "12", "--epochs", "1", "--no-plots"]
    assert main(["train", *words, "--out", str(tmp_path), "--name", "teacher"]) == 0
    start = dataclasses.replace(SMALL, teacher=str(tmp_path / "teacher"))
    with open_study(small(trials=2), start, TRAIN, VAL) as study:
        taught = [trial.accuracies for trial in study.search()]
        assert "figures are optimistic" in study.notices[0]
    assert taught != [trial.accuracies for trial in conduct(small(name="alone", trials=2)).trials]


def test_a_clock_set_back_changes_no_duration(small: Callable[..., TuneOptions]) -> None:
    """A trial's time is its own measurement; without one, as after a kill, it is at least 0."""
    with open_study(small(trials=1), SMALL, TRAIN, VAL) as study:
        started = time.monotonic()
        (trial,) = study.search()
        assert 0 < trial.seconds <= time.monotonic() - started
        (found,) = study.optuna_study.get_trials()
    assert found.datetime_start
    found.datetime_complete = found.datetime_start - datetime.timedelta(hours=1)
    assert to_trial(found, SMALL).seconds == trial.seconds
    del found.user_attrs["seconds"]
    assert to_trial(found, SMALL).seconds == 0


def test_a_deadline_is_kept_when_the_clock_is_set_back(
    small: Callable[..., TuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--minutes ends the search after that time, whatever the time of day becomes."""
    monkeypatch.setattr(time, "time", lambda: 0.0)  # 1970
    assert len(conduct(small(trials=100, minutes=0.001)).trials) < 50


def test_no_minutes_no_trials(small: Callable[..., TuneOptions]) -> None:
    """Time alone can be the budget; when it is over, no trial is begun."""
    assert conduct(small(trials=None, minutes=0)).trials == ()
    assert len(conduct(small(trials=2, minutes=10)).trials) == 2
    assert TuneOptions(minutes=1).budget is None
    assert TuneOptions().budget == 50


def test_a_stopped_trial_fails_and_is_made_up_for(small: Callable[..., TuneOptions]) -> None:
    """Stopping cuts the trial under way off; the next call does as many as were asked for."""
    with open_study(small(), SMALL, TRAIN, VAL) as study:
        asked = iter([False] * 40)
        assert [t.note for t in study.search(lambda: next(asked, None) is not False)] == ["", "stopped"]
    states = [trial.state for trial in conduct(small()).trials]
    assert states == ["complete", "failed", *["complete"] * 5]


def test_a_trial_that_was_given_up_for_lost_is_let_go(small: Callable[..., TuneOptions]) -> None:
    """Where another machine has closed the trial under way, the worker goes on with the next one."""
    with open_study(small(trials=2), SMALL, TRAIN, VAL) as study:

        def close_first() -> bool:
            running = study.optuna_study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
            if running and running[0].number == 0:
                study.optuna_study.tell(0, state=optuna.trial.TrialState.FAIL)
            return False

        assert [(t.number, t.state) for t in study.search(close_first)] == [
            (0, "failed"),
            (1, "complete"),
            (2, "complete"),
        ]


def test_the_trial_of_the_last_worker_is_replaced(
    small: Callable[..., TuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    """H1: if a worker is killed when the others have ended, counting its trial, the search does one more."""

    class OneKilled:
        """Two workers, one of which was killed in its trial; the other found nothing left to do."""

        def __init__(self, *_: object) -> None: ...

        def run(self, stop: Callable[[], bool]) -> Iterator[None]:
            abandoned = study.optuna_study.ask()
            with worker_lock(study.folder) as name:
                abandoned.set_user_attr("worker", name)
            lock_file(name).touch()  # as after a kill
            yield

        def failures(self) -> list[str]:
            return ["SIGKILL"]

    monkeypatch.setattr("digits.tuning.study.WorkerProcesses", OneKilled)
    with open_study(small(trials=1, workers=2), SMALL, TRAIN, VAL) as study:
        found = [(trial.state, trial.note) for trial in study.search()]
        assert found == [("failed", "its worker died"), ("complete", "")]
        assert study.notices == ["1 of 2 workers failed (SIGKILL)"]
        assert not list(study.folder.glob(".worker-*"))


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # optimize, which beats, would finish the trial
@pytest.mark.parametrize("looked", [False, True])
def test_two_may_close_the_same_trial(
    small: Callable[..., TuneOptions], url: str | None, monkeypatch: pytest.MonkeyPatch, looked: bool
) -> None:
    """H1: where another process closes a dead worker's trial before our word, that is that.

    Between our list of trials and Optuna's look at this one, or between that look and the word.
    """
    with open_study(small(storage=url, name=f"both-{looked}"), SMALL, TRAIN, VAL) as study:
        with worker_lock(study.folder) as name:
            pass
        lock_file(name).touch()  # as after a kill
        trial = study.optuna_study.ask()
        trial.set_user_attr("worker", name)
        kind = optuna.storages.RDBStorage if url else optuna.storages.journal.JournalStorage
        place: Any = kind if looked else optuna.Study
        word = "set_trial_state_values" if looked else "tell"
        original = getattr(place, word)

        def second(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(place, word, original)
            study.optuna_study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            return original(*args, **kwargs)

        monkeypatch.setattr(place, word, second)
        study.close_abandoned()
        assert [found.state.name for found in study.optuna_study.trials] == ["FAIL"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 4}, "--epochs 3 is now 4"),
        ({"seed": 1}, "--seed 0 is now 1"),
        ({"resume": True}, "--resume has no effect on a search"),
    ],
)
def test_a_search_is_not_mixed_with_another(
    small: Callable[..., TuneOptions], change: dict[str, Any], words: str
) -> None:
    """Other options than those it was begun with are refused by name."""
    conduct(small(trials=1))
    with pytest.raises((RunError, OptionError), match=words):
        conduct(small(), dataclasses.replace(SMALL, **change))


def test_a_search_is_not_mixed_with_other_images(small: Callable[..., TuneOptions]) -> None:
    """Accuracies on other images cannot be compared."""
    conduct(small(trials=1))
    with (
        pytest.raises(RunError, match="the images are different"),
        open_study(small(), SMALL, TRAIN, digits_of(100, seed=3)),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_named(small: Callable[..., TuneOptions], tmp_path: Path) -> None:
    """A file where the folder should be is one sentence."""
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="choose another --out"):
        conduct(small(out=tmp_path / "file"))
