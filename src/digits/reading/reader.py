"""Read handwritten digits in pictures, drawings and arrays.

    reader = Reader.load("cnn")
    reader.read("photo.jpg").text         # "4071"

`find_digits.find` finds the marks and brings each into MNIST's form. The classifier gives the probability of
each digit, the rejection network the probability that a mark is a digit at all. PyTorch is not needed.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.data import pen
from digits.data.pen import Points
from digits.errors import OptionError, PhotoError
from digits.mnist import CLASSES, DIGITS, SIDE
from digits.networks.bundled import REJECTION
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Array
from digits.reading.find_digits import find
from digits.reading.image_files import PictureLimits, Source, open_picture
from digits.reading.marks import Box, Mark, PictureMarks, Probabilities
from digits.reading.options import THRESHOLD
from digits.reading.results import Reading, to_digit

# When a row of marks is a number. Chosen on the development pictures: docs/photos.md.
NUMBER_SHARE = 1 / 3  # of the row's marks that reach the threshold, at least
NUMBER_PROBABILITY = 0.1  # of being any digit, from which a mark of a number is accepted; dots have less

BATCH_PICTURES = 256  # pictures whose marks are classified in one batch, at most
BATCH_SECONDS = 0.2  # after which a batch is classified even if it is not full, so that answers come soon


class Reader:
    """Read pictures, drawings and images with one network. May be used by several threads at once."""

    def __init__(
        self, classifier: Classifier, rejection: Classifier | None = None, *, threshold: float = THRESHOLD
    ) -> None:
        """Make a reader of networks that are loaded already.

        Args:
            classifier: Network for the classes 0 to 9.
            rejection: Network whose last class is "no digit"; without one every mark counts as a digit.
            threshold: Probability in [0, 1] from which a mark is accepted.
        """
        self.classifier, self.rejection, self.threshold = classifier, rejection, threshold

    @classmethod
    def load(
        cls,
        model: str | Path = "cnn",
        *,
        threshold: float = THRESHOLD,
        rejection: str | Path | None = REJECTION,
    ) -> "Reader":
        """Load the networks and return a reader.

        Args:
            model: Name of a bundled network ("cnn", "mlp"), a run's folder or a model file.
            threshold: Probability in [0, 1] from which a mark is accepted.
            rejection: The network that tells digits from other things, by default the bundled one; None: no
                mark is rejected as "not a digit".

        Raises:
            CheckpointError: A file is missing, damaged or holds no network.
            OptionError: The network does not know the digits 0 to 9.
        """
        classifier = Classifier.load(model)
        classes = classifier.meta.get("classes", list(DIGITS))
        if tuple(classes) != DIGITS:
            known = ", ".join(map(str, classes))[:80]
            raise OptionError(f"{model} knows {known}; expected a network that knows the digits 0 to 9")
        return cls(classifier, None if rejection is None else Classifier.load(rejection), threshold=threshold)

    def read(
        self,
        source: Source,
        *,
        single: bool = False,
        explain: bool = False,
        limits: PictureLimits | None = None,
        name: str = "",
    ) -> Reading:
        """Read one picture.

        Args:
            source: A path, the bytes of a file, a Pillow image, or an array: (H, W), (H, W, 3) or
                (H, W, 4), uint8 or float in [0, 1].
            single: The picture holds one digit at most; exactly one mark is listed.
            explain: Keep pictures of the steps in `Reading.steps`.
            limits: Largest picture allowed; by default `PictureLimits()`.
            name: What error messages call a source that is no path.

        Raises:
            PhotoError: The picture cannot be opened; see `image_files.open_picture`.
        """
        picture = open_picture(source, limits, name=name)
        found = find(picture, single=single, classify=self.probabilities, explain=explain)
        return self._read_marks(found)

    def read_many(
        self, sources: Iterable[Source], *, single: bool = False, limits: PictureLimits | None = None
    ) -> Iterator[Reading | PhotoError]:
        """Read many pictures, faster than one by one; the arguments are those of `read`.

        Yields one answer for each source, in order: a Reading, or the PhotoError of a picture that cannot be
        opened. Marks of up to BATCH_PICTURES pictures are classified together, but no answer waits longer
        than BATCH_SECONDS for other pictures.
        """
        waiting: list[PictureMarks | PhotoError] = []
        since = time.monotonic()
        for source in sources:
            try:
                picture = open_picture(source, limits)
                waiting.append(find(picture, single=single, classify=self.probabilities))
            except PhotoError as error:
                waiting.append(error)
            if len(waiting) == BATCH_PICTURES or time.monotonic() - since > BATCH_SECONDS:
                yield from self._answers(waiting)
                waiting, since = [], time.monotonic()
        yield from self._answers(waiting)

    def read_strokes(self, strokes: Sequence[npt.ArrayLike]) -> Reading:
        """Read digits drawn with a pen or a finger on a screen.

        Each stroke is a path (N, 2) of x, to the right, and y, downwards, in any unit; the boxes of the
        answer are in that unit. Raises PhotoError if a stroke has another shape, or a number is not finite
        or beyond a million.
        """
        try:
            points = [pen.as_points(stroke) for stroke in strokes]
        except (TypeError, ValueError) as error:
            raise PhotoError(f"{error}; expected strokes of [x, y] pairs", kind="format") from error
        groups = [[points[i] for i in numbers] for numbers in pen.characters(points)]
        marks = tuple(Mark(pen.render(group), _box_around(group)) for group in groups)
        width, height = (max((0, *(mark.box[i] + mark.box[i + 2] for mark in marks))) for i in (0, 1))
        return self._read_marks(PictureMarks(width, height, marks, light_ink=False))

    def read_image(self, image: Array) -> Reading:
        """Read one image that is in MNIST's form already: (28, 28) in [0, 1], white on black.

        Raises PhotoError if it has another shape or range.
        """
        seen = np.asarray(image, np.float32)
        if seen.shape != (SIDE, SIDE) or not (float(seen.min()) >= 0 and float(seen.max()) <= 1):
            raise PhotoError(
                f"an image {seen.shape} was given; expected (28, 28) of numbers from 0 to 1, and for others "
                "there is `read`",
                kind="format",
            )
        mark = Mark(seen, (0, 0, SIDE, SIDE), blank=not seen.any())
        return self._read_marks(PictureMarks(SIDE, SIDE, (mark,), light_ink=True))

    def probabilities(self, images: Array) -> Probabilities:
        """Classify images (N, 28, 28) in [0, 1].

        Returns the probabilities (N, 10) of each digit; what is missing to 1 is that of being no digit.
        """
        found = self.classifier.probabilities(images)
        if self.rejection is None:
            return found
        return np.asarray(found * (1 - self.rejection.probabilities(images)[:, -1:]))

    def _read_marks(self, found: PictureMarks) -> Reading:
        """Classify the marks and return the answer."""
        return self._reading(found, self._classified([found]))

    def _classified(self, pictures: Sequence[PictureMarks]) -> Probabilities:
        """Return the probabilities (N, 10) of all marks; those without any are classified in one batch."""
        marks = [mark for found in pictures for mark in found.marks]
        new = [mark.image for mark in marks if mark.probabilities is None]
        answers = iter(self.probabilities(np.stack(new)) if new else ())
        rows = [next(answers) if mark.probabilities is None else mark.probabilities for mark in marks]
        return np.stack(rows) if rows else np.zeros((0, CLASSES), np.float32)

    def _answers(self, waiting: Sequence[PictureMarks | PhotoError]) -> Iterator[Reading | PhotoError]:
        """Yield the answers for pictures whose marks are classified together."""
        probabilities = self._classified([found for found in waiting if isinstance(found, PictureMarks)])
        start = 0
        for found in waiting:
            if isinstance(found, PhotoError):
                yield found
                continue
            end = start + len(found.marks)
            yield self._reading(found, probabilities[start:end])
            start = end

    def _reading(self, found: PictureMarks, probabilities: Probabilities) -> Reading:
        """Return the answer for the marks of one picture, given their probabilities (N, 10)."""
        accepted = self._accepted(found.marks, probabilities)
        digits = tuple(map(to_digit, found.marks, probabilities, accepted))
        return Reading(digits, found.width, found.height, found.steps, found.light_ink)

    def _accepted(self, marks: Sequence[Mark], probabilities: Probabilities) -> list[bool]:
        """Return for each mark whether it is accepted as its likeliest digit.

        A mark is accepted from `threshold` on. In a row that is a number, being a digit with
        NUMBER_PROBABILITY is enough, because a number without one of its digits is another number.
        """
        sure = [
            not mark.blank and bool(p.max() >= self.threshold)
            for mark, p in zip(marks, probabilities, strict=True)
        ]
        rows: dict[int, list[bool]] = defaultdict(list)
        for mark, is_sure in zip(marks, sure, strict=True):
            rows[mark.row].append(is_sure)
        number = {row: len(s) > 1 and sum(s) >= NUMBER_SHARE * len(s) for row, s in rows.items()}
        return [
            is_sure or (number[mark.row] and bool(p.sum() >= NUMBER_PROBABILITY))
            for mark, p, is_sure in zip(marks, probabilities, sure, strict=True)
        ]


def read(source: Source, *, model: str | Path = "cnn", single: bool = False) -> Reading:
    """Read one picture: `digits.read("photo.jpg").text`.

    The network is loaded at the first call and kept. The arguments are those of `Reader.load` and
    `Reader.read`, as are the errors.
    """
    if model not in _READERS:
        _READERS[model] = Reader.load(model)
    return _READERS[model].read(source, single=single)


_READERS: dict[str | Path, Reader] = {}


def _box_around(strokes: Sequence[Points]) -> Box:
    """Return the box in whole units around the strokes of a digit, at least 1 wide and 1 high."""
    points = np.concatenate(list(strokes))
    left, top = np.floor(points.min(axis=0)).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int)
    return int(left), int(top), max(1, int(right - left)), max(1, int(bottom - top))
