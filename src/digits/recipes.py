"""Named options, as data. `digits train --recipe NAME`; any option given beside it wins."""

from digits.options import Augmentation, Recipe, TrainOptions

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
    # The most accurate of the three: more neurons, and no image seen twice; two minutes on one core.
    "mlp": TrainOptions(
        recipe="mlp",
        hidden=(1024, 512),
        epochs=40,
        batch_size=200,
        lr=0.15,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.0005,
        schedule="one-cycle",
        augmentation=Augmentation(rotation=10, scaling=0.1, shear=5, translation=1, elastic=25),
    ),
}
