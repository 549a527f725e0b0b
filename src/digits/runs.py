"""A run: one training in a folder of its own, with everything needed to repeat, resume and judge it.

options.json     what was asked for
checkpoint.npz   where training stands, complete to the last bit (checkpoint.prev.npz: the one before)
metrics.csv      one row an epoch
model.npz        the network of the epoch with the best validation accuracy, or with --keep last of the last
*.png            pictures
summary.json     the test, written last: a run that has it is finished

An ensemble is a folder of such folders, member-1 and so on, and a model.npz that holds them all.
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import os
import platform
import signal
import statistics
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch

from digits import __version__, checkpoint, data, evaluate, files, handwriting
from digits import options as opts
from digits.archive import model_path
from digits.backprop import ONEDNN
from digits.checkpoint import load_model, load_single
from digits.data import Collection, Digits, Splits
from digits.distributed import World
from digits.distributed import world as join_world
from digits.download import Progress
from digits.errors import CheckpointError, DataError, OptionError, RunError
from digits.evaluate import Comparison, Evaluation
from digits.models import Ensemble, Network
from digits.options import CompareOptions, EvaluateOptions, TrainOptions
from digits.training import Epoch, State, architecture, begin, pick_device, pick_precision, train

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")

# Options that leave the weights as they are: where things lie, what is drawn, how often is saved. What data
# was read is compared by its digest, threads and device among the circumstances.
WITHOUT_EFFECT = frozenset(
    {"data", "unverified", "threads", "device", "patience", "out", "name", "resume", "allow_inexact"}
    | {"checkpoint_every", "plots", "tensorboard"}
)


@dataclass(frozen=True)
class Result:
    """What a finished run has to say."""

    folder: Path
    test: Evaluation
    undisputed: Evaluation | None  # without the test images whose labels are disputed, where they are known
    best: Epoch
    history: tuple[Epoch, ...]
    pictures: tuple[Path, ...]
    members: tuple[float, ...] = ()  # of an ensemble: the test accuracy of each network alone


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """Training stopped on a signal, after saving."""

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after saving; go on with --resume")
        self.number, self.folder = number, folder


def run(options: TrainOptions, *, progress: Callable[[State], None] | None = None) -> Result:
    """Do all that `digits train` does, without printing: load, split, train, test, draw, save."""
    torch.set_num_threads(options.threads)
    with join_world(pick_device(options.device).type) as world:
        collection, splits = load_splits(options)
        with open_run(options, world) as this:
            for _ in this.train(splits, collection, progress=progress):
                pass
            result = this.finish(splits, collection) if world.first else None
            return cast(Result, world.spread(result))


def load_splits(options: TrainOptions, progress: Progress | None = None) -> tuple[Collection, Splits]:
    """Find, read and split the data as the options say."""
    collection = data.load(options.dataset, options.data, unverified=options.unverified, progress=progress)
    writers = data.load_writers(collection, options.data, progress) if options.split == "writers" else None
    splits = data.split(
        collection,
        options.split,
        val_size=options.val_size,
        test_size=options.test_size,
        seed=options.split_seed,
        writers=writers,
    )
    if options.drawn and options.dataset == "mnist":
        splits = data.join(splits, *handwriting.drawn(options.drawn, options.split_seed))
    return collection, splits


# ------------------------------------------------------------------------------------------- the folder


@contextlib.contextmanager
def open_run(options: TrainOptions, world: World) -> Iterator["Run"]:
    """A new run's folder, or with `resume` an old one, locked against other trainers."""
    world.require_same(_asked(options))
    if options.tensorboard and world.first:
        _summary_writer()  # say now, not after training, that it is missing
    if world.first:
        options = dataclasses.replace(options, name=options.name or next_name(options.out, options.recipe))
    options = opts.from_json(world.spread(opts.to_json(options)))
    folder = options.out / str(options.name)
    if not world.first:
        yield Run(folder, options, world)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.locked(folder / ".lock", str(folder)):
            if not options.resume and (folder / "options.json").exists():
                raise RunError(
                    f"{folder} holds a run already; add --resume to go on with it, or choose another --name"
                )
            files.sweep(folder)
            yield Run(folder, options, world)
    except OSError as error:
        if error.filename is None:  # not a file of ours: standard output, perhaps
            raise
        raise RunError(
            f"could not write {error.filename}: {error.strerror}; what was saved before is still there. "
            "Free some space or choose another --out, then --resume"
        ) from error


