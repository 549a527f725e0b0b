"""Training survives anything: however it was cut off, --resume ends in the bits of an uninterrupted run.

The long forms of the first two tests are one command: `python -m tests.reliability`.
"""

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from reliability import faults, kills, trainer
from reliability.trainer import EPOCHS, STEPS, Moment, Trainer, command, resumption, signalled

from digits.errors import CheckpointError, TrainingError
from digits.evaluation import logits
from digits.networks import model_file, tensor_file
from digits.options import TrainOptions
from digits.training.distributed import World
from digits.training.interrupts import Interrupts
from digits.training.run import load_splits, open_run, run
from digits.training.state import State

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)

Reference = Callable[..., dict[str, object]]


def mostly_slow(values: Iterable[Any], fast: Collection[Any]) -> list[Any]:
    """Return the parameters, those that are not in `fast` marked as slow."""
    marks = {False: [pytest.mark.slow], True: []}
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=marks[value in fast])
        for value in values
    ]


STEP = "digits.training.state:State.count"  # called once a step
PREDICT = "digits.evaluation.logits:compute_logits"  # called for each validation, then for the test
DRAW = "digits.evaluation.plots.mistakes:mistakes_figure"
SAVE = "digits.networks.tensor_file:save_tensors"  # called for each checkpoint and, after it, for each model


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.npz in it."""
    folder = tmp_path_factory.mktemp("resume")
    trainer.write_data(folder / "data.npz")
    return folder


@pytest.fixture(scope="session")
def whole(place: Path) -> Reference:
    """The outcome of an uninterrupted run with these further options."""

    @functools.cache
    def outcome(*more: str) -> dict[str, object]:
        folder = place / f"whole{''.join(more)}"
        ended = trainer.run(command(place / "data.npz", folder, *more))
        assert ended.code == 0, ended.output
        return trainer.outcome(folder)

    return outcome


def resume(folder: Path, *more: str) -> trainer.Ended:
    """Go on with the run, to its end."""
    ended = trainer.run(resumption(folder, *more))
    assert ended.code == 0, ended.output
    return ended


# ------------------------------------------------------------------------------------- faults and kills


@pytest.mark.slow
@pytest.mark.skipif(not faults.available(), reason="needs strace and the right to trace")
def test_resume_after_a_failed_system_call(tmp_path: Path) -> None:
    """K1, short: whichever call of the save path fails or is the last, the run ends in the same bits."""
    trials = list(faults.faults(tmp_path, 24))
    assert [(trial.fault, trial.failures) for trial in trials if trial.failures] == []
    assert {trial.fault.call for trial in trials} == set(faults.CALLS)


@pytest.mark.skipif(not faults.available(), reason="needs strace and the right to trace")
def test_files_are_on_the_disk_before_they_get_their_names(tmp_path: Path) -> None:
    """A power cut finds every file whole: written, synced, renamed, and then the folder synced."""
    assert faults.unsynced(tmp_path) == []


@pytest.mark.slow
def test_resume_after_kills_at_random_times(tmp_path: Path) -> None:
    """K2, short: however often a run is killed, and whenever, it ends in the same bits."""
    found = list(kills.kills(tmp_path, 10, seeds=1))
    assert [run.failures for run in found if run.failures] == []
    assert sum(run.kills.total() for run in found) >= 10


@pytest.mark.slow
def test_resume_of_the_real_command(place: Path, whole: Reference, tmp_path: Path) -> None:
    """`digits train` killed as a command of its own, in another working folder, resumes to the same bits."""
    digits = [sys.executable, "-m", "digits"]
    start = command(place / "data.npz", Path("runs/real"), "--checkpoint-every", "1")
    with subprocess.Popen([*digits, *start], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "runs/real/checkpoint.prev.npz").exists():
            assert process.poll() is None
        process.kill()
    assert process.returncode == -signal.SIGKILL
    again = resumption(Path("runs/real"))
    ended = subprocess.run([*digits, *again], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert trainer.differences(tmp_path / "runs/real", whole()) == []


# -------------------------------------------------------------------------------------------- K4: points

POINTS = {
    "before the first checkpoint": Moment(STEP, 3, signalled(signal.SIGKILL)),
    "in the middle of an epoch": Moment(STEP, STEPS + 5, signalled(signal.SIGKILL)),
    "after an epoch's last step": Moment(STEP, 2 * STEPS, signalled(signal.SIGKILL)),
    "during validation": Moment(PREDICT, 2, signalled(signal.SIGKILL)),
    "at the end of an epoch": Moment(
        "digits.training.state:State.finish_epoch", 2, signalled(signal.SIGKILL)
    ),
    "between checkpoint and table": Moment(
        "digits.training.metrics_table:write_table", 2, signalled(signal.SIGKILL)
    ),
    "between table and model": Moment("digits.networks.model_file:save_model", 2, signalled(signal.SIGKILL)),
    "during the test": Moment(PREDICT, EPOCHS + 1, signalled(signal.SIGKILL)),
}


@pytest.mark.parametrize(
    ("point", "every"),
    mostly_slow(
        itertools.product(POINTS, ["0", "4"]),
        [("between checkpoint and table", "0"), ("in the middle of an epoch", "4")],
    ),
)
def test_resume_from_every_point(
    place: Path, whole: Reference, tmp_path: Path, point: str, every: str
) -> None:
    """K4: killed at any point of the loop, with and without checkpoints in mid-epoch: the same bits."""
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder, "--checkpoint-every", every)
    assert trainer.run(start, POINTS[point]).code == -signal.SIGKILL
    assert trainer.unsound(folder) == []
    resume(folder)
    assert trainer.differences(folder, whole()) == []


KINDS = (
    ("--optimizer", "sgd", "--momentum", "0", "--schedule", "cosine"),
    ("--optimizer", "sgd", "--nesterov", "--schedule", "one-cycle", "--weight-decay", "0.01"),
    ("--optimizer", "rmsprop", "--lr", "0.001", "--autograd"),
    ("--optimizer", "adam", "--momentum", "0", "--lr", "0.002", "--drop-last"),
    ("--optimizer", "adamw", "--momentum", "0", "--lr", "0.002", "--no-shuffle", "--patience", "1"),
    (
        *("--model", "cnn", "--channels", "3", "4", "5", "--ema", "0.9", "--clip", "1", "--keep", "last"),
        *("--label-smoothing", "0.1", "--dropout", "0.3", "--schedule", "one-cycle", "--warmup", "0.2"),
        *("--rotation", "10", "--elastic", "10", "--erasing", "0.5", "--thickness", "0.3"),
    ),
    ("--model", "cnn", "--channels", "3", "4", "5", "--precision", "bfloat16", "--threads", "2"),
    ("--view", "upright"),
    ("--dropout", "0.5", "--input-dropout", "0.2", "--ema", "0.99", "--scaling", "0.1"),
)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            id="".join(kind[:4]),
            marks=[] if "--ema" in kind and "--model" in kind else [pytest.mark.slow],
        )
        for kind in KINDS
    ],
)
def test_resume_of_every_kind_of_training(
    place: Path, whole: Reference, tmp_path: Path, kind: tuple[str, ...]
) -> None:
    """K4: every optimiser, schedule, network and training tool goes on with all that it remembered."""
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder, *kind, "--checkpoint-every", "4")
    assert trainer.run(start, Moment(STEP, STEPS + 6, signalled(signal.SIGKILL))).code == -signal.SIGKILL
    resume(folder)
    assert trainer.differences(folder, whole(*kind)) == []


@pytest.mark.slow
def test_resume_under_a_teacher(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K4: a pupil goes on to the same bits under the same teacher, and refuses another one."""
    whole("--seed", "5")
    teacher = tmp_path / "teacher.npz"
    shutil.copy(place / "whole--seed5" / "model.npz", teacher)
    kind = ("--teacher", str(teacher), "--temperature", "3")
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder, *kind)
    assert trainer.run(start, Moment(STEP, STEPS + 6, signalled(signal.SIGKILL))).code == -signal.SIGKILL
    reference = whole(*kind)
    sound = teacher.read_bytes()
    whole("--seed", "6")
    shutil.copy(place / "whole--seed6" / "model.npz", teacher)
    refused = trainer.run(resumption(folder))
    assert refused.code == 1
    assert "cannot go on to the same bits: teacher " in refused.output
    teacher.write_bytes(sound)
    resume(folder)
    assert trainer.differences(folder, reference) == []


