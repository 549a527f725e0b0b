"""One thread that reads, so that whoever waits for requests never waits for a network.

Pictures that wait at the same moment for the same network are classified together: the more is asked, the
less each costs. What cannot be done in time is refused while it is still cheap to refuse.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from digits.reading.image_files import PictureLimits
from digits.reading.reader import Reader
from digits.reading.results import Reading

WAITING = 64  # jobs; at 400 a second that is a sixth of a second
TOGETHER = 4  # pictures classified at once: docs/log.md
SMALL = 20_000  # bytes of a picture that may wait for others; a photo takes its turn alone
PATIENCE = 10.0  # s until an answer is given up
Result = TypeVar("Result")


class BusyError(Exception):
    """More is asked than can be answered."""


@dataclass(eq=False)
class _Job:
    """Work for the thread and the future that waits for it; `picture` may be read together with others."""

    do: Callable[[], Any]
    answer: "asyncio.Future[Any]"
    reader: Reader | None = None
    picture: bytes = b""
    single: bool = False

    def goes_with(self, other: "_Job") -> bool:
        """Whether one look of one network can answer both."""
        return self.reader is not None and (self.reader, self.single) == (other.reader, other.single)


class ReadingQueue:
    """Jobs in, results out, in order. It starts and stops with the server."""

    def __init__(self, limits: PictureLimits, *, waiting: int = WAITING, patience: float = PATIENCE) -> None:
        self.limits, self.most, self.patience = limits, waiting, patience
        self.waiting = 0  # jobs that are not answered yet; only the event loop counts
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to work."""
        threading.Thread(target=self._work, name="reading", daemon=True).start()

    def stop(self) -> None:
        """Finish what waits, then end."""
        self._jobs.put(None)

    async def read(self, reader: Reader, picture: bytes, *, single: bool) -> Reading:
        """`reader.read`. Raises PhotoError, BusyError."""
        job = _Job(
            lambda: reader.read(picture, single=single, limits=self.limits),
            asyncio.get_running_loop().create_future(),
            *((reader, picture, single) if len(picture) <= SMALL else ()),
        )
        reading: Reading = await self._answer(job)
        return reading

    async def do(self, work: Callable[[], Result]) -> Result:
        """Anything else that takes time. Raises BusyError, and what `work` raises."""
        result: Result = await self._answer(_Job(work, asyncio.get_running_loop().create_future()))
        return result

    async def _answer(self, job: _Job) -> Any:
        if self.waiting >= self.most:
            raise BusyError
        self.waiting += 1
        job.answer.add_done_callback(self._answered)
        self._jobs.put(job)
        try:
            return await asyncio.wait_for(job.answer, self.patience)
        except (asyncio.TimeoutError, TimeoutError):  # the same from Python 3.11 on
            raise BusyError from None

    def _answered(self, _: "asyncio.Future[Any]") -> None:
        self.waiting -= 1

    # ------------------------------------------------------------------------------- in the thread

    def _work(self) -> None:
        job = self._jobs.get()
        while job is not None:
            jobs, job = self._alike(job)
            jobs = [j for j in jobs if not j.answer.done()]  # given up while it waited
            if jobs:
                jobs[0].answer.get_loop().call_soon_threadsafe(_deliver, jobs, self._results(jobs))
            job = job or self._jobs.get()

    def _alike(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """`first`, what waits behind it and goes with it, and the first that does not."""
        jobs = [first]
        while first.reader is not None and len(jobs) < TOGETHER:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            if not job.goes_with(first):
                return jobs, job
            jobs.append(job)
        return jobs, None

    def _results(self, jobs: Sequence[_Job]) -> list[Any]:
        reader = jobs[0].reader
        if reader is not None and len(jobs) > 1:
            pictures = [job.picture for job in jobs]
            try:
                return list(reader.read_many(pictures, single=jobs[0].single, limits=self.limits))
            except Exception:  # a bug that one picture met: the others shall not suffer for it
                return [_result(job.do) for job in jobs]
        return [_result(job.do) for job in jobs]


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        return error


def _deliver(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.answer.done():
            continue
        if isinstance(result, Exception):
            job.answer.set_exception(result)
        else:
            job.answer.set_result(result)
