"""Train several networks, each as a run in a folder of its own, and save them as one ensemble.

The folders are member-1, member-2 and so on inside the ensemble's folder. Networks differ in their seed
(--seed, --seed + 1 ...) and, with --view alternate, in what they see.
"""

import contextlib
import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from digits import files
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.splits import Splits
from digits.evaluation.epoch import Epoch
from digits.evaluation.logits import compute_logits
from digits.evaluation.metrics import evaluate_logits
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_single, save_model, versions
from digits.options import TrainOptions, to_json
from digits.training.distributed import World
from digits.training.interrupts import Interrupts
from digits.training.metrics_table import write_table
from digits.training.results import Result, finish
from digits.training.run_folder import open_folder
from digits.training.single_run import SingleRun
from digits.training.state import State

COPIED = ("classes", "data")  # meta data that all members share


class EnsembleRun:
    """The training of an ensemble in a folder that `open_run` has opened."""

    resumed_at = None  # Each member says this for itself.

    def __init__(self, folder: Path, options: TrainOptions, world: World) -> None:
        self.folder, self.options, self.world = folder, options, world
        self.notices: list[str] = []  # sentences for the reader of the figures
        self.member: SingleRun | None = None  # the network that is being trained
        self._results: list[Result] = []  # of the members that are finished

    def train(
        self,
        splits: Splits,
        collection: Collection,
        *,
        progress: Callable[[State], None] | None = None,
        interrupts: Interrupts | None = None,
    ) -> Iterator[Epoch]:
        """Train the members one after the other, and yield every Epoch of the first, then of the second ...

        A member that is finished already trains no further and is tested again. Arguments and errors are
        those of `SingleRun.train`.
        """
        if self.world.first:
            files.atomic_write(self.folder / "options.json", to_json(self.options).encode())
            (self.folder / "summary.json").unlink(missing_ok=True)
        for number in range(self.options.ensemble):
            options = self._member_options(number)
            folder = self.folder / str(options.name)
            with open_folder(folder, options.resume) if self.world.first else contextlib.nullcontext():
                self.member = SingleRun(folder, options, self.world)
                yield from self.member.train(splits, collection, progress=progress, interrupts=interrupts)
                self.notices += [f"{options.name}: {notice}" for notice in self.member.notices]
                if self.world.first:
                    self._results.append(self.member.finish(splits, collection))

    def finish(self, splits: Splits, collection: Collection) -> Result:
        """Join the members into one model file, test it, write summary.json and return the Result.

        Call it once all members are trained, and in the first process only.
        """
        history = assemble(self.folder, self._results, splits.val)
        members = tuple(result.test.accuracy for result in self._results)
        return finish(self.folder, self.options, splits, collection, history, self.notices, members)

    def _member_options(self, number: int) -> TrainOptions:
        """Return the options of member `number`, counted from 0."""
        name = f"member-{number + 1}"
        return dataclasses.replace(
            self.options,
            ensemble=1,
            seed=self.options.seed + number,
            view=self.options.view_of(number),
            out=self.folder,
            name=name,
            resume=self.world.spread((self.folder / name / "options.json").exists()),
            plots=False,
        )


def assemble(folder: Path, members: Sequence[Result], val_set: Digits) -> list[Epoch]:
    """Write the ensemble's model.npz and metrics.csv from its members' folders; return its epochs.

    An epoch's figures are the means of the members' figures. In the last epoch the validation figures are
    those of the ensemble itself.
    """
    networks = [load_single(member.folder / "model.npz") for member in members]
    ensemble = Ensemble([network for network, _ in networks])
    val = evaluate_logits(compute_logits(ensemble, val_set), val_set.labels)
    # With --patience members may differ in their number of epochs; the table ends with the shortest.
    history = [mean_epoch(same) for same in zip(*(member.history for member in members), strict=False)]
    history[-1] = dataclasses.replace(history[-1], val_loss=val.loss, val_accuracy=val.accuracy)
    architecture = {"name": "ensemble", "members": [meta["architecture"] for _, meta in networks]}
    meta = {
        "epoch": history[-1].number,
        "val_accuracy": val.accuracy,
        **{name: networks[0][1][name] for name in COPIED},
        "versions": versions(),
    }
    save_model(folder / "model.npz", ensemble.state_dict(), architecture, meta)
    write_table(folder, history)
    return history


def mean_epoch(epochs: Sequence[Epoch]) -> Epoch:
    """Return the mean figures of the same epoch of several networks; seconds and images are summed."""
    mean = {
        name: statistics.fmean(getattr(epoch, name) for epoch in epochs)
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    }
    seconds, images = sum(epoch.seconds for epoch in epochs), sum(epoch.images for epoch in epochs)
    return Epoch(epochs[0].number, **mean, seconds=seconds, images=images)
