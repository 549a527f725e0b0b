"""Several processes train as one: one result, the same promises, and no one left hanging."""

import datetime
import functools
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from reliability import trainer
from reliability.trainer import EPOCHS, STEPS, Ended, Moment, command, resumption, signalled, together

from digits.data import batches, dataset
from digits.errors import RunError
from digits.evaluation import logits, metrics
from digits.files import FileLock
from digits.networks import model_file, tensor_file
from digits.options import TrainOptions
from digits.training import distributed, run
from digits.training.distributed import World

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux: forked processes and /proc", allow_module_level=True)

STEP = "digits.training.state:State.count"  # called once a step
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
CLOSE = 2e-6  # largest difference of a weight after three epochs: float32 sums in another order


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.npz in it."""
    folder = tmp_path_factory.mktemp("distributed")
    trainer.write_data(folder / "data.npz")
    return folder


@pytest.fixture(scope="session")
def pair_ended(place: Path) -> list[Ended]:
    """How the two processes of an uninterrupted run ended."""
    ended = both(command(place / "data.npz", place / "pair"))
    assert [end.code for end in ended] == [0, 0], ended
    return ended


@pytest.fixture(scope="session")
def pair(place: Path, pair_ended: list[Ended]) -> Path:
    """The folder of that run."""
    return place / "pair"


def both(arguments: list[str], moments: dict[int, Moment] | None = None, size: int = 2) -> list[Ended]:
    """Let `size` processes do the same as one, to the end."""
    return [process.wait() for process in together([arguments] * size, moments)]


def weights(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "checkpoint.npz") as arrays:
        return {name: arrays[name] for name in arrays if name.startswith("model/")}


def farthest(one: Path, other: Path) -> float:
    """The largest difference between two runs' final weights."""
    left, right = weights(one), weights(other)
    return max(float(np.abs(left[name] - right[name]).max()) for name in left)


# ----------------------------------------------------------------------------------------- the same result


@pytest.mark.slow
def test_two_processes_equal_one(place: Path, pair: Path) -> None:
    """Two processes see the batches of one: figures agree to rounding, weights to the order of adding."""
    ended = trainer.run(command(place / "data.npz", place / "single"))
    assert ended.code == 0, ended.output
    assert 0 < farthest(place / "single", pair) < CLOSE
    for one, two in zip(trainer.metrics(place / "single"), trainer.metrics(pair), strict=True):
        assert {name: float(two[name]) for name in two} == pytest.approx(
            {name: float(one[name]) for name in one}, abs=2e-6
        )


TOOLS = (
    *("--model", "cnn", "--channels", "3", "4", "5", "--precision", "float32", "--ema", "0.9", "--clip", "1"),
    *("--view", "upright"),
    *(
        "--label-smoothing",
        "0.1",
        "--dropout",
        "0.3",
        "--rotation",
        "10",
        "--elastic",
        "10",
        "--erasing",
        "0.5",
    ),
)


def test_two_processes_equal_one_with_every_tool_on(place: Path, tmp_path: Path) -> None:
    """Batch normalisation, dropout, clipping, averages and augmentation see the batch of all processes."""
    one, two = tmp_path / "one", tmp_path / "two"
    more = (*TOOLS, "--epochs", "1")  # later, the order of adding tips a ReLU or a maximum here and there
    assert trainer.run(command(place / "data.npz", one, *more)).code == 0
    ended = both(command(place / "data.npz", two, *more))
    assert [end.code for end in ended] == [0, 0], ended
    assert 0 < farthest(one, two) < 5e-6
    (row,), (other,) = trainer.metrics(one), trainer.metrics(two)
    assert {name: float(other[name]) for name in other} == pytest.approx(
        {name: float(row[name]) for name in row}, abs=5e-6
    )