def _asked(options: TrainOptions) -> dict[str, str]:
    """What the processes of one training must agree on; where the data lies may differ, what it holds not."""
    names = [field.name for field in dataclasses.fields(options) if field.name != "data"]
    return {f"--{name.replace('_', '-')}": str(getattr(options, name)) for name in names}


def next_name(out: Path, stem: str) -> str:
    """The stem and the next free number, claimed by making the folder."""
    number = 1
    while True:
        name = f"{stem}-{number}"
        try:
            (out / name).mkdir(parents=True)
            return name
        except FileExistsError:
            if not (out / name).is_dir() and not out.is_dir():
                raise RunError(f"{out} is not a folder; choose another --out") from None
            number += 1
        except OSError as error:
            raise RunError(f"could not make {out / name}: {error.strerror or error}") from error


def find_unfinished(out: Path, name: str | None) -> TrainOptions:
    """The options of the run to go on with: `name`, or the newest one without a summary.

    Raises RunError where there is none.
    """
    if name is not None:
        folder = out / name
        if not (folder / "options.json").exists():
            raise RunError(f"{folder} holds no run to resume; leave out --resume to start one")
    else:
        started = [path.parent for path in out.glob("*/options.json")]
        open_runs = [folder for folder in started if not (folder / "summary.json").exists()]
        if not open_runs:
            raise RunError(
                f"{out} holds no unfinished run; leave out --resume to start one, or say which --name"
            )
        folder = max(open_runs, key=lambda folder: (folder / "options.json").stat().st_mtime_ns)
    stored = opts.from_json((folder / "options.json").read_text())
    return dataclasses.replace(stored, out=out, name=folder.name, resume=True)


