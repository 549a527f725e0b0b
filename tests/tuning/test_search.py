"""The search for better options: what it tries, what it is judged by, and how it survives.

The long forms of the tests that kill and of those that start together: `python -m tests.reliability`.
"""

import csv
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reliability import database, searches, trainer
from reliability.trainer import Trainer
from support.made_up import made_up

from digits.cli.main import main
from digits.cli.train import train_options
from digits.data.dataset import Digits
from digits.errors import OptionError, RunError
from digits.options import Augmentation, TrainOptions
from digits.recipes import RECIPES
from digits.training import loop
from digits.tuning import space, storage
from digits.tuning.options import Group, TuneOptions
from digits.tuning.report import Report
from digits.tuning.study import open_study, tune
from digits.tuning.trials import Trial
from digits.tuning.workers import lock_file, worker_lock

SMALL = TrainOptions(hidden=(16, 12), epochs=3, batch_size=32, lr=0.05, device="cpu", plots=False)
QUICK: tuple[Group, ...] = ("lr", "optimizer")
ALL = TuneOptions.search
ENDS = ("complete", "pruned")
NOBODY = 65534  # Linux's user without rights


def digits_of(count: int, seed: int) -> Digits:
    """Made-up digits that a network can learn."""
    images, labels = made_up(count, seed)
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))


TRAIN, VAL = digits_of(250, seed=1), digits_of(100, seed=2)


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., TuneOptions]:
    """Options of a search in a folder of its own: small(trials=4)."""

    def make(**options: Any) -> TuneOptions:
        usual: dict[str, Any] = {
            "out": tmp_path,
            "name": "study",
            "search": QUICK,
            "trials": 6,
            "pruner": "none",
        }
        return TuneOptions(**(usual | options))

    return make


def conduct(options: TuneOptions, start: TrainOptions = SMALL) -> Report:
    """A whole search on the made-up digits, in this process."""
    with open_study(options, start, TRAIN, VAL) as study:
        for _ in study.search():
            pass
        return study.report()


def outcome(trials: tuple[Trial, ...]) -> list[Trial]:
    """Trials without their times."""
    return [dataclasses.replace(trial, seconds=0.0) for trial in trials]


