"""The reading queue: jobs done together, refused, given up or done again; clients take turns."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest
from support.hostile import saved
from support.strokefont import sheet

from digits.reading.reader import Reader
from digits.serving.corrections import Corrections
from digits.serving.error_answers import BusyError
from digits.serving.reading_process import Do
from digits.serving.reading_queue import LARGE_BODY, ReadingQueue, Settings
from digits.serving.tasks import Outcome, Task, Worker

Found = TypeVar("Found")


def run(work: Callable[[ReadingQueue], Awaitable[Found]], do: Do, **settings: Any) -> Found:
    """Run `work` with a queue whose processes do tasks with `do`."""

    async def with_queue() -> Found:
        queue = ReadingQueue(do, Settings(**settings))
        queue.start()
        try:
            return await work(queue)
        finally:
            await queue.stop()

    return asyncio.run(with_queue())


def obey(tasks: Sequence[Task]) -> list[Outcome]:
    """Do what the body says: `compute SECONDS`, `wait SECONDS`, `end`, `fill`; answer with its number."""
    for task in tasks:
        order, _, seconds = task.body.decode().strip().partition(" ")
        end = float(seconds or 0)
        if order == "compute":
            end += time.process_time()
            while time.process_time() < end:
                pass
        elif order == "wait":
            time.sleep(end)
        elif order == "end":
            os._exit(1)
        elif order == "fill":
            bytearray(2_000_000_000)
    return [Outcome(200, f"{os.getpid()}".encode()) for _ in tasks]


def no_file() -> NoReturn:
    """Fail as the system does if no further file may be opened."""
    raise OSError(errno.EMFILE, "Too many open files")


def order(text: str, **more: Any) -> Task:
    """Return a task for `obey`, which is never done together with another one."""
    return Task("drawing", text.encode(), **more)


def test_pictures_that_wait_are_read_together_as_if_alone(reader: Reader, tmp_path: Path) -> None:
    """Twenty pictures at once, good and bad, get the same answers as one by one."""
    pictures = [saved(sheet(str(i % 10), size=(90, 90), height=60), "PNG") for i in range(20)]
    pictures[::7] = [b"none"] * 3
    worker = Worker({"cnn": reader}, Corrections(tmp_path))

    async def ask(queue: ReadingQueue) -> list[Outcome]:
        return await asyncio.gather(*(queue.do(Task("picture", p, "cnn", single=True)) for p in pictures))

    for picture, found in zip(pictures, run(ask, worker.do), strict=True):
        assert found.body == worker.do([Task("picture", picture, "cnn", single=True)])[0].body
        assert found.status == (415 if picture == b"none" else 200)


def test_a_bug_that_one_picture_meets_spares_the_others(reader: Reader, tmp_path: Path) -> None:
    """When reading together fails, each picture is read alone."""

    class Fragile(Reader):
        def read_many(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    worker = Worker({"fragile": Fragile(reader.classifier)}, Corrections(tmp_path))
    picture = saved(sheet("3", size=(90, 90), height=60), "PNG")
    outcomes = worker.do([Task("picture", picture, "fragile", single=True)] * 3)
    assert [b'"text":"3"' in outcome.body for outcome in outcomes] == [True] * 3


def test_too_many_are_refused_and_the_rest_answered() -> None:
    """With room for three jobs, two of five are refused with BusyError."""

    async def ask(queue: ReadingQueue) -> list[Any]:
        found = await asyncio.gather(*(queue.do(order("")) for _ in range(5)), return_exceptions=True)
        assert queue.waiting == 0
        return found

    found = run(ask, obey, max_jobs=3)
    assert [outcome.status for outcome in found] == [200, 200, 200, 503, 503]


def test_the_client_with_the_most_jobs_is_refused() -> None:
    """If the queue is full, a job of whoever has the most gives way, a costly one first."""

    async def ask(queue: ReadingQueue) -> list[Any]:
        slow = Task("drawing", b"wait 0.1".ljust(LARGE_BODY + 1))
        flood = [
            asyncio.create_task(queue.do(slow if i % 2 else order("wait 0.1"), "flood")) for i in range(5)
        ]
        await asyncio.sleep(0)
        other = asyncio.create_task(queue.do(order(""), "other"))
        return await asyncio.gather(*flood, other, return_exceptions=True)

    found = run(ask, obey, max_jobs=5)
    assert [outcome.status for outcome in found] == [200, 200, 200, 503, 200, 200]


def test_whoever_waits_too_long_is_told_and_frees_its_process() -> None:
    """A job that takes too long raises BusyError; its process is killed, and others go on."""

    async def ask(queue: ReadingQueue) -> list[Any]:
        asked = [queue.do(order("wait 9")), queue.do(order("wait 9"))]
        found = await asyncio.gather(*asked, return_exceptions=True)
        begun = time.monotonic()
        assert (await queue.do(order(""))).status == 200
        assert time.monotonic() - begun < 3
        return found

    assert [type(error) for error in run(ask, obey, seconds=0.3)] == [BusyError, BusyError]


@pytest.mark.parametrize("body", ["compute 0.3", "end", "fill"])
def test_a_costly_job_is_done_again_with_more_time_and_holds_up_nobody(body: str) -> None:
    """What ends a quick process is tried by a slow one; if it ends that, too, it is refused."""

    async def ask(queue: ReadingQueue) -> tuple[Outcome, Outcome]:
        return await asyncio.gather(queue.do(order(body)), queue.do(order("")))

    costly, small = run(ask, obey, quick_seconds=0.02, slow_seconds=0.1)
    assert (costly.status, b"seconds of computing" in costly.body) == (413, True)
    assert small.status == 200
    costly, _ = run(ask, obey, quick_seconds=0.02, slow_seconds=5)
    assert costly.status == (200 if body.startswith("compute") else 413)


@pytest.mark.slow
def test_what_was_costly_once_is_not_tried_by_a_quick_process_again() -> None:
    """The same body goes to a slow process at once, so it holds up nobody for even a moment."""

    async def ask(queue: ReadingQueue) -> tuple[Outcome, Outcome]:
        quick = await queue.do(order(""))
        await queue.do(order("compute 0.05"))
        other_quick = await queue.do(order(""))  # the first one was killed
        assert quick.body != other_quick.body
        await queue.do(order("compute 0.05"))
        return other_quick, await queue.do(order(""))

    before, after = run(ask, obey, quick_seconds=0.02)
    assert before.body == after.body


def test_clients_take_turns_and_leave_a_slow_process_to_others() -> None:
    """Eight costly jobs of one client are asked before one of another, which is done among the first."""
    finished: list[str] = []

    async def ask(queue: ReadingQueue) -> None:
        async def one(client: str) -> None:
            await queue.do(Task("drawing", b"wait 0.2".ljust(LARGE_BODY + 1)), client)
            finished.append(client)

        await asyncio.gather(*(one("flood") for _ in range(8)), one("other"))

    run(ask, obey)
    assert finished.index("other") <= 2
    assert len(finished) == 9


def test_processes_end_with_the_queue() -> None:
    """After the end of the queue no process is left, not even one that computes."""

    async def ask(queue: ReadingQueue) -> list[int]:
        pids = [int((await queue.do(order(""))).body)]
        busy = asyncio.create_task(queue.do(order("compute 60")))
        await asyncio.sleep(0.05)
        busy.cancel()
        return pids

    for pid in run(ask, obey, quick_seconds=60):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
def test_a_nursery_that_was_killed_is_replaced() -> None:
    """If the process that starts the others is killed, a new one is started."""

    async def ask(queue: ReadingQueue) -> int:
        first = int((await queue.do(order(""))).body)
        parent = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, 9)
        await queue.do(order("end"))
        return (await queue.do(order(""))).status

    assert run(ask, obey) == 200


def test_without_processes_it_says_so_once_and_goes_on_when_there_are_some(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If no process can be started, requests are refused as busy, and the log gets one line."""
    monkeypatch.setattr("digits.serving.reading_queue.RETRY_SECONDS", 0.01)
    real = socket.socketpair

    async def ask(queue: ReadingQueue) -> list[Any]:
        monkeypatch.setattr(socket, "socketpair", no_file)
        refused = await asyncio.gather(queue.do(order("")), return_exceptions=True)
        monkeypatch.setattr(socket, "socketpair", real)
        return [*refused, await queue.do(order(""))]

    assert [outcome.status for outcome in run(ask, obey, seconds=0.5)] == [503, 200]
    assert caplog.text.count("could not be started") == 1


def test_where_the_system_cannot_fork_a_thread_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `os.fork`, as on Windows, a thread of this process does the tasks."""
    monkeypatch.setattr("digits.serving.reading_process.FORKS", False)
    monkeypatch.setattr("digits.serving.reading_queue.FORKS", False)

    async def ask(queue: ReadingQueue) -> int:
        return int((await queue.do(order(""))).body)

    assert run(ask, obey) == os.getpid()


def test_the_memory_of_the_server_does_not_count() -> None:
    """A reading process may add as much beside a large server as beside a small one, and not more."""
    code = """
from digits.serving.reading_process import MAX_MEMORY, limit_memory
held = bytearray(MAX_MEMORY)  # of the server; it is never written to, so it takes no memory here
limit_memory()
bytearray(MAX_MEMORY // 2)
try:
    bytearray(MAX_MEMORY * 11 // 10)
except MemoryError:
    print("limited")
"""
    run_in = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run_in.stdout, run_in.stderr) == ("limited\n", "")
