"""Start processes that do tasks, limit their time, and kill them.

Reading a hostile picture can take very long inside a decoder, where nothing but the end of its process stops
it. So tasks are done in processes of their own:

    server  --->  nursery  --->  reading process      (--->  starts)
       '------------------------------'               (a pair of sockets for tasks and outcomes)

The nursery is a copy of the server with all networks in memory, made before the server has connections. It
copies itself (`os.fork`) for every new reading process, which takes some milliseconds and shares the memory
of the networks. When the server ends, however it ends, the nursery reads the end of its socket, kills all
reading processes and ends, too.

Where the system cannot fork (Windows), a thread does the tasks; it cannot be killed.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from digits.serving.tasks import Outcome, Task

Do: TypeAlias = Callable[[Sequence[Task]], list[Outcome]]
LENGTHS = struct.Struct("<IQ")  # at the start of a message: bytes of its JSON, bytes after the JSON
PID = struct.Struct("<I")  # the first message of a reading process: its number
FORKS = hasattr(os, "fork")
MAX_MEMORY = 1_500_000_000  # bytes that one reading process may add; 25 million pixels need a third of it


class ProcessEndedError(Exception):
    """A reading process that ended or was killed before its answer."""


class ReadingProcess:
    """The server's end of a reading process."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        """Set the connection and the number of the process.

        Args:
            connection: leads to the process; does not block.
            pid: number of the process; that of this process for a thread.
        """
        self._connection, self.pid = connection, pid

    async def do(self, tasks: Sequence[Task], processor_seconds: float, seconds: float) -> list[Outcome]:
        """Do tasks in the process.

        Args:
            tasks: at least one; several ones must fit together (`Task.fits`).
            processor_seconds: the process may compute as long as this.
            seconds: the answer may take as long as this.

        Returns:
            The outcome of each task.

        Raises:
            ProcessEndedError: if the process ended, for example because it took too long.
        """
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self.kill)
        try:
            await loop.sock_sendall(self._connection, to_message(tasks, processor_seconds))
            lengths = LENGTHS.unpack(await receive(self._connection, LENGTHS.size))
            content = await receive(self._connection, sum(lengths))
            return [Outcome(**item) for item in from_message(content, lengths[0])[0]]
        except OSError as error:
            raise ProcessEndedError from error
        finally:
            timer.cancel()

    def kill(self) -> None:
        """End the process at once, with all processes that it started."""
        if self.pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):  # it has ended already
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the process and close the connection."""
        self.kill()
        self._connection.close()


async def receive(connection: socket.socket, size: int) -> bytearray:
    """Receive an exact number of bytes.

    Raises:
        ProcessEndedError: if the connection ends before.
    """
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        count = await asyncio.get_running_loop().sock_recv_into(connection, rest)
        if not count:
            raise ProcessEndedError
        rest = rest[count:]
    return content


