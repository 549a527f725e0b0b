"""Stop training after saving on Ctrl-C, SIGTERM or SIGHUP."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """Training was stopped by signal `number`, after saving to `folder`."""

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after saving; continue with --resume")
        self.number, self.folder = number, folder


class Interrupts:
    """A context that records the first Ctrl-C, SIGTERM or SIGHUP in `number`, which is 0 before.

    A second signal acts at once, as it would without this. Signals that are ignored, as under nohup, stay
    ignored. Outside the main thread, where Python allows no signal handlers, nothing is recorded.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
            for number in (getattr(signal, name) for name in names):
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup makes it ignore SIGHUP
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