@pytest.mark.slow
def test_two_processes_learn_a_cnn_together(place: Path, tmp_path: Path) -> None:
    """Both learn far more than chance would, and two processes repeat themselves to the bit."""
    folders = [tmp_path / name for name in ("one", "two", "again")]
    more = ("--model", "cnn", "--channels", "8", "16", "16", "--epochs", "12", "--lr", "0.1")
    assert trainer.run(command(place / "data.npz", folders[0], *more)).code == 0
    for folder in folders[1:]:
        assert {end.code for end in both(command(place / "data.npz", folder, *more))} == {0}
    one, two, again = (float(trainer.metrics(folder)[-1]["val_accuracy"]) for folder in folders)
    assert min(one, two) > 0.4
    assert again == two
    assert farthest(folders[1], folders[2]) == 0


@pytest.mark.parametrize(
    ("size", "more"),
    [
        pytest.param(size, more, marks=[] if (size, more[0]) == (3, "--batch-size") else [pytest.mark.slow])
        for size in (2, 3, 4)
        for more in (("--batch-size", "38"), ("--val-size", "1"), ("--autograd",))
    ],
)
def test_every_image_counts_once(place: Path, tmp_path: Path, size: int, more: tuple[str, ...]) -> None:
    """P5: shares that differ in size, or are empty, count every image once: as many right as one process.

    267 images in batches of 38 leave one image for the last batch; one validation image is for one process.
    """
    one, many = tmp_path / "one", tmp_path / "many"
    more = (*more, "--epochs", "1")
    assert trainer.run(command(place / "data.npz", one, *more)).code == 0
    assert {end.code for end in both(command(place / "data.npz", many, *more), size=size)} == {0}
    assert farthest(one, many) < CLOSE
    (first,), (second,) = (
        tensor_file.load_tensors(folder / "checkpoint.npz", "checkpoint")[0]["history"]
        for folder in (one, many)
    )
    exact = ("images", "train_accuracy", "val_accuracy")
    assert {name: first[name] for name in exact} == {name: second[name] for name in exact}
    assert second["val_loss"] == pytest.approx(first["val_loss"], abs=1e-6)


def test_figures_are_those_of_the_saved_network(place: Path, pair: Path) -> None:
    """The validation figures that two processes counted are those of the network they saved.

    Those in the summary are measured with its fitted temperature, those in the table with temperature 1.
    """
    options = TrainOptions(data=place / "data.npz")
    _, splits = run.load_splits(options)
    summary = json.loads((pair / "summary.json").read_text())
    model, meta = model_file.load_model(pair / "model.npz")
    saved = metrics.evaluate_logits(logits.compute_logits(model, splits.val), splits.val.labels)
    assert summary["validation"]["accuracy"] == saved.accuracy
    assert summary["validation"]["loss"] == pytest.approx(saved.loss, abs=1e-6)
    model.temperature.fill_(1)  # as it was in training
    found = metrics.evaluate_logits(logits.compute_logits(model, splits.val), splits.val.labels)
    assert summary["best"]["val_accuracy"] == found.accuracy
    row = trainer.metrics(pair)[meta["epoch"] - 1]
    assert float(row["val_loss"]) == pytest.approx(found.loss, abs=1e-6)
    assert not [name for name in summary["best"] if "loss" in name]


def test_two_processes_again(place: Path, pair: Path, tmp_path: Path) -> None:
    """P1: the same two processes leave the same bits."""
    ended = both(command(place / "data.npz", tmp_path / "run"))
    assert [end.code for end in ended] == [0, 0]
    assert trainer.differences(tmp_path / "run", trainer.outcome(pair)) == []


def test_only_the_first_process_prints(pair_ended: list[Ended]) -> None:
    """The table is printed once, by the first process; the second says nothing."""
    first, second = pair_ended
    assert first.output.count("epoch      loss") == 1
    assert second.output == ""


# ------------------------------------------------------------------------------------------------ torchrun


