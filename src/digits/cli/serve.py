"""Run `digits serve`: a server for the web page and the HTTP API."""

import os

import tyro

from digits.cli.parsing import CONFIG
from digits.serving.options import ServeOptions


def serve(arguments: list[str]) -> int:
    """Run `digits serve` with the words after the command's name.

    Returns the exit code when a signal has stopped the server.
    """
    repeated = (*CONFIG, tyro.conf.UseAppendAction)  # `--model A --model B`
    options = tyro.cli(ServeOptions, args=arguments, prog="digits serve", config=repeated)
    # NumPy reads this variable when it is imported. Each worker process uses one core and needs one thread.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from digits.serving import server

    server.serve(options)
    return 0
