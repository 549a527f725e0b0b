"""Named options, as data. `digits train --recipe NAME`; any option given beside it wins."""

from digits.options import Recipe, TrainOptions

RECIPES: dict[Recipe, TrainOptions] = {
    # The mission's: a textbook network, plain SGD.
    "classic": TrainOptions(),
    # 97 % validation accuracy in the shortest time on one core.
    # What else was tried: docs/log.md, "The fast recipe".
    "fast": TrainOptions(
        recipe="fast",
        epochs=2,
        batch_size=200,
        lr=0.2,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.0005,
        schedule="one-cycle",
    ),
}
