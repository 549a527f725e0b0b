"""Sockets, deadlines, processes and signals: `digits serve` from its options to its end."""

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
from digits.serving.http_protocol import CONNECTIONS, DeadlineProtocol
from digits.serving.options import LOOPBACK, ServeOptions

IDLE = 15  # s between two requests of a connection
GRACE = 4  # s for what is in flight when the server is told to stop
BACKLOG = 1_024
SETTINGS: dict[str, Any] = {
    "factory": True,
    "ws": "none",
    "access_log": False,
    "log_level": "error",
    "log_config": None,
    "server_header": False,
    "proxy_headers": False,
    "timeout_keep_alive": IDLE,
    "timeout_graceful_shutdown": GRACE,
    "backlog": BACKLOG,
}
SETTINGS["http"] = DeadlineProtocol


def serve(options: ServeOptions) -> None:
    """Answer until told to stop. Raises ServeError, CheckpointError, OptionError before the first request."""
    _allow_files(CONNECTIONS + 200)
    with _listen(options.host, options.port) as listening:
        port = listening.getsockname()[1]
        build = functools.partial(application, options, port)
        app = build()  # before anything is said: a damaged network must not look like a server
        logging.basicConfig(format="digits: %(message)s", level=logging.WARNING)
        if options.workers == 1:
            server = uvicorn.Server(uvicorn.Config(lambda: app, **SETTINGS))
            _end_well(server)
            _greet(options, port)
            server.run([listening])
            return
        with tempfile.TemporaryDirectory() as counters:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters  # read by prometheus_client in every worker
            several = Multiprocess(uvicorn.Config(build, workers=options.workers, **SETTINGS), [listening])
            _greet(options, port)
            several.run()


def _end_well(server: uvicorn.Server) -> None:
    """A signal stops the server and is no failure; uvicorn raises it once more when all is done."""

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _greet(options: ServeOptions, port: int) -> None:
    name = "localhost" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104  # a comparison
    address = f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
    if options.host not in LOOPBACK:
        print(
            f"digits: warning: --host {options.host} lets other machines in, without a password or "
            "encryption; put a proxy before it that has both (docs/serving.md)",
            file=sys.stderr,
        )
    print(f"digits: draw at {address} (Ctrl-C ends)", flush=True)
    if options.open:
        threading.Timer(0.5, webbrowser.open, [address]).start()


def _listen(host: str, port: int) -> socket.socket:
    """A socket on this address alone. Raises ServeError."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ServeError(f"there is no address {host}: {error.strerror or error}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it means that two servers may share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"could not listen on {host}, port {port}: {error.strerror or error}; stop what uses it, or "
            "choose another --port (0 takes a free one)"
        ) from error
    listening.set_inheritable(True)
    return listening


def _allow_files(number: int) -> None:
    """Many systems allow a process 256 or 1,024 open files until it asks for more."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
