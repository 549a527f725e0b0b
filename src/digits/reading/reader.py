"""Read handwritten digits in pictures, drawings and arrays.

    reader = Reader.load("cnn")
    reader.read("photo.jpg").text         # "4071"

1. `find_digits.find` finds the marks. A mark is a candidate digit: a part of the picture that may be a digit.
2. Each mark becomes an image in MNIST's form: 28 x 28, white on black, centred.
3. The classifier computes the probability of each digit for each mark.
4. The rejection network computes the probability that a mark is not a digit.
5. A mark is accepted if its likeliest digit is probable enough, and if it does not stand in a word.
6. Accepted digits that belong together become numbers.

The networks run in NumPy; PyTorch is not needed.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.data import pen
from digits.errors import OptionError, PhotoError
from digits.mnist import CLASSES, DIGITS, SIDE
from digits.networks.bundled import rejection_path
from digits.networks.line_network import read_line
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Array
from digits.reading.acceptance import accepted_marks
from digits.reading.decoding import Picture
from digits.reading.fields import Field
from digits.reading.find_digits import find
from digits.reading.image_files import PictureLimits, open_picture
from digits.reading.marks import Mark, PictureMarks, Probabilities
from digits.reading.numbers import cells_of, numbers_of
from digits.reading.options import THRESHOLD
from digits.reading.results import Reading, to_digit
from digits.reading.sources import Source
from digits.reading.strokes import find_in_strokes, only_mark
from digits.reading.upside_down import find_either_way_up, with_boxes_turned_back

BATCH_PICTURES = 256  # largest number of pictures whose marks are classified in one batch
OF_MODEL = "of the model"  # the rejection network that belongs to the model
BATCH_SECONDS = 0.2  # s; after this time a batch is classified even if it is not full


class Reader:
    """A reader of digits in pictures, drawings and images.

    Several threads may use one reader at the same time.
    """

    def __init__(
        self, classifier: Classifier, rejection: Classifier | None = None, *, threshold: float = THRESHOLD
    ) -> None:
        """Create a reader from loaded networks.

        Args:
            classifier: Network with the classes 0 to 9.
            rejection: Network whose last class is "no digit". If None, every mark counts as a digit.
            threshold: A mark with at least this probability is accepted, in [0, 1].
        """
        self.classifier, self.rejection, self.threshold = classifier, rejection, threshold

    @classmethod
    def load(
        cls,
        model: str | Path = "cnn",
        *,
        threshold: float = THRESHOLD,
        rejection: str | Path | None = OF_MODEL,
    ) -> "Reader":
        """Load the networks from files and create a reader.

        Args:
            model: Bundled network ("cnn", "mlp"), folder of a training run, or model file.
            threshold: A mark with at least this probability is accepted, in [0, 1].
            rejection: Network that recognises "no digit", named like `model`. Default: the file rejection.npz
                beside the file of `model`, or the bundled one. If None, every mark counts as a digit.

        Returns:
            The reader.

        Raises:
            CheckpointError: if a file is missing or damaged, or contains no network.
            OptionError: if the classes of the network are not the digits 0 to 9.
        """
        classifier = Classifier.load(model)
        classes = classifier.meta.get("classes", list(DIGITS))
        if tuple(classes) != DIGITS:
            known = ", ".join(map(str, classes))[:80]
            raise OptionError(f"{model} knows {known}; expected a network that knows the digits 0 to 9")
        if rejection is None:
            return cls(classifier, threshold=threshold)
        path = rejection_path(model) if rejection == OF_MODEL else rejection
        return cls(classifier, _load_rejection(path), threshold=threshold)

    def read(
        self,
        source: Source,
        *,
        single: bool = False,
        field: Field | None = None,
        explain: bool = False,
        limits: PictureLimits | None = None,
        name: str = "",
    ) -> Reading:
        """Read the digits in one picture.

        Args:
            source: Path, bytes of a file, file object, data: URL, Pillow image, array or tensor; see
                `image_files.open_picture`.
            single: True if the picture holds at most one digit.
            field: What is known about the only number on the picture: its length, its form, a list of
                numbers, or the boxes in which it stands.
            explain: True to keep pictures of the steps in `Reading.steps`.
            limits: Largest picture and largest work that are allowed; default `PictureLimits()`.
            name: Name for error messages, if the source is not a path.

        Returns:
            Numbers and digits with probabilities and boxes. With `single` exactly one digit; with `field`
            one number or none, and then a note says why.

        Raises:
            PhotoError: if the picture cannot be opened; `kind` as in `image_files.open_picture`.
            OptionError: if both `single` and `field` are given.
        """
        _check_field(field, single=single)
        picture = open_picture(source, limits, name=name)
        work = (limits or PictureLimits()).work
        found = self._found(picture, single=single, explain=explain, work=work)
        return self._read_marks(found, field)

    def read_many(
        self,
        sources: Iterable[Source],
        *,
        single: bool = False,
        field: Field | None = None,
        limits: PictureLimits | None = None,
    ) -> Iterator[Reading | PhotoError]:
        """Read the digits in many pictures.

        This is faster than calling `read` for each picture.

        Args:
            sources: Pictures, in the forms that `read` takes.
            single: True if each picture holds at most one digit.
            field: What is known about the only number on each picture, as for `read`.
            limits: Largest picture and largest work that are allowed; default `PictureLimits()`.

        Yields:
            One Reading for each source, in the same order. For a picture that cannot be opened, a PhotoError
            is yielded instead.

        Raises:
            OptionError: if both `single` and `field` are given.
        """
        _check_field(field, single=single)
        # The marks of up to BATCH_PICTURES pictures are classified together, or earlier after BATCH_SECONDS.
        waiting: list[PictureMarks | PhotoError] = []
        work = (limits or PictureLimits()).work
        since = time.monotonic()
        for source in sources:
            try:
                picture = open_picture(source, limits)
                found = self._found(picture, single=single, work=work)
                waiting.append(found)
            except PhotoError as error:
                waiting.append(error)
            if len(waiting) == BATCH_PICTURES or time.monotonic() - since > BATCH_SECONDS:
                yield from self._answers(waiting, field)
                waiting, since = [], time.monotonic()
        yield from self._answers(waiting, field)

    def read_strokes(
        self, strokes: Sequence[npt.ArrayLike], *, single: bool = False, field: Field | None = None
    ) -> Reading:
        """Read digits that were drawn on a screen.

        Args:
            strokes: Paths of the pen, each (N, 2) with columns x, y; y points down.
            single: True if all strokes belong to one digit.
            field: What is known about the only number of the drawing, as for `read`.

        Returns:
            The answer, with exactly one mark if `single`. Its boxes, width and height have the unit of the
            strokes.

        Raises:
            PhotoError: if a shape is wrong, or a coordinate is not finite or above a million.
            OptionError: if both `single` and `field` are given.
        """
        _check_field(field, single=single)
        try:
            points = [pen.as_points(stroke) for stroke in strokes]
        except (TypeError, ValueError) as error:
            raise PhotoError(f"{error}; expected strokes of [x, y] pairs", kind="format") from error
        if single:
            return self._read_marks(only_mark(points), field)
        return self._read_marks(find_in_strokes(points, self.probabilities), field)

    def read_image(self, image: Array) -> Reading:
        """Read one image that is already in MNIST's form.

        Args:
            image: float (28, 28) in [0, 1], white ink on black, centred by mass.

        Returns:
            The answer, with exactly one mark (candidate digit).

        Raises:
            PhotoError: if the image has another shape or range.
        """
        seen = np.asarray(image, np.float32)
        if seen.shape != (SIDE, SIDE) or not (float(seen.min()) >= 0 and float(seen.max()) <= 1):
            raise PhotoError(
                f"the image has shape {seen.shape} and values from {seen.min(initial=0):g} to "
                f"{seen.max(initial=0):g}; expected (28, 28) of numbers from 0 to 1; "
                "use `read` for other pictures",
                kind="format",
            )
        mark = Mark(seen, (0, 0, SIDE, SIDE), blank=not seen.any())
        return self._read_marks(PictureMarks(SIDE, SIDE, (mark,), light_ink=True))

    def probabilities(self, images: Array) -> Probabilities:
        """Compute the probability of each digit for images in MNIST's form.

        Args:
            images: float (N, 28, 28) in [0, 1], white ink on black.

        Returns:
            Probabilities (N, 10) of the digits 0 to 9. The sum of a row is the probability of any digit; it
            is 1 without a rejection network.
        """
        found = self.classifier.probabilities(images)
        if self.rejection is None:
            return found
        return np.asarray(found * (1 - self.rejection.probabilities(images)[:, -1:]))

    def _found(self, picture: Picture, *, single: bool, work: float, explain: bool = False) -> PictureMarks:
        """Find the marks of a picture; a doubtful page is looked at upside down, too."""
        look = partial(
            find,
            single=single,
            classify=self.probabilities,
            read_line=read_line,
            explain=explain,
            work=work,
        )
        return look(picture) if single else find_either_way_up(picture, look)

    def _read_marks(self, found: PictureMarks, field: Field | None = None) -> Reading:
        """Classify the marks of one picture and return the answer."""
        return self._reading(found, self._classified([found]), field)

    def _classified(self, pictures: Sequence[PictureMarks]) -> Probabilities:
        """Return the probabilities (N, 10) of all N marks of the pictures."""
        marks = [mark for found in pictures for mark in found.marks]
        new = [mark.image for mark in marks if mark.probabilities is None]
        answers = iter(self.probabilities(np.stack(new)) if new else ())
        rows = [next(answers) if mark.probabilities is None else mark.probabilities for mark in marks]
        return np.stack(rows) if rows else np.zeros((0, CLASSES), np.float32)

    def _answers(
        self, waiting: Sequence[PictureMarks | PhotoError], field: Field | None
    ) -> Iterator[Reading | PhotoError]:
        """Classify all waiting marks in one batch and yield each picture's answer."""
        probabilities = self._classified([found for found in waiting if isinstance(found, PictureMarks)])
        start = 0
        for found in waiting:
            if isinstance(found, PhotoError):
                yield found
                continue
            end = start + len(found.marks)
            yield self._reading(found, probabilities[start:end], field)
            start = end

    def _reading(self, found: PictureMarks, probabilities: Probabilities, field: Field | None) -> Reading:
        """Build the answer for N marks from their probabilities (N, 10)."""
        accepted = accepted_marks(found.marks, probabilities, self.threshold, found.signs, found.rows)
        digits = tuple(map(to_digit, found.marks, probabilities, accepted))
        notes, cells = found.notes, cells_of(found.cells, digits, found.signs)
        if field is None:
            numbers = numbers_of(digits, found.signs, found.rows)
        else:
            filled = field.fill(found, digits, self.threshold)
            numbers, notes = filled.numbers, notes + filled.notes
            cells = cells if field.cells is None else filled.cells
        reading = Reading(
            digits, found.width, found.height, found.steps, found.light_ink, notes, numbers, cells
        )
        return with_boxes_turned_back(reading) if found.turned else reading


