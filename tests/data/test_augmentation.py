"""Each transformation agrees with a slow, obvious version of it, and digits stay the digits they are."""

import math
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from support.option_fields import ranges
from torch import Tensor

from digits.data.augmentation import (
    AFFINE,
    ERASED_AREA,
    ERASED_ASPECT,
    KEPT,
    RECTANGLE,
    SHARPNESS,
    UNIFORM,
    WEIGHT,
    affine_matrices,
    augment,
    distort,
    draw_numbers,
    elastic_modes,
    erase,
    thicken,
    warp,
)
from digits.data.dataset import Digits, as_fractions
from digits.errors import DataError, OptionError
from digits.networks.mlp import MLP
from digits.options import Augmentation

Array = npt.NDArray[np.float64]

EVERYTHING = Augmentation(
    rotation=10, scaling=0.1, shear=10, translation=2, elastic=34, thickness=0.5, sharpness=4, erasing=0.5
)
MILD = [
    Augmentation(rotation=15),
    Augmentation(scaling=0.1),
    Augmentation(shear=15),
    Augmentation(translation=1),
    Augmentation(elastic=17),
    Augmentation(thickness=0.5),
    Augmentation(sharpness=4),
    Augmentation(rotation=5, scaling=0.05, shear=5, translation=0.5, elastic=8.5, thickness=0.25),
]
ALONE = [
    Augmentation(rotation=15),
    Augmentation(scaling=0.2),
    Augmentation(shear=15),
    Augmentation(translation=3),
    Augmentation(elastic=34),
    Augmentation(thickness=1),
    Augmentation(erasing=1),
]
ROOT = Path(__file__).parents[2]
MIDDLE = 13.5  # px: where an image's centre lies, between its two middle pixels
PLUS = ndimage.generate_binary_structure(2, 1)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator in a known state."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images(sample: Digits) -> Tensor:
    """64 real digits of all classes, (64, 1, 28, 28) in [0, 1]."""
    return as_fractions(sample.images[::79][:64]).unsqueeze(1)


def dots(count: int, x: float, y: float) -> Tensor:
    """Images of a soft dot, x pixels to the right of the centre and y below it."""
    place = torch.arange(28) - MIDDLE
    dot = torch.exp(-((place[:, None] - y) ** 2 + (place - x) ** 2) / 4)
    return dot.expand(count, 1, 28, 28).clone()


def centres(images: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass of each image, in pixels to the right of and below the middle."""
    place, total = torch.arange(28) - MIDDLE, images.sum((1, 2, 3))
    return (images * place).sum((1, 2, 3)) / total, (images * place[:, None]).sum((1, 2, 3)) / total


# ------------------------------------------------------------------------ against slow, obvious versions


def slow_matrix(
    angle: float, scale_x: float, scale_y: float, shear: float, right: float, down: float
) -> Array:
    """The inverse of moving after turning after shearing after scaling, (3, 3), x first, y downwards."""
    turn = [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    move = [[1, 0, right], [0, 1, down], [0, 0, 1]]
    lean = [[1, -math.tan(shear), 0], [0, 1, 0], [0, 0, 1]]
    inverse: Array = np.linalg.inv(np.array(move) @ turn @ lean @ np.diag([scale_x, scale_y, 1]))
    return inverse


def slow_thicken(image: Array, radius: float) -> Array:
    """SciPy's dilation or erosion, as much of it as `radius` says."""
    changed = (ndimage.grey_dilation if radius > 0 else ndimage.grey_erosion)(image, footprint=PLUS)
    thicker: Array = image + abs(radius) * (changed - image)
    return thicker


def slow_warp(image: Array, matrix: Array, displacement: Array) -> Array:
    """SciPy's linear interpolation at the places that `matrix` and `displacement` (2, 28, 28) lead to."""
    y, x = np.mgrid[:28, :28] - MIDDLE
    from_x, from_y, _ = np.einsum("ij,jyx->iyx", matrix, np.stack([x, y, np.ones_like(x)]))
    places = np.stack([from_y + displacement[1], from_x + displacement[0]]) + MIDDLE
    warped: Array = ndimage.map_coordinates(image, places, order=1, mode="grid-constant")
    return warped


def slow_erase(image: Array, probability: float, numbers: Array) -> Array:
    """A rectangle painted pixel by pixel."""
    chance, area, aspect, across, along, grey = (numbers + 1) / 2
    pixels = 784 * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area)
    tallness = math.exp(math.log(ERASED_ASPECT[0]) * (1 - aspect) + math.log(ERASED_ASPECT[1]) * aspect)
    width, height = (
        min(28, round(math.sqrt(pixels / tallness))),
        min(28, round(math.sqrt(pixels * tallness))),
    )
    left, top = int((29 - width) * across), int((29 - height) * along)
    painted = image.copy()
    if chance < probability:
        for y in range(top, top + height):
            for x in range(left, left + width):
                painted[y, x] = grey
    return painted


