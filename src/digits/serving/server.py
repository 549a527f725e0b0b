"""Start and stop the server of `digits serve`.

`serve` opens a socket, builds the application and answers requests until a signal stops it.
"""

import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from typing import Any

import uvicorn

from digits.errors import ServeError
from digits.serving.app import application
from digits.serving.http_protocol import DeadlineProtocol
from digits.serving.limits import MAX_CONNECTIONS
from digits.serving.options import LOOPBACK, ServeOptions
from digits.serving.reading_queue import ANSWER_SECONDS

IDLE_SECONDS = 15  # s; longest pause between two requests of a connection
STOP_SECONDS = int(ANSWER_SECONDS) + 1  # s; after the signal to stop, all requests are answered within it

BACKLOG = 1_024  # largest number of new connections that the system keeps until the server accepts them
OTHER_FILES = 200  # open files besides the connections: libraries, sockets, corrections; a generous estimate
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
    "backlog": BACKLOG,
}


def serve(options: ServeOptions) -> None:
    """Answer requests until a signal stops the server.

    The signals are SIGINT (Ctrl-C) and SIGTERM.

    Args:
        options: options of `digits serve`.

    Raises:
        ServeError: if the server cannot listen on the address and port.
        CheckpointError: if the file of a network is missing or damaged.
        OptionError: if a network does not have the classes 0 to 9.
    """
    allow_open_files(MAX_CONNECTIONS + OTHER_FILES)
    with listen(options.host, options.port) as listening:
        port = listening.getsockname()[1]
        app = application(
            options, port
        )  # before the address is printed, since a damaged network ends the program here
        logging.basicConfig(format="digits: %(message)s", level=logging.WARNING)
        run_server(uvicorn.Config(lambda: app, **SETTINGS), listening, options)


def run_server(config: uvicorn.Config, listening: socket.socket, options: ServeOptions) -> None:
    """Answer requests until a signal stops this process.

    Args:
        config: application and settings for uvicorn.
        listening: socket that listens already.
        options: options of `digits serve`.
    """
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn's handlers send the signal again at the end, and the shell would report that as a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    announce(options, listening.getsockname()[1])
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


def allow_open_files(number: int) -> None:
    """Raise this process's limit of open files.

    Args:
        number: the wanted limit; the system's maximum may be lower.
    """
    try:
        import resource
    except ImportError:  # on Windows, which has no such limit
        return
    # Every connection counts as an open file, and many systems allow only 256 or 1,024 at first.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
