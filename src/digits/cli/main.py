"""Run one command of the command line, and print its errors as short messages.

Exit codes:

    0        success; also a server that was stopped by a signal
    1        the command failed
    2        the command line is wrong
    128 + n  stopped by signal number n, such as 130 for Ctrl-C and 143 for SIGTERM
"""

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import tyro

from digits.cli.adapt import adapt
from digits.cli.evaluate import compare, evaluate
from digits.cli.messages import complain
from digits.cli.parsing import CONFIG
from digits.cli.predict import predict
from digits.cli.recipes import RecipesOptions, recipes
from digits.cli.serve import serve
from digits.cli.terminal import safe_output
from digits.cli.train import train
from digits.cli.tune import tune
from digits.errors import DigitsError, OptionError
from digits.evaluation.options import CompareOptions, EvaluateOptions
from digits.extras import missing_package
from digits.options import TrainOptions
from digits.reading.options import PredictOptions
from digits.serving.options import ServeOptions
from digits.training.adapt_options import AdaptOptions
from digits.tuning.options import TuneOptions
from digits.version import __version__

COMMANDS: dict[str, tuple[Callable[[list[str]], int], type]] = {  # name -> its function and its options
    "train": (train, TrainOptions),
    "recipes": (recipes, RecipesOptions),
    "tune": (tune, TuneOptions),
    "evaluate": (evaluate, EvaluateOptions),
    "compare": (compare, CompareOptions),
    "predict": (predict, PredictOptions),
    "serve": (serve, ServeOptions),
    "adapt": (adapt, AdaptOptions),
}
LEAST_COLUMNS = 20  # with fewer than 8, tyro's help never ends
LONGEST_NAME = 200  # characters of a file's name in an error message
CLOSED_PIPE = 141  # exit code: 128 + 13 for SIGPIPE; a number, because Windows has no signal.SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: the words after `digits`. Default: `sys.argv[1:]`.
    Returns:
        The exit code; see the list above.
    """
    with safe_output(), _signals_as_exceptions():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit in a `with` block.

    Then they remove temporary files and end child processes, as Ctrl-C does. A command may replace this.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # Python allows handlers there only
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, _exit)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _run(arguments: list[str]) -> int:
    """Run one command, and print its error as a message."""
    try:
        if any("\0" in word for word in arguments):
            raise OptionError("an argument holds the character NUL; no file and no option can be named so")
        if shutil.get_terminal_size().columns < LEAST_COLUMNS:
            os.environ["COLUMNS"] = str(LEAST_COLUMNS)
        code = _dispatch(arguments)
        sys.stdout.flush()  # so that an error comes here, and not at the end of the process
        return code
    except OptionError as error:
        return complain(error, 2)
    except DigitsError as error:
        return complain(error, 1)
    except ModuleNotFoundError as error:
        missing = missing_package(error, f"digits {arguments[0]}")
        if missing is None:
            raise
        return complain(missing, 1)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the next program has closed the pipe, as `head` does in `digits ... | head`
        _discard_output()
        return CLOSED_PIPE
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.filename is None:
            _discard_output()
            return complain(f"could not write the output: {reason}", 1)
        # Most places say more themselves. This is for causes that they cannot expect, such as a name that is
        # too long, a link to itself or a broken disk.
        return complain(f"could not use {str(error.filename)[:LONGEST_NAME]}: {reason}", 1)


def _dispatch(arguments: list[str]) -> int:
    """Run the command in the first argument, and return its exit code.

    --version           print the version
    a command's name    run this command
    anything else       print the help, or an error for an unknown word
    """
    if arguments[:1] == ["--version"]:
        print(f"digits {__version__}")
        return 0
    if arguments and arguments[0] in COMMANDS:
        run, _ = COMMANDS[arguments[0]]
        return run(arguments[1:])
    types: dict[str, Callable[..., Any]] = {name: options for name, (_, options) in COMMANDS.items()}
    tyro.extras.subcommand_cli_from_dict(types, args=arguments or ["--help"], prog="digits", config=CONFIG)
    return 2


def _discard_output() -> None:
    """Redirect standard output to the null device."""
    # Python writes the rest of its output at exit. Without this line, that would fail again.
    with contextlib.suppress(OSError, ValueError):  # it is no file, or is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
