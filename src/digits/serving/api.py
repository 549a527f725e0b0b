"""Define the routes of the API: read pictures, save corrections, list networks, report health and metrics.

A reader (`digits.reading.reader.Reader`) reads pictures with one network. Readers run in the thread of the
reading queue, so that the event loop stays free for other requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from digits.errors import DataError
from digits.networks.numpy_inference import Classifier
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.serving.answers import (
    ERRORS,
    Answer,
    Health,
    Models,
    NetworkAnswer,
    SavedCorrection,
    detailed_json,
    error_responses,
    to_bytes,
)
from digits.serving.browser_network import count_parameters
from digits.serving.corrections import Corrections
from digits.serving.error_answers import RefusedError, log
from digits.serving.limits import PICTURE_LIMITS
from digits.serving.preview import preview
from digits.serving.prometheus import Metrics
from digits.serving.reading_queue import ReadingQueue
from digits.serving.request_bodies import (
    BINARY_SCHEMA,
    BYTES,
    DRAWINGS,
    JSON,
    PICTURE_TYPES,
    CorrectionBody,
    StrokesBody,
    body_schema,
    parse_body,
)


@dataclass(frozen=True)
class Api:
    """The objects that all requests share.

    Each method answers one route.
    """

    readers: Mapping[str, Reader]  # name of a network -> its reader; the first one is the default
    queue: ReadingQueue
    metrics: Metrics
    corrections: Corrections

    async def predict(self, name: str, content_type: str, body: bytes, *, single: bool) -> Reading:
        """Read the digits in a request's body.

        Args:
            name: name of the network that reads.
            content_type: the body's type, from the function `content_type`.
            body: one of the following:
                - JSON of the form `StrokesBody` or `ImageBody`,
                - the bytes of a picture file.
            single: whether the picture or drawing holds one digit at most.

        Returns:
            The marks found, each with its most probable digit.

        Raises:
            RefusedError: if the network is unknown or the body has a wrong form.
            PhotoError: if the picture cannot be read.
            BusyError: if too many requests wait, or this one waited too long.
        """
        if name not in self.readers:
            raise RefusedError(404, "model", "there is no network with this name; api/model lists the names")
        reader = self.readers[name]
        if content_type == JSON:
            reading = await self.queue.do(lambda: read_drawing(reader, body, single=single))
        else:
            check_picture_type(content_type, "or strokes as application/json")
            reading = await self.queue.read(reader, body, single=single)
        for digit in reading.digits:
            self.metrics.marks.labels(name, str(digit.digit), str(digit.accepted).lower()).inc()
        return reading

    async def correct(self, content_type: str, body: bytes) -> SavedCorrection:
        """Save a corrected image.

        Args:
            content_type: the body's type; only application/json is accepted.
            body: JSON of the form `CorrectionBody`.

        Returns:
            The answer with the name of the saved file.

        Raises:
            RefusedError: if the body has a wrong form, or the image cannot be saved.
            BusyError: if too many requests wait, or this one waited too long.
        """
        if content_type != JSON:
            raise RefusedError(415, "type", "the Content-Type is not JSON; send application/json")
        try:
            label, name = await self.queue.do(lambda: save_correction(self.corrections, body))
        except DataError as error:
            log.error("%s", error)
            raise RefusedError(507, "full", ERRORS[507].lower()) from None
        self.metrics.corrected.labels(str(label)).inc()
        return SavedCorrection(kept=name)

    async def preview(self, content_type: str, body: bytes) -> bytes:
        """Convert a picture to PNG.

        Args:
            content_type: the body's type, from the function `content_type`.
            body: the bytes of a picture file.

        Returns:
            The bytes of a PNG file, from the function `preview`.

        Raises:
            RefusedError: if the body's type is not that of a picture.
            PhotoError: if the picture cannot be read.
            BusyError: if too many requests wait, or this one waited too long.
        """
        check_picture_type(content_type, "as it is")
        return await self.queue.do(lambda: preview(body, PICTURE_LIMITS))

    def models(self) -> Models:
        """List all networks, the default one first.

        Returns:
            The answer of /api/model.
        """
        models = [describe(name, reader.classifier) for name, reader in self.readers.items()]
        rejection = any(reader.rejection is not None for reader in self.readers.values())
        threshold = next(iter(self.readers.values())).threshold
        return Models(models=models, threshold=threshold, rejection=rejection)


def check_picture_type(content_type: str, advice: str) -> None:
    """Check that a body can be a picture.

    Args:
        content_type: the body's type, from the function `content_type`.
        advice: end of the error's sentence.

    Raises:
        RefusedError: if the type is not that of a picture or of any bytes.
    """
    if not (content_type.startswith("image/") or content_type in (BYTES, "")):
        message = f"the Content-Type is unknown; send a picture's bytes as image/..., {advice}"
        raise RefusedError(415, "type", message)


def read_drawing(reader: Reader, body: bytes, *, single: bool) -> Reading:
    """Read the digits in a drawing.

    Args:
        reader: reader to use.
        body: JSON of the form `StrokesBody` or `ImageBody`.
        single: whether all strokes belong to one digit.

    Returns:
        The marks found, each with its most probable digit.

    Raises:
        RefusedError: if the body is not JSON or has another form.
    """
    drawing = parse_body(body, *DRAWINGS)
    if isinstance(drawing, StrokesBody):
        return reader.read_strokes(drawing.strokes, single=single)
    return reader.read_image(drawing.pixels())


def save_correction(corrections: Corrections, body: bytes) -> tuple[int, str]:
    """Save a corrected image in the folder of its label.

    Args:
        corrections: the folder of corrections.
        body: JSON of the form `CorrectionBody`.

    Returns:
        The label, 0 to 9, and the name of the file, such as "7/HASH.png".

    Raises:
        RefusedError: if the body is not JSON or has another form.
        DataError: if the folder is full or cannot be written.
    """
    correction = parse_body(body, CorrectionBody)
    return correction.label, corrections.add(to_bytes(correction.pixels()), correction.label)


def describe(name: str, classifier: Classifier) -> NetworkAnswer:
    """Describe a network for /api/model.

    Args:
        name: name of the network.
        classifier: the network.

    Returns:
        Its name, architecture and number of parameters.
    """
    architecture = classifier.meta.get("architecture")
    kind = architecture.get("name") if isinstance(architecture, dict) else None
    return NetworkAnswer(
        name=name,
        architecture=str(kind),
        networks=len(classifier.members),
        parameters=count_parameters(classifier),
    )


def content_type(request: Request) -> str:
    """Return the Content-Type of a request in lower case.

    Example: "Text/HTML; charset=utf-8" gives "text/html".
    A missing header gives "".
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def api_routes(api: Api) -> APIRouter:
    """Return the routes of the API.

    Args:
        api: the objects that answer the requests.
    """
    router = APIRouter()
    default = next(iter(api.readers))
    models_answer = api.models()

    @router.post(
        "/api/predict",
        responses={200: {"model": Answer}, **error_responses(404, 411, 413, 415, 422, 503)},
        openapi_extra=body_schema(*DRAWINGS, binary=(*PICTURE_TYPES, BYTES)),
        summary="Read a picture, a drawing or an image in the format of MNIST",
    )
    async def predict(
        request: Request,
        model: Annotated[str, Query(description="name of the network that reads")] = default,
        single: Annotated[
            bool, Query(description="whether the picture or drawing holds one digit at most")
        ] = False,
        detail: Annotated[
            bool, Query(description="whether the answer has row, probabilities and image of every mark")
        ] = False,
    ) -> Response:
        reading = await api.predict(model, content_type(request), await request.body(), single=single)
        return JSONResponse(detailed_json(reading) if detail else reading.to_json())

    @router.post(
        "/api/preview",
        responses={
            200: {"content": {"image/png": {"schema": BINARY_SCHEMA}}},
            **error_responses(411, 413, 415, 422, 503),
        },
        response_class=Response,
        openapi_extra=body_schema(binary=(*PICTURE_TYPES, BYTES)),
        summary="Convert a picture to PNG, upright and at most 1600 pixels wide and high",
    )
    async def preview_png(request: Request) -> Response:
        png = await api.preview(content_type(request), await request.body())
        return Response(png, media_type="image/png")

    @router.post(
        "/api/corrections",
        status_code=201,
        responses=error_responses(411, 413, 415, 422, 503, 507),
        openapi_extra=body_schema(CorrectionBody),
        summary="Save an image with its correct label",
    )
    async def correct(request: Request) -> SavedCorrection:
        return await api.correct(content_type(request), await request.body())

    @router.get("/api/model", responses=error_responses(), summary="List the networks")
    async def models() -> Models:
        return models_answer

    @router.get("/api/health", responses=error_responses(), summary="Check that the server works")
    async def health() -> Health:
        return Health(status="ok")

    text: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}}

    @router.get(
        "/metrics",
        responses={200: text, **error_responses()},
        response_class=Response,
        summary="Get the server's counters in the text format of Prometheus",
    )
    async def metrics() -> Response:
        return Response(api.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