ENSEMBLE = ("--ensemble", "2", "--view", "alternate")
CUTS = {
    "in the first": Moment(STEP, 5, signalled(signal.SIGKILL)),
    "in the second": Moment(STEP, EPOCHS * STEPS + 5, signalled(signal.SIGTERM)),
    "after the first": Moment("digits.training.single_run:SingleRun.finish", 1, signalled(signal.SIGKILL)),
    "after the second": Moment(
        "digits.training.ensemble_run:EnsembleRun.finish", 1, signalled(signal.SIGKILL)
    ),
    "before they are joined": Moment("digits.training.ensemble_run:assemble", 1, signalled(signal.SIGKILL)),
}


@pytest.mark.parametrize("cut", mostly_slow(CUTS, ["in the second"]))
def test_resume_of_an_ensemble(place: Path, whole: Reference, tmp_path: Path, cut: str) -> None:
    """K4: wherever an ensemble is cut off, it goes on to the same networks, the finished ones included."""
    kind = ENSEMBLE
    folder = tmp_path / "run"
    ended = trainer.run(command(place / "data.npz", folder, *kind), CUTS[cut])
    assert ended.code in (-signal.SIGKILL, 128 + signal.SIGTERM), ended.output
    resume(folder)
    whole(*kind)
    reference = place / "whole--ensemble2--viewalternate"
    for member, view in (("member-1", "as-is"), ("member-2", "upright")):
        assert trainer.differences(folder / member, trainer.outcome(reference / member)) == []
        assert json.loads((folder / member / "options.json").read_text())["view"] == view
    for name in ("metrics.csv", "model.npz", "summary.json"):
        assert without_seconds(folder / name) == without_seconds(reference / name)


