"""Share the reading processes among the clients, so that nobody waits for somebody else's costly picture.

Every task is first tried by a quick process. If it takes more than QUICK_SECONDS, that process is killed and
a slow one does the task again, which has more time and exists for this task only. Large files, which are
photos, and TIFFs go to the slow processes at once. So a picture that takes seconds holds up a small one for a
fraction of a second.

Within both queues the clients take turns, by their addresses, and the last slow process is never taken by a
client that uses another one already. If too many tasks wait, a task of the client with the most is refused.
"""

import asyncio
import hashlib
import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from digits.serving.error_answers import BusyError, RareLog, RefusedError
from digits.serving.reading_process import FORKS, Do, Nursery, ProcessEndedError, ReadingProcess
from digits.serving.tasks import Outcome, Task, failed

MAX_JOBS = 64  # largest number of jobs that wait or run; at 400 pictures a second they take 0.16 s
ANSWER_SECONDS = 10.0  # s; longest time from a request to its answer; after it the answer is "busy"
QUICK_SECONDS = 0.15  # s of one core; drawings and most scans need less; others may have to wait for so long
QUICK_WAIT = 3.0  # s; longest time in a quick process, if the machine or what it waits for is slow
SLOW_SECONDS = 5.0  # s of one core; a photo of 25 million pixels takes one second; generous limit

PICTURES_AT_ONCE = 4  # largest number classified together; with more the first one waits longer: docs/log.md
SMALL_PICTURE = 20_000  # bytes; a larger file, such as a photo, is read alone
TIFF = (b"II", b"MM")  # first bytes of the file
LARGE_BODY = 200_000  # bytes; larger files are photos, few of which are read within QUICK_SECONDS
KNOWN_COSTLY = 1_000  # number of costly bodies that are remembered; no quick process tries them again
RETRY_SECONDS = 1.0  # s; pause after a process could not be started


@dataclass(eq=False)
class Job:
    """One task that waits or runs, with the future for its outcome."""

    task: Task
    client: str  # address
    deadline: float  # time of the event loop
    future: "asyncio.Future[Outcome]"
    alone: bool = False  # whether it was killed together with others, and is tried again by itself

    def fits(self, other: "Job") -> bool:
        """Return True if both jobs can be done together."""
        small = max(len(self.task.body), len(other.task.body)) <= SMALL_PICTURE
        return small and not (self.alone or other.alone) and self.task.fits(other.task)


class FairQueue:
    """Jobs that wait; their clients take turns."""

    def __init__(self, most: int) -> None:
        """Make an empty queue.

        Args:
            most: largest number of jobs of one client that run at the same time.
        """
        self.most = most
        self._waiting: dict[str, deque[Job]] = {}  # client -> its jobs; the first client is next
        self._running: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def put(self, job: Job, *, first: bool = False) -> None:
        """Add a job; with `first` before the client's other jobs."""
        jobs = self._waiting.setdefault(job.client, deque())
        if first:
            jobs.appendleft(job)
        else:
            jobs.append(job)
        self._changed.set()

    def remove(self, job: Job) -> None:
        """Remove a job if it still waits."""
        jobs = self._waiting.get(job.client)
        if jobs is not None and job in jobs:
            jobs.remove(job)
            if not jobs:
                del self._waiting[job.client]

    async def take(self, most: int = 1) -> list[Job]:
        """Wait for a job that may run, and remove it.

        Args:
            most: largest number of jobs.

        Returns:
            The job, and others that can be done together with it. They count as running until `done`.
        """
        while not (clients := [client for client in self._waiting if self._running[client] < self.most]):
            self._changed.clear()
            await self._changed.wait()
        # Of the clients with the fewest running jobs, the first one in the queue.
        jobs = [self._take_next(min(clients, key=self._running.__getitem__))]
        for client in list(self._waiting):
            while len(jobs) < most and client in self._waiting and self._waiting[client][0].fits(jobs[0]):
                jobs.append(self._take_next(client))
        return jobs

    def done(self, job: Job) -> None:
        """Stop counting a job as running."""
        self._running[job.client] -= 1
        if not self._running[job.client]:
            del self._running[job.client]
        self._changed.set()

    def take_last(self, client: str) -> Job | None:
        """Remove the job of a client that came last; None if there is none."""
        job = self._waiting[client].pop() if client in self._waiting else None
        if job is not None and not self._waiting[client]:
            del self._waiting[client]
        return job

    def _take_next(self, client: str) -> Job:
        """Remove the first job of a client; its turn comes again after all others."""
        jobs = self._waiting.pop(client)
        job = jobs.popleft()
        if jobs:
            self._waiting[client] = jobs
        self._running[client] += 1
        return job