def slow_sharpen(image: Array, factor: float) -> Array:
    """Pixel by pixel, away from 0.4."""
    return np.array([[min(max(0.4 + factor * (v - 0.4), 0), 1) for v in row] for row in image])


def slow_distort(image: Array, how: Augmentation, draws: Array) -> Array:
    """All of it, one image at a time, in double precision."""
    turn, wider, higher, slant, right, down = draws[AFFINE]
    matrix = slow_matrix(
        np.radians(how.rotation * turn),
        (1 + how.scaling) ** wider,
        (1 + how.scaling) ** higher,
        np.radians(how.shear * slant),
        how.translation * right,
        how.translation * down,
    )
    displacement = np.zeros((2, 28, 28))
    for axis, normal in enumerate(draws[UNIFORM:].reshape(2, -1)):
        for number, mode in zip(normal, elastic_modes(how.smoothness).numpy(), strict=False):
            displacement[axis] += how.elastic * number * mode
    image = slow_thicken(image, how.thickness * draws[WEIGHT])
    image = slow_sharpen(
        slow_warp(image, matrix, displacement), (1 + how.sharpness) ** ((draws[SHARPNESS] + 1) / 2)
    )
    return slow_erase(image, how.erasing, draws[RECTANGLE])


@pytest.mark.parametrize("how", [*ALONE, EVERYTHING], ids=str)
def test_equals_the_slow_version(images: Tensor, how: Augmentation) -> None:
    """Alone and together, the transformations do what SciPy does, to 1e-5 before sharpening."""
    draws = draw_numbers(len(images), how, seeded())
    fast = distort(images, how, draws)
    for image, row, result in zip(images, draws.double().numpy(), fast, strict=True):
        slow = slow_distort(image[0].double().numpy(), how, row)
        np.testing.assert_allclose(result[0].numpy(), slow, atol=1e-5 * (1 + how.sharpness))


@pytest.mark.parametrize("how", [*ALONE, EVERYTHING], ids=str)
def test_single_precision_is_enough(images: Tensor, how: Augmentation) -> None:
    """In single precision the result is that of double precision, to 1e-5 before sharpening."""
    single, double = augment(images, how, seeded()), augment(images.double(), how, seeded())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-5 * (1 + how.sharpness))


@given(
    st.tuples(
        st.floats(-3, 3), st.floats(0.5, 2), st.floats(0.5, 2), st.floats(-1, 1), *[st.floats(-9, 9)] * 2
    )
)
def test_affine_matrices_undo_the_textbooks(parameters: tuple[float, ...]) -> None:
    """The matrices are the inverse of scaling, shearing, turning and moving, one after the other."""
    (matrix,) = affine_matrices(*torch.tensor(parameters, dtype=torch.float64)[:, None])
    np.testing.assert_allclose(matrix.numpy(), slow_matrix(*parameters)[:2], atol=1e-9)


def test_warp_equals_scipys_affine_transform(images: Tensor) -> None:
    """A warp by an affine map is `scipy.ndimage.affine_transform` with the same matrix."""
    parameters = torch.tensor([0.3, 1.2, 0.9, -0.2, 1.5, -2.5], dtype=torch.float64)
    (matrix,) = affine_matrices(*parameters[:, None])  # (2, 3)
    y, x = torch.meshgrid(*[torch.arange(28) - MIDDLE] * 2, indexing="ij")
    positions = torch.einsum("ij,jyx->iyx", matrix, torch.stack([x, y, torch.ones_like(x)]).double())
    warped = warp(images.double(), positions.expand(len(images), -1, -1, -1) / 14)
    rows_first = matrix[:, :2].flip(0, 1).numpy()
    offset = matrix[:, 2].flip(0).numpy() + MIDDLE - rows_first @ [MIDDLE, MIDDLE]
    for image, result in zip(images.double().numpy(), warped.numpy(), strict=True):
        slow = ndimage.affine_transform(image[0], rows_first, offset, order=1, mode="grid-constant")
        np.testing.assert_allclose(result[0], slow, atol=1e-12)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 6.0])
