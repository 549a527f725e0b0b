"""Train one network and save it in a run's folder.

`SingleRun.train` trains the network and saves a checkpoint after each epoch. `SingleRun.finish` tests it.
After an interruption, --resume continues from the last checkpoint. The final weights are the same, bit for
bit.
"""

import dataclasses
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from digits import files
from digits.data.collection import Collection
from digits.data.splits import Splits
from digits.evaluation.epoch import Epoch
from digits.evaluation.held_out import seen_images
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import save_model, versions
from digits.networks.network import Network
from digits.options import TrainOptions, to_json
from digits.training.checkpoint import save_checkpoint
from digits.training.devices import use_threads
from digits.training.distributed import World
from digits.training.interrupts import Interrupts, Stopped
from digits.training.loop import train
from digits.training.metrics_table import write_table
from digits.training.results import Result, finish
from digits.training.resume import circumstances, drop_damaged, resume_state
from digits.training.run_folder import check_folder
from digits.training.state import State, architecture, begin
from digits.training.teacher import load_teacher
from digits.training.tensorboard import record_epochs
from digits.training.threads import pick_threads
from digits.version import __version__


class SingleRun:
    """The training of one network in a run's folder.

    `open_run` makes it.

    Args:
        folder: the run's folder, already locked by `open_run`.
        options: the options of the run. With `resume`, training continues from the checkpoint.
        world: number of training processes, and the number of this one.
        threads_chosen: True: use `options.threads` even if they hinder each other.
    """

    member = None  # only an EnsembleRun has a member

    def __init__(
        self, folder: Path, options: TrainOptions, world: World, *, threads_chosen: bool = False
    ) -> None:
        self.folder, self.options, self.world = folder, options, world
        self._threads_chosen = threads_chosen
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
        """Train the network, and save it after each epoch.

        A resumed run does not train finished epochs again, but yields them.

        Args:
            splits: the images. Training does not use the test images.
            collection: the whole data set, for the description in the model file.
            progress: called with the State after each step.
            interrupts: records signals such as Ctrl-C. After a signal, training stops.

        Yields:
            An Epoch for each epoch. Its checkpoint, metrics.csv and model.npz are already saved.

        Raises:
            Stopped: after `interrupts` recorded a signal and a checkpoint was saved.
            RunError: if the checkpoint does not fit the present options, data or computer, or if another
                process does not answer.
            TrainingError: if the loss or a weight becomes infinite or not a number.
            OptionError: if the teacher was trained on another data set.
            CheckpointError: if the checkpoint or the teacher's file cannot be read.
        """
        if not (self.options.resume or self._threads_chosen):
            threads, notices = pick_threads(self.options, splits.train, self.world)
            self.options = dataclasses.replace(self.options, threads=threads)
            self.notices += notices
        options, world = self.options, self.world
        description = describe_data(collection, splits, options)
        teacher = self._load_teacher(description, splits, collection)
        present = circumstances(options, splits, world.size)
        world.require_same({**present, "digits": __version__})
        state = self._load_checkpoint(present) or begin(options, splits.train, world)
        self._history = state.history
        about: dict[str, Any] = {"classes": list(collection.classes), "data": description}
        if world.first:
            about["seen"] = seen_images(splits)
            self._write_start(state, about)
        yield from list(state.history)

        def after_step(state: State) -> None:
            if progress:
                progress(state)
            if state.stop:
                save_checkpoint(self.folder, state, present, world)
                raise Stopped((interrupts and interrupts.number) or signal.SIGTERM, self.folder)
            if interrupts and interrupts.number:
                state.ask_to_stop()
            if options.checkpoint_every and state.step % options.checkpoint_every == 0:
                save_checkpoint(self.folder, state, present, world)

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
                save_checkpoint(self.folder, state, present, world)
                if world.first:
                    write_table(self.folder, state.history)
                    if state.best is epoch:
                        self._write_model(state, about)
                    record(epoch)
                yield epoch
        if interrupts and interrupts.number:
            raise Stopped(interrupts.number, self.folder)

    def finish(self, splits: Splits, collection: Collection) -> Result:
        """Calibrate and test the saved network, and write summary.json.

        Call it after `train`, in the first process only.

        Args:
            splits: the validation images are for calibration, the test images for the test.
            collection: the whole data set.

        Returns:
            The results of the network, and the paths of its files.
        """
        with use_threads(self.options.threads):
            return finish(self.folder, self.options, splits, collection, self._history, self.notices)

    def check_resume(self, splits: Splits, collection: Collection) -> bool:
        """Check that the run can be resumed. Nothing is changed.

        Args:
            splits, collection: the arguments for `train`.

        Returns:
            True if its training is finished.

        Raises:
            RunError, OptionError, CheckpointError: as `train`.
        """
        if self.world.first:
            check_folder(self.folder, self.options)
        self._load_teacher(describe_data(collection, splits, self.options), splits, collection)
        present = circumstances(self.options, splits, self.world.size)
        state, _ = resume_state(self.folder, self.options, present, self.world)
        return state is not None and state.finished

    def _load_checkpoint(self, present: dict[str, str]) -> State | None:
        """Return the state in the newest checkpoint.

        Args:
            present: the present circumstances, such as versions and number of threads.

        Returns:
            The state; None for a new run or without a checkpoint.
        """
        if not self.options.resume:
            return None
        state, notices = resume_state(self.folder, self.options, present, self.world)
        self.notices += notices
        if state is not None:
            self.resumed_at = (state.epoch, state.step)
        return state

    def _load_teacher(
        self, description: dict[str, Any], splits: Splits, collection: Collection
    ) -> Network | Ensemble | None:
        """Return the network of --teacher; None without --teacher.

        Args:
            description: the result of `describe_data`.
            splits, collection: the arguments of `train`.
        """
        if self.options.teacher is None:
            return None
        teacher, notices = load_teacher(
            self.options.teacher,
            description["dataset"],
            description["val_sha256"],
            splits.train.classes,
            (collection, splits.test),
        )
        self.notices += notices
        return teacher

    def _write_start(self, state: State, about: dict[str, Any]) -> None:
        """Write options.json, and update the other files before training."""
        files.sweep(self.folder)
        drop_damaged(self.folder)
        files.atomic_write(self.folder / "options.json", to_json(self.options).encode())
        if not state.finished:  # A finished run that is resumed with more --epochs is unfinished again.
            (self.folder / "summary.json").unlink(missing_ok=True)
        if state.history:  # The process may have been killed after the checkpoint, before these two files.
            write_table(self.folder, state.history)
            self._write_model(state, about)

    def _write_model(self, state: State, about: dict[str, Any]) -> None:
        """Write the weights of the best epoch to model.npz.

        Args:
            state: has the weights.
            about: meta data of the model file that do not change during the training.
        """
        best = state.best or state.history[-1]
        meta = {
            "epoch": best.number,
            "val_accuracy": best.val_accuracy,
            **about,
            "versions": versions(),
        }
        save_model(self.folder / "model.npz", state.best_weights, architecture(self.options), meta)


def describe_data(collection: Collection, splits: Splits, options: TrainOptions) -> dict[str, Any]:
    """Describe the data for the model file.

    `digits evaluate` needs this to find the same test images again.

    Returns:
        Name, numbers of images, seed of the split, and checksums.
    """
    return {
        "dataset": collection.dataset,
        "published": collection.published,
        "changes": list(collection.changes.chosen()),
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
