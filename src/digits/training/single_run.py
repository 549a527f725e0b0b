"""Train one network in a run's folder, so that a killed training resumes to the same bits."""

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
    """One network's training in a folder that `open_run` has opened."""

    member = None  # An EnsembleRun has the network that it is training here.

    def __init__(self, folder: Path, options: TrainOptions, world: World) -> None:
        self.folder, self.options, self.world = folder, options, world
        self.notices: list[str] = []  # sentences for the reader of the figures
        self.resumed_at: tuple[int, int] | None = None  # finished epochs, and steps of the next one
        self._history: list[Epoch] = []

    def train(
        self,
        splits: Splits,
        collection: Collection,
        *,
        progress: Callable[[State], None] | None = None,
        interrupts: Interrupts | None = None,
    ) -> Iterator[Epoch]:
        """Train from where the folder stands and yield each Epoch of the run, finished ones first.

        When an epoch is yielded, its checkpoint, its row in metrics.csv and the best model are on the disk.
        `progress` is called after every step. Raises Stopped, after saving, when `interrupts` has noted a
        signal, and RunError when the folder's checkpoint does not fit these options, data or machine.
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
        """Test the saved network, draw the pictures, write summary.json and return the Result.

        Call it once all epochs are trained, and in the first process only.
        """
        return finish(self.folder, self.options, splits, collection, self._history, self.notices)

    def _resume(self, now: dict[str, str]) -> State | None:
        """Return the state of the newest checkpoint; None for a new run or before the first checkpoint."""
        if not self.options.resume:
            return None
        state, notices = resume_state(self.folder, self.options, now, self.world)
        self.notices += notices
        if state is not None:
            self.resumed_at = (state.epoch, state.step)
        return state

    def _load_teacher(self, description: dict[str, Any]) -> Network | Ensemble | None:
        """Return the network that --teacher names, or None."""
        if self.options.teacher is None:
            return None
        teacher, notices = load_teacher(
            self.options.teacher, description["dataset"], description["val_sha256"]
        )
        self.notices += notices
        return teacher

    def _write_start(self, state: State, collection: Collection, description: dict[str, Any]) -> None:
        """Write options.json, and bring the other files up to the state where training begins."""
        files.atomic_write(self.folder / "options.json", to_json(self.options).encode())
        if not state.finished:  # A finished run that goes on to more epochs is unfinished again.
            (self.folder / "summary.json").unlink(missing_ok=True)
        if state.history:  # A kill may have come between writing the checkpoint and these two files.
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
    """Return what a model file says about its data, so that a later test knows which images it may use."""
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