def test_elastic_fields_have_the_covariance_of_smoothed_noise(sigma: float) -> None:
    """Displacements are distributed as what `gaussian_filter` makes of noise from -1 to 1, to 1 %."""
    margin = math.ceil(5 * sigma)  # so that the noise beyond the image counts as well
    noise = np.eye(28 + 2 * margin)
    line = ndimage.gaussian_filter1d(noise, sigma, axis=1, truncate=5, mode="constant")[:, margin:-margin]
    smoothed = line.T @ line  # (28, 28): of a line of noise of variance 1
    truth = np.kron(smoothed, smoothed) / 3  # (784, 784): numbers from -1 to 1 have the variance 1/3
    ours = elastic_modes(sigma).flatten(1).numpy()
    missing = np.trace(truth) - np.trace(ours.T @ ours)
    assert 0 <= missing <= (1 - KEPT + 3e-4) * np.trace(truth)  # pixels are no continuum
    np.testing.assert_allclose(ours.T @ ours, truth, atol=0.01 * truth.max())


def test_elastic_displacements_are_as_large_as_the_page_says() -> None:
    """Simard's alpha of 34 and sigma of 4 move a pixel by 1.38 pixels, at the border as in the middle."""
    deviation = 34 * elastic_modes(4.0).square().sum(0).sqrt()
    assert deviation.mean().item() == pytest.approx(34 / (4 * math.sqrt(12 * math.pi)), rel=0.001)
    assert deviation.min().item() == pytest.approx(1.38, abs=0.01)
    assert deviation.max().item() == pytest.approx(1.38, abs=0.01)


