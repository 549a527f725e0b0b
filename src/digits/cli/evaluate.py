"""Run `digits evaluate` and `digits compare`: test saved networks."""

import dataclasses
import json

from digits.cli.messages import note
from digits.cli.parsing import parse
from digits.evaluation.options import CompareOptions, EvaluateOptions
from digits.networks.bundled import model_path


def evaluate(arguments: list[str]) -> int:
    """Run `digits evaluate` and return its exit code.

    Args:
        arguments: the words after `digits evaluate`.
    """
    options = parse(EvaluateOptions, arguments, "digits evaluate")
    model_path(options.model)  # a wrong name is reported before PyTorch is imported, which takes seconds
    import torch

    from digits.cli.console import download_bar, make_console
    from digits.cli.evaluate_output import show_test
    from digits.evaluation import saved_models

    torch.set_num_threads(options.threads)
    console = make_console(quiet=options.json)
    with download_bar(console) as progress:
        found = saved_models.evaluate(options.model, **options.arguments(), progress=progress)
    for notice in found.collection.notices:
        note(notice)
    if not found.same_images:
        note("these are not the test images of the run that trained this model")
    if options.json:
        about = {"model": str(found.model), "data": found.collection.origin}
        undisputed = found.undisputed and found.undisputed.to_json()
        print(json.dumps({**about, **found.test.to_json(), "undisputed": undisputed}, allow_nan=False))
    else:
        show_test(console, found.test, found.undisputed, found.collection, str(found.model))
    return 0


def compare(arguments: list[str]) -> int:
    """Run `digits compare` and return its exit code.

    Args:
        arguments: the words after `digits compare`.
    """
    options = parse(CompareOptions, arguments, "digits compare")
    for model in (options.first, options.second):
        model_path(model)
    import torch

    from digits.cli.console import download_bar, make_console
    from digits.cli.evaluate_output import show_comparison
    from digits.evaluation import saved_models

    torch.set_num_threads(options.threads)
    console = make_console(quiet=options.json)
    names = options.first, options.second
    with download_bar(console) as progress:
        found = saved_models.compare(*names, **options.arguments(), progress=progress)
    for notice in found.collection.notices:
        note(notice)
    if options.json:
        about = {"first_model": names[0], "second_model": names[1], "data": found.collection.origin}
        counts = dataclasses.asdict(found.comparison)
        print(json.dumps({**about, **counts, "p_value": found.p_value}, allow_nan=False))
    else:
        show_comparison(console, found.comparison, names)
    return 0
