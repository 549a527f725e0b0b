"""Run `digits serve`: a server for the web page and the HTTP API."""

import os

import tyro

from digits.cli.parsing import parse
from digits.serving.options import ServeOptions


def serve(arguments: list[str]) -> int:
    """Run `digits serve` until a signal stops the server.

    Args:
        arguments: the words after `digits serve`.
    Returns:
        The exit code 0.
    """
    # UseAppendAction: `--model A --model B`
    options = parse(ServeOptions, arguments, "digits serve", tyro.conf.UseAppendAction)
    # NumPy reads this variable when it is imported. Each worker process uses one core and needs one thread.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from digits.serving import server

    server.serve(options)
    return 0
