"""Learning-rate schedules."""

import math

from digits.options import TrainOptions

ONE_CYCLE_RISE = 0.3  # share of the steps; the default of torch's OneCycleLR


def learning_rate(options: TrainOptions, step: int, total: int) -> float:
    """Return the learning rate for step number `step`, from 0, of `total` steps.

    The highest rate is `options.learning_rate`. constant: always this rate. cosine: from it down to 0
    (Loshchilov and Hutter 2017, without restarts). one-cycle: from 1/25 of it up to it in the first 30 % of
    the steps, then down to 1/250,000 of it, both along a cosine (Smith 2018, with the constants of
    torch.optim.lr_scheduler.OneCycleLR). `options.warmup` replaces the 30 %. With the other schedules it is
    the share of steps in which the rate first rises linearly from 0 (Goyal et al. 2017, section 2.2).
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
    """Return the value after `part` (0 to 1) of the way from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1.0))) / 2