def torchrun(arguments: list[str], *program: str) -> subprocess.CompletedProcess[str]:
    """Let torchrun start two processes."""
    program = program or ("-m", "digits")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # else torchrun sets it and says so
    return subprocess.run(
        [*TORCHRUN, *program, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.mark.slow
def test_python_interface_under_torchrun(place: Path, pair: Path, tmp_path: Path) -> None:
    """`digits.run` under torchrun trains once and gives every process the result."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, digits\n"
        "from pathlib import Path\n"
        "data, out = map(Path, sys.argv[1:])\n"
        "options = digits.TrainOptions(data=data, out=out, name='run', epochs=3, batch_size=32,\n"
        "    hidden=(16, 8), plots=False, lr=0.02, momentum=0.9)\n"
        "sys.stdout.write(f'{digits.run(options).test.correct} right\\n')\n"
    )
    ended = torchrun([str(place / "data.npz"), str(tmp_path)], str(script))
    assert ended.returncode == 0, ended.stderr
    assert trainer.differences(tmp_path / "run", trainer.outcome(pair)) == []
    correct = json.loads((pair / "summary.json").read_text())["test"]["correct"]
    assert re.findall(r"(\d+) right", ended.stdout) == [str(correct)] * 2


@pytest.mark.slow
def test_sigterm_to_torchrun(place: Path, tmp_path: Path) -> None:
    """SIGTERM to torchrun stops both after saving; they go on to the bits of an uninterrupted run."""
    folder, whole = tmp_path / "run", tmp_path / "whole"
    start = command(place / "data.npz", folder, "--epochs", "10000")
    with subprocess.Popen(
        [*TORCHRUN, "-m", "digits", *start], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (folder / "metrics.csv").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert "stopped by SIGTERM after saving; continue with --resume" in said
    done = tensor_file.load_tensors(folder / "checkpoint.npz", "checkpoint")[0]["epoch"]
    assert done < 10_000
    epochs = ("--epochs", str(done + 1))
    assert {end.code for end in both(resumption(folder, *epochs))} == {0}
    assert {end.code for end in both(command(place / "data.npz", whole, *epochs))} == {0}
    assert trainer.differences(folder, trainer.outcome(whole)) == []


@pytest.mark.slow
def test_sigkill_to_torchrun(place: Path, tmp_path: Path) -> None:
    """When torchrun is killed, its processes save and end, and --resume goes on."""
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder, "--epochs", "10000")
    with subprocess.Popen(
        [*TORCHRUN, "-m", "digits", *start], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not (folder / "metrics.csv").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    deadline = time.monotonic() + 60
    lock = FileLock(folder / ".lock", timeout=60)  # held until the first process has ended
    with lock:
        assert time.monotonic() < deadline
    done = tensor_file.load_tensors(folder / "checkpoint.npz", "checkpoint")[0]["epoch"]
    assert done < 10_000
    assert {end.code for end in both(resumption(folder, "--epochs", str(done + 1)))} == {0}


# ------------------------------------------------------------------------------------------------- resuming


@pytest.mark.slow
def test_resume_after_all_were_killed(place: Path, pair: Path, tmp_path: Path) -> None:
    """Two processes killed in mid-epoch are resumed by two to the bits of an uninterrupted run of two."""
    folder = tmp_path / "run"
    killed = Moment(STEP, STEPS + 6, signalled(signal.SIGKILL))
    start = command(place / "data.npz", folder, "--checkpoint-every", "4")
    assert {end.code for end in both(start, {0: killed, 1: killed})} == {-signal.SIGKILL}
    assert {end.code for end in both(resumption(folder))} == {0}
    assert trainer.differences(folder, trainer.outcome(pair)) == []


@pytest.mark.slow
@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_death_of_one_process(place: Path, pair: Path, tmp_path: Path, rank: int) -> None:
    """When one process dies, the other ends with a sentence, and both are resumed to the same bits."""
    folder = tmp_path / "run"
    killed = Moment(STEP, STEPS + 6, signalled(signal.SIGKILL))
    ended = both(command(place / "data.npz", folder, "--checkpoint-every", "4"), {rank: killed})
    other = ended[1 - rank]
    assert (ended[rank].code, other.code) == (-signal.SIGKILL, 1)
    assert "digits: another process of this training ended or does not answer" in other.output
    assert "Traceback" not in other.output
    assert {end.code for end in both(resumption(folder))} == {0}
    assert trainer.differences(folder, trainer.outcome(pair)) == []


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_signal_to_one_process(place: Path, pair: Path, tmp_path: Path, rank: int) -> None:
    """A signal to one of them stops all of them after the same step, saved."""
    folder = tmp_path / "run"
    moment = Moment(STEP, STEPS + 3, signalled(signal.SIGTERM))
    assert {end.code for end in both(command(place / "data.npz", folder), {rank: moment})} == {143}
    meta, _ = tensor_file.load_tensors(folder / "checkpoint.npz", "checkpoint")
    assert (meta["epoch"], meta["step"]) == (1, 4)
    assert {end.code for end in both(resumption(folder))} == {0}
    assert trainer.differences(folder, trainer.outcome(pair)) == []


@pytest.mark.slow
def test_other_number_of_processes_is_refused(place: Path, pair: Path, tmp_path: Path) -> None:
    """K7: what two processes began, one does not go on with, unless inexactness is agreed to."""
    folder = tmp_path / "run"
    killed = Moment(STEP, STEPS + 6, signalled(signal.SIGKILL))
    both(command(place / "data.npz", folder), {0: killed, 1: killed})
    ended = trainer.run(resumption(folder))
    assert ended.code == 1
    assert "processes 2 is now 1" in ended.output
    assert trainer.run(resumption(folder, "--allow-inexact")).code == 0
    assert farthest(folder, pair) < CLOSE


# ------------------------------------------------------------------------------------- one that is different


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--lr", "0.5"), "--lr"),
        pytest.param(("--checkpoint-every", "1"), "--checkpoint-every", marks=pytest.mark.slow),
        (("--data", "other.npz"), "training data, validation data"),
    ],
    ids=["option", "collective", "data"],
)
def test_processes_that_disagree_are_refused(
    place: Path, tmp_path: Path, change: tuple[str, ...], named: str
) -> None:
    """P6: processes with other options or other data end before the first step, naming the difference."""
    trainer.write_data(place / "other.npz", seed=1)
    folder = tmp_path / "run"
    start = command(place / "data.npz", folder)
    odd = [*start, *(str(place / word) if word == "other.npz" else word for word in change)]
    for ended in (process.wait() for process in together([start, odd])):
        assert ended.code == 1
        assert (
            f"digits: the processes have different values of {named}; start all of them with the same"
            in ended.output
        )
        assert "Traceback" not in ended.output
    assert not (folder / "options.json").exists()


def test_failure_of_one_before_training(place: Path, tmp_path: Path) -> None:
    """A process that cannot even read its data leaves no other one waiting."""
    start = command(place / "data.npz", tmp_path / "run")
    first, second = together([start, [*start, "--data", str(place / "nowhere.npz")]])
    assert second.wait().code == 1
    ended = first.wait(30)
    assert ended.code == 1
    assert "another process of this training ended" in ended.output


@pytest.mark.slow
def test_a_process_that_nobody_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose partner never starts ends with a sentence after the time limit."""
    monkeypatch.setattr(distributed, "TIMEOUT", datetime.timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match="ended or does not answer"), distributed.join_world():
        pass


def test_full_disk_under_the_first_process(place: Path, tmp_path: Path) -> None:
    """P7: when the first process cannot write, it says so, and nobody hangs."""
    no_room = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    moment = Moment("digits.training.state:State.finish_epoch", 2, no_room)
    first, second = both(command(place / "data.npz", tmp_path / "run"), {0: moment})
    assert (first.code, second.code) == (1, 1)
    assert f"could not write {tmp_path / 'run' / 'checkpoint.npz'}" in first.output
    assert "another process of this training ended" in second.output
    assert len(trainer.metrics(tmp_path / "run")) < EPOCHS


# --------------------------------------------------------------------------------------------- a world alone


def test_one_process_is_a_world() -> None:
    """Alone, a process has the whole batch, its own sums and nobody to disagree with."""
    world, (images, _) = World(), next(iter(batches.Batches(_digits(), 5)))
    assert world.first
    assert world.share(images) is images
    assert world.sum(images) is images
    assert world.spread("text") == "text"
    world.require_same({"lr": "1"})


def _digits() -> dataset.Digits:
    return dataset.Digits(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5))
