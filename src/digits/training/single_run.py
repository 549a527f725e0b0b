"""Train one network and save it in a run's folder.

`SingleRun.train` trains and saves a checkpoint after every epoch; `SingleRun.finish` tests the network. If
the process is killed, --resume continues from the last checkpoint and gives the same weights, bit for bit.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from digits import files
from digits.data.collection import Collection
from digits.data.splits import Splits
from digits.evaluation.epoch import Epoch
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import save_model, versions
from digits.networks.network import Network
from digits.options import TrainOptions, to_json
from digits.training.checkpoint import save_checkpoint
from digits.training.distributed import World
from digits.training.interrupts import Interrupts, Stopped
from digits.training.loop import train
from digits.training.metrics_table import write_table
from digits.training.results import Result, finish
from digits.training.resume import circumstances, resume_state
from digits.training.state import State, architecture, begin
from digits.training.teacher import load_teacher
from digits.training.tensorboard import record_epochs
from digits.version import __version__


class SingleRun:
    """The training of one network in a run's folder; `open_run` makes it.

    Args:
        folder: the run's folder, which `open_run` has created and locked.
        options: the options of the run. With `resume` set, training continues from the checkpoint.
        world: the processes that train together, and which of them this one is.
    """

    member = None  # In an EnsembleRun: the SingleRun of the network that is being trained.

    def __init__(self, folder: Path, options: TrainOptions, world: World) -> None:
        self.folder, self.options, self.world = folder, options, world
        self.notices: list[str] = []  # sentences that the user should know, such as "Resumed inexactly: ..."
        # Where training was resumed: finished epochs, and finished steps of the next epoch. None: a new run.
        self.resumed_at: tuple[int, int] | None = None
        self._history: list[Epoch] = []

    def train(
        self,
        splits: Splits,
        collection: Collection,
        *,
        progress: Callable[[State], None] | None = None,
        interrupts: Interrupts | None = None,
    ) -> Iterator[Epoch]:
        """Train the network, from its checkpoint if the run is resumed, and yield every Epoch of the run.

        The epochs of an interrupted run that are in the checkpoint are yielded first. When a new epoch is
        yielded, its checkpoint, metrics.csv and the best model are already saved.

        Args:
            splits: the training and validation images; the test images are only described in the model file.
            collection: the whole data set, for the description in the model file.
            progress: called with the State after every step.
            interrupts: records signals such as Ctrl-C. After one, training stops.

        Raises:
            Stopped: after `interrupts` recorded a signal and a checkpoint was saved.
            RunError: if the checkpoint does not fit the present options, data or computer, or if another
                process does not answer.
            TrainingError: if the loss or a weight becomes infinite or not a number.
            OptionError, CheckpointError: if the teacher is unsuitable or its file cannot be read.
        """
        options, world = self.options, self.world
        now = circumstances(options, splits, world.size)
        world.require_same({**now, "digits": __version__})
        state = self._resume(now) or begin(options, splits.train, world)
        description = describe_data(collection, splits, options)
        teacher = self._load_teacher(description)
        self._history = state.history
        if world.first:
            self._write_start(state, collection, description)
        yield from list(state.history)

        def after_step(state: State) -> None:
            if progress:
                progress(state)
            if state.stop:
                save_checkpoint(self.folder, state, now, world)
                raise Stopped((interrupts and interrupts.number) or signal.SIGTERM, self.folder)
            if interrupts and interrupts.number:
                state.ask_to_stop()
            if options.checkpoint_every and state.step % options.checkpoint_every == 0:
                save_checkpoint(self.folder, state, now, world)

        with record_epochs(self.folder, options.tensorboard and world.first) as record:
            for epoch in train(
                options,
                splits.train,
                splits.val,
                state=state,
                world=world,
                teacher=teacher,
                after_step=after_step,
            ):
                save_checkpoint(self.folder, state, now, world)
                if world.first:
                    write_table(self.folder, state.history)
                    if state.best is epoch:
                        self._write_model(state, collection, description)
                    record(epoch)
                yield epoch
        if interrupts and interrupts.number:
            raise Stopped(interrupts.number, self.folder)

    def finish(self, splits: Splits, collection: Collection) -> Result:
        """Calibrate and test the saved network, save figures and summary.json, and return the results.

        Call it after all epochs are trained, and in the first process only.

        Args:
            splits: the validation images, for calibration, and the test images.
            collection: the whole data set.
        """
        return finish(self.folder, self.options, splits, collection, self._history, self.notices)

    def _resume(self, now: dict[str, str]) -> State | None:
        """Return the state in the newest checkpoint; None for a new run or a run without a checkpoint.

        `now` are the present circumstances, which must be as in the checkpoint.
        """
        if not self.options.resume:
            return None
        state, notices = resume_state(self.folder, self.options, now, self.world)
        self.notices += notices
        if state is not None:
            self.resumed_at = (state.epoch, state.step)
        return state

    def _load_teacher(self, description: dict[str, Any]) -> Network | Ensemble | None:
        """Return the network that --teacher names, or None without --teacher.

        `description` comes from `describe_data`.
        """
        if self.options.teacher is None:
            return None
        teacher, notices = load_teacher(
            self.options.teacher, description["dataset"], description["val_sha256"]
        )
        self.notices += notices
        return teacher

    def _write_start(self, state: State, collection: Collection, description: dict[str, Any]) -> None:
        """Write options.json, and make the other files fit the state in which training begins."""
        files.atomic_write(self.folder / "options.json", to_json(self.options).encode())
        if not state.finished:  # A finished run that is resumed with more --epochs is unfinished again.
            (self.folder / "summary.json").unlink(missing_ok=True)
        if state.history:  # The process may have been killed after the checkpoint, before these two files.
            write_table(self.folder, state.history)
            self._write_model(state, collection, description)

    def _write_model(self, state: State, collection: Collection, description: dict[str, Any]) -> None:
        """Write the weights of the best epoch so far to model.npz."""
        best = state.best or state.history[-1]
        meta = {
            "epoch": best.number,
            "val_accuracy": best.val_accuracy,
            "classes": list(collection.classes),
            "data": description,
            "versions": versions(),
        }
        save_model(self.folder / "model.npz", state.best_weights, architecture(self.options), meta)


def describe_data(collection: Collection, splits: Splits, options: TrainOptions) -> dict[str, Any]:
    """Return the description of the data for the model file: name, numbers of images, seed and checksums.

    `digits evaluate` reads it to make the same split again, so that it tests on images that were not trained
    on.
    """
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
