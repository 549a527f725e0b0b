"""Do the work of a request: read a picture or a drawing, convert a picture, save a correction.

The reading processes do it (see `reading_process`). An answer leaves them as the bytes that the client gets,
so that the event loop of the server neither computes nor writes JSON.
"""

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from digits.errors import DataError, OptionError, PhotoError
from digits.files import printable
from digits.reading.fields import Field
from digits.reading.options import MAX_CELLS, MAX_LENGTH
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.reading.roster import Roster
from digits.serving.answers import ERRORS, detailed_json, to_bytes
from digits.serving.corrections import Corrections
from digits.serving.error_answers import RefusedError, error_body, log_line, refusal
from digits.serving.limits import PICTURE_LIMITS
from digits.serving.preview import preview
from digits.serving.request_bodies import (
    DRAWINGS,
    FORM_FIELDS,
    JSON,
    CorrectionBody,
    Form,
    StrokesBody,
    parse_body,
    parse_form,
)


@dataclass(frozen=True)
class Task:
    """The work of one request."""

    kind: Literal["picture", "drawing", "preview", "correction"]
    body: bytes
    model: str = ""
    """Name of the network that reads."""
    single: bool = False
    """Whether the picture or drawing holds one digit at most."""
    detail: bool = False
    """Whether the answer has all fields of `Answer`."""
    boundary: str = ""
    """Boundary of a multipart body with the picture; "" if the body is the picture itself."""
    length: int | None = None
    """Digits of the only number on the picture, as in `Field`."""
    pattern: str | None = None
    """Form of the only number, as in `Field`."""
    cells: int | None = None
    """Boxes of the only field, as in `Field`."""

    def fits(self, other: "Task") -> bool:
        """Return True if both tasks read pictures that can be read together."""
        return all(
            task.kind == "picture" and (task.length, task.pattern, task.cells) == (None, None, None)
            for task in (self, other)
        ) and (self.model, self.single) == (other.model, other.single)


@dataclass(frozen=True)
class Outcome:
    """The answer to one request."""

    status: int
    body: bytes
    content_type: str = JSON
    digits: tuple[tuple[int, bool], ...] = ()
    """For each mark its digit and whether it was accepted; for a correction its label."""
    log: str = ""
    """Line for the log of the server, if the task failed for a reason that concerns who runs it."""


def failed(error: Exception) -> Outcome:
    """Return the answer to a task that raised an exception."""
    refused = refusal(error)
    line = f"unexpected error: {log_line(error)}" if refused.kind == "bug" else ""
    return Outcome(refused.status, error_body(str(refused), refused.kind), log=line)


