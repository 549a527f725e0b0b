"""The reading queue: one thread decodes and classifies, so that the event loop never waits for a network.

Small pictures that wait at the same moment for the same network are classified together, which costs less
for each. A job is refused at once when too many wait, and given up when it waits for too long.
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
from digits.serving.limits import ANSWER_SECONDS, MAX_JOBS

PICTURES_AT_ONCE = 4  # classified together; more only made the first one wait, measured in docs/log.md
SMALL_PICTURE = 20_000  # bytes; larger files, such as photos, are read one by one
Result = TypeVar("Result")


class BusyError(Exception):
    """Too many jobs wait, or one waited for too long."""


@dataclass(eq=False)
class _Job:
    """Work for the thread and the future that waits for its result.

    With a `reader`, the job is to read `picture`, which may be done together with other jobs.
    """

    work: Callable[[], Any]
    future: "asyncio.Future[Any]"
    reader: Reader | None = None
    picture: bytes = b""
    single: bool = False

    def fits(self, other: "_Job") -> bool:
        """Return True if both jobs can be read together: same network, same kind of reading."""
        return self.reader is not None and (self.reader, self.single) == (other.reader, other.single)


class ReadingQueue:
    """A queue of jobs and the thread that does them in order.

    At most `max_jobs` wait at a time, and each for at most `seconds`.
    """

    def __init__(
        self, limits: PictureLimits, *, max_jobs: int = MAX_JOBS, seconds: float = ANSWER_SECONDS
    ) -> None:
        self.limits, self.max_jobs, self.seconds = limits, max_jobs, seconds
        self.waiting = 0  # jobs without a result; changed by the event loop only
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="reading", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end after the jobs that wait."""
        self._jobs.put(None)

    async def read(self, reader: Reader, picture: bytes, *, single: bool) -> Reading:
        """Return `reader.read(picture)`. Raises PhotoError, or BusyError if it is refused or given up."""
        job = _Job(
            lambda: reader.read(picture, single=single, limits=self.limits),
            asyncio.get_running_loop().create_future(),
            *((reader, picture, single) if len(picture) <= SMALL_PICTURE else ()),
        )
        reading: Reading = await self._result(job)
        return reading

    async def do(self, work: Callable[[], Result]) -> Result:
        """Return `work()`, called in the thread. Raises what `work` raises, or BusyError."""
        result: Result = await self._result(_Job(work, asyncio.get_running_loop().create_future()))
        return result

    async def _result(self, job: _Job) -> Any:
        if self.waiting >= self.max_jobs:
            raise BusyError
        self.waiting += 1
        job.future.add_done_callback(self._count_done)
        self._jobs.put(job)
        try:
            return await asyncio.wait_for(job.future, self.seconds)
        except (asyncio.TimeoutError, TimeoutError):  # the same class from Python 3.11 on
            raise BusyError from None

    def _count_done(self, _: "asyncio.Future[Any]") -> None:
        self.waiting -= 1

    # ------------------------------------------------------------------------- called in the thread

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            jobs, job = self._take_fitting(job)
            jobs = [j for j in jobs if not j.future.done()]  # leave out those given up while they waited
            if jobs:
                jobs[0].future.get_loop().call_soon_threadsafe(_deliver, jobs, self._do_all(jobs))
            job = job or self._jobs.get()

    def _take_fitting(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """Return `first` with the jobs behind it that fit, and the next job if it was taken but does not."""
        jobs = [first]
        while first.reader is not None and len(jobs) < PICTURES_AT_ONCE:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            if not job.fits(first):
                return jobs, job
            jobs.append(job)
        return jobs, None

    def _do_all(self, jobs: Sequence[_Job]) -> list[Any]:
        """Return the result of each job, or the exception that it raised."""
        reader = jobs[0].reader
        if reader is not None and len(jobs) > 1:
            pictures = [job.picture for job in jobs]
            try:
                return list(reader.read_many(pictures, single=jobs[0].single, limits=self.limits))
            except Exception:  # a bug with one of the pictures: read alone, the others get their answers
                return [_do(job.work) for job in jobs]
        return [_do(job.work) for job in jobs]


def _do(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        return error


def _deliver(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    """Set each job's future to its result or exception; called in the event loop."""
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