def without_seconds(path: Path) -> object:
    """A file's content apart from the times in it."""
    if path.suffix == ".csv":
        return trainer.metrics(path.parent)
    if path.suffix == ".npz":
        return path.read_bytes()
    summary = json.loads(path.read_text())
    return {name: summary[name] for name in ("test", "members", "epochs", "data", "network")}


def test_members_of_an_ensemble_are_runs_of_their_own(place: Path, whole: Reference) -> None:
    """Member 2 is the network that training with the next seed alone gives, and the folder says the rest."""
    whole(*ENSEMBLE)
    folder = place / "whole--ensemble2--viewalternate"
    alone = whole("--seed", "1", "--view", "upright")
    found = trainer.outcome(folder / "member-2")
    assert {name: v for name, v in found.items() if name.startswith("model ")} == {
        name: v for name, v in alone.items() if name.startswith("model ")
    }
    _, splits = load_splits(TrainOptions(data=place / "data.npz"))
    members = [model_file.load(folder / f"member-{i}") for i in (1, 2)]
    mean = torch.stack([logits.compute_logits(m, splits.test).softmax(1) for m in members]).mean(0)
    ensemble = model_file.load(folder)
    ensemble.temperature.fill_(1)  # with its own, the order of the probabilities stays
    assert torch.allclose(logits.compute_logits(ensemble, splits.test).softmax(1), mean, atol=1e-6)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["test"]["accuracy"] == (mean.argmax(1) == splits.test.labels).double().mean().item()
    rights = [(logits.compute_logits(m, splits.test).argmax(1) == splits.test.labels) for m in members]
    assert summary["members"] == [right.double().mean().item() for right in rights]