class Run:
    """The folder of one run, open for training."""

    def __init__(self, folder: Path, options: TrainOptions, world: World) -> None:
        self.folder, self.options, self.world = folder, options, world
        self.notices: list[str] = []  # what a reader of the figures should know
        self.resumed_at: tuple[int, int] | None = None  # finished epochs and steps
        self.member: Run | None = None  # of an ensemble: the network that is being trained
        self._history: list[Epoch] = []
        self._digests = ("", "")
        self._members: list[Result] = []

    def path(self, name: str) -> Path:
        """A file of this run."""
        return self.folder / name

    def train(
        self,
        splits: Splits,
        collection: Collection,
        *,
        progress: Callable[[State], None] | None = None,
        interrupts: "Interrupts | None" = None,
    ) -> Iterator[Epoch]:
        """Train from where the folder stands, yielding every epoch of this run, those done before first.

        After each one, checkpoint, table and best model are on the disk. Raises Stopped on a signal. An
        ensemble yields the epochs of its first network, then those of the second, and so on.
        """
        if self.options.ensemble > 1:
            yield from self._train_members(splits, collection, progress, interrupts)
            return
        self.world.require_same({**self._circumstances(splits), "digits": __version__})
        state = self._restore(splits) or begin(self.options, splits.train, self.world)
        about = _describe(collection, splits, self.options)
        teacher = self._teacher(about)
        if self.world.first:
            self._write_start(state, collection, about)
        yield from list(state.history)

        def after_step(state: State) -> None:
            if progress:
                progress(state)
            if state.stop:
                self._save(state, splits)
                raise Stopped((interrupts and interrupts.number) or signal.SIGTERM, self.folder)
            if interrupts and interrupts.number:
                state.ask_to_stop()
            if self.options.checkpoint_every and state.step % self.options.checkpoint_every == 0:
                self._save(state, splits)

        with self._tensorboard() as record:
            for epoch in train(
                self.options,
                splits.train,
                splits.val,
                state=state,
                world=self.world,
                teacher=teacher,
                after_step=after_step,
            ):
                self._save(state, splits)
                if self.world.first:
                    self._write_table(state)
                    if state.best is epoch:
                        self._write_model(state, collection, about)
                    record(epoch)
                yield epoch
        if interrupts and interrupts.number:
            raise Stopped(interrupts.number, self.folder)

    def _train_members(
        self,
        splits: Splits,
        collection: Collection,
        progress: Callable[[State], None] | None,
        interrupts: "Interrupts | None",
    ) -> Iterator[Epoch]:
        """Train one network after the other, each as a run of its own inside this one's folder."""
        if self.world.first:
            files.atomic_write(self.path("options.json"), opts.to_json(self.options).encode())
            self.path("summary.json").unlink(missing_ok=True)
        for number in range(self.options.ensemble):
            name = f"member-{number + 1}"
            options = dataclasses.replace(
                self.options,
                ensemble=1,
                seed=self.options.seed + number,
                view=self.options.view_of(number),
                out=self.folder,
                name=name,
                resume=self.world.spread((self.folder / name / "options.json").exists()),
                plots=False,
            )
            with open_run(options, self.world) as self.member:
                yield from self.member.train(splits, collection, progress=progress, interrupts=interrupts)
                self.notices += [f"{name}: {notice}" for notice in self.member.notices]
                if self.world.first:
                    self._members.append(self.member.finish(splits, collection))

    def finish(self, splits: Splits, collection: Collection) -> Result:
        """Test the kept network once, draw, and write the summary that marks the run as finished.

        With several processes only the first may call it.
        """
        if self._members:
            self._assemble(splits, collection)
        model, meta = self._calibrated(splits)
        logits = evaluate.predict(model, splits.test)
        test = evaluate.evaluate(logits, splits.test.labels)
        undisputed = _undisputed(collection, logits, splits.test)
        history = self._history
        best = next(epoch for epoch in history if epoch.number == meta["epoch"])
        pictures = self._draw(model, logits, splits, collection, test, history) if self.options.plots else ()
        members = tuple(member.test.accuracy for member in self._members)
        result = Result(self.folder, test, undisputed, best, tuple(history), pictures, members)
        summary = {
            "members": members,
            "test": test.to_json(),
            "undisputed": undisputed and undisputed.to_json(),
            "best": dataclasses.asdict(best),
            "epochs": len(history),
            "temperature": float(model.temperature),
            "training_seconds": sum(epoch.seconds for epoch in history),
            "network": meta["architecture"],
            "data": meta["data"],
            "notices": [*collection.notices, *self.notices],
            "versions": meta["versions"],
            "threads": self.options.threads,
        }
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        files.atomic_write(self.path("summary.json"), text.encode())
        return result

    def _calibrated(self, splits: Splits) -> tuple[Network | Ensemble, dict[str, Any]]:
        """The kept network with the temperature that the validation images ask for, saved so; its meta data.

        Fitting starts from temperature 1, so that a run that is finished again gets the same one.
        """
        path = self.path("model.npz")
        model, meta = load_model(path)
        model.temperature.fill_(1)
        logits = evaluate.predict(model, splits.val)
        model.temperature.fill_(evaluate.fit_temperature(logits, splits.val.labels))
        checkpoint.save_model(path, model.state_dict(), meta["architecture"], meta)
        return model, meta

    def _draw(
        self,
        model: Network | Ensemble,
        logits: torch.Tensor,
        splits: Splits,
        collection: Collection,
        test: Evaluation,
        history: list[Epoch],
    ) -> tuple[Path, ...]:
        from digits import plots  # Matplotlib takes half a second to import

        names = ("curves", "confusion", "mistakes", "predictions", "weights")
        paths = tuple(self.path(f"{name}.png") for name in names)
        images, labels, classes = splits.test.images, splits.test.labels, collection.classes
        plots.curves(history, paths[0])
        plots.confusion(test, classes, paths[1])
        plots.mistakes(images, labels, logits, classes, paths[2])
        plots.predictions(images, labels, logits, classes, paths[3])
        if isinstance(model, Ensemble):  # which of its networks' first layers should it be?
            return paths[:-1]
        plots.first_layer(model.first_layer(), paths[4])
        return paths

    def _assemble(self, splits: Splits, collection: Collection) -> None:
        """Write the ensemble's model and table: mean figures of the members, its own in validation."""
        networks = [load_single(member.folder / "model.npz") for member in self._members]
        ensemble = Ensemble([model for model, _ in networks])
        logits = evaluate.predict(ensemble, splits.val)
        val = evaluate.evaluate(logits, splits.val.labels)
        epochs = zip(*(member.history for member in self._members), strict=False)  # patience: the shortest
        self._history = [_mean_epoch(alike) for alike in epochs]
        last = self._history[-1]
        self._history[-1] = dataclasses.replace(last, val_loss=val.loss, val_accuracy=val.accuracy)
        about = {"name": "ensemble", "members": [meta["architecture"] for _, meta in networks]}
        meta = networks[0][1] | {"epoch": last.number, "val_accuracy": val.accuracy, "versions": versions()}
        kept = ("epoch", "val_accuracy", "classes", "data", "versions")
        meta = {name: meta[name] for name in kept}
        checkpoint.save_model(self.path("model.npz"), ensemble.state_dict(), about, meta)
        files.atomic_write(self.path("metrics.csv"), _table(self._history))

    def _teacher(self, about: dict[str, Any]) -> Network | Ensemble | None:
        """The network to learn from. Raises OptionError where it was taught something else."""
        if self.options.teacher is None:
            return None
        teacher, meta = load_model(model_path(self.options.teacher))
        taught = meta.get("data")
        if not isinstance(taught, dict) or taught.get("dataset") != about["dataset"]:
            raise OptionError(
                f"--teacher {self.options.teacher} was not trained on {about['dataset']}; "
                "expected a model of digits train on the same data"
            )
        if taught.get("val_sha256") != about["val_sha256"]:
            self.notices.append(
                "The teacher was trained with another split: it has seen some of the images that are held "
                "out here, so validation figures flatter."
            )
        return teacher

    # --------------------------------------------------------------------------- saving and restoring

    def _save(self, state: State, splits: Splits) -> None:
        """Write the checkpoint. Every process takes part, the first one writes."""
        meta, tensors = state.snapshot(self.world)
        if self.world.first:
            meta["circumstances"] = self._circumstances(splits)
            checkpoint.save(self.path("checkpoint.npz"), "checkpoint", meta, tensors, keep=True)

    def _restore(self, splits: Splits) -> State | None:
        """The state in the newest sound checkpoint; None where the run has not come to its first one.

        Raises RunError where something changed that changes the weights, unless `allow_inexact`.
        """
        if not self.options.resume:
            return None
        found = self.world.spread(self._newest_checkpoint() if self.world.first else None)
        if found is None:
            return None
        meta, tensors = found
        changes = self._changes(meta, splits)
        if changes and not self.options.allow_inexact:
            raise RunError(
                f"{self.folder} cannot go on to the same bits: {'; '.join(changes)}. "
                "Put it back as it was, or add --allow-inexact"
            )
        self.notices += [f"Resumed inexactly: {change}." for change in changes]
        state = State.restore(self.options, meta, tensors, self.world)
        self.resumed_at = (state.epoch, state.step)
        return state

    def _newest_checkpoint(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
        newest = self.path("checkpoint.npz")
        failures = []
        for path in (newest, checkpoint.previous(newest)):
            if path.exists():
                try:
                    found = checkpoint.load(path, "checkpoint")
                except CheckpointError as error:
                    failures.append(str(error))
                else:
                    self.notices += [f"{failure}; going on from {path.name}." for failure in failures]
                    os.replace(path, newest)  # lest the next save keep the damaged one as the previous
                    return found
        if failures:
            raise CheckpointError(f"{'; '.join(failures)}. Start again under another --name")
        return None

    def _changes(self, meta: dict[str, Any], splits: Splits) -> list[str]:
        """What is not as it was when the checkpoint was written, as far as it changes the weights."""
        then = opts.from_json(json.dumps(meta.get("options")))
        free = WITHOUT_EFFECT | ({"epochs"} if self.options.schedule == "constant" else set())
        old, new = meta.get("circumstances", {}), self._circumstances(splits)
        return [
            *opts.differences(then, self.options, free),
            *(f"{name} {old.get(name)} is now {new[name]}" for name in new if old.get(name) != new[name]),
        ]

    def _circumstances(self, splits: Splits) -> dict[str, str]:
        """Besides the options, all that the last bits of the weights depend on."""
        device = pick_device(self.options.device)
        if not self._digests[0]:
            self._digests = (splits.train.sha256(), splits.val.sha256())
        return {
            "training data": self._digests[0][:16],
            "validation data": self._digests[1][:16],
            "processes": str(self.world.size),
            "threads": str(self.options.threads),
            "device": str(device),
            "precision": " and ".join(map(str, self._precisions())),
            "teacher": _digest(self.options.teacher),
            "PyTorch": torch.__version__,
            "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} onednn={ONEDNN}",
            "graphics processor": torch.cuda.get_device_name() if device.type == "cuda" else "none",
        }

    def _precisions(self) -> list[torch.dtype]:
        """What the network and, where there is one, a convolutional teacher compute with."""
        o, device = self.options, pick_device(self.options.device)
        kinds: list[opts.Model] = [o.model, "cnn"] if o.teacher else [o.model]
        return [pick_precision(o.precision, kind, device) for kind in kinds]

    def _write_start(self, state: State, collection: Collection, about: dict[str, Any]) -> None:
        """Bring the folder in line with where training starts; a refused resume has changed nothing."""
        files.atomic_write(self.path("options.json"), opts.to_json(self.options).encode())
        if not state.finished:
            self.path("summary.json").unlink(missing_ok=True)  # of a run that had fewer epochs
        if state.history:  # a kill may have come between the checkpoint and these two
            self._write_table(state)
            self._write_model(state, collection, about)

    def _write_table(self, state: State) -> None:
        """Bring metrics.csv up to the state's last epoch."""
        self._history = list(state.history)
        files.atomic_write(self.path("metrics.csv"), _table(state.history))

    def _write_model(self, state: State, collection: Collection, about: dict[str, Any]) -> None:
        """Write the network of the best epoch so far."""
        best = state.best or state.history[-1]
        meta = {
            "epoch": best.number,
            "val_accuracy": best.val_accuracy,
            "classes": list(collection.classes),
            "data": about,
            "versions": versions(),
        }
        checkpoint.save_model(self.path("model.npz"), state.best_weights, architecture(self.options), meta)

    @contextlib.contextmanager
    def _tensorboard(self) -> Iterator[Callable[[Epoch], None]]:
        """Record epochs as TensorBoard events too, where asked for."""
        if not (self.options.tensorboard and self.world.first):
            yield lambda epoch: None
            return
        with _summary_writer()(str(self.folder / "tensorboard")) as writer:

            def record(epoch: Epoch) -> None:
                for part in ("loss", "accuracy"):
                    for name in ("train", "val"):
                        writer.add_scalar(f"{part}/{name}", getattr(epoch, f"{name}_{part}"), epoch.number)
                writer.flush()

            yield record


def _table(history: list[Epoch]) -> bytes:
    """The content of metrics.csv."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(COLUMNS)
    for epoch in history:
        figures = (epoch.train_loss, epoch.train_accuracy, epoch.val_loss, epoch.val_accuracy)
        table.writerow([epoch.number, *(f"{x:.6f}" for x in figures), f"{epoch.seconds:.3f}"])
    return buffer.getvalue().encode()


def _mean_epoch(epochs: tuple[Epoch, ...]) -> Epoch:
    """The mean of several networks' figures for the same epoch; seconds and images are added."""
    mean = {
        name: statistics.fmean(getattr(epoch, name) for epoch in epochs)
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    }
    seconds, images = sum(epoch.seconds for epoch in epochs), sum(epoch.images for epoch in epochs)
    return Epoch(epochs[0].number, **mean, seconds=seconds, images=images)


def _digest(model: str | None) -> str:
    """What tells one model file from another."""
    return "none" if model is None else hashlib.sha256(model_path(model).read_bytes()).hexdigest()[:16]


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise OptionError("--tensorboard needs TensorBoard: pip install tensorboard") from None
    return SummaryWriter


def _describe(collection: Collection, splits: Splits, options: TrainOptions) -> dict[str, Any]:
    """What a model was trained on, so that a later test knows which images it may use."""
    return {
        "dataset": collection.dataset,
        "published": collection.published,
        "own_test_set": collection.test is not None,
        "test_size": options.test_size,
        "split_seed": options.split_seed,
        "train_images": len(splits.train) - splits.drawn,
        "drawn_images": splits.drawn,
        "val_images": len(splits.val),
        "test_images": len(splits.test),
        "val_sha256": splits.val.sha256(),
        "test_sha256": splits.test.sha256(),
    }


def versions() -> dict[str, str]:
    """Of what a model file depends on."""
    return {
        "digits": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


# ---------------------------------------------------------------------------------------------- signals


class Interrupts:
    """Within `with`, the first Ctrl-C, SIGTERM or SIGHUP is noted in `number`; a second one acts at once."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            for number in (getattr(signal, name) for name in names):
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup has SIGHUP ignored: so it stays
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, *_: object) -> None:
        self._put_back()


# ------------------------------------------------------------------------------------- testing once more


@dataclass(frozen=True)
class Verdict:
    """A saved model's test."""

    test: Evaluation
    undisputed: Evaluation | None  # without the test images whose labels are disputed, where they are known
    collection: Collection
    model: Path
    same_images: bool  # whether these are the test images of the model's own run


def evaluate_again(options: EvaluateOptions, progress: Progress | None = None) -> Verdict:
    """Test a saved model: the numbers of its own run where the data is the same.

    Raises DataError rather than test on images the model was trained on.
    """
    torch.set_num_threads(options.threads)
    answers = _answers(options.model, options.data, options.unverified, progress)
    collection, test = answers.collection, answers.test
    return Verdict(
        evaluate.evaluate(answers.logits, test.labels),
        _undisputed(collection, answers.logits, test),
        collection,
        answers.model,
        answers.same_images,
    )


def compare(options: CompareOptions, progress: Progress | None = None) -> tuple[Comparison, Collection]:
    """Test two saved models on the same images, image by image.

    Raises DataError where their own tests were on different ones.
    """
    torch.set_num_threads(options.threads)
    first, second = (
        _answers(model, options.data, options.unverified, progress)
        for model in (options.first, options.second)
    )
    if first.test.sha256() != second.test.sha256():
        raise DataError(
            f"{options.first} and {options.second} have different test images; "
            "compare networks that were trained on the same data with the same --split-seed"
        )
    return evaluate.compare(first.logits, second.logits, first.test.labels), first.collection


@dataclass(frozen=True)
class _Answers:
    """A saved model's logits for the images that were kept out of its training."""

    logits: torch.Tensor
    test: Digits
    collection: Collection
    model: Path
    same_images: bool


def _answers(name: str, folder: Path | None, unverified: bool, progress: Progress | None) -> _Answers:
    path = model_path(name)
    model, meta = load_model(path)
    about = meta.get("data")
    known = {"dataset": str, "split_seed": int, "test_sha256": str}
    if not isinstance(about, dict) or not all(isinstance(about.get(k), kind) for k, kind in known.items()):
        raise CheckpointError(f"{path} does not say what it was trained on; expected a model of digits train")
    if about["dataset"] not in data.CLASS_NAMES:
        raise CheckpointError(f"{path} was trained on {about['dataset'][:80]!r}, which is not known here")
    collection = data.load(about["dataset"], folder, unverified=unverified, progress=progress)
    size = None if collection.test else about.get("test_size")
    test = data.split(collection, test_size=size, seed=about["split_seed"]).test
    same = test.sha256() == about["test_sha256"]
    if collection.test is None and not same:
        raise DataError(
            f"{collection.origin} has no test set of its own, and its images may be among those the model "
            "was trained on; name the data it was trained on with --data"
        )
    return _Answers(evaluate.predict(model, test), test, collection, path, same)


def _undisputed(collection: Collection, logits: torch.Tensor, test: Digits) -> Evaluation | None:
    """The test without the disputed images: for the published MNIST alone it is known which they are."""
    if collection.dataset != "mnist" or not collection.published or collection.test is None:
        return None
    return evaluate.undisputed(logits, test.labels)


def load(name: str | Path) -> Network | Ensemble:
    """The trained network of a run's folder, a model file or a bundled name ("cnn"), ready to predict."""
    return load_model(model_path(str(name)))[0]
