"""Routes of the API: read pictures, keep corrections, list the networks, report health and metrics."""

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
    Kept,
    Models,
    NetworkAnswer,
    detailed,
    error_responses,
    to_bytes,
)
from digits.serving.browser_network import count_parameters
from digits.serving.corrections import Corrections
from digits.serving.error_answers import RefusedError, log
from digits.serving.prometheus import Metrics
from digits.serving.reading_queue import ReadingQueue
from digits.serving.request_bodies import (
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
    """Objects that all requests share: the readers by name, the reading queue, metrics and corrections."""

    readers: Mapping[str, Reader]  # the first one is the default
    queue: ReadingQueue
    metrics: Metrics
    corrections: Corrections

    async def predict(self, name: str, content_type: str, body: bytes, *, single: bool) -> Reading:
        """Read a body with the network `name`. Raises RefusedError, PhotoError or BusyError."""
        if name not in self.readers:
            raise RefusedError(404, "model", "there is no network of this name; /api/model lists them")
        reader = self.readers[name]
        if content_type == JSON:
            reading = await self.queue.do(lambda: read_drawing(reader, body))
        elif content_type.startswith("image/") or content_type in (BYTES, ""):
            reading = await self.queue.read(reader, body, single=single)
        else:
            raise RefusedError(
                415, "type", "send a picture's bytes as image/... or strokes as application/json"
            )
        for digit in reading.digits:
            self.metrics.marks.labels(name, str(digit.digit), str(digit.accepted).lower()).inc()
        return reading

    async def correct(self, content_type: str, body: bytes) -> Kept:
        """Save a corrected image. Raises RefusedError or BusyError."""
        if content_type != JSON:
            raise RefusedError(415, "type", "send application/json")
        try:
            label, name = await self.queue.do(lambda: save_correction(self.corrections, body))
        except DataError as error:
            log.error("%s", error)
            raise RefusedError(507, "full", ERRORS[507].lower()) from None
        self.metrics.corrected.labels(str(label)).inc()
        return Kept(kept=name)

    def models(self) -> Models:
        """Return the networks to choose from, in order."""
        models = [describe(name, reader.classifier) for name, reader in self.readers.items()]
        rejection = any(reader.rejection is not None for reader in self.readers.values())
        return Models(models=models, rejection=rejection)


def read_drawing(reader: Reader, body: bytes) -> Reading:
    """Read a JSON body with strokes or an image. Raises RefusedError if it has another shape."""
    drawing = parse_body(body, *DRAWINGS)
    if isinstance(drawing, StrokesBody):
        return reader.read_strokes(drawing.strokes)
    return reader.read_image(drawing.pixels())


def save_correction(corrections: Corrections, body: bytes) -> tuple[int, str]:
    """Save a JSON body with an image and a label; return the label and the file's name.

    Raises RefusedError if the body has another shape, DataError if the folder cannot take it.
    """
    correction = parse_body(body, CorrectionBody)
    return correction.label, corrections.add(to_bytes(correction.pixels()), correction.label)


def describe(name: str, classifier: Classifier) -> NetworkAnswer:
    """Return what /api/model tells about a network."""
    architecture = classifier.meta.get("architecture")
    kind = architecture.get("name") if isinstance(architecture, dict) else None
    return NetworkAnswer(
        name=name,
        architecture=str(kind),
        networks=len(classifier.members),
        parameters=count_parameters(classifier),
    )


def content_type(request: Request) -> str:
    """Return a request's Content-Type without parameters, in lower case; "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def api_routes(api: Api) -> APIRouter:
    """Return the routes of the API, with their description for /openapi.json."""
    router = APIRouter()
    default = next(iter(api.readers))
    models_answer = api.models()

    @router.post(
        "/api/predict",
        responses={200: {"model": Answer}, **error_responses(404, 411, 413, 415, 422, 503)},
        openapi_extra=body_schema(*DRAWINGS, binary=(*PICTURE_TYPES, BYTES)),
        summary="Read a picture, a drawing or an image in MNIST's form",
    )
    async def predict(
        request: Request,
        model: Annotated[str, Query(description="name of a network")] = default,
        single: Annotated[bool, Query(description="there is one digit at most")] = False,
        detail: Annotated[bool, Query(description="say more about every mark")] = False,
    ) -> Response:
        reading = await api.predict(model, content_type(request), await request.body(), single=single)
        return JSONResponse(detailed(reading) if detail else reading.to_json())

    @router.post(
        "/api/corrections",
        status_code=201,
        responses=error_responses(411, 413, 415, 422, 503, 507),
        openapi_extra=body_schema(CorrectionBody),
        summary="Keep a picture with its right label",
    )
    async def correct(request: Request) -> Kept:
        return await api.correct(content_type(request), await request.body())

    @router.get("/api/model", responses=error_responses(), summary="The networks to choose from")
    async def models() -> Models:
        return models_answer

    @router.get("/api/health", responses=error_responses(), summary="Whether the server answers")
    async def health() -> Health:
        return Health(status="ok")

    text: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}}

    @router.get(
        "/metrics",
        responses={200: text, **error_responses()},
        response_class=Response,
        summary="Counters in the format of Prometheus",
    )
    async def metrics() -> Response:
        return Response(api.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