def test_same_seed_gives_the_same_bits(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K8: a second run in another folder leaves the same figures and bits; another seed does not."""
    folder = tmp_path / "again"
    assert trainer.run(command(place / "data.npz", folder)).code == 0
    assert trainer.differences(folder, whole()) == []
    assert "model hidden1.weight" in trainer.differences(folder, whole("--seed", "1"))


# --------------------------------------------------------------------------------------------- K3: signals

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = {  # the function and its call, and the steps that are done when the run has stopped
    "first step": (STEP, 1, 2),
    "mid-epoch": (STEP, STEPS + 4, STEPS + 5),
    "last step of an epoch": (STEP, 2 * STEPS, 2 * STEPS + 1),
    "validation": (PREDICT, 2, 2 * STEPS + 2),
    "saving": (SAVE, 3, 2 * STEPS + 2),
    "last step of all": (STEP, EPOCHS * STEPS, EPOCHS * STEPS),
    "last validation": (PREDICT, EPOCHS, EPOCHS * STEPS),
}


@pytest.mark.parametrize(
    ("number", "moment"),
    mostly_slow(
        itertools.product(SIGNALS, INTERRUPTED),
        [(signal.SIGTERM, "mid-epoch"), (signal.SIGINT, "validation")],
    ),
)
def test_signals_stop_after_saving(
    place: Path, whole: Reference, tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    """K3: a signal, whenever it comes, stops within two steps, after saving; the exit code is 128 + n."""
    folder = tmp_path / "run"
    function, call, steps = INTERRUPTED[moment]
    ended = trainer.run(command(place / "data.npz", folder), Moment(function, call, signalled(number)))
    assert ended.code == 128 + number
    message = f"digits: stopped by {number.name} after saving; continue with --resume"
    assert ended.output.splitlines()[-1] == message
    assert not (folder / "summary.json").exists()
    meta, _ = tensor_file.load_tensors(folder / "checkpoint.npz", "checkpoint")
    assert meta["epoch"] * STEPS + meta["step"] == steps
    resume(folder)
    assert trainer.differences(folder, whole()) == []


@pytest.mark.parametrize(
    ("number", "function"),
    mostly_slow(itertools.product(SIGNALS, [PREDICT, DRAW]), [(signal.SIGTERM, PREDICT)]),
)
def test_signals_after_training_lose_nothing(
    place: Path, whole: Reference, tmp_path: Path, number: signal.Signals, function: str
) -> None:
    """K3: during the test and the drawing all is saved already; a resume tests and draws again."""
    folder = tmp_path / "run"
    call = EPOCHS + 1 if function == PREDICT else 1
    plots = () if function == PREDICT else ("--plots",)
    start = command(place / "data.npz", folder, *plots)
    ended = trainer.run(start, Moment(function, call, signalled(number)))
    assert ended.code in (128 + number, -number)
    assert "Traceback" not in ended.output
    resume(folder, "--no-plots")
    assert set(trainer.differences(folder, whole())) <= {"files"}  # a picture may have been drawn already


def test_second_signal_acts_at_once() -> None:
    """Who presses Ctrl-C twice does not want to wait for anything."""
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ignored_signals_stay_ignored() -> None:
    """`nohup digits train &` survives the end of the session: a signal ignored before is ignored still."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
        assert interrupts.number == 0
    finally:
        signal.signal(signal.SIGHUP, before)


# -------------------------------------------------------------------------------------------- K5: full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, spare: int) -> None:
    """Leave `spare` bytes on the disk, or fewer."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(disk / "filler", max((disk / "filler").stat().st_size - spare, 0))


def forbid_writing(size: int) -> None:
    """Have this process fail to write any file beyond `size` bytes, as it does when a quota is used up."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


# What is written when the disk is full, and the function, with its call, just before: after the first epoch.
WRITES = {
    "checkpoint.npz": ("digits.training.state:State.finish_epoch", 2),
    "metrics.csv": ("digits.training.metrics_table:write_table", 2),
    "model.npz": ("digits.networks.model_file:save_model", 2),
    "curves.png": ("digits.evaluation.plots.curves:curves_figure", 1),
    "summary.json": ("digits.evaluation.metrics:evaluate_logits", 1),
}


def starve(data: Path, folder: Path, written: str, deed: Callable[[], object]) -> None:
    """Run into a full disk: one sentence that names the file, exit code 1, and every file still whole."""
    start = command(data, folder, *(["--plots"] if written == "curves.png" else []))
    ended = trainer.run(start, Moment(*WRITES[written], deed))
    assert ended.code == 1, ended.output
    assert ended.output.splitlines()[-1].startswith(f"digits: could not write {folder / written}: ")
    assert "Traceback" not in ended.output
    assert trainer.unsound(folder) == []
    assert trainer.leftovers(folder) == []
    assert (folder / "checkpoint.npz").exists()


@pytest.mark.parametrize(
    ("written", "spare"),
    mostly_slow(
        [
            *itertools.product(["checkpoint.npz"], [0, 4096, 65536]),
            *itertools.product(["model.npz", "curves.png"], [0, 4096, 16384]),
            ("metrics.csv", 0),  # less than a page: it fits or it does not
            ("summary.json", 0),
        ],
        [("checkpoint.npz", 4096)],
    ),
)
def test_full_disk(place: Path, whole: Reference, small_disk: Path, written: str, spare: int) -> None:
    """K5: a disk that fills up stops the run with a sentence and costs nothing; with space, it goes on."""
    folder = small_disk / "run"
    starve(place / "data.npz", folder, written, functools.partial(fill, small_disk, spare))
    (small_disk / "filler").unlink()
    resume(folder, "--no-plots")
    assert trainer.differences(folder, whole()) == []


@pytest.mark.parametrize("written", mostly_slow(WRITES, ["model.npz"]))
def test_used_up_quota(place: Path, whole: Reference, tmp_path: Path, written: str) -> None:
    """K5: likewise where the system lets no file grow any more."""
    folder = tmp_path / "run"
    starve(place / "data.npz", folder, written, functools.partial(forbid_writing, 0))
    resume(folder, "--no-plots")
    assert trainer.differences(folder, whole()) == []


# ------------------------------------------------------------------------------- K6: damaged checkpoints


@pytest.fixture(scope="session")
def cut_run(place: Path) -> Path:
    """The folder of a run that was killed in its second epoch, with two checkpoints."""
    folder = place / "cut"
    start = command(place / "data.npz", folder, "--checkpoint-every", "4")
    ended = trainer.run(start, Moment(STEP, 2 * STEPS - 1, signalled(signal.SIGKILL)))
    assert ended.code == -signal.SIGKILL
    assert tensor_file.previous(folder / "checkpoint.npz").exists()
    return folder


@pytest.fixture
def cut(cut_run: Path, tmp_path: Path) -> Path:
    """A copy of `cut_run` for one test."""
    return shutil.copytree(cut_run, tmp_path / "run")


def mutants(content: bytes, count: int) -> Iterator[bytes]:
    """Damaged copies: bits turned, bytes replaced, ends cut off, holes, insertions, blocks swapped."""
    draws = random.Random(0)
    for number in range(count):
        at, size = draws.randrange(len(content)), draws.randrange(1, 2048)
        yield (
            content[:at] + bytes([content[at] ^ 1 << draws.randrange(8)]) + content[at + 1 :],
            content[:at] + draws.randbytes(size) + content[at + size :],
            content[:at],
            content[:at] + bytes(size) + content[at + size :],
            content[:at] + draws.randbytes(size) + content[at:],
            content[at:] + content[:at],
        )[number % 6]


@pytest.mark.parametrize("count", mostly_slow([120, 2000], [120]))
def test_damaged_checkpoints_are_refused(cut: Path, count: int) -> None:
    """K6: of many damaged copies of a checkpoint not one is accepted."""
    path = cut / "checkpoint.npz"
    whole_file = path.read_bytes()
    taken = 0
    for mutant in mutants(whole_file, count):
        path.write_bytes(mutant)
        try:
            tensor_file.load_tensors(path, "checkpoint")
        except CheckpointError:
            continue
        taken += mutant != whole_file
    assert taken == 0


@pytest.mark.parametrize("number", mostly_slow(range(6), [0]))
def test_resume_from_the_checkpoint_before(cut: Path, whole: Reference, number: int) -> None:
    """K6: with the newest checkpoint damaged, the run goes on from the one before it, says so, same bits."""
    path = cut / "checkpoint.npz"
    path.write_bytes(list(mutants(path.read_bytes(), 6))[number])
    ended = resume(cut)
    assert f"{path} is" in ended.output
    assert "; going on from checkpoint.prev.npz." in ended.output
    assert trainer.differences(cut, whole()) == []


@pytest.mark.parametrize("call", mostly_slow(range(1, 8), [2]))
def test_kill_after_a_damaged_checkpoint(cut: Path, whole: Reference, call: int) -> None:
    """K6: going on after damage never loses the one sound checkpoint, whenever a kill comes then."""
    path = cut / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-1])
    killed = trainer.run(resumption(cut), Moment("digits.files:os.replace", call, signalled(signal.SIGKILL)))
    assert killed.code == -signal.SIGKILL
    resume(cut)
    assert trainer.differences(cut, whole()) == []


