"""Run the server: `serve` opens the socket, starts the processes and ends them on a signal."""

import functools
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from digits.errors import ServeError
from digits.serving.app import application
from digits.serving.http_protocol import DeadlineProtocol
from digits.serving.limits import IDLE_SECONDS, MAX_CONNECTIONS, STOP_SECONDS
from digits.serving.options import LOOPBACK, ServeOptions

BACKLOG = 1_024  # connections that the system keeps until they are accepted
OTHER_FILES = 200  # open files besides the connections: libraries, sockets, corrections
BROWSER_DELAY = 0.5  # seconds until the browser is opened, so that the server is ready
SETTINGS: dict[str, Any] = {  # of uvicorn.Config
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

    Raises ServeError, CheckpointError or OptionError before the first request.
    """
    allow_open_files(MAX_CONNECTIONS + OTHER_FILES)
    with listen(options.host, options.port) as listening:
        port = listening.getsockname()[1]
        build = functools.partial(application, options, port)
        app = build()  # before the greeting: with a damaged network there is no server
        logging.basicConfig(format="digits: %(message)s", level=logging.WARNING)
        if options.workers == 1:
            run_one_process(uvicorn.Config(lambda: app, **SETTINGS), listening, options)
        else:
            run_several_processes(
                uvicorn.Config(build, workers=options.workers, **SETTINGS), listening, options
            )


def run_one_process(config: uvicorn.Config, listening: socket.socket, options: ServeOptions) -> None:
    """Answer in this process until SIGINT or SIGTERM."""
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn's own handlers raise the signal again at the end, which the shell would see as a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    greet(options, listening.getsockname()[1])
    server.run([listening])


def run_several_processes(config: uvicorn.Config, listening: socket.socket, options: ServeOptions) -> None:
    """Answer in `config.workers` processes that share the socket, until SIGINT or SIGTERM."""
    with tempfile.TemporaryDirectory() as counters:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters  # prometheus_client reads it in every process
        processes = Multiprocess(config, [listening])
        greet(options, listening.getsockname()[1])
        processes.run()


def greet(options: ServeOptions, port: int) -> None:
    """Print the server's address, with a warning if other machines reach it; open the browser if asked."""
    name = "localhost" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104  # a comparison
    address = f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
    if options.host not in LOOPBACK:
        print(
            f"digits: warning: with --host {options.host} every machine that reaches this port can use the "
            "server, without a password or encryption; put a proxy with both in front (docs/serving.md)",
            file=sys.stderr,
        )
    print(f"digits: open {address} to draw digits (Ctrl-C stops the server)", flush=True)
    if options.open:
        threading.Timer(BROWSER_DELAY, webbrowser.open, [address]).start()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this address alone; port 0 takes a free one. Raises ServeError."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ServeError(f"the address {host} is unknown: {error.strerror or error}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # on Windows this option would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"could not listen on {host}, port {port}: {error.strerror or error}; stop the program that uses "
            "the port, or choose another one with --port (0 takes a free one)"
        ) from error
    listening.set_inheritable(True)
    return listening


def allow_open_files(number: int) -> None:
    """Raise this process's limit of open files to `number`, or as far as the system allows.

    Many systems allow only 256 or 1,024 until a process asks for more.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
