"""Run `digits tune`: search for training options with a better validation accuracy."""

import signal

import tyro

from digits.cli.messages import complain
from digits.cli.parsing import CONFIG, parse_train_options
from digits.cli.terminal import trusted_output
from digits.options import TrainOptions
from digits.tuning.options import TuneOptions

TUNE_COMMAND = "digits tune"


def tune(arguments: list[str]) -> int:
    """Run `digits tune` and return its exit code.

    Args:
        arguments: the words after `digits tune`.
    """
    options, start = tune_options(arguments)
    start.check_place()  # before PyTorch is imported, which takes seconds
    import torch

    from digits.cli import train_output, tune_output
    from digits.cli.console import download_bar, make_console
    from digits.training.interrupts import Interrupts
    from digits.training.run import load_splits
    from digits.tuning.study import open_study

    torch.set_num_threads(1)  # The training steps use --threads.
    console = make_console()
    with download_bar(console) as fetching:
        collection, splits = load_splits(start, fetching)
    train_output.show_data(console, collection, splits)
    with open_study(options, start, splits.train, splits.val) as study:
        tune_output.show_study(console, study)
        with Interrupts() as interrupts, tune_output.trial_bar(console, study) as advance:
            for trial in study.search(lambda: bool(interrupts.number)):
                tune_output.show_trial(console, study, trial)
                advance()
        tune_output.show_report(console, study, study.report())
    if interrupts.number:
        name = signal.Signals(interrupts.number).name
        return complain(f"stopped by {name}; run the same command again to continue", 128 + interrupts.number)
    return 0


def tune_options(arguments: list[str]) -> tuple[TuneOptions, TrainOptions]:
    """Parse the options of a search.

    Args:
        arguments: the words after `digits tune`.
    Returns:
        The options of the search, and the training options from which it starts.
    """
    with trusted_output():
        options, rest = tyro.cli(
            TuneOptions, args=arguments, prog=TUNE_COMMAND, config=CONFIG, return_unknown_args=True
        )
    return options, parse_train_options(rest, TUNE_COMMAND)
