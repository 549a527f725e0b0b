"""Read pictures in one thread, so that the event loop stays free to receive and send.

Requests put jobs into a queue; the thread does them in order. Small pictures that wait for the same network
are classified together, which is faster than one by one. A new job is refused if too many jobs wait. A job
is cancelled if it waits too long.
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

MAX_JOBS = 64  # largest number of jobs in the reading queue; at 400 pictures a second they take 0.16 s
ANSWER_SECONDS = 10.0  # s; longest time for a job in the queue; after it the answer is "busy"

PICTURES_AT_ONCE = 4  # largest number classified together; with more the first one waits longer: docs/log.md
SMALL_PICTURE = 20_000  # bytes; a larger file, such as a photo, is read alone
JobResult = TypeVar("JobResult")


class BusyError(Exception):
    """An error for a job that cannot be done in time."""


@dataclass(eq=False)
class _Job:
    """One call for the thread, with the future for its result."""

    work: Callable[[], Any]
    future: "asyncio.Future[Any]"
    # A job that reads a small picture also has these. Such jobs can be done together.
    reader: Reader | None = None
    picture: bytes = b""
    single: bool = False

    def fits(self, other: "_Job") -> bool:
        """Return True if both jobs can be done together."""
        # Both read small pictures with the same network and the same `single`.
        return self.reader is not None and (self.reader, self.single) == (other.reader, other.single)


class ReadingQueue:
    """A queue of jobs, and the thread that does them in order."""

    def __init__(
        self, limits: PictureLimits, *, max_jobs: int = MAX_JOBS, seconds: float = ANSWER_SECONDS
    ) -> None:
        """Make an empty queue.

        Args:
            limits: largest size of a picture.
            max_jobs: largest number of jobs without a result; more are refused.
            seconds: longest time from a job's arrival to its result.
        """
        self.limits, self.max_jobs, self.seconds = limits, max_jobs, seconds
        self.waiting = 0  # number of jobs without a result; only the event loop changes it
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None tells the thread to end

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="reading", daemon=True).start()

    def stop(self) -> None:
        """Tell the thread to end after the jobs in the queue."""
        self._jobs.put(None)

    async def read(self, reader: Reader, picture: bytes, *, single: bool) -> Reading:
        """Read a picture in the thread.

        Args:
            reader: reader to use.
            picture: bytes of a picture file.
            single: whether the picture holds one digit at most.

        Returns:
            The marks found, each with its most probable digit.

        Raises:
            PhotoError: if the picture cannot be read.
            BusyError: if too many jobs wait, or this one waited too long.
        """
        job = _Job(
            lambda: reader.read(picture, single=single, limits=self.limits),
            asyncio.get_running_loop().create_future(),
            *((reader, picture, single) if len(picture) <= SMALL_PICTURE else ()),
        )
        reading: Reading = await self._result(job)
        return reading

    async def do(self, work: Callable[[], JobResult]) -> JobResult:
        """Call a function in the thread.

        Args:
            work: the function, without arguments.

        Returns:
            The result of `work`.

        Raises:
            BusyError: if too many jobs wait, or this one waited too long.
            Exception: the exception that `work` raises.
        """
        result: JobResult = await self._result(_Job(work, asyncio.get_running_loop().create_future()))
        return result

    async def _result(self, job: _Job) -> Any:
        """Put a job into the queue and wait for its result.

        Raises:
            BusyError: if too many jobs wait, or this one waited too long.
            Exception: the exception of the job.
        """
        if self.waiting >= self.max_jobs:
            raise BusyError
        self.waiting += 1
        job.future.add_done_callback(self._count_done)
        self._jobs.put(job)
        try:
            return await asyncio.wait_for(job.future, self.seconds)
        except (asyncio.TimeoutError, TimeoutError):  # two classes in Python 3.10, one class from 3.11 on
            raise BusyError from None

    def _count_done(self, _: "asyncio.Future[Any]") -> None:
        self.waiting -= 1

    # ------------------------------------------------------------------------- called in the thread

    def _run(self) -> None:
        """Do all jobs in order until `stop` is called."""
        job = self._jobs.get()
        while job is not None:
            jobs, job = self._take_fitting(job)
            jobs = [j for j in jobs if not j.future.done()]  # leave out jobs that were cancelled
            if jobs:
                jobs[0].future.get_loop().call_soon_threadsafe(_deliver, jobs, self._do_all(jobs))
            job = job or self._jobs.get()

    def _take_fitting(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """Take jobs from the queue that fit the first one.

        Returns:
            The first job and those that fit, at most PICTURES_AT_ONCE.
            A job that was taken but does not fit; None if there is none.
        """
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
        """Do several jobs that fit together.

        Returns:
            For each job its result, or the exception that it raised.
        """
        reader = jobs[0].reader
        if reader is not None and len(jobs) > 1:
            pictures = [job.picture for job in jobs]
            try:
                return list(reader.read_many(pictures, single=jobs[0].single, limits=self.limits))
            except Exception:  # a bug with one picture; read one by one, so that the others get their answers
                return [_do(job.work) for job in jobs]
        return [_do(job.work) for job in jobs]


def _do(work: Callable[[], Any]) -> Any:
    """Return the result of a call.

    If the call raises an exception, return the exception.
    """
    try:
        return work()
    except Exception as error:
        return error


def _deliver(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    """Give each job's future its result.

    Args:
        jobs: the jobs.
        results: for each job its result, or the exception that it raised.
    """
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():  # the job was cancelled
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
