"""Record Ctrl-C and other stop signals during training.

Then training can save a checkpoint before it stops. The signals are SIGINT (Ctrl-C), SIGTERM and SIGHUP.
"""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """Training was stopped by a signal, after a checkpoint was saved.

    Args:
        number: number of the signal, such as signal.SIGINT.
        folder: the run's folder with the checkpoint.
    """

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after saving; continue with --resume")
        self.number, self.folder = number, folder


class Interrupts:
    """A context that records the first stop signal.

    The attribute `number` is the number of this signal, or 0. A second signal ends the process.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        # Python allows signal handlers in the main thread only.
        if threading.current_thread() is threading.main_thread():
            names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            for number in (getattr(signal, name) for name in names):
                if signal.getsignal(number) != signal.SIG_IGN:  # Under nohup, SIGHUP stays ignored.
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