@pytest.fixture
def epochs_trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the number of every epoch that is trained."""
    numbers: list[int] = []

    def counted(*arguments: Any, **named: Any) -> Iterator[Any]:
        for epoch in original(*arguments, **named):
            numbers.append(epoch.number)
            yield epoch

    original = loop.train
    monkeypatch.setattr("digits.tuning.study.train", counted)
    return numbers


# ---------------------------------------------------------------------------------------------- space


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_point_of_the_space(recipe: str) -> None:
    """Options to a point and back are the same options, within every range."""
    start = RECIPES[recipe]
    point = space.point(start)
    assert space.options_at(start, point) == dataclasses.replace(start, lr=start.learning_rate)
    for name, (low, high, *_) in space.ranges(start, ALL).items():
        assert low <= point[name] <= high


def test_what_is_not_searched_stays() -> None:
    """An empty point changes nothing, a point with one number only that."""
    start = RECIPES["mlp"]
    assert space.options_at(start, {}) == start
    assert space.options_at(start, {"rotation": 3.0}) == dataclasses.replace(
        start, augmentation=dataclasses.replace(start.augmentation, rotation=3.0)
    )


def test_a_convolutional_network_has_no_hidden_layers_to_search() -> None:
    """The sizes of hidden layers are those of the mlp alone."""
    assert "hidden" in space.groups(SMALL, ALL)
    assert set(ALL) - set(space.groups(dataclasses.replace(SMALL, model="cnn"), ALL)) == {"hidden"}


def test_a_range_reaches_to_where_the_search_starts() -> None:
    """A start outside of the usual range widens it."""
    start = dataclasses.replace(SMALL, hidden=(2000, 8), augmentation=Augmentation(rotation=45))
    ranges = space.ranges(start, ALL)
    assert (ranges["hidden1"].high, ranges["hidden2"].low, ranges["rotation"].high) == (2000, 8, 45)


@st.composite
def points(draw: st.DrawFn) -> TrainOptions:
    """Options anywhere in the space around a recipe."""
    start = RECIPES[draw(st.sampled_from(list(RECIPES)))]
    start = dataclasses.replace(
        start, epochs=draw(st.integers(1, 50)), data=Path("some where"), shuffle=False
    )
    values: dict[str, Any] = {"optimizer": draw(st.sampled_from(space.OPTIMIZERS))}
    for name, (low, high, _, whole) in space.ranges(start, ALL).items():
        values[name] = draw(st.integers(int(low), int(high)) if whole else st.floats(low, high))
    return space.options_at(start, values)


@given(points())
@settings(max_examples=30)
def test_the_command_trains_with_exactly_these_options(options: TrainOptions) -> None:
    """`digits train ...` as it is printed is read as the options of the trial."""
    program, command, *words = shlex.split(space.train_command(options))
    assert (program, command) == ("digits", "train")
    assert train_options(words) == options


def test_momentum_goes_with_the_optimisers_that_have_it() -> None:
    """From SGD with Nesterov's momentum to Adam both are left behind; to RMSprop, Nesterov's form only."""
    start = RECIPES["fast"]
    adam = space.options_at(start, {"optimizer": "adam"})
    assert (adam.momentum, adam.nesterov, adam.learning_rate) == (0.0, False, 0.02)
    rmsprop = space.options_at(start, {"optimizer": "rmsprop", "momentum": 0.5})
    assert (rmsprop.momentum, rmsprop.nesterov) == (0.5, False)


# ---------------------------------------------------------------------------------------------- trials


def test_the_search_starts_where_it_was_told_to(small: Callable[..., TuneOptions]) -> None:
    """Trial 0 has the options that were given; the others differ from it in what is searched alone."""
    trials = conduct(small()).trials
    assert trials[0].options == SMALL
    assert len({(trial.options.lr, trial.options.optimizer) for trial in trials}) == 6
    for trial in trials:
        same = dataclasses.replace(trial.options, optimizer="sgd", lr=SMALL.lr, momentum=0, nesterov=False)
        assert same == SMALL


def test_the_same_seed_is_the_same_search(small: Callable[..., TuneOptions]) -> None:
    """Proposals and accuracies are those of the seed, to the last digit, also past the random start."""
    wide = {"trials": 12, "search": ALL, "pruner": "median"}
    first, again = (conduct(small(name=name, **wide)) for name in ("a", "b"))
    other = conduct(small(name="c", trials=3, search=ALL), dataclasses.replace(SMALL, seed=1))
    assert outcome(first.trials) == outcome(again.trials)
    assert first.importances == again.importances
    assert other.trials[1].options.hidden != first.trials[1].options.hidden


def test_a_search_goes_on_as_if_it_had_never_stopped(small: Callable[..., TuneOptions]) -> None:
    """Four trials and then eight more are the twelve of one go."""
    conduct(small(name="parts", trials=4))
    parts, whole = conduct(small(name="parts", trials=12)), conduct(small(name="whole", trials=12))
    assert outcome(parts.trials) == outcome(whole.trials)


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
        for trial in conduct(small(name=keep, trials=8), start).trials:
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


# ---------------------------------------------------------------------------------------------- report


def test_the_report_is_what_the_trials_say(small: Callable[..., TuneOptions]) -> None:
    """The best is the whole trial with the highest accuracy; files and picture tell the same."""
    report = conduct(small(trials=14, pruner="median"), dataclasses.replace(SMALL, plots=True))
    whole = [trial for trial in report.trials if trial.state == "complete"]
    assert report.best[0].accuracy == max(trial.accuracy for trial in whole)
    assert [t.accuracy for t in report.best] == sorted((t.accuracy for t in whole), reverse=True)
    assert sum(report.importances.values()) == pytest.approx(1)
    assert set(report.importances) == {"lr", "optimizer", "momentum"}
    with open(report.folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["number"]), row["state"]) for row in rows] == [
        (t.number, t.state) for t in report.trials
    ]
    assert [float(row["lr"]) for row in rows] == [trial.options.learning_rate for trial in report.trials]
    summary = json.loads((report.folder / "study.json").read_text())
    assert summary["best"] == {"number": report.best[0].number, "val_accuracy": report.best[0].accuracy}
    assert summary["command"] == report.command
    assert report.picture
    assert report.picture.read_bytes().startswith(b"\x89PNG")


def test_too_few_trials_say_nothing_of_importance(small: Callable[..., TuneOptions]) -> None:
    """Below eight whole trials there are no importances."""
    assert conduct(small(trials=7)).importances == {}


# ------------------------------------------------------------------------------------- command line


def tune_words(data: Path, out: Path, *more: str) -> list[str]:
    """The words of a small search on the command line."""
    return [
        *("tune", "--data", str(data), "--out", str(out), "--epochs", "2", "--batch-size", "32"),
        *("--hidden", "16", "12", "--search", "lr", "batch-size", *more),
    ]


def test_digits_tune_ends_with_a_command(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a trial, the best beside each other, and a `digits train` that works."""
    assert main(tune_words(tiny_folder, tmp_path, "--trials", "9", "--seed", "5")) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "tune-classic" / "study.json").read_text())
    lines = [line for line in printed.splitlines() if line[:5].strip().isdecimal()]
    assert [int(line[:5]) for line in lines] == list(range(9))
    assert len({len(line.split("  pruned")[0].rstrip()) for line in lines}) == 1
    assert f"\n  {report['command']}\n" in printed
    (words,) = [shlex.split(line) for line in printed.splitlines() if line.startswith("  digits train")]
    assert main([*words[1:], "--out", str(tmp_path), "--no-plots"]) == 0
    best = json.loads((tmp_path / "classic-1" / "summary.json").read_text())["best"]
    assert best["val_accuracy"] == report["best"]["val_accuracy"]
    capsys.readouterr()
    assert main(tune_words(tiny_folder, tmp_path, "--trials", "9", "--seed", "5")) == 0
    assert "9 trials done before" in capsys.readouterr().out


