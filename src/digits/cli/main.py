"""The command `digits`: find the command, run it, and print errors as one sentence.

Exit codes: 0 success; 1 the command failed; 2 the command line is wrong; 128 + n stopped by signal n after
saving, such as 130 for Ctrl-C and 143 for SIGTERM. A server that is stopped by a signal exits with 0.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from digits.cli.adapt import adapt
from digits.cli.evaluate import compare, evaluate
from digits.cli.messages import complain
from digits.cli.parsing import CONFIG
from digits.cli.predict import predict
from digits.cli.recipes import RecipesOptions, recipes
from digits.cli.serve import serve
from digits.cli.train import train
from digits.cli.tune import tune
from digits.errors import DigitsError, OptionError
from digits.evaluation.options import CompareOptions, EvaluateOptions
from digits.extras import missing_package
from digits.options import TrainOptions
from digits.reading.options import PredictOptions
from digits.serving.options import ServeOptions
from digits.training.options import AdaptOptions
from digits.tuning.options import TuneOptions
from digits.version import __version__

COMMANDS: dict[str, tuple[Callable[[list[str]], int], type]] = {  # name -> its function, its options
    "train": (train, TrainOptions),
    "recipes": (recipes, RecipesOptions),
    "tune": (tune, TuneOptions),
    "evaluate": (evaluate, EvaluateOptions),
    "compare": (compare, CompareOptions),
    "predict": (predict, PredictOptions),
    "serve": (serve, ServeOptions),
    "adapt": (adapt, AdaptOptions),
}
CLOSED_PIPE = 141  # exit code 128 + SIGPIPE, a signal that Windows does not define


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `arguments` replaces those of the process."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(arguments)
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
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does in `digits ... | head`
        _discard_output()
        return CLOSED_PIPE
    except OSError as error:
        if error.filename is not None:  # a file that our code should have handled: show the traceback
            raise
        _discard_output()
        return complain(f"could not write the output: {error.strerror}", 1)


def _dispatch(arguments: list[str]) -> int:
    """Run the command that the first argument names. Without one, show the help."""
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
    """Redirect standard output to nowhere: at exit, Python would fail again to write what is left of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
