"""Compute the learning rate of each step: constant, cosine or one-cycle."""

import math

from digits.options import TrainOptions

ONE_CYCLE_RISE = 0.3  # fraction of the steps in which the rate rises; the default of torch's OneCycleLR


def learning_rate(options: TrainOptions, step: int, total: int) -> float:
    """Return the learning rate of one training step.

    The highest rate, the peak, is `options.learning_rate`. `options.schedule` says how the rate changes:

        constant   The rate is always the peak.
        cosine     The rate falls from the peak to 0, along half a cosine.
        one-cycle  The rate rises from peak / 25 to the peak in the first 30 % of the steps. Then it falls
                   to peak / 250,000. Both times it follows half a cosine.

    `options.warmup` is the fraction of the steps in which the rate rises. In one-cycle it replaces the 30 %.
    With constant and cosine, the rate first rises linearly from near 0 to the peak in these steps.

    Args:
        options: schedule, highest rate and warm-up.
        step: number of the step in the whole training, from 0 to total - 1.
        total: number of steps in the whole training.

    Sources: Loshchilov and Hutter 2017 (cosine, without restarts); Smith 2018 and
    torch.optim.lr_scheduler.OneCycleLR (one-cycle); Goyal et al. 2017, section 2.2 (warm-up).
    """
    peak = options.learning_rate
    if options.schedule == "one-cycle":
        share = ONE_CYCLE_RISE if options.warmup is None else options.warmup
        top = max(share * total - 1, 0)  # the step at which the rate is highest
        if step < top:
            return _along_cosine(peak / 25, peak, step / top)
        return _along_cosine(peak, peak / 250_000, (step - top) / max(total - 1 - top, 1e-9))
    rise = (options.warmup or 0) * total
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    if options.schedule == "cosine":
        return _along_cosine(peak, 0.0, (step - rise) / (total - rise))
    return peak


def _along_cosine(start: float, end: float, part: float) -> float:
    """Return the value at `part` of half a cosine from `start` (part 0) to `end` (part 1 or more)."""
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1.0))) / 2
