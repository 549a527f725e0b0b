"""Start and stop the server of `digits serve`.

`serve` opens a socket, builds the application and answers requests until a signal stops it.
"""

import asyncio
import errno
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

import uvicorn

from digits.errors import ServeError
from digits.serving.app import application
from digits.serving.error_answers import RareLog, log
from digits.serving.http_protocol import DeadlineProtocol
from digits.serving.limits import MAX_CONNECTIONS
from digits.serving.options import LOOPBACK, ServeOptions
from digits.serving.reading_queue import ANSWER_SECONDS
from digits.serving.request_checks import Application

IDLE_SECONDS = 15  # s; longest pause between two requests of a connection
STOP_SECONDS = int(ANSWER_SECONDS) + 1  # s; after the signal to stop, all requests are answered within it

BACKLOG = 1_024  # largest number of new connections that the system keeps until the server accepts them
ACCEPTED_AT_ONCE = 4  # number of connections that asyncio accepts before it hands over the first one
OTHER_FILES = 32  # files that stay free for libraries, reading processes and refused connections; generous
# After the signal to stop, the server looks for connections and requests that have arrived at the system.
DRAIN_SECONDS = 2.0  # s; longest time for it
QUIET_LOOKS = 5  # it ends after so many looks in a row at which there was nothing
LOOK_SECONDS = 0.01  # s; pause between two looks, in which the event loop handles what has arrived
BROWSER_DELAY = 0.5  # s; pause before the browser opens the page, so that the server is ready
SETTINGS: dict[str, Any] = {  # arguments of uvicorn.Config
    "factory": True,
    "http": DeadlineProtocol,
    "ws": "none",
    "access_log": False,
    "log_level": "error",
    "log_config": None,
    "server_header": False,
    "proxy_headers": False,
    "timeout_keep_alive": IDLE_SECONDS,
    "timeout_graceful_shutdown": STOP_SECONDS,
    "backlog": ACCEPTED_AT_ONCE,
}


class Server(uvicorn.Server):
    """uvicorn's server with an orderly end, and few words if files are short."""

    no_file = RareLog(
        "no further file can be opened, so new connections wait; raise the limit with ulimit -n"
    )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._complain)
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)  # asyncio uses one number for this and for ACCEPTED_AT_ONCE

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was accepted before the signal to stop, then end."""
        end, quiet = time.monotonic() + DRAIN_SECONDS, 0
        while quiet < QUIET_LOOKS and time.monotonic() < end:
            quiet = 0 if self._anything_arrived(sockets or []) else quiet + 1
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)

    def _anything_arrived(self, listening: list[socket.socket]) -> bool:
        """Return True if the system holds new connections or requests that this process has not seen."""
        # A connection that is not idle is read until the end of its request in any case.
        connections = self.server_state.connections
        idle = [each for each in connections if isinstance(each, DeadlineProtocol) and each.is_idle()]
        waiting = [*listening, *(each.transport.get_extra_info("socket") for each in idle)]
        with selectors.DefaultSelector() as selector:
            for each in waiting:
                if each.fileno() >= 0:  # -1: closed
                    selector.register(each.fileno(), selectors.EVENT_READ)
            return bool(selector.select(0))

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of the event loop."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            self.no_file.write()  # asyncio tries it again and again
        else:
            loop.default_exception_handler(context)


def serve(options: ServeOptions) -> None:
    """Answer requests until a signal stops the server.

    The signals are SIGINT (Ctrl-C) and SIGTERM.

    Args:
        options: options of `digits serve`.

    Raises:
        ServeError: if the server cannot listen on the address and port, or can open too few files.
        CheckpointError: if the file of a network is missing or damaged.
        OptionError: if a network does not have the classes 0 to 9.
    """
    with listen(options.host, options.port) as listening:
        # Built before the address is printed, since a damaged network ends the program here.
        app = application(options, listening.getsockname()[1])
        logging.basicConfig(format="digits: %(message)s", level=logging.WARNING)
        run_server(app, listening, options)


def run_server(app: Application, listening: socket.socket, options: ServeOptions) -> None:
    """Answer requests until a signal stops this process.

    Args:
        app: the application.
        listening: socket that listens already.
        options: options of `digits serve`.
    """
    connections = possible_connections()
    limited = type("LimitedProtocol", (DeadlineProtocol,), {"max_connections": connections})
    server = Server(uvicorn.Config(lambda: app, **{**SETTINGS, "http": limited}))

    def stop(*_: object) -> None:
        server.force_exit = server.should_exit  # the second signal ends it at once
        server.should_exit = True

    # uvicorn's handlers send the signal again at the end, and the shell would report that as a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    announce(options, listening.getsockname()[1])
    if connections < MAX_CONNECTIONS:
        log.warning("only %d connections at a time, since few files may be open: ulimit -n", connections)
    server.run([listening])


def announce(options: ServeOptions, port: int) -> None:
    """Print the server's address.

    Args:
        options: with `open`, the page is opened in the browser.
        port: port that the server listens on.
    """
    name = "localhost" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104  # a comparison
    address = f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
    if options.host not in LOOPBACK:  # other machines can reach the server
        print(
            f"digits: warning: with --host {options.host} every machine that can reach this port can use the "
            "server, without a password or encryption; use a proxy that adds both (docs/serving.md)",
            file=sys.stderr,
        )
    print(f"digits: open {address} to draw digits (Ctrl-C stops the server)", flush=True)
    if options.open:
        threading.Timer(BROWSER_DELAY, webbrowser.open, [address]).start()


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens on one address and port.

    Args:
        host: name or IP address to listen on, such as "127.0.0.1".
        port: 0 to 65535; 0 chooses a free port.

    Returns:
        The listening socket; child processes can inherit it.

    Raises:
        ServeError: if the address is unknown, or the port cannot be used.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ServeError(
            f"the address {host} is unknown: {error.strerror or error}; give an address of this machine "
            "with --host, such as 127.0.0.1"
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # on Windows, this option would let two servers use the same port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"could not listen on {host}, port {port}: {error.strerror or error}; stop the program that uses "
            "the port, or choose another port with --port (0 chooses a free port)"
        ) from error
    listening.set_inheritable(True)
    return listening


def possible_connections() -> int:
    """Return the number of connections that can be open at the same time, and raise the limit of open files.

    Raises:
        ServeError: if there is no room for any connection.
    """
    try:
        import resource
    except ImportError:  # on Windows, which has no such limit
        return MAX_CONNECTIONS
    # Every connection counts as an open file, and many systems allow only 256 or 1,024 at first.
    opened = len(list(Path("/dev/fd").iterdir())) + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + opened
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft <= opened:
        raise ServeError(
            f"only {soft} files may be open at the same time; expected at least {opened + 1}: ulimit -n"
        )
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft - opened)