def test_both_checkpoints_damaged(cut: Path) -> None:
    """K6: without a sound checkpoint the run is not resumed, and a sentence says what to do."""
    path = cut / "checkpoint.npz"
    for damaged in (path, tensor_file.previous(path)):
        damaged.write_bytes(damaged.read_bytes()[:1000])
    ended = trainer.run(resumption(cut))
    assert ended.code == 1
    assert "Start again under another --name" in ended.output


# ---------------------------------------------------------------------------------- K7: changed conditions


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


CHANGED = {
    "threads": ("--threads", "2"),
    "learning rate": ("--lr", "0.5"),
    "optimiser": ("--optimizer", "adam", "--momentum", "0"),
    "seed": ("--seed", "1"),
    "batch size": ("--batch-size", "16"),
    "split": ("--split-seed", "1"),
    "data": ("--data", "other.npz"),
}


@pytest.mark.parametrize("changed", mostly_slow(CHANGED, ["learning rate", "data"]))
def test_changed_conditions_are_refused(place: Path, whole: Reference, cut: Path, changed: str) -> None:
    """K7: a change that changes the weights is refused by name, and the refusal changes nothing itself."""
    trainer.write_data(place / "other.npz", seed=1)
    folder = cut
    before = contents(folder)
    change = tuple(str(place / word) if word == "other.npz" else word for word in CHANGED[changed])
    ended = trainer.run(resumption(folder, *change))
    assert ended.code == 1
    reason = "training data" if changed == "data" else change[0].removeprefix("--")
    assert f"{folder} cannot go on to the same bits: " in ended.output
    assert f"{reason} " in ended.output
    assert "add --allow-inexact" in ended.output
    assert contents(folder) == before
    resume(folder)
    assert trainer.differences(folder, whole()) == []