class Nursery:
    """The process that starts reading processes, seen from the server."""

    def __init__(self, do: Do, prepare: Callable[[], object]) -> None:
        """Set the functions that the processes call; they may use anything in memory.

        Args:
            do: does tasks.
            prepare: called once in the nursery; what it loads is in memory for all reading processes.
        """
        self._do, self._prepare = do, prepare
        self._control: socket.socket | None = None
        self._pid = 0

    def start(self) -> socket.socket:
        """Start the nursery; return the connection to it."""
        ours, theirs = socket.socketpair()
        # A collection would write to every object, and so copy the memory that both processes share.
        gc.freeze()
        with warnings.catch_warnings():
            # Python warns of threads, whose locks would be copied. The nursery uses nothing that they use.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            run_nursery(theirs, self._do, self._prepare)
        theirs.close()
        self._control = ours
        return ours

    def stop(self) -> None:
        """End the nursery and all reading processes."""
        if self._control is not None:
            self._control.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._control = None

    async def new_process(self) -> ReadingProcess:
        """Start a reading process.

        Raises:
            ProcessEndedError: if the system has no room for a further process or its files.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ProcessEndedError from error
        try:
            ours.setblocking(False)
            if not FORKS:
                threading.Thread(target=run_tasks, args=(theirs, self._do), daemon=True).start()
            else:
                with theirs:
                    self._ask_for_process(theirs)
            (pid,) = PID.unpack(await receive(ours, PID.size))
        except OSError as error:
            ours.close()
            raise ProcessEndedError from error
        except BaseException:
            ours.close()
            raise
        return ReadingProcess(ours, pid)

    def _ask_for_process(self, connection: socket.socket) -> None:
        """Ask the nursery for a process with this connection.

        Raises:
            OSError: if the nursery has ended; a new one is started for the next process.
        """
        control = self._control or self.start()
        try:
            socket.send_fds(control, [b"+"], [connection.fileno()])
        except OSError:
            self.stop()
            raise


# ------------------------------------------------------------------------- in the nursery and its children


def run_nursery(control: socket.socket, do: Do, prepare: Callable[[], object]) -> NoReturn:
    """Start reading processes until the server ends.

    Args:
        control: from the server; each byte on it comes with a socket for a new process.
        do: does the tasks.
        prepare: loads what they need.
    """
    children: set[int] = set()
    try:
        os.setpgid(0, 0)  # so that Ctrl-C in the terminal reaches the server alone
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM):  # a service manager may send it to all processes
            signal.signal(number, signal.SIG_IGN)
        prepare()
        gc.freeze()  # objects of the server stay as they are: none closes a file that is not its own any more
        close_files_except(control.fileno())
        while True:
            byte, files, _, _ = socket.recv_fds(control, 1, 1)
            if not byte:
                break
            children = {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0] == 0}
            # If no further process is allowed, the server reads the end of the connection.
            with socket.socket(fileno=files[0]) as connection, contextlib.suppress(OSError):
                children.add(_fork_reading_process(control, connection, do))
        for pid in children:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    finally:
        os._exit(0)  # without the exit functions of the server


def _fork_reading_process(control: socket.socket, connection: socket.socket, do: Do) -> int:
    """Start a process that does tasks; return its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        control.close()
        os.setpgid(0, 0)  # so that it can be killed with the processes that it starts
        # The libraries that decode pictures write a line for every damage: a hundred thousand for some files.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        limit_memory()
        run_tasks(connection, do, limited=True)
    finally:
        os._exit(0)


def limit_memory() -> None:
    """Let allocations fail in this process beyond MAX_MEMORY, instead of taking the memory of all others.

    What the process shares with the server, the networks and libraries, does not count.
    """
    import resource  # not on Windows, which has no reading processes

    limit = MAX_MEMORY + _bytes_of_data()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _bytes_of_data() -> int:
    """Return the bytes of data that this process has now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack: man 5 proc
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def close_files_except(kept: int) -> None:
    """Close all files of this process except one and the standard streams."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def run_tasks(connection: socket.socket, do: Do, *, limited: bool = False) -> None:
    """Do tasks until the connection ends.

    Args:
        connection: from the server.
        do: does the tasks.
        limited: whether the system kills this process when it computes for too long.
    """
    with connection, connection.makefile("rwb") as file, contextlib.suppress(OSError):
        file.write(PID.pack(os.getpid()))
        file.flush()
        while head := file.read(LENGTHS.size):
            lengths = LENGTHS.unpack(head)
            items, processor_seconds = from_message(file.read(sum(lengths)), lengths[0])
            if limited:
                # The signal's effect is the end of the process, even inside a decoder.
                signal.setitimer(signal.ITIMER_PROF, processor_seconds)
            outcomes = do([Task(**item) for item in items])
            if limited:
                signal.setitimer(signal.ITIMER_PROF, 0)
            file.write(to_message(outcomes))
            file.flush()


# ------------------------------------------------------------------------------------------------ messages


def to_message(items: Sequence[Task] | Sequence[Outcome], seconds: float = 0.0) -> bytes:
    """Write tasks or outcomes as bytes.

    The message has the two `LENGTHS`, a JSON list of the objects and the seconds, and all bodies.
    """
    heads = [{**vars(item), "body": len(item.body)} for item in items]
    head = json.dumps([heads, seconds], allow_nan=False).encode()
    bodies = [item.body for item in items]
    return b"".join((LENGTHS.pack(len(head), sum(map(len, bodies))), head, *bodies))


def from_message(content: bytes | bytearray, head: int) -> tuple[list[dict[str, Any]], float]:
    """Read what `to_message` wrote.

    Args:
        content: the message without its lengths.
        head: bytes of the JSON.

    Returns:
        The fields of each object, and the seconds.
    """
    items, seconds = json.loads(content[:head])
    start = head
    for item in items:
        end = start + item["body"]
        item["body"] = bytes(content[start:end])
        start = end
    return items, seconds
