"""Train several networks one after the other, and save them as one ensemble.

Each network, called a member, is a run in its own folder: member-1, member-2 and so on inside the ensemble's
folder. The members have different seeds (--seed, --seed + 1 and so on). With --view alternate, every second
member gets digits whose slant is removed.
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

COPIED = ("classes", "data")  # meta data that are the same in all members; the ensemble's file has them too


class EnsembleRun:
    """The training of an ensemble in a run's folder; `open_run` makes it.

    Args:
        folder: the ensemble's folder, which `open_run` has created and locked.
        options: the options of the run; `options.ensemble` is the number of members.
        world: the processes that train together, and which of them this one is.
    """

    resumed_at = None  # See `member.resumed_at` instead: each member is resumed separately.

    def __init__(self, folder: Path, options: TrainOptions, world: World) -> None:
        self.folder, self.options, self.world = folder, options, world
        self.notices: list[str] = []  # sentences that the user should know; each begins with the member
        self.member: SingleRun | None = None  # the member that is being trained
        self._results: list[Result] = []  # results of the finished members

    def train(
        self,
        splits: Splits,
        collection: Collection,
        *,
        progress: Callable[[State], None] | None = None,
        interrupts: Interrupts | None = None,
    ) -> Iterator[Epoch]:
        """Train and test the members one after the other, and yield every Epoch of each member.

        All epochs of member-1 come first, then all epochs of member-2, and so on. If the run is resumed, a
        member that is already finished is not trained again, but its epochs are yielded.

        The arguments and the errors are the same as for `SingleRun.train`.
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
        """Save the members as one ensemble, calibrate and test it, write summary.json and return the results.

        Call it after all members are trained, and in the first process only.

        Args:
            splits: the validation images, for calibration, and the test images.
            collection: the whole data set.
        """
        history = assemble(self.folder, self._results, splits.val)
        members = tuple(result.test.accuracy for result in self._results)
        return finish(self.folder, self.options, splits, collection, history, self.notices, members)

    def _member_options(self, number: int) -> TrainOptions:
        """Return the options for the training of one member.

        Args:
            number: 0 for member-1, 1 for member-2 and so on.
        """
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
    """Write model.npz and metrics.csv of an ensemble from the files and results of its members.

    Each row of metrics.csv has the means of the members' figures. In the last row, the validation loss and
    accuracy are measured on the ensemble itself.

    Args:
        folder: the ensemble's folder.
        members: the result of each member; its folder holds the member's model.npz.
        val_set: the validation images and labels.

    Returns:
        The epochs as in metrics.csv.
    """
    networks = [load_single(member.folder / "model.npz") for member in members]
    ensemble = Ensemble([network for network, _ in networks])
    val = evaluate_logits(compute_logits(ensemble, val_set), val_set.labels)
    # With --patience, members may have different numbers of epochs. The table ends after the lowest number.
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
    """Return one Epoch with the mean loss and accuracy of the same epoch of several networks.

    Its seconds and its number of images are sums over the networks.
    """
    mean = {
        name: statistics.fmean(getattr(epoch, name) for epoch in epochs)
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    }
    seconds, images = sum(epoch.seconds for epoch in epochs), sum(epoch.images for epoch in epochs)
    return Epoch(epochs[0].number, **mean, seconds=seconds, images=images)
