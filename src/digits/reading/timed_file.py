"""Read a picture file under a limit on processor time, whatever its bytes make a decoder do."""

import io
import time


class TooMuchWorkError(Exception):
    """A decoder used more processor time than the limit."""


class TimedFile(io.BytesIO):
    """A file in memory that stops its reader when the processor time is over.

    Decoders of Pillow read block by block, and each read is a moment at which they can be stopped. Only the
    time of the current thread counts, so that other threads and a busy machine change nothing.
    """

    def __init__(self, content: bytes, end: float) -> None:
        """Open `content`; its reader is stopped when `time.thread_time()` is above `end`."""
        super().__init__(content)
        self.end = end

    def check(self) -> None:
        """Raise TooMuchWorkError if the time is over."""
        if time.thread_time() > self.end:
            raise TooMuchWorkError

    def read(self, size: int | None = -1, /) -> bytes:
        """Read like `BytesIO.read`, within the time."""
        self.check()
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Seek like `BytesIO.seek`, within the time."""
        self.check()
        return super().seek(offset, whence)
