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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from digits import __version__, files
from digits.data import loading, synthetic
from digits.data.collection import Collection
from digits.data.download import Progress
from digits.data.splits import Splits, join, split
from digits.data.writers import load_writers
from digits.errors import CheckpointError, OptionError, RunError
from digits.evaluation import calibration, metrics
from digits.evaluation.epoch import Epoch
from digits.evaluation.logits import compute_logits
from digits.evaluation.metrics import Evaluation
from digits.evaluation.saved_models import undisputed_test
from digits.networks import model_file, tensor_file
from digits.networks.backpropagation import ONEDNN
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model, load_single, versions
from digits.networks.network import Network
from digits.options import Model, TrainOptions, differences, from_json, to_json
from digits.training.devices import pick_device, pick_precision
from digits.training.distributed import World, join_world
from digits.training.interrupts import Interrupts, Stopped
from digits.training.loop import train
from digits.training.run_folder import next_name
from digits.training.state import State, architecture, begin

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


def run(options: TrainOptions, *, progress: Callable[[State], None] | None = None) -> Result:
    """Do all that `digits train` does, without printing: load, split, train, test, draw, save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        return _run(options, progress)
    finally:
        torch.set_num_threads(threads)


def _run(options: TrainOptions, progress: Callable[[State], None] | None) -> Result:
    with join_world(pick_device(options.device).type) as world:
        collection, splits = load_splits(options)
        with open_run(options, world) as this:
            for _ in this.train(splits, collection, progress=progress):
                pass
            result = this.finish(splits, collection) if world.first else None
            return cast(Result, world.spread(result))


def load_splits(options: TrainOptions, progress: Progress | None = None) -> tuple[Collection, Splits]:
    """Find, read and split the data as the options say."""
    collection = loading.load(options.dataset, options.data, unverified=options.unverified, progress=progress)
    writers = load_writers(collection, options.data, progress) if options.split == "writers" else None
    splits = split(
        collection,
        options.split,
        val_size=options.val_size,
        test_size=options.test_size,
        seed=options.split_seed,
        writers=writers,
    )
    if options.synthetic and options.dataset == "mnist":
        splits = join(splits, *synthetic.synthetic_digits(options.synthetic, options.split_seed))
    return collection, splits


@contextlib.contextmanager
def open_run(options: TrainOptions, world: World) -> Iterator["Run"]:
    """A new run's folder, or with `resume` an old one, locked against other trainers."""
    world.require_same(_asked(options))
    if options.tensorboard and world.first:
        _summary_writer()  # say now, not after training, that it is missing
    if world.first:
        options = dataclasses.replace(options, name=options.name or next_name(options.out, options.recipe))
    options = from_json(world.spread(to_json(options)))
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
            files.atomic_write(self.path("options.json"), to_json(self.options).encode())
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
        logits = compute_logits(model, splits.test)
        test = metrics.evaluate_logits(logits, splits.test.labels)
        undisputed = undisputed_test(collection, logits, splits.test)
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
        logits = compute_logits(model, splits.val)
        model.temperature.fill_(calibration.fit_temperature(logits, splits.val.labels))
        model_file.save_model(path, model.state_dict(), meta["architecture"], meta)
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
        # Matplotlib takes half a second to import.
        from digits.evaluation.plots.confusion import confusion_figure
        from digits.evaluation.plots.curves import curves_figure
        from digits.evaluation.plots.first_layer import first_layer_figure
        from digits.evaluation.plots.mistakes import mistakes_figure
        from digits.evaluation.plots.predictions import predictions_figure
        from digits.figure_style import save_png

        images, labels, classes = splits.test.images, splits.test.labels, collection.classes
        figures = {
            "curves": curves_figure(history),
            "confusion": confusion_figure(test, classes),
            "mistakes": mistakes_figure(images, labels, logits, classes),
            "predictions": predictions_figure(images, labels, logits, classes),
        }
        if not isinstance(model, Ensemble):  # an ensemble has several first layers
            figures["weights"] = first_layer_figure(model.first_layer())
        paths = {name: self.path(f"{name}.png") for name in figures}
        for name, figure in figures.items():
            save_png(figure, paths[name])
        return tuple(paths.values())

    def _assemble(self, splits: Splits, collection: Collection) -> None:
        """Write the ensemble's model and table: mean figures of the members, its own in validation."""
        networks = [load_single(member.folder / "model.npz") for member in self._members]
        ensemble = Ensemble([model for model, _ in networks])
        logits = compute_logits(ensemble, splits.val)
        val = metrics.evaluate_logits(logits, splits.val.labels)
        epochs = zip(*(member.history for member in self._members), strict=False)  # patience: the shortest
        self._history = [_mean_epoch(alike) for alike in epochs]
        last = self._history[-1]
        self._history[-1] = dataclasses.replace(last, val_loss=val.loss, val_accuracy=val.accuracy)
        about = {"name": "ensemble", "members": [meta["architecture"] for _, meta in networks]}
        meta = networks[0][1] | {"epoch": last.number, "val_accuracy": val.accuracy, "versions": versions()}
        kept = ("epoch", "val_accuracy", "classes", "data", "versions")
        meta = {name: meta[name] for name in kept}
        model_file.save_model(self.path("model.npz"), ensemble.state_dict(), about, meta)
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
            tensor_file.save_tensors(self.path("checkpoint.npz"), "checkpoint", meta, tensors, keep=True)

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
        for path in (newest, tensor_file.previous(newest)):
            if path.exists():
                try:
                    found = tensor_file.load_tensors(path, "checkpoint")
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
        then = from_json(json.dumps(meta.get("options")))
        free = WITHOUT_EFFECT | ({"epochs"} if self.options.schedule == "constant" else set())
        old, new = meta.get("circumstances", {}), self._circumstances(splits)
        return [
            *differences(then, self.options, free),
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
        kinds: list[Model] = [o.model, "cnn"] if o.teacher else [o.model]
        return [pick_precision(o.precision, kind, device) for kind in kinds]

    def _write_start(self, state: State, collection: Collection, about: dict[str, Any]) -> None:
        """Bring the folder in line with where training starts; a refused resume has changed nothing."""
        files.atomic_write(self.path("options.json"), to_json(self.options).encode())
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
        model_file.save_model(self.path("model.npz"), state.best_weights, architecture(self.options), meta)

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
        "train_images": len(splits.train) - splits.synthetic,
        "synthetic_images": splits.synthetic,
        "val_images": len(splits.val),
        "test_images": len(splits.test),
        "val_sha256": splits.val.sha256(),
        "test_sha256": splits.test.sha256(),
    }