@pytest.mark.parametrize("radius", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_thickness_equals_scipys_morphology(images: Tensor, radius: float) -> None:
    """Thickening is SciPy's grey dilation in part, thinning its erosion; each image has its own radius."""
    radii = torch.full((len(images),), radius)
    radii[::2] = 0
    for image, result in zip(images[1::2], thicken(images, radii)[1::2], strict=True):
        slow = slow_thicken(image[0].double().numpy(), radius)
        np.testing.assert_allclose(result[0].numpy(), slow, atol=1e-6)
    assert torch.equal(thicken(images, radii)[::2], images[::2])


def test_erasing_paints_the_rectangle_asked_for(images: Tensor) -> None:
    """Only the pixels of the rectangle change, and all of them to its grey; none for height 0."""
    left, top, width, height, grey = torch.tensor([[3, 5, 7, 9, 0.5], [0, 2, 28, 0, 0.5]]).T
    first, second = erase(images[:2], left, top, width, height, grey)
    truth = images[0].clone()
    truth[0, 5:14, 3:10] = 0.5
    assert torch.equal(first, truth)
    assert torch.equal(second, images[1])


# --------------------------------------------------------------------------------- what the words mean


def parameters(**changed: float) -> Tensor:
    """Arguments of `affine_matrices` that change nothing, but for those named; (6, 1)."""
    neutral = {"angle": 0.0, "scale_x": 1.0, "scale_y": 1.0, "shear": 0.0, "right": 0.0, "down": 0.0}
    return torch.tensor(list((neutral | changed).values()))[:, None]


@pytest.mark.parametrize(
    ("changed", "start", "end"),
    [
        ({"angle": math.pi / 2}, (6, 0), (0, -6)),  # from three o'clock to twelve
        ({"scale_x": 1.5}, (4, 4), (6, 4)),
        ({"scale_y": 0.5}, (6, 4), (6, 2)),
        ({"shear": math.pi / 4}, (0, -6), (6, -6)),  # what is above goes to the right
        ({"right": 3.0, "down": -2.0}, (1, 1), (4, -1)),
    ],
    ids=lambda value: str(value),
)
def test_directions(changed: dict[str, float], start: tuple[float, float], end: tuple[float, float]) -> None:
    """Turning is anticlockwise, scaling above 1 enlarges, shearing leans right, moving is right and down."""
    matrix = affine_matrices(*parameters(**changed))  # (1, 2, 3)
    y, x = torch.meshgrid(*[(torch.arange(28) - MIDDLE) / 14] * 2, indexing="ij")
    positions = torch.einsum("bij,jyx->biyx", matrix, torch.stack([x, y, torch.full_like(x, 1 / 14)]))
    seen = centres(warp(dots(1, *start), positions))
    assert [c.item() for c in seen] == pytest.approx(end, abs=0.02)


def test_translation_reaches_its_strength_and_no_further() -> None:
    """Moves are spread evenly over plus and minus the strength, across and along independently."""
    x, y = centres(augment(dots(2000, 0, 0), Augmentation(translation=4), seeded()))
    for moves in (x, y):
        assert 3.9 < moves.abs().max().item() < 4.01
        assert moves.mean().abs().item() < 0.2
        assert moves.std().item() == pytest.approx(4 / math.sqrt(3), rel=0.05)  # of an even spread
    assert torch.corrcoef(torch.stack([x, y]))[0, 1].abs().item() < 0.07


def test_rotation_reaches_its_strength_and_no_further() -> None:
    """Angles are spread evenly over plus and minus the strength, in degrees."""
    x, y = centres(augment(dots(2000, 8, 0), Augmentation(rotation=30), seeded()))
    angles = torch.atan2(-y, x).rad2deg()
    assert 29.5 < angles.abs().max().item() < 30.2
    assert angles.std().item() == pytest.approx(30 / math.sqrt(3), rel=0.05)


def test_scaling_enlarges_as_often_as_it_shrinks() -> None:
    """A factor and its inverse are equally likely, from 1/1.2 to 1.2, for both axes independently."""
    x, y = centres(augment(dots(2000, 7, 7), Augmentation(scaling=0.2), seeded()))
    for factors in (x / 7, y / 7):
        assert factors.log().abs().max().exp().item() == pytest.approx(1.2, abs=0.01)
        assert factors.log().mean().abs().item() < 0.01
    assert torch.corrcoef(torch.stack([x, y]))[0, 1].abs().item() < 0.07


def test_rotation_keeps_the_ink(images: Tensor) -> None:
    """Rotation keeps the ink of each digit within 3 %, and that of all digits together within 0.5 %."""
    turned = augment(images, Augmentation(rotation=30), seeded())
    shares = turned.sum((1, 2, 3)) / images.sum((1, 2, 3))
    assert shares.min().item() > 0.97
    assert shares.max().item() < 1.03
    assert (turned.sum() / images.sum()).item() == pytest.approx(1, abs=0.005)


def test_thickness_adds_ink_and_takes_ink(images: Tensor) -> None:
    """The amount of ink grows with the radius."""
    radii = torch.linspace(-1, 1, 9)
    ink = [thicken(images, radius.expand(len(images))).sum().item() for radius in radii]
    assert ink == sorted(ink)
    assert ink[0] < 0.7 * ink[4] < 0.7 * ink[8] / 1.3


def test_sharpness_leaves_fewer_greys(images: Tensor) -> None:
    """The steeper the edges, the fewer pixels are grey; black and white stay, and no stroke is lost."""
    greys = []
    for strength in (0.0, 1.0, 4.0, 20.0):
        sharp = augment(images, Augmentation(sharpness=strength), seeded())
        assert torch.equal(sharp == 1, (sharp == 1) | (images == 1))
        assert bool((sharp[images == 0] == 0).all())
        assert bool((sharp.amax((1, 2, 3)) > 0.9).all())
        greys.append(float(((sharp > 0.1) & (sharp < 0.9)).float().mean()))
    assert greys == sorted(greys, reverse=True)
    assert greys[3] < greys[0] / 2


def test_rectangles_have_the_sizes_promised() -> None:
    """Rectangles hit the intended share of images, anywhere, and cover 2 to 20 % of their area; one side
    is at most 3.3 times the other."""
    blank = torch.full((4000, 1, 28, 28), -1.0)  # no grey can be mistaken for it
    covered = augment(blank, Augmentation(erasing=0.3), seeded())[:, 0] >= 0  # (4000, 28, 28)
    hit = covered.flatten(1).any(1)
    assert hit.float().mean().item() == pytest.approx(0.3, abs=0.03)
    height, width = (covered[hit].any(axis).sum(1) for axis in (2, 1))
    assert torch.equal(height * width, covered[hit].sum((1, 2)))  # nothing but rectangles
    area = height * width / 784
    assert (area.min().item(), area.max().item()) == pytest.approx((0.02, 0.2), abs=0.01)
    assert area.mean().item() == pytest.approx(0.11, abs=0.01)
    for aspect in (height / width, width / height):
        assert 2.9 < aspect.max().item() < 4.5  # whole pixels: 2 x 8 for 2.3 x 7.6, or so
        assert aspect.log().mean().abs().item() < 0.06
    assert covered.any(0).all()


# ------------------------------------------------------------------------------------------- randomness


def test_strength_zero_is_the_same_tensor(images: Tensor) -> None:
    """If every strength is 0, the given tensor itself is returned."""
    assert augment(images, Augmentation(), seeded()) is images


@pytest.mark.parametrize("how", ALONE, ids=str)
def test_the_images_given_stay_as_they_are(images: Tensor, how: Augmentation) -> None:
    """The caller's tensor stays as it is, and the result differs from it."""
    before = images.clone()
    after = augment(images, how, seeded())
    assert torch.equal(images, before)
    assert not torch.equal(after, before)


@pytest.mark.parametrize("how", [*ALONE, EVERYTHING], ids=str)
def test_same_generator_same_result(images: Tensor, how: Augmentation) -> None:
    """The same generator state gives the same bits, the next one others; the global one is not used."""
    state = torch.get_rng_state()
    generator = seeded(1)
    first, second = augment(images, how, generator), augment(images, how, generator)
    assert torch.equal(first, augment(images, how, seeded(1)))
    assert not torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("how", [*ALONE, EVERYTHING], ids=str)
def test_every_image_is_changed_in_its_own_way(images: Tensor, how: Augmentation) -> None:
    """A batch of one digit becomes a batch of different ones."""
    same = images[:1].expand(64, -1, -1, -1)
    assert len(augment(same, how, seeded()).flatten(1).unique(dim=0)) == 64


def test_strengths_do_not_change_what_is_drawn(images: Tensor) -> None:
    """As many numbers are drawn at any strength, and those of elastic distortion are drawn last."""
    after = set()
    for how in (Augmentation(), *ALONE):
        generator = seeded()
        augment(images, how, generator)
        if not how.elastic:
            after.add(generator.get_state().numpy().tobytes())
    assert len(after) == 1
    plain, elastic = (draw_numbers(64, how, seeded()) for how in (Augmentation(), EVERYTHING))
    assert torch.equal(plain, elastic[:, :UNIFORM])


def test_draws_are_even_and_normal() -> None:
    """Numbers are uniform from -1 to 1, those of elastic distortion are normal, and all are independent."""
    draws = draw_numbers(4000, EVERYTHING, seeded())
    even, normal = draws[:, :UNIFORM], draws[:, UNIFORM:]
    assert even.abs().max().item() <= 1
    assert even.std(0).sub(1 / math.sqrt(3)).abs().max().item() < 0.02
    assert normal.std(0).sub(1).abs().max().item() < 0.06
    assert torch.corrcoef(draws.T).fill_diagonal_(0).abs().max().item() < 0.08


def test_processes_can_share_a_batch(images: Tensor) -> None:
    """Two processes that draw for the whole batch and change every other image do the work of one."""
    draws = draw_numbers(len(images), EVERYTHING, seeded())
    whole = distort(images, EVERYTHING, draws)
    for rank in (0, 1):
        share = distort(images[rank::2], EVERYTHING, draws[rank::2])
        torch.testing.assert_close(share, whole[rank::2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_small_batches(images: Tensor, count: int) -> None:
    """A process may be left with one image of the last batch, or with none."""
    for how in (*ALONE, EVERYTHING):
        assert augment(images[:count], how, seeded()).shape == (count, 1, 28, 28)


# --------------------------------------------------------------------------------------- all strengths


STRENGTHS = {name: (found.low, found.high) for name, [(_, found)] in ranges(Augmentation).items()}


def strengths() -> st.SearchStrategy[Augmentation]:
    """Any augmentation that is accepted."""
    return st.builds(Augmentation, **{name: st.floats(*limits) for name, limits in STRENGTHS.items()})


@given(strengths(), st.integers(0, 2**32))
def test_images_stay_images(how: Augmentation, seed: int) -> None:
    """Whatever the strengths, pixels stay from 0 to 1, and type and shape as they were."""
    images = torch.rand(4, 1, 28, 28, generator=seeded(seed)).round(decimals=1)  # with ink at the edges
    result = augment(images, how, seeded(seed))
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert ((result >= 0) & (result <= 1)).all()  # false for NaN


@pytest.mark.parametrize("name", STRENGTHS)
def test_strengths_out_of_range_are_refused(name: str) -> None:
    """Strengths below and above the range, and NaN, are refused with name, value and range."""
    lowest, highest = STRENGTHS[name]
    Augmentation(**{name: lowest})
    Augmentation(**{name: highest})
    for value in (lowest - 0.1, highest * 1.01, math.nan, math.inf):
        with pytest.raises(OptionError, match=rf"{name} is {value}; .* from {lowest} to {highest}"):
            Augmentation(**{name: value})


@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(2, 28, 28), torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)],
    ids=lambda wrong: f"{wrong.dtype} {tuple(wrong.shape)}",
)
def test_other_tensors_are_refused(wrong: Tensor) -> None:
    """Bytes, other sizes and missing channels are refused by name, even at strength 0."""
    with pytest.raises(DataError, match=r"expected float32 or float64 \(B, 1, 28, 28\)"):
        augment(wrong, Augmentation(), seeded())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_images(images: Tensor) -> None:
    """With a generator of the processor's, a GPU's images are the processor's, to 1e-4."""
    there = augment(images.cuda(), EVERYTHING, seeded())
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), augment(images, EVERYTHING, seeded()), rtol=0, atol=1e-4)
    own = torch.Generator("cuda").manual_seed(0)
    assert augment(images.cuda(), EVERYTHING, own).device.type == "cuda"