def test_a_budget_of_nothing_says_so(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a whole trial there is no best, and that is no error."""
    assert main(tune_words(tiny_folder, tmp_path, "--trials", "0")) == 0
    assert "increase --trials or --minutes" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_signal_ends_it_with_the_best_so_far(tmp_path: Path, number: signal.Signals, workers: int) -> None:
    """The trials under way fail, the report is printed, and the same command goes on."""
    data = trainer.write_data(tmp_path / "data.npz")
    process = Trainer(searches.command(data, tmp_path, None, "--workers", str(workers)))
    folder = tmp_path / "study"
    searches.await_trials(folder, None, "COMPLETE", 2)
    process.send(number)
    ended = process.wait()
    assert ended.code == 128 + number, ended.output
    assert f"stopped by {number.name}; run the same command again" in ended.output
    assert "digits train" in ended.output
    assert set(searches.states(folder, None).values()) <= {
        "COMPLETE",
        "FAIL",
        "PRUNED",
    }  # none is left running


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "0"], "--workers is 0; expected 1 or more"),
        (["--minutes", "-1"], "--minutes is -1.0; expected 0 or more"),
        (["--name", "a/b"], "--name is 'a/b'; expected a folder name"),
        (["--search"], "--search has no group"),
        (["--storage", "tune.db"], "expected a URL such as sqlite:///tune.db"),
        (["--storage", "oracle://host/name"], "needs a package that is not installed"),
    ],
)
def test_wrong_options_are_named(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 2 and a sentence."""
    assert main(["tune", "--data", str(tiny_folder), "--out", str(tmp_path), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_without_optuna_there_is_a_line_that_installs_it() -> None:
    """The missing extra is one sentence, not a traceback."""
    program = (
        "import sys; sys.modules['optuna'] = None; from digits.cli.main import main; sys.exit(main(['tune']))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "digits tune needs the package optuna" in answer.stderr
    assert answer.stderr.endswith("pip install 'digits[tune]'\n")


def test_help_imports_nothing_heavy() -> None:
    """`digits tune --help` loads neither PyTorch nor Optuna."""
    program = (
        "import sys\nfrom digits.cli.main import main\n"
        "try: main(['tune', '--help'])\n"
        "except SystemExit: print({'torch', 'optuna', 'matplotlib'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("set()\n")


# --------------------------------------------------------------------------------------------- storage


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a real PostgreSQL, empty at first."""
    programs = database.binaries()
    if programs is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    with database.postgresql(programs) as url:
        yield url


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Each kind of storage."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("server"))
    return f"sqlite:///{tmp_path / 'tune.db'}" if request.param == "sqlite" else None


def test_every_storage_gives_the_same_search(small: Callable[..., TuneOptions], url: str | None) -> None:
    """Trials read back from a journal, SQLite or PostgreSQL are those of the reference."""
    here = conduct(small(storage=url, name="same", trials=3))
    assert outcome(here.trials) == outcome(conduct(small(name="reference", trials=3)).trials)


def test_a_killed_worker_costs_its_trial_only(tmp_path: Path, url: str | None) -> None:
    """H1: one of three workers is killed; the others finish, and its trial counts as failed."""
    data = trainer.write_data(tmp_path / "data.npz")
    assert searches.kill_worker(tmp_path, data, url, "one-killed") == []


def test_a_killed_search_goes_on(tmp_path: Path, url: str | None) -> None:
    """H1: the trial that a killed process left running is closed as failed by the next start."""
    data = trainer.write_data(tmp_path / "data.npz")
    assert searches.kill_search(tmp_path, data, url, "all-killed") == []


def test_two_searches_start_at_the_same_moment(tmp_path: Path, url: str | None) -> None:
    """H2: on an empty storage neither crashes, and they share the budget."""
    data = trainer.write_data(tmp_path / "data.npz")
    assert searches.start_together(tmp_path, data, url, "together") == []


@pytest.mark.parametrize("kept", [1, 20, -2, -1])
def test_a_line_cut_short_is_written_over(small: Callable[..., TuneOptions], kept: int) -> None:
    """H3: whatever part of a last line is in the journal, the search goes on, with all trials before."""
    before = conduct(small(trials=2))
    journal = before.folder / "journal.log"
    whole = journal.read_bytes()
    line = whole.splitlines(keepends=True)[-1]
    with open(journal, "ab") as file:
        file.write(line[:kept])
    after = conduct(small(trials=4))
    assert after.trials[:2] == before.trials
    assert len(after.trials) == 4
    assert journal.read_bytes().startswith(whole)
    for entry in journal.read_text().splitlines():
        json.loads(entry)


def test_a_damaged_journal_is_named(small: Callable[..., TuneOptions]) -> None:
    """H3: rubbish in the middle is not passed over in silence."""
    journal = conduct(small(trials=2)).folder / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], b"rubbish\n", *lines[5:]]))
    with pytest.raises(RunError, match=r"journal\.log is damaged .* restore a copy"):
        conduct(small(trials=3))


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder in which permissions count: for the time of a test, root is somebody else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        user = os.geteuid()
        if user == 0 and not all(parent.stat().st_mode & 0o001 for parent in Path(optuna.__file__).parents):
            pytest.skip("needs a Python environment that an unprivileged user may read")
        with storage.open_storage(f"sqlite:///{folder / 'first.db'}", folder):
            pass  # import what it takes while the files may be read
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_file_that_cannot_be_written_is_named(
    small: Callable[..., TuneOptions], readable: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H3: a read-only journal or database is one sentence that says what to do, and stays as it is."""
    monkeypatch.setattr(storage, "PAUSES", ())
    file = readable / "study" / "journal.log" if kind == "journal" else readable / "tune.db"
    options = small(out=readable, storage=None if kind == "journal" else f"sqlite:///{file}")
    conduct(dataclasses.replace(options, trials=1))
    before = file.read_bytes()
    file.chmod(0o444)
    words = "Check its permissions" if kind == "journal" else "expected a database that"
    with pytest.raises(RunError, match=words) as caught:
        conduct(options)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before


def test_a_database_that_does_not_answer_is_named(
    small: Callable[..., TuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the database's address, not its password."""
    pytest.importorskip("psycopg")
    monkeypatch.setattr(storage, "PAUSES", ())
    with pytest.raises(RunError, match=r"postgresql://me:\*\*\*@127\.0\.0\.1:1/db: .*refused") as caught:
        conduct(small(storage="postgresql://me:secret@127.0.0.1:1/db"))
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(small: Callable[..., TuneOptions], tmp_path: Path) -> None:
    """A file where the folder should be is one sentence."""
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="choose another --out"):
        conduct(small(out=tmp_path / "file"))
