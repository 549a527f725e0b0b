"""`digits serve`: the page and the HTTP API."""

import os

import tyro

from digits.cli.parsing import CONFIG
from digits.serving.options import ServeOptions


def serve(arguments: list[str]) -> int:
    """Run `digits serve` until it is told to stop; returns the exit code."""
    repeated = (*CONFIG, tyro.conf.UseAppendAction)  # `--model A --model B`
    options = tyro.cli(ServeOptions, args=arguments, prog="digits serve", config=repeated)
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # NumPy reads it at import; every worker has its own core
    from digits.serving import server

    server.serve(options)
    return 0
