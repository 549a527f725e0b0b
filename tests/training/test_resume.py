"""A training that was cut off in any way resumes to the bits of an uninterrupted run.

The long forms of the first two tests are one command: `python -m tests.reliability`.
"""

import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from reliability import faults, kills, trainer
from reliability.trainer import (
    EPOCHS,
    PREDICT,
    STEP,
    STEPS,
    TEST,
    Moment,
    Reference,
    command,
    contents,
    resume,
    resumption,
    signalled,
)
from support.slow import mostly_slow

from digits.errors import CheckpointError
from digits.networks import tensor_file

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)


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
    "during the test": Moment(TEST, 1, signalled(signal.SIGKILL)),
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
    assert "cannot be resumed with the same result, because teacher " in refused.output
    teacher.write_bytes(sound)
    resume(folder)
    assert trainer.differences(folder, reference) == []


def test_same_seed_gives_the_same_bits(place: Path, whole: Reference, tmp_path: Path) -> None:
    """K8: a second run in another folder leaves the same figures and bits; another seed does not."""
    folder = tmp_path / "again"
    assert trainer.run(command(place / "data.npz", folder)).code == 0
    assert trainer.differences(folder, whole()) == []
    assert "model hidden1.weight" in trainer.differences(folder, whole("--seed", "1"))


# ------------------------------------------------------------------------------- K6: damaged checkpoints


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


@pytest.mark.parametrize("number", mostly_slow(range(6), []))
def test_resume_from_the_checkpoint_before(cut: Path, whole: Reference, number: int) -> None:
    """K6: with the newest checkpoint damaged, the run goes on from the one before it, says so, same bits."""
    path = cut / "checkpoint.npz"
    path.write_bytes(list(mutants(path.read_bytes(), 6))[number])
    ended = resume(cut)
    assert f"{path} is" in ended.output
    assert "; resumed from checkpoint.prev.npz." in ended.output
    assert trainer.differences(cut, whole()) == []


@pytest.mark.slow
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
    assert "Start a new run with another --name" in ended.output


# ---------------------------------------------------------------------------------- K7: changed conditions

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
    assert f"{folder} cannot be resumed with the same result, because " in ended.output
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