# ------------------------------------------------------------------------------------------ same digits


@pytest.fixture(scope="module")
def reader(sample: Digits) -> MLP:
    """A network that has learned four fifths of the sample as it is, without augmentation."""
    torch.manual_seed(0)
    network = MLP(128, 64)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.002)
    learned = torch.arange(len(sample))[torch.arange(len(sample)) % 5 > 0]
    for _ in range(5):
        for batch in learned[torch.randperm(len(learned))].split(64):
            optimizer.zero_grad()
            logits = network(as_fractions(sample.images[batch]).unsqueeze(1))
            torch.nn.functional.cross_entropy(logits, sample.labels[batch]).backward()
            optimizer.step()
    return network.eval()


def read_again(reader: MLP, sample: Digits, how: Augmentation) -> float:
    """Of the digits not learned that are read right as they are: the share read right when augmented."""
    images, labels = as_fractions(sample.images[::5]).unsqueeze(1), sample.labels[::5]
    right = reader(images).argmax(1) == labels
    assert right.float().mean().item() > 0.9
    answers: Any = reader(augment(images[right], how, seeded())).argmax(1)
    return float((answers == labels[right]).float().mean())


@pytest.mark.parametrize("how", MILD, ids=str)
def test_a_mildly_augmented_digit_is_still_that_digit(reader: MLP, sample: Digits, how: Augmentation) -> None:
    """A network trained without augmentation still reads nine in ten digits after mild augmentation."""
    assert read_again(reader, sample, how) >= 0.9