@dataclass(frozen=True)
class Worker:
    """The objects that tasks need."""

    readers: Mapping[str, Reader]
    """Name of a network -> its reader."""
    corrections: Corrections

    def do(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Do tasks; several ones must fit together (`Task.fits`).

        Args:
            tasks: at least one.

        Returns:
            The outcome of each task, in the same order.
        """
        if len(tasks) > 1:
            with contextlib.suppress(Exception):  # if one picture meets a bug, the others are read one by one
                return self._read_together(tasks)
        return [self._do_one(task) for task in tasks]

    def prepare(self) -> None:
        """Read a small picture with each network, so that everything needed for it is loaded."""
        picture = io.BytesIO()
        Image.new("L", (60, 60), "white").save(picture, "PNG")
        for name in self.readers:
            self.do([Task("picture", picture.getvalue(), name, single=True)])

    def _read_together(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Read several pictures with the same network, which is faster than one by one."""
        forms = [_form(task) for task in tasks]
        if any(form.fields for form in forms):  # fields are read one by one
            return [self._do_one(task) for task in tasks]
        reader = self.readers[tasks[0].model]
        pictures = [form.picture for form in forms]
        readings = reader.read_many(pictures, single=tasks[0].single, limits=PICTURE_LIMITS)
        return [
            failed(found) if isinstance(found, PhotoError) else _read(found, detail=task.detail)
            for task, found in zip(tasks, readings, strict=True)
        ]

    def _do_one(self, task: Task) -> Outcome:
        """Do one task; every exception becomes an error answer."""
        try:
            match task.kind:
                case "picture":
                    form, reader = _form(task), self.readers[task.model]
                    field = _field(task, form)
                    single = task.single and field is None
                    reading = reader.read(form.picture, single=single, field=field, limits=PICTURE_LIMITS)
                    return _read(reading, detail=task.detail)
                case "drawing":
                    field = _field(task, Form(b"", {}))
                    reader = self.readers[task.model]
                    single = task.single and field is None
                    reading = read_drawing(reader, task.body, single=single, field=field)
                    return _read(reading, detail=task.detail)
                case "preview":
                    return Outcome(200, preview(_form(task).picture, PICTURE_LIMITS), "image/png")
                case "correction":
                    return save_correction(self.corrections, task.body)
        except Exception as error:
            return failed(error)


def read_drawing(reader: Reader, body: bytes, *, single: bool, field: Field | None = None) -> Reading:
    """Read the digits in a drawing.

    Args:
        reader: reader to use.
        body: JSON of the form `StrokesBody` or `ImageBody`.
        single: whether all strokes belong to one digit.
        field: what is known about the only number; not used for an image in MNIST's form, which is one digit.

    Returns:
        The marks found, each with its most probable digit.

    Raises:
        RefusedError: if the body is not JSON or has another form.
    """
    drawing = parse_body(body, *DRAWINGS)
    if isinstance(drawing, StrokesBody):
        return reader.read_strokes(drawing.strokes, single=single, field=field)
    return reader.read_image(drawing.pixels())


def save_correction(corrections: Corrections, body: bytes) -> Outcome:
    """Save a corrected image in the folder of its label.

    Args:
        corrections: the folder of corrections.
        body: JSON of the form `CorrectionBody`.

    Returns:
        The answer, with the name of the file, such as "7/HASH.png".

    Raises:
        RefusedError: if the body has a wrong form.
    """
    correction = parse_body(body, CorrectionBody)
    try:
        name = corrections.add(to_bytes(correction.pixels()), correction.label)
    except DataError as error:
        return Outcome(507, error_body(ERRORS[507].lower(), "full"), log=printable(str(error)))
    return Outcome(201, _json({"kept": name}), digits=((correction.label, True),))


def _form(task: Task) -> Form:
    """Return the picture in a request's body, and the fields beside it."""
    if not task.boundary:
        return Form(task.body, {})
    return parse_form(task.body, task.boundary, FORM_FIELDS if task.kind == "picture" else ())


FIELD_EXPECTED = (
    f"expected a length from 1 to {MAX_LENGTH}, or a pattern of # for digits and . , - / : between, or a "
    f"roster of one number a line, and perhaps a number of cells from 1 to {MAX_CELLS}"
)


def _field(task: Task, form: Form) -> Field | None:
    """Return what a request says about the only number on its picture; None if it says nothing.

    Of several rules for its text one wins: a part of the form over the same parameter of the address, a
    roster over a pattern, and a pattern over a length.

    Raises:
        RefusedError: if that is wrong.
    """
    try:
        texts = {name: content.decode().strip() for name, content in form.fields.items() if name != "roster"}
        roster = Roster.parse(form.fields["roster"]) if "roster" in form.fields else None
        length = int(texts["length"]) if "length" in texts else task.length
        cells = int(texts["cells"]) if "cells" in texts else task.cells
        pattern = texts.get("pattern", task.pattern) if roster is None else None
        if (length, pattern, roster, cells) == (None,) * 4:
            return None
        length = length if (pattern, roster) == (None, None) else None
        return Field(length=length, pattern=pattern, roster=roster, cells=cells)
    except (OptionError, ValueError) as error:  # ValueError: a text that is no number or not UTF-8
        # Sentences of the server are fixed texts; the error may quote the client's.
        what = "the roster cannot be used" if "the roster: " in str(error) else "the field is wrong"
        raise RefusedError(422, "field", f"{what}; {FIELD_EXPECTED}") from None


def _read(reading: Reading, *, detail: bool) -> Outcome:
    """Return the answer with a reading."""
    body = _json(detailed_json(reading) if detail else reading.to_json())
    return Outcome(200, body, digits=tuple((digit.digit, digit.accepted) for digit in reading.digits))


def _json(value: Any) -> bytes:
    """Write JSON as FastAPI does."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
