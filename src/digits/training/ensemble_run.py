"""Train several networks and save them as one ensemble.

An ensemble is a group of networks that classify together. Each network is called a member. The files of the
first member are in the folder member-1 inside the ensemble's folder, and so on. The members have the seeds
--seed, --seed + 1 and so on. With --view alternate, every second member gets digits without slant.
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
from digits.training.devices import use_threads
from digits.training.distributed import World
from digits.training.interrupts import Interrupts
from digits.training.metrics_table import write_table
from digits.training.results import Result, finish
from digits.training.run_folder import open_folder
from digits.training.single_run import SingleRun
from digits.training.state import State
from digits.training.threads import pick_threads

COPIED = ("classes", "data", "seen")  # meta data that are the same in all members, and in the ensemble's file


class EnsembleRun:
    """The training of an ensemble in a run's folder.

    `open_run` makes it.

    Args:
        folder: the ensemble's folder, already locked by `open_run`.
        options: the options of the run. `options.ensemble` is the number of members.
        world: number of training processes, and the number of this one.
    """

    resumed_at = None  # Each member is resumed separately; see `member.resumed_at`.

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
        """Train and test the members one after the other.

        A resumed run does not train finished epochs again, but yields them.

        The arguments and errors are those of `SingleRun.train`.

        Yields:
            An Epoch for each epoch of member-1, then of member-2 and so on.
        """
        notices: list[str] = []
        if not self.options.resume:  # The members must agree, so that each can be resumed with these options.
            threads, notices = pick_threads(self._member_options(0), splits.train, self.world)
            self.options = dataclasses.replace(self.options, threads=threads)
        members = [self._member_options(number) for number in range(self.options.ensemble)]
        # A refusal must not change a file, so all members are checked before the first one is written.
        finished = [
            SingleRun(self.folder / str(member.name), member, self.world).check_resume(splits, collection)
            for member in members
            if member.resume
        ]
        if self.world.first:
            files.sweep(self.folder)
            files.atomic_write(self.folder / "options.json", to_json(self.options).encode())
            if finished.count(True) < len(members):
                (self.folder / "summary.json").unlink(missing_ok=True)
        for options in members:
            folder = self.folder / str(options.name)
            with open_folder(folder, options) if self.world.first else contextlib.nullcontext():
                self.member = SingleRun(folder, options, self.world, threads_chosen=True)
                self.member.notices, notices = notices, []
                yield from self.member.train(splits, collection, progress=progress, interrupts=interrupts)
                self.notices += [f"{options.name}: {notice}" for notice in self.member.notices]
                if self.world.first:
                    self._results.append(self.member.finish(splits, collection))

    def finish(self, splits: Splits, collection: Collection) -> Result:
        """Save the members as one ensemble, calibrate it and test it.

        Call it after `train`, in the first process only. It also writes summary.json.

        Args:
            splits: the validation images are for calibration, the test images for the test.
            collection: the whole data set.

        Returns:
            The results of the ensemble, and the paths of its files.
        """
        with use_threads(self.options.threads):
            history = assemble(self.folder, self._results, splits.val)
            members = tuple(result.test.accuracy for result in self._results)
            return finish(self.folder, self.options, splits, collection, history, self.notices, members)

    def _member_options(self, number: int) -> TrainOptions:
        """Return the options for the training of one member.

        Args:
            number: 0 for member-1, 1 for member-2 and so on.
        """
        name = f"member-{number + 1}"
        # A member of a killed training may not have begun yet.
        resume = self.world.spread((self.folder / name / "options.json").exists())
        return dataclasses.replace(
            self.options,
            ensemble=1,
            seed=self.options.seed + number,
            view=self.options.view_of(number),
            out=self.folder,
            name=name,
            resume=resume,
            allow_inexact=resume and self.options.allow_inexact,
            plots=False,
        )


def assemble(folder: Path, members: Sequence[Result], val_set: Digits) -> list[Epoch]:
    """Write model.npz and metrics.csv of an ensemble.

    Each row of metrics.csv contains the mean figures of the members.

    Args:
        folder: the ensemble's folder.
        members: the result of each member; its folder holds the member's model.npz.
        val_set: the validation images and labels, for the accuracy of the whole ensemble in model.npz.

    Returns:
        The epochs in metrics.csv.
    """
    networks = [load_single(member.folder / "model.npz") for member in members]
    ensemble = Ensemble([network for network, _ in networks])
    val = evaluate_logits(compute_logits(ensemble, val_set), val_set.labels)
    # With --patience, members may have different numbers of epochs. The table ends after the lowest number.
    history = [mean_epoch(same) for same in zip(*(member.history for member in members), strict=False)]
    architecture = {"name": "ensemble", "members": [meta["architecture"] for _, meta in networks]}
    meta = {
        "val_accuracy": val.accuracy,
        **{name: networks[0][1][name] for name in COPIED},
        "versions": versions(),
    }
    save_model(folder / "model.npz", ensemble.state_dict(), architecture, meta)
    write_table(folder, history)
    return history


def mean_epoch(epochs: Sequence[Epoch]) -> Epoch:
    """Return the mean figures of one epoch over several networks.

    Args:
        epochs: the same epoch of each network.

    Returns:
        Loss and accuracy are means. The seconds and the number of images are sums.
    """
    mean = {
        name: statistics.fmean(getattr(epoch, name) for epoch in epochs)
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    }
    seconds, images = sum(epoch.seconds for epoch in epochs), sum(epoch.images for epoch in epochs)
    return Epoch(epochs[0].number, **mean, seconds=seconds, images=images)
