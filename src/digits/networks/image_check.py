"""Check images where they enter a network: their shape, and the range of their pixels."""

from digits.errors import ImageError

# Pixel values may leave [0, 1] by this much; rounding to float16 changes a number below 2 by at most 0.0005.
ROUNDING = 0.001


def check_images(shape: tuple[int, ...], expected: tuple[int, ...], low: float, high: float) -> None:
    """Check the shape and the range of images for a network.

    Args:
        shape: shape of the images; the first number is that of the images.
        expected: the expected shape of one image.
        low, high: the lowest and the highest pixel value; NaN if a pixel is NaN.

    Raises:
        ImageError: if the shape is another one, or a pixel is NaN or outside [0, 1].
    """
    if shape[1:] != expected:
        raise ImageError(f"images are {tuple(shape)}; expected (N, {', '.join(map(str, expected))})")
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # this form is also true for NaN
        raise ImageError(
            f"the pixels of the images are from {low:g} to {high:g}; expected 0 (paper) to 1 (ink): "
            "divide bytes by 255, and do not normalise"
        )
