"""One object that reads handwriting: picture -> digits, each with a probability and an honest doubt.

    reader = Reader.load("cnn")
    reader.read("photo.jpg").text         # "4071"

The path of a picture: `photo` finds the marks and makes each MNIST-like, a `Classifier` says which digit it
would be, the rejection network whether it is a digit at all. No PyTorch is needed.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from digits.data import pen
from digits.data.pen import Points
from digits.errors import OptionError, PhotoError
from digits.mnist import DIGITS
from digits.networks.bundled import REJECTION
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Array
from digits.reading import find_digits
from digits.reading.find_digits import Mark, Page
from digits.reading.image_files import PictureLimits, Source, open_picture
from digits.reading.options import THRESHOLD
from digits.reading.results import Reading, to_digit

COMPANY = 1 / 3  # of a row's marks must be sure digits for the row to be a number: docs/photos.md
IN_COMPANY = 0.1  # of the probability, from which a mark in a number is a digit rather than a dot or a dash
TOGETHER = 256  # pictures whose marks are classified at once
PATIENCE = 0.2  # seconds after which an answer no longer waits for other pictures


class Reader:
    """Reads pictures, drawings and arrays with one network; safe to use from several threads."""

    def __init__(
        self, classifier: Classifier, rejection: Classifier | None = None, *, threshold: float = THRESHOLD
    ) -> None:
        self.classifier, self.rejection, self.threshold = classifier, rejection, threshold

    @classmethod
    def load(cls, model: str = "cnn", *, threshold: float = THRESHOLD) -> "Reader":
        """With a bundled network, a run's folder or a model file. Raises CheckpointError, OptionError."""
        classifier = Classifier.load(model)
        classes = classifier.meta.get("classes", list(DIGITS))
        if tuple(classes) != DIGITS:
            known = ", ".join(map(str, classes))[:80]
            raise OptionError(f"{model} knows {known}; expected a network that knows the digits 0 to 9")
        return cls(classifier, _rejection(), threshold=threshold)

    def read(
        self,
        source: Source,
        *,
        single: bool = False,
        explain: bool = False,
        limits: PictureLimits | None = None,
        name: str = "",
    ) -> Reading:
        """Read a file, its bytes, a Pillow image or an array, as `pictures.open_picture` opens it.

        `single` says that there is one digit at most: exactly one mark is listed. `explain` keeps the steps.
        Raises PhotoError.
        """
        page = self._page(source, single, explain, limits, name)
        return self._reading(page, self.probabilities(_images([page])))

    def read_many(
        self, sources: Iterable[Source], *, single: bool = False, limits: PictureLimits | None = None
    ) -> Iterator[Reading | PhotoError]:
        """Read many pictures, quicker than one by one; what cannot be read yields its error in its place.

        Answers come in order, each soon after it is known: small pictures in batches, large ones one by one.
        """
        waiting: list[Page | PhotoError] = []
        since = time.monotonic()
        for source in sources:
            try:
                waiting.append(self._page(source, single, False, limits, ""))
            except PhotoError as error:
                waiting.append(error)
            if len(waiting) == TOGETHER or time.monotonic() - since > PATIENCE:
                yield from self._together(waiting)
                waiting, since = [], time.monotonic()
        yield from self._together(waiting)

    def read_strokes(self, strokes: Sequence[npt.ArrayLike]) -> Reading:
        """Read what was drawn with a pen: each stroke (N, 2) as x and y. Boxes are in the strokes' unit.

        Raises PhotoError where a stroke has another shape, or a number is not finite or beyond a million.
        """
        try:
            points = [pen.points(stroke) for stroke in strokes]
        except (TypeError, ValueError) as error:
            raise PhotoError(f"{error}; expected strokes of [x, y] pairs", kind="format") from error
        groups = [[points[i] for i in numbers] for numbers in pen.characters(points)]
        marks = [Mark(pen.render(group), _box(group)) for group in groups]
        width, height = (max((0, *(mark.box[i] + mark.box[i + 2] for mark in marks))) for i in (0, 1))
        page = Page(width, height, tuple(marks), light_ink=False)
        return self._reading(page, self.probabilities(_images([page])))

    def read_image(self, image: Array) -> Reading:
        """Read one image (28, 28) in [0, 1] that is in MNIST's form already: white ink on black.

        Raises PhotoError where it is not.
        """
        seen = np.asarray(image, np.float32)
        if seen.shape != (28, 28) or not (float(seen.min()) >= 0 and float(seen.max()) <= 1):
            raise PhotoError(
                f"an image {seen.shape} was given; expected (28, 28) of numbers from 0 to 1, and for others "
                "there is `read`",
                kind="format",
            )
        page = Page(28, 28, (Mark(seen, (0, 0, 28, 28), blank=not seen.any()),), light_ink=True)
        return self._reading(page, self.probabilities(seen[None]))

    def probabilities(self, images: Array) -> npt.NDArray[np.floating]:
        """(N, 28, 28) to the probabilities (N, 10) of being each digit; the rest is that of being none."""
        found = self.classifier.probabilities(images)
        if self.rejection is None:
            return found
        return np.asarray(found * (1 - self.rejection.probabilities(images)[:, -1:]))

    def _page(
        self, source: Source, single: bool, explain: bool, limits: PictureLimits | None, name: str
    ) -> Page:
        picture = open_picture(source, limits, name=name)
        return find_digits.find(picture, single=single, classify=self.probabilities, explain=explain)

    def _together(self, pages: list[Page | PhotoError]) -> Iterator[Reading | PhotoError]:
        found = [page for page in pages if isinstance(page, Page)]
        probabilities = self.probabilities(_images(found))
        start = 0
        for page in pages:
            if isinstance(page, PhotoError):
                yield page
                continue
            end = start + len(page.marks)
            yield self._reading(page, probabilities[start:end])
            start = end

    def _reading(self, page: Page, probabilities: npt.NDArray[np.floating]) -> Reading:
        accepted = self._accepted(page.marks, probabilities)
        digits = tuple(map(to_digit, page.marks, probabilities, accepted))
        return Reading(digits, page.width, page.height, page.steps, page.light_ink)

    def _accepted(self, marks: Sequence[Mark], probabilities: npt.NDArray[np.floating]) -> list[bool]:
        """Whether each mark is taken for the digit that it is most probably.

        Alone, from `threshold` on. In a row of which COMPANY are that sure it need only be a digit with a
        probability of IN_COMPANY: a number without one of its digits would be another number.
        """
        sure = [
            not mark.blank and bool(p.max() >= self.threshold)
            for mark, p in zip(marks, probabilities, strict=True)
        ]
        rows: dict[int, list[bool]] = defaultdict(list)
        for mark, is_sure in zip(marks, sure, strict=True):
            rows[mark.row].append(is_sure)
        number = {row: len(s) > 1 and sum(s) >= COMPANY * len(s) for row, s in rows.items()}
        return [
            is_sure or (number[mark.row] and bool(p.sum() >= IN_COMPANY))
            for mark, p, is_sure in zip(marks, probabilities, sure, strict=True)
        ]


def read(source: Source, *, model: str = "cnn", single: bool = False) -> Reading:
    """Read a picture with a network that is loaded once and kept: `digits.read("photo.jpg").text`."""
    if model not in _READERS:
        _READERS[model] = Reader.load(model)
    return _READERS[model].read(source, single=single)


_READERS: dict[str, Reader] = {}


def _images(pages: Sequence[Page]) -> Array:
    images = [mark.image for page in pages for mark in page.marks]
    return np.stack(images) if images else np.zeros((0, 28, 28), np.float32)


def _box(strokes: Sequence[Points]) -> tuple[int, int, int, int]:
    points = np.concatenate(list(strokes))
    left, top = np.floor(points.min(axis=0)).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int)
    return int(left), int(top), max(1, int(right - left)), max(1, int(bottom - top))


def _rejection() -> Classifier:
    """The network that tells digits from other things; it comes with the package."""
    return Classifier.load(REJECTION)