def read(
    source: Source, *, model: str | Path = "cnn", single: bool = False, field: Field | None = None
) -> Reading:
    """Read the digits in one picture: `digits.read("photo.jpg").text`.

    The network is loaded at the first call and kept for later calls.

    Args:
        source: Picture, in the forms that `Reader.read` takes.
        model: Bundled network ("cnn", "mlp"), folder of a training run, or model file.
        single: True if the picture holds at most one digit.
        field: What is known about the only number on the picture, such as `digits.Field(length=4)`.

    Returns:
        Numbers and digits with probabilities and boxes.

    Raises:
        PhotoError: if the picture cannot be opened.
        CheckpointError: if a model file is missing or damaged, or contains no network.
        OptionError: if the classes of the network are not the digits 0 to 9, or if both `single` and `field`
            are given.
    """
    if model not in _READERS:
        _READERS[model] = Reader.load(model)
    return _READERS[model].read(source, single=single, field=field)


def _check_field(field: Field | None, *, single: bool) -> None:
    """Check that a picture is read either as one digit or as a field.

    Raises:
        OptionError: if both are asked for.
    """
    if single and field is not None:
        raise OptionError("--single is for one digit, a field for a number; choose one of them")


def _load_rejection(path: str | Path) -> Classifier:
    """Load a rejection network.

    Raises:
        CheckpointError: if the file is missing or damaged, or contains no network.
        OptionError: if it does not have the digits and "no digit" as classes.
    """
    found = Classifier.load(path)
    if found.classes != CLASSES + 1:
        raise OptionError(
            f"{path} has {found.classes} classes; expected a rejection network with the digits 0 to 9 and "
            '"no digit"'
        )
    return found


_READERS: dict[str | Path, Reader] = {}