@pytest.mark.parametrize(
    "circumstance",
    mostly_slow(["PyTorch", "processes", "processor", "device", "threads", "teacher"], ["processor"]),
)
def test_other_machine_needs_consent(cut: Path, circumstance: str) -> None:
    """K7: other versions, processes or processors are refused, and recorded where they were agreed to."""
    path = cut / "checkpoint.npz"
    meta, tensors = tensor_file.load_tensors(path, "checkpoint")
    meta["circumstances"][circumstance] = "other"
    del meta["kind"], meta["format"]
    tensor_file.save_tensors(path, "checkpoint", meta, tensors)
    ended = trainer.run(resumption(cut))
    assert ended.code == 1
    assert f"{circumstance} other is now " in ended.output
    resume(cut, "--allow-inexact")
    notices = json.loads((cut / "summary.json").read_text())["notices"]
    assert any(f"Resumed inexactly: {circumstance} other is now " in notice for notice in notices)


# ----------------------------------------------------------------------------------- K9: numbers gone wrong


@pytest.mark.parametrize(
    ("absurd", "loss"),
    [
        (("--lr", "1e30"), "not a finite number"),
        pytest.param(
            ("--lr", "1e4", "--optimizer", "adam", "--momentum", "0"),
            "beyond a million nats",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_diverging_training_stops(place: Path, tmp_path: Path, absurd: tuple[str, ...], loss: str) -> None:
    """K9: with an absurd learning rate the command stops with a sentence, not with a table of nonsense."""
    ended = trainer.run(command(place / "data.npz", tmp_path / "run", *absurd))
    assert ended.code == 1
    assert f"the loss is {loss}; lower --lr" in ended.output.splitlines()[-1]
    assert "Traceback" not in ended.output
    assert trainer.unsound(tmp_path / "run") == []


def small_options(place: Path, folder: Path, **changes: Any) -> TrainOptions:
    """What `command` asks for, as options."""
    base = TrainOptions(data=place / "data.npz", out=folder.parent, name=folder.name, epochs=EPOCHS)
    base = dataclasses.replace(base, batch_size=32, hidden=(16, 8), plots=False, lr=0.02, momentum=0.9)
    return dataclasses.replace(base, **changes)


def poison_at(step: int, poison: Callable[[State], None]) -> Callable[[State], None]:
    """A `progress` that poisons the state after so many steps."""

    def progress(state: State) -> None:
        if state.epoch * STEPS + state.step == step:
            poison(state)

    return progress


def poison_first_weight(state: State) -> None:
    state.weights[0] = float("nan")


def poison_last_bias(state: State) -> None:
    list(state.model.parameters())[-1].data[-1] = float("inf")


def poison_optimizer(state: State) -> None:
    memory = state.optimizer.memory
    memory["square" if "square" in memory else "momentum"][5] = float("inf")


POISONS = (poison_first_weight, poison_last_bias, poison_optimizer)


@pytest.mark.parametrize(
    ("optimizer", "poison", "step"),
    mostly_slow(
        itertools.product(["sgd", "rmsprop"], POISONS, [STEPS + 3, 2 * STEPS]),  # mid-epoch, last step
        [("sgd", poison_first_weight, STEPS + 3), ("rmsprop", poison_optimizer, 2 * STEPS)],
    ),
)
def test_infinite_numbers_never_reach_a_checkpoint(
    place: Path,
    whole: Reference,
    tmp_path: Path,
    poison: Callable[[State], None],
    step: int,
    optimizer: str,
) -> None:
    """K9: a number that is not finite stops the run; the last good checkpoint goes on to the same bits.

    An infinite square in RMSprop's memory is the sly one: the weights stay finite.
    """
    folder = tmp_path / "run"
    options = small_options(place, folder, optimizer=optimizer)
    with pytest.raises(TrainingError, match=r"lower --lr"):
        run(options, progress=poison_at(step, poison))
    assert trainer.unsound(folder) == []
    assert len(trainer.metrics(folder)) == 1
    resume(folder)
    assert trainer.differences(folder, whole("--optimizer", optimizer)) == []


# ------------------------------------------------------------------------- K10: two trainers on one folder


def test_second_trainer_is_refused(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K10: while one process trains, others are told who it is; when it was killed, the next one goes on."""
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder)
    first = Trainer(start, Moment(STEP, STEPS + 2, signalled(signal.SIGSTOP)))
    first.await_stop()
    before = contents(folder)
    for arguments in (start, resumption(folder)):
        second = trainer.run(arguments)
        assert second.code == 1
        assert f"{folder} is in use by process {first.pid} on " in second.output
    assert contents(folder) == before
    first.send(signal.SIGKILL)
    assert first.wait().code == -signal.SIGKILL
    assert (folder / ".lock").read_text().startswith(f"process {first.pid} ")  # stale, and no hindrance
    resume(folder)
    assert trainer.differences(folder, whole()) == []


def test_simultaneous_starts_of_one_name(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K10: of several that start the same run at once, one does it and the others are refused."""
    folder = tmp_path / "run"
    processes = [Trainer(command(place / "data.npz", folder), held=True) for _ in range(3)]
    for process in processes:
        process.await_stop()
    for process in processes:
        process.send(signal.SIGCONT)
    ended = [process.wait() for process in processes]
    assert sorted(end.code for end in ended) == [0, 1, 1], ended
    assert all("in use" in end.output or "holds a run already" in end.output for end in ended if end.code)
    assert trainer.differences(folder, whole()) == []


def test_started_run_is_not_started_again(place: Path, whole: Reference, tmp_path: Path) -> None:
    """A name that is taken is refused without --resume, and nothing of the old run is touched."""
    folder = shutil.copytree(place / "whole", tmp_path / "run") if whole() else tmp_path
    before = contents(folder)
    ended = trainer.run(command(place / "data.npz", folder))
    assert ended.code == 1
    assert f"{folder} holds a run already; add --resume" in ended.output
    assert contents(folder) == before


# ------------------------------------------------------------------------------------------ finished runs


def test_resume_of_a_finished_run(place: Path, tmp_path: Path, whole: Reference) -> None:
    """Resuming what is finished trains nothing, tests again and finds the same."""
    folder = tmp_path / "run"
    assert trainer.run(command(place / "data.npz", folder)).code == 0
    before = contents(folder)
    resume(folder)
    assert trainer.differences(folder, whole()) == []
    assert {name for name in before if contents(folder)[name] != before[name]} <= {"options.json"}


def test_more_epochs(place: Path, tmp_path: Path, whole: Reference) -> None:
    """A finished run goes on to more epochs as if they had been asked for at first, kills included."""
    folder = tmp_path / "run"
    assert trainer.run(command(place / "data.npz", folder, "--epochs", "1")).code == 0
    longer = resumption(folder, "--epochs", str(EPOCHS))
    assert trainer.run(longer, Moment(STEP, 4, signalled(signal.SIGKILL))).code == -signal.SIGKILL
    assert not (folder / "summary.json").exists()  # so that it counts as unfinished
    ended = trainer.run(["train", "--resume", "--out", str(tmp_path)])
    assert ended.code == 0, ended.output
    assert trainer.differences(folder, whole()) == []


def test_more_epochs_under_a_schedule(place: Path, tmp_path: Path) -> None:
    """A schedule depends on the number of epochs, so that another number is refused."""
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder, "--schedule", "cosine", "--epochs", "1")
    assert trainer.run(start).code == 0
    before = contents(folder)
    ended = trainer.run(resumption(folder, "--epochs", "2"))
    assert ended.code == 1
    assert "--epochs 1 is now 2" in ended.output
    assert contents(folder) == before


# ------------------------------------------------------------------------------------- the folder's errors


@pytest.mark.parametrize("out", ["/dev/null/runs", "/proc/runs"])
def test_unusable_folders(place: Path, out: str) -> None:
    """A folder that cannot be made is named in a sentence, whether or not the run has a name."""
    for name in (["--name", "x"], []):
        ended = trainer.run(["train", "--data", str(place / "data.npz"), "--out", out, *name])
        assert ended.code == 1
        assert out in ended.output.splitlines()[-1]
        assert "Traceback" not in ended.output


def test_errors_of_other_files_keep_their_meaning(place: Path, tmp_path: Path) -> None:
    """A reader that hangs up (`digits train | head`) is not mistaken for a full disk in the run's folder."""
    options = small_options(place, tmp_path / "run")
    with pytest.raises(BrokenPipeError), open_run(options, World()):
        raise BrokenPipeError
