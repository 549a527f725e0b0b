"""Compute the learning rate of each training step.

A schedule says how the rate changes: constant, cosine or one-cycle.
"""

import math

from digits.options import TrainOptions

ONE_CYCLE_RISE = 0.3  # fraction of the steps in which the rate rises; the default of torch's OneCycleLR


def learning_rate(options: TrainOptions, step: int, total: int) -> float:
    """Return the learning rate of one training step.

    The highest rate, called the peak, is `options.learning_rate`. The schedules are:

        constant   The rate is always the peak.
        cosine     The rate falls from the peak to 0.
        one-cycle  The rate rises from peak / 25 to the peak. Then it falls to peak / 250,000.

    Args:
        options: schedule, highest rate and warm-up (fraction of the steps with a rising rate).
        step: number of the step in the whole training, from 0 to total - 1.
        total: number of steps in the whole training.

    Sources: Loshchilov and Hutter 2017 (cosine, without restarts); Smith 2018 and
    torch.optim.lr_scheduler.OneCycleLR (one-cycle); Goyal et al. 2017, section 2.2 (warm-up).
    """
    peak = options.learning_rate
    if options.schedule == "one-cycle":
        # The warm-up replaces the default length of the rise. Rise and fall follow half a cosine.
        share = ONE_CYCLE_RISE if options.warmup is None else options.warmup
        top = max(share * total - 1, 0)  # the step at which the rate is highest
        if step < top:
            return _along_cosine(peak / 25, peak, step / top)
        return _along_cosine(peak, peak / 250_000, (step - top) / max(total - 1 - top, 1e-9))
    # With constant and cosine, a warm-up is a linear rise from near 0 to the peak.
    rise = (options.warmup or 0) * total  # number of steps
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    if options.schedule == "cosine":
        return _along_cosine(peak, 0.0, (step - rise) / (total - rise))
    return peak


def _along_cosine(start: float, end: float, part: float) -> float:
    """Return a value on a smooth curve from `start` to `end`.

    Args:
        part: position on the curve, from 0 at the start to 1 at the end.
    """
    # The curve is half a cosine.
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1.0))) / 2
