"""Measure how fast batches are augmented on one thread, beside other ways to do the same.

    python benchmarks/augmentation.py [--rounds N] [--json FILE]

Every figure is the time for an epoch of 50,000 images; all ways run in turn in one process. The fastest round
is compared with the bar, because a busy machine disturbs it least. Needs no data; takes half a minute. Exits
with 1 if a bar is not kept.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))  # so that it runs from a clone, nothing installed

import torch
import torch.nn.functional as F
import tyro
from figures import Figure, at_most, circumstances, describe, exit_code, save, table
from torch import Tensor

from digits.data.augmentation import affine_matrices, augment, warp
from digits.mnist import SIDE
from digits.options import Augmentation

IMAGES = 50_000  # MNIST's 60,000 without a sixth for validation
BATCHES = (64, 128, 256, 512)
BATCH = 128  # where ways are compared
ALPHA, SIGMA = 34.0, 4.0

AFFINE = Augmentation(rotation=10, scaling=0.1, shear=10, translation=2)
BOTH = Augmentation(rotation=10, scaling=0.1, shear=10, translation=2, elastic=ALPHA, smoothness=SIGMA)
OTHERS = {"thickness": Augmentation(thickness=0.5), "erasing": Augmentation(erasing=0.5)}
ALL = Augmentation(
    rotation=10, scaling=0.1, shear=10, translation=2, elastic=ALPHA, thickness=0.5, sharpness=4, erasing=0.5
)
# Images a second on one thread of the same kind of machine, by an earlier version of this project.
AFFINE_BAR, BOTH_BAR = at_most(round(IMAGES / 98_000, 2)), at_most(round(IMAGES / 19_000, 2))

Role = Literal["ours", "floor", "peer"]
Way = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Arguments:
    """Measure how fast batches are augmented; exit with 1 if a bar is not kept."""

    rounds: int = 9
    """How often everything is measured."""
    json: Path | None = None
    """Where to write the figures. Default: nowhere."""


def main() -> int:
    """Measure all figures, print and write them; return 1 if a bar is not kept, else 0."""
    arguments = tyro.cli(Arguments, prog="python benchmarks/augmentation.py")
    about = circumstances(["python", "benchmarks/augmentation.py", *sys.argv[1:]])
    torch.set_num_threads(1)
    print(describe(about))
    sections = {
        f"An epoch of {IMAGES:,} images, seconds, one thread": ours(arguments.rounds),
        f"Other ways, batches of {BATCH}": others(arguments.rounds),
    }
    for title, figures in sections.items():
        print(table(title, figures), flush=True)
    if arguments.json:
        save(arguments.json, about, sections)
    return exit_code(sections)


def ours(rounds: int) -> list[Figure]:
    """Return the seconds of our augmentation for each kind and batch size."""
    bars = {"affine": AFFINE_BAR, "affine + elastic": BOTH_BAR}
    kinds = {"affine": AFFINE, "affine + elastic": BOTH, **OTHERS, "everything": ALL}
    contestants = {
        (f"{name}, batches of {batch}", batch): by(how) for name, how in kinds.items() for batch in BATCHES
    }
    times = measure(contestants, rounds)
    return [
        Figure("ours", name, "s", seconds, bars.get(name.split(",")[0]), judged="lowest")
        for (name, _), seconds in times.items()
    ]


def others(rounds: int) -> list[Figure]:
    """Return the seconds of other ways, with one part exchanged at a time, and of the part that all share."""
    ways: list[tuple[Role, str, Way]] = [
        ("floor", "grid_sample alone", by_grid_sample),
        ("ours", "affine", by(AFFINE)),
        ("peer", "affine by affine_grid", by_affine_grid),
        ("peer", "affine by a hand-written gather", by_gather),
        ("ours", "affine + elastic", by(BOTH)),
        ("peer", "elastic by smoothing noise: K @ noise @ K.T", by_smoothed_noise),
        ("peer", "elastic by smoothing noise: two convolutions", by_convolved_noise),
        ("peer", "elastic by enlarging coarse noise", by_coarse_noise),
        ("ours", "thickness", by(OTHERS["thickness"])),
        ("peer", "thickness by max_pool2d", by_max_pool),
    ]
    times = measure({(name, BATCH): way for _, name, way in ways}, rounds)
    return [Figure(role, name, "s", times[name, BATCH]) for role, name, _ in ways]


def measure(
    contestants: Mapping[tuple[str, int], Way], rounds: int
) -> dict[tuple[str, int], tuple[float, ...]]:
    """Return the seconds of an epoch for each way, by (name, batch size), one value for each round."""
    times: dict[tuple[str, int], list[float]] = {key: [] for key in contestants}
    for _ in range(rounds + 1):  # the first one only warms up
        for (name, batch), way in contestants.items():
            images, generator = torch.rand(batch, 1, SIDE, SIDE), torch.Generator().manual_seed(0)
            steps = math.ceil(IMAGES / 5 / batch)  # a fifth of an epoch is long enough
            start = time.perf_counter()
            for _ in range(steps):
                way(images, generator)
            times[name, batch].append((time.perf_counter() - start) * IMAGES / (steps * batch))
    return {key: tuple(values[1:]) for key, values in times.items()}


# ------------------------------------------------------------------------------------------------ the ways


def by(how: Augmentation) -> Way:
    """Return the way that digits itself does it."""
    return lambda images, generator: augment(images, how, generator)


def matrices(count: int, generator: torch.Generator) -> Tensor:
    """Return random affine maps (count, 2, 3) like those of AFFINE, in half images."""
    u = torch.empty(6, count).uniform_(-1, 1, generator=generator)
    factors = 1.1 ** u[1:3]
    return affine_matrices(u[0] * 0.17, factors[0], factors[1], u[3] * 0.17, u[4] / 7, u[5] / 7)


def by_affine_grid(images: Tensor, generator: torch.Generator) -> Tensor:
    """Transform with `affine_grid`, as in PyTorch's manual."""
    grid = F.affine_grid(matrices(len(images), generator), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def by_grid_sample(images: Tensor, generator: torch.Generator) -> Tensor:
    """Only interpolate, always at the same places."""
    return F.grid_sample(images, turned.expand(len(images), -1, -1, -1), align_corners=False)


def positions(count: int, generator: torch.Generator) -> Tensor:
    """Return random affine positions (count, 2, 784), in half images."""
    return matrices(count, generator) @ places


def by_gather(images: Tensor, generator: torch.Generator) -> Tensor:
    """Transform affinely; interpolate with four gathers from an image with a border of zeros."""
    wide = SIDE + 2
    x, y = ((positions(len(images), generator) + 1) * (SIDE / 2) + 0.5).clamp_(0, wide - 1.001).unbind(1)
    left, top = x.floor(), y.floor()
    index = top.mul(wide).add_(left).long()
    paper = F.pad(images, (1, 1, 1, 1)).flatten(1)
    corners = [paper.gather(1, index + shift) for shift in (0, 1, wide, wide + 1)]
    upper = torch.lerp(corners[0], corners[1], x - left)
    lower = torch.lerp(corners[2], corners[3], x - left)
    return torch.lerp(upper, lower, y - top).view_as(images)


def by_displacement(images: Tensor, displacement: Tensor, generator: torch.Generator) -> Tensor:
    """Transform affinely and by a displacement (B, 2, 28, 28) for alpha = 1; interpolate once."""
    places = positions(len(images), generator).view_as(displacement)
    return warp(images, torch.add(places, displacement, alpha=ALPHA * 2 / SIDE))


def by_smoothed_noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Distort elastically as Simard et al. 2003 do, with the Gaussian as a matrix."""
    noise = torch.empty(len(images), 2, SIDE, SIDE).uniform_(-1, 1, generator=generator)
    return by_displacement(images, kernel @ noise @ kernel.T, generator)


def by_convolved_noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Distort elastically as Simard et al. 2003 do, with the Gaussian as two convolutions."""
    noise = torch.empty(len(images), 2, SIDE, SIDE).uniform_(-1, 1, generator=generator).flatten(0, 1)
    line = kernel[SIDE // 2 - 12 : SIDE // 2 + 13, SIDE // 2].view(1, 1, 1, -1)
    across = F.conv2d(noise.unsqueeze(1), line, padding=(0, 12))
    along = F.conv2d(across, line.mT, padding=(12, 0))
    return by_displacement(images, along.view(-1, 2, SIDE, SIDE), generator)


def by_coarse_noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Distort elastically with noise on 7 x 7 places, enlarged bicubically, as is often seen."""
    noise = torch.empty(len(images), 2, 7, 7).normal_(generator=generator) / (SIGMA * math.sqrt(12 * math.pi))
    large = F.interpolate(noise, (SIDE, SIDE), mode="bicubic", align_corners=False)
    return by_displacement(images, large, generator)


def by_max_pool(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change the thickness with max pooling, over 3 x 3 pixels instead of a plus sign."""
    radius = torch.empty(len(images), 1, 1, 1).uniform_(-0.5, 0.5, generator=generator)
    sign = radius.sign()
    return torch.lerp(images, F.max_pool2d(images * sign, 3, 1, 1) * sign, radius.abs())


line = torch.arange(SIDE) - (SIDE - 1) / 2  # px from the centre
kernel = torch.exp(-((line[:, None] - line) ** 2) / (2 * SIGMA**2)) / (SIGMA * math.sqrt(2 * math.pi))
places = torch.stack([line.repeat(SIDE), line.repeat_interleave(SIDE), torch.full((SIDE**2,), SIDE / 2)])
places *= 2 / SIDE  # px to half images
turned = F.affine_grid(
    torch.tensor([[[0.98, 0.17, 0.1], [-0.17, 0.98, 0.0]]]), [1, 1, SIDE, SIDE], align_corners=False
)


if __name__ == "__main__":
    sys.exit(main())
