"""Record Ctrl-C, SIGTERM and SIGHUP, so that training can save a checkpoint before it stops."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """Training was stopped by a signal, after a checkpoint was saved.

    Args:
        number: number of the signal, such as signal.SIGINT.
        folder: the run's folder, which holds the checkpoint.
    """

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after saving; continue with --resume")
        self.number, self.folder = number, folder


class Interrupts:
    """A context that records the first Ctrl-C, SIGTERM or SIGHUP instead of ending the process.

    The attribute `number` is the number of that signal, or 0 if there was none. A second signal has its usual
    effect: it ends the process at once. Signals that are already ignored, for example under nohup, stay
    ignored. Python allows signal handlers in the main thread only; in other threads nothing is recorded.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            for number in (getattr(signal, name) for name in names):
                if signal.getsignal(number) != signal.SIG_IGN:  # Under nohup, SIGHUP is ignored.
                    self._before[number] = signal.signal(number, self._record)
        return self

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, *_: object) -> None:
        self._restore_handlers()
