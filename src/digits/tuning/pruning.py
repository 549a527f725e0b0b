"""Make the pruner of a search. A pruner stops bad trials early."""

import optuna

from digits.tuning.options import Pruner

WARM_UP = 5  # no pruning in the first 1/5 of the epochs, because a schedule may still raise the rate then
PRUNER_STARTUP = 5  # number of complete trials that median pruning needs; Optuna's default
REDUCTION = 3  # successive halving continues the best third of the trials; Li et al. 2020, arXiv 1810.05934


def make_pruner(name: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    """Return the pruner for the option --pruner.

    Args:
        name: "median", "halving" or "none".
        epochs: number of epochs of a complete training.
    """
    if name == "median":
        return optuna.pruners.MedianPruner(PRUNER_STARTUP, n_warmup_steps=epochs // WARM_UP)
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
    return optuna.pruners.NopPruner()
