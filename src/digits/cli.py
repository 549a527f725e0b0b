"""The command `digits`: parse, call, print.

Errors that a user can act on become one sentence on standard error.

Exit codes: 0 done, 1 it could not be done, 2 the command line is wrong, 128 + n stopped by signal n after
saving (130 for Ctrl-C, 143 for SIGTERM); a server that was told to stop has done its job: 0.
"""

import dataclasses
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tyro

from digits import __version__
from digits.errors import DigitsError, OptionError, PhotoError
from digits.options import (
    AdaptOptions,
    CompareOptions,
    EvaluateOptions,
    PredictOptions,
    Recipe,
    RecipesOptions,
    ServeOptions,
    TrainOptions,
    TuneOptions,
    to_json,
)
from digits.recipes import FIGURES, RECIPES, listing

if TYPE_CHECKING:
    from digits.reader import Reader, Reading

Parsed = TypeVar("Parsed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(arguments)
    except OptionError as error:
        return _complain(error, 2)
    except DigitsError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `digits ... | head`: the reader has gone, which is no fault
        _let_go_of_output()
        return 141  # 128 + SIGPIPE, which Windows has no name for
    except OSError as error:
        if error.filename is not None:  # a file: its module should have said more, so show the traceback
            raise
        _let_go_of_output()
        return _complain(f"could not write the output: {error.strerror}", 1)


def _let_go_of_output() -> None:
    """Lest the interpreter try to write the rest of standard output at its end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        print(f"digits {__version__}")
        return 0
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    types: dict[str, Callable[..., Any]] = {name: OPTIONS[name] for name in COMMANDS}
    tyro.extras.subcommand_cli_from_dict(types, args=arguments or ["--help"], prog="digits", config=CONFIG)
    return 2


def _complain(what: object, code: int) -> int:
    print(f"digits: {what}", file=sys.stderr)
    return code


CONFIG = (
    tyro.conf.PositionalRequiredArgs,  # `digits evaluate runs/classic-1`, not `--model runs/classic-1`
    tyro.conf.OmitArgPrefixes,  # `--rotation`, not `--augmentation.rotation`
)


def _parse(kind: type[Parsed], arguments: list[str], prog: str, default: Parsed | None = None) -> Parsed:
    if default is None:
        return tyro.cli(kind, args=arguments, prog=prog, config=CONFIG)
    return tyro.cli(kind, args=arguments, prog=prog, config=CONFIG, default=default)


# -------------------------------------------------------------------------------------------------- train


@dataclasses.dataclass(frozen=True)
class _Base:
    """The options that decide what the others' defaults are."""

    recipe: Recipe = "classic"
    out: Path = Path("runs")
    name: str | None = None
    resume: bool = False


def _train_options(arguments: list[str]) -> TrainOptions:
    """The command line over the recipe's options; on --resume, over those of the run that goes on."""
    prog = "digits train"
    base, _ = tyro.cli(_Base, args=arguments, prog=prog, return_unknown_args=True, add_help=False)
    if not base.resume or {"-h", "--help"} & set(arguments):
        return _parse(TrainOptions, arguments, prog, RECIPES[base.recipe])
    from digits.runs import find_unfinished

    stored = find_unfinished(base.out, base.name)
    return _parse(TrainOptions, arguments, prog, dataclasses.replace(stored, allow_inexact=False))


def train(arguments: list[str]) -> int:
    """digits train: from files to a tested, plotted, saved network."""
    options = _train_options(arguments)
    import torch

    from digits import runs, terminal
    from digits.distributed import world as join_world
    from digits.training import pick_device

    torch.set_num_threads(options.threads)
    console = terminal.make_console()
    with join_world(pick_device(options.device).type) as world:
        console.quiet = not world.first
        with terminal.download_bar(console) as fetching:
            collection, splits = runs.load_splits(options, fetching)
        terminal.show_data(console, collection, splits)
        with runs.open_run(options, world) as run:
            terminal.show_run(console, run)
            try:
                _train_epochs(console, run, collection, splits)
            except runs.Stopped as stopped:
                return _complain(stopped, 128 + stopped.number) if world.first else 128 + stopped.number
            if world.first:
                terminal.show_result(console, run.finish(splits, collection), collection)
    return 0


def _train_epochs(console: Any, run: Any, collection: Any, splits: Any) -> None:
    from digits import runs, terminal

    steps = -(-len(splits.train) // run.options.batch_size)
    best = 0.0
    with runs.Interrupts() as interrupts, terminal.epoch_bar(console, steps) as bar:
        for epoch in run.train(splits, collection, progress=bar, interrupts=interrupts):
            if epoch.number == 1:
                terminal.show_notices(console, run.member or run)
                terminal.show_header(console, run)
                best = 0.0
            terminal.show_epoch(console, epoch, epoch.val_accuracy > best)
            best = max(best, epoch.val_accuracy)


# ----------------------------------------------------------------------------------------------- evaluate


def evaluate(arguments: list[str]) -> int:
    """digits evaluate: a saved network's test once more."""
    options = _parse(EvaluateOptions, arguments, "digits evaluate")
    from digits import runs, terminal

    console = terminal.make_console()
    console.quiet = options.json
    with terminal.download_bar(console) as fetching:
        verdict = runs.evaluate_again(options, fetching)
    for notice in verdict.collection.notices:
        print(f"note: {notice}", file=sys.stderr)
    if not verdict.same_images:
        print("note: these are not the test images of the model's own run", file=sys.stderr)
    if options.json:
        about = {"model": str(verdict.model), "data": verdict.collection.origin}
        undisputed = verdict.undisputed and verdict.undisputed.to_json()
        print(json.dumps({**about, **verdict.test.to_json(), "undisputed": undisputed}))
    else:
        terminal.show_test(console, verdict.test, verdict.undisputed, verdict.collection, str(verdict.model))
    return 0


# ------------------------------------------------------------------------------------------------ predict


def predict(arguments: list[str]) -> int:
    """digits predict: handwriting in pictures, one line each; 1 if a picture could not be read."""
    options = _parse(PredictOptions, arguments, "digits predict")
    # Read when NumPy is imported; two threads stall each other on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from digits import readout
    from digits.pictures import files_in
    from digits.reader import Reader

    reader = Reader.load(options.model, threshold=options.threshold)
    paths = list(files_in(options.images))
    if options.explain:
        answers = _explained(reader, paths, options.explain, single=options.single)
    else:
        answers = reader.read_many(paths, single=options.single)
    names, columns = readout.name_width(paths), shutil.get_terminal_size((100, 24)).columns
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    failed = 0
    for path, answer in zip(paths, answers, strict=True):
        failed += isinstance(answer, PhotoError)
        if options.json:
            line = readout.as_json(path, answer)
        else:
            line = readout.as_lines(path, answer, names=names, columns=columns)
        print(line, flush=True)
    if failed and len(paths) > 1:
        return _complain(f"{failed:,} of {len(paths):,} pictures could not be read", 1)
    return int(failed > 0)


def _explained(
    reader: "Reader", paths: Sequence[Path], target: Path, *, single: bool
) -> "Iterator[Reading | PhotoError]":
    """Read the only picture and draw how it was read."""
    from digits.explain import explain

    path, *others = paths
    if others:
        raise OptionError(f"--explain draws the reading of one picture, not of {len(paths):,}; name one")
    if target.exists() and path.exists() and target.samefile(path):
        raise OptionError(f"--explain would overwrite {path}, the picture itself; choose another name")
    try:
        reading = reader.read(path, single=single, explain=True)
    except PhotoError as error:
        yield error
        return
    explain(reading, target)
    yield reading


# -------------------------------------------------------------------------------------------------- serve


def serve(arguments: list[str]) -> int:
    """digits serve: the page and the API, until told to stop."""
    repeated = (*CONFIG, tyro.conf.UseAppendAction)  # `--model A --model B`
    options = tyro.cli(ServeOptions, args=arguments, prog="digits serve", config=repeated)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for predict: every worker has its own core
    from digits import listen

    listen.serve(options)
    return 0


# -------------------------------------------------------------------------------------------------- adapt


def adapt(arguments: list[str]) -> int:
    """digits adapt: your own digits learned, the gain and the forgetting shown."""
    options = _parse(AdaptOptions, arguments, "digits adapt")
    from digits import adapt as adapting
    from digits import data, terminal

    console = terminal.make_console()
    console.quiet = options.json
    start = adapting.load_start(options.model)
    with terminal.counting_bar(console, "reading", "pictures") as count:
        own = adapting.load_own(options.folder, count)
    terminal.show_own(console, own, options.folder)
    with terminal.download_bar(console) as fetching:
        collection = data.load("mnist", options.data, unverified=options.unverified, progress=fetching)
    with terminal.counting_bar(console, "learning", "steps") as count:
        found = adapting.adapt(options, start, own, collection, count)
    folder = adapting.save(found, options)
    if options.json:
        print(json.dumps({"folder": str(folder), "skipped": own.skipped, **found.to_json()}))
    else:
        terminal.show_adaptation(console, found, folder)
    return 0


# --------------------------------------------------------------------------------------------------- tune


def _tune_options(arguments: list[str]) -> tuple[TuneOptions, TrainOptions]:
    """The search's own options, and those of `digits train` that it starts from."""
    prog = "digits tune"
    options, rest = tyro.cli(TuneOptions, args=arguments, prog=prog, config=CONFIG, return_unknown_args=True)
    base, _ = tyro.cli(_Base, args=rest, prog=prog, return_unknown_args=True, add_help=False)
    return options, _parse(TrainOptions, rest, prog, RECIPES[base.recipe])


def tune(arguments: list[str]) -> int:
    """digits tune: search for better options, judged by the validation images."""
    options, start = _tune_options(arguments)
    import torch

    from digits import runs, search, terminal

    torch.set_num_threads(start.threads)
    console = terminal.make_console()
    with terminal.download_bar(console) as fetching:
        collection, splits = runs.load_splits(start, fetching)
    terminal.show_data(console, collection, splits)
    with search.open_study(options, start, splits.train, splits.val) as study:  # the test images stay out
        terminal.show_study(console, study)
        with runs.Interrupts() as interrupts, terminal.trial_bar(console, study) as advance:
            for trial in study.search(lambda: bool(interrupts.number)):
                terminal.show_trial(console, study, trial)
                advance()
        terminal.show_report(console, study, study.report())
    if interrupts.number:
        name = signal.Signals(interrupts.number).name
        return _complain(f"stopped by {name}; the same command goes on", 128 + interrupts.number)
    return 0


# ------------------------------------------------------------------------------------- compare, recipes


def compare(arguments: list[str]) -> int:
    """digits compare: two saved networks on the same images."""
    options = _parse(CompareOptions, arguments, "digits compare")
    from digits import runs, terminal

    console = terminal.make_console()
    console.quiet = options.json
    with terminal.download_bar(console) as fetching:
        found, collection = runs.compare(options, fetching)
    for notice in collection.notices:
        print(f"note: {notice}", file=sys.stderr)
    if options.json:
        about = {"first_model": options.first, "second_model": options.second, "data": collection.origin}
        print(json.dumps({**about, **dataclasses.asdict(found), "p_value": found.p_value}))
    else:
        terminal.show_comparison(console, found, (options.first, options.second))
    return 0


def recipes(arguments: list[str]) -> int:
    """digits recipes: what there is to choose from."""
    options = _parse(RecipesOptions, arguments, "digits recipes")
    if options.json:
        table = {
            name: {**dataclasses.asdict(FIGURES[name]), "options": json.loads(to_json(recipe))}
            for name, recipe in RECIPES.items()
        }
        print(json.dumps(table, indent=2))
        return 0
    print(listing(), end="")
    return 0


COMMANDS = {
    "train": train,
    "recipes": recipes,
    "tune": tune,
    "evaluate": evaluate,
    "compare": compare,
    "predict": predict,
    "serve": serve,
    "adapt": adapt,
}
OPTIONS = {
    "train": TrainOptions,
    "recipes": RecipesOptions,
    "tune": TuneOptions,
    "evaluate": EvaluateOptions,
    "compare": CompareOptions,
    "predict": PredictOptions,
    "serve": ServeOptions,
    "adapt": AdaptOptions,
}

if __name__ == "__main__":
    sys.exit(main())