# --------------------------------------------------------------------------------- pictures and benchmark


PICTURES = {path.name for path in (ROOT / "docs" / "pictures").glob("augmentation*.png")}


def test_the_page_shows_every_picture() -> None:
    """docs/augmentation.md shows each of its pictures, and no other."""
    page = (ROOT / "docs" / "augmentation.md").read_text()
    assert set(re.findall(r"\(pictures/(augmentation[^)]*)\)", page)) == PICTURES


@pytest.mark.slow
def test_the_pictures_of_the_page_can_be_drawn(tmp_path: Path) -> None:
    """The script draws every picture that the page shows."""
    subprocess.run([sys.executable, ROOT / "docs" / "augmentation_pictures.py", tmp_path], check=True)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES


def test_the_pages_example_runs() -> None:
    """The Python lines of docs/augmentation.md work as they stand."""
    page = (ROOT / "docs" / "augmentation.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "augmentation.md", "exec"), names)  # noqa: S102  # our own page
    assert names["images"].shape == (64, 1, 28, 28)


def test_the_benchmark_compares_equals(monkeypatch: pytest.MonkeyPatch, images: Tensor) -> None:
    """The other implementations in the benchmark compute the same images as ours."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    ways: Any = import_module("augmentation")
    truth = ways.by_affine_grid(images, seeded())
    torch.testing.assert_close(ways.by_gather(images, seeded()), truth, rtol=0, atol=0.002)
    still = torch.zeros(len(images), 2, 28, 28)
    torch.testing.assert_close(ways.by_displacement(images, still, seeded()), truth, rtol=0, atol=1e-4)
    smoothed, convolved = (way(images, seeded()) for way in (ways.by_smoothed_noise, ways.by_convolved_noise))
    torch.testing.assert_close(smoothed, convolved, rtol=0, atol=0.05)  # the convolution's kernel is cut off
