"""`digits adapt`: teach a trained network custom digits."""

import json

from digits.cli.parsing import parse
from digits.training.options import AdaptOptions


def adapt(arguments: list[str]) -> int:
    """Run `digits adapt`; returns the exit code."""
    options = parse(AdaptOptions, arguments, "digits adapt")
    import torch

    from digits.cli import adapt_output
    from digits.cli import console as consoles
    from digits.data import loading
    from digits.training import adapting
    from digits.training.custom_digits import load_custom_digits

    torch.set_num_threads(options.threads)
    console = consoles.make_console()
    console.quiet = options.json
    start = adapting.load_start(options.model)
    with consoles.counting_bar(console, "reading", "pictures") as count:
        custom = load_custom_digits(options.folder, count)
    adapt_output.show_own(console, custom, options.folder)
    with consoles.download_bar(console) as fetching:
        collection = loading.load("mnist", options.data, unverified=options.unverified, progress=fetching)
    with consoles.counting_bar(console, "learning", "steps") as count:
        found = adapting.adapt_network(options, start, custom, collection, count)
    folder = adapting.save(found, options)
    if options.json:
        print(json.dumps({"folder": str(folder), "skipped": custom.skipped, **found.to_json()}))
    else:
        adapt_output.show_adaptation(console, found, folder)
    return 0