@dataclass
class Settings:
    """Numbers that tests change."""

    pictures: int = 1
    """Number of pictures that are read at the same time. There is one quick process more, so that one costly
    picture never holds up all others, and one slow process more, for a second client."""
    max_jobs: int = MAX_JOBS
    seconds: float = ANSWER_SECONDS
    quick_seconds: float = QUICK_SECONDS
    slow_seconds: float = SLOW_SECONDS


class ReadingQueue:
    """The reading processes of the server and the jobs that wait for them."""

    def __init__(
        self, do: Do, settings: Settings | None = None, *, prepare: Callable[[], object] = lambda: None
    ) -> None:
        """Make an empty queue.

        Args:
            do: does the tasks; it is called in other processes.
            settings: numbers of processes and jobs, and time limits.
            prepare: loads what the tasks need; called once, in the process that the others are copies of.
        """
        self.settings = settings or Settings()
        self._nursery = Nursery(do, prepare)
        self._no_process = RareLog(
            "a reading process could not be started; raise the limits of processes, memory or open files"
        )
        self._jobs: Counter[str] = Counter()  # client -> number of its jobs that wait or run
        self._costly: dict[bytes, None] = {}  # hashes of bodies that took too long for a quick process
        self._lanes: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the processes; must be called in the event loop."""
        number = self.settings.pictures + 1
        if FORKS:
            self._nursery.start()
        self._quick, self._slow = FairQueue(number), FairQueue(number - 1)
        self._lanes = [asyncio.create_task(self._quick_lane()) for _ in range(number)]
        self._lanes += [asyncio.create_task(self._slow_lane()) for _ in range(number)]

    async def stop(self) -> None:
        """End all processes; jobs without an outcome stay without."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        self._nursery.stop()

    @property
    def waiting(self) -> int:
        """The number of jobs that wait or run."""
        return self._jobs.total()

    async def do(self, task: Task, client: str = "") -> Outcome:
        """Do a task in a reading process.

        Args:
            task: the task.
            client: address of the client that asks.

        Returns:
            Its outcome.

        Raises:
            BusyError: if too many jobs wait, most of them of this client, or this one waited too long.
        """
        if self.waiting >= self.settings.max_jobs:
            self._make_room(client)
        loop = asyncio.get_running_loop()
        job = Job(task, client, loop.time() + self.settings.seconds, loop.create_future())
        timer = loop.call_at(job.deadline, _refuse, job)
        self._jobs[client] += 1
        try:
            (self._slow if self._is_costly(task) else self._quick).put(job)
            return await job.future
        finally:
            timer.cancel()
            job.future.cancel()  # if the client's request was cancelled
            for queue in (self._quick, self._slow):
                queue.remove(job)
            self._jobs[client] -= 1
            if not self._jobs[client]:
                del self._jobs[client]

    def _make_room(self, client: str) -> None:
        """Refuse a job of the client with the most jobs.

        Args:
            client: address of the client that asks for a further job.

        Raises:
            BusyError: if it is this client's new job.
        """
        most = max(self._jobs.values())
        greedy = client if self._jobs[client] == most else max(self._jobs, key=self._jobs.__getitem__)
        # Costly pictures are refused before others.
        job = self._slow.take_last(greedy)
        if job is None and greedy != client:
            job = self._quick.take_last(greedy)
        if job is None:
            raise BusyError
        _refuse(job)

    def _is_costly(self, task: Task) -> bool:
        """Return True if a task needs a slow process."""
        # A correction waits for the disk and perhaps for another process that saves one. Many TIFFs are
        # decoded in a process of their own, which has to start first.
        slow = task.kind == "correction" or task.body.startswith(TIFF)
        if slow or len(task.body) > LARGE_BODY:
            return True
        return bool(self._costly) and _digest(task) in self._costly

    async def _quick_lane(self) -> None:
        """Do jobs in one process after the other; what takes too long goes to the slow queue."""
        process = None
        try:
            while True:
                jobs = await self._quick.take(PICTURES_AT_ONCE)
                process = process or await self._new_process()
                if not await self._run(process, jobs, self.settings.quick_seconds, QUICK_WAIT):
                    process.close()
                    process = None
                    self._try_again(jobs)
                for job in jobs:
                    self._quick.done(job)
        finally:
            if process is not None:
                process.close()

    async def _slow_lane(self) -> None:
        """Do each job in a process of its own."""
        while True:
            jobs = await self._slow.take()
            process = await self._new_process()
            try:
                if not await self._run(process, jobs, self.settings.slow_seconds):
                    _deliver(jobs, [failed(too_costly(self.settings.slow_seconds))])
            finally:
                process.close()
            self._slow.done(jobs[0])

    async def _new_process(self) -> ReadingProcess:
        """Start a process; as long as the system has no room for it, try again."""
        while True:
            try:
                return await self._nursery.new_process()
            except (OSError, ProcessEndedError):
                self._no_process.write()
                await asyncio.sleep(RETRY_SECONDS)

    async def _run(
        self,
        process: ReadingProcess,
        jobs: Sequence[Job],
        processor_seconds: float,
        most_seconds: float = math.inf,
    ) -> bool:
        """Do jobs in a process.

        Args:
            process: does the jobs.
            jobs: fit together.
            processor_seconds: the process may compute as long as this.
            most_seconds: the answers may take as long as this, and not longer than the jobs' deadline.

        Returns:
            False if the process ended before it had done them.
        """
        jobs = [job for job in jobs if not job.future.done()]  # without those that were refused meanwhile
        if not jobs:
            return True
        left = max(job.deadline for job in jobs) - asyncio.get_running_loop().time()
        try:
            outcomes = await process.do(
                [job.task for job in jobs], processor_seconds, min(left, most_seconds)
            )
        except ProcessEndedError:
            return False
        _deliver(jobs, outcomes)
        return True

    def _try_again(self, jobs: Sequence[Job]) -> None:
        """Put jobs that ended a quick process into a queue again."""
        for job in jobs:
            if job.future.done():  # it was refused meanwhile
                continue
            if len(jobs) > 1:  # one of them was costly: each is tried alone
                job.alone = True
                self._quick.put(job, first=True)
            else:
                if len(self._costly) >= KNOWN_COSTLY:
                    del self._costly[next(iter(self._costly))]
                self._costly[_digest(job.task)] = None
                self._slow.put(job)


def too_costly(seconds: float) -> RefusedError:
    """Return the error for a picture that takes too long, even for a slow process."""
    return RefusedError(
        413,
        "limit",
        f"reading this picture takes over {seconds:g} seconds of computing; send a smaller or simpler one",
    )


def _digest(task: Task) -> bytes:
    return hashlib.sha256(task.body).digest()


def _refuse(job: Job) -> None:
    """Answer a job with BusyError, unless it has its outcome."""
    if not job.future.done():
        job.future.set_exception(BusyError())


def _deliver(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Give each job its outcome, unless it was refused meanwhile."""
    for job, outcome in zip(jobs, outcomes, strict=True):
        if not job.future.done():
            job.future.set_result(outcome)
