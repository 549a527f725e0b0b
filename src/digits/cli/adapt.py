"""Run `digits adapt`: train a network further on pictures of custom digits."""

import json

from digits.cli.parsing import parse
from digits.networks.bundled import model_path
from digits.training.adapt_options import AdaptOptions


def adapt(arguments: list[str]) -> int:
    """Run `digits adapt` and return its exit code.

    Args:
        arguments: the words after `digits adapt`.
    """
    options = parse(AdaptOptions, arguments, "digits adapt")
    model_path(options.model)  # a wrong name is reported before PyTorch is imported, which takes seconds
    import torch

    from digits.cli import adapt_output
    from digits.cli.console import counting_bar, download_bar, make_console
    from digits.training.adaptation import save_adaptation
    from digits.training.adapting import adapt_network, load_old_images, load_start
    from digits.training.custom_digits import load_custom_digits

    torch.set_num_threads(options.threads)
    console = make_console(quiet=options.json)
    start = load_start(options.model)
    with counting_bar(console, "reading", "pictures") as progress:
        custom = load_custom_digits(options.folder, progress)
    adapt_output.show_custom_digits(console, custom, options.folder)
    with download_bar(console) as fetching:
        collection = load_old_images(options, start, fetching)
    with counting_bar(console, "training", "steps") as progress:
        found = adapt_network(options, start, custom, collection, progress)
    folder = save_adaptation(found, options)
    if options.json:
        print(
            json.dumps({"folder": str(folder), "skipped": custom.skipped, **found.to_json()}, allow_nan=False)
        )
    else:
        adapt_output.show_adaptation(console, found, folder)
    return 0
