"""`digits serve`: the web page and the HTTP API."""

import os

import tyro

from digits.cli.parsing import CONFIG
from digits.serving.options import ServeOptions


def serve(arguments: list[str]) -> int:
    """Run `digits serve` until a signal stops it, and return the exit code."""
    repeated = (*CONFIG, tyro.conf.UseAppendAction)  # `--model A --model B`
    options = tyro.cli(ServeOptions, args=arguments, prog="digits serve", config=repeated)
    # NumPy reads this variable when it is imported. Every worker process has one core, so one thread is best.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from digits.serving import server

    server.serve(options)
    return 0
