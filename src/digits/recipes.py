"""Named options, as data. `digits train --recipe NAME`; any option given beside it wins."""

from digits.options import Recipe, TrainOptions

RECIPES: dict[Recipe, TrainOptions] = {
    # The mission's: a textbook network, plain SGD.
    "classic": TrainOptions(),
    # 97 % validation accuracy in the shortest time on one core.
    "fast": TrainOptions(recipe="fast", epochs=3, batch_size=128),
}
