"""Define the routes of the API: read pictures, save corrections, list networks, report health and metrics.

A reader (`digits.reading.reader.Reader`) reads pictures with one network. Readers run in the reading
processes, so that the event loop stays free for other requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from digits.networks.numpy_inference import Classifier
from digits.reading.options import MAX_CELLS, MAX_LENGTH
from digits.reading.reader import Reader
from digits.serving.answers import (
    Answer,
    Health,
    Models,
    NetworkAnswer,
    SavedCorrection,
    error_responses,
)
from digits.serving.browser_network import count_parameters
from digits.serving.error_answers import RefusedError, log
from digits.serving.page_files import rejection_networks
from digits.serving.prometheus import Metrics
from digits.serving.reading_queue import ReadingQueue
from digits.serving.request_bodies import (
    BINARY_SCHEMA,
    BYTES,
    DRAWINGS,
    FIELD_CELLS,
    FIELD_LENGTH,
    FIELD_PATTERN,
    FORM,
    FORM_FIELDS,
    JSON,
    PICTURE_TYPES,
    CorrectionBody,
    body_schema,
    boundary_in,
)
from digits.serving.tasks import Outcome, Task


@dataclass(frozen=True)
class Api:
    """The objects that all requests share."""

    readers: Mapping[str, Reader]  # name of a network -> its reader; the first one is the default
    queue: ReadingQueue
    metrics: Metrics

    async def answer(self, request: Request, task: Task) -> Response:
        """Do the task of a request in a reading process and answer with its outcome.

        Args:
            request: the request.
            task: what it asks for.

        Raises:
            BusyError: if too many requests wait, or this one waited too long.
        """
        outcome = await self.queue.do(task, request.client.host if request.client else "")
        if outcome.log:
            log.error("%s", outcome.log)
        self.count(task, outcome)
        return Response(outcome.body, outcome.status, media_type=outcome.content_type)

    def count(self, task: Task, outcome: Outcome) -> None:
        """Count the marks that were read, or the correction that was saved."""
        for digit, accepted in outcome.digits:
            if task.kind == "correction":
                self.metrics.corrected.labels(str(digit)).inc()
            else:
                self.metrics.marks.labels(task.model, str(digit), str(accepted).lower()).inc()

    def models(self) -> Models:
        """List all networks, the default one first.

        Returns:
            The answer of /api/model.
        """
        names, rejections = rejection_networks(self.readers)
        models = [describe(name, reader.classifier, names.get(name)) for name, reader in self.readers.items()]
        threshold = next(iter(self.readers.values())).threshold
        return Models(models=models, threshold=threshold, rejection=bool(rejections))


async def picture_task(request: Request, advice: str = "as it is") -> Task:
    """Return the task "picture" for a request's body.

    Args:
        request: its body is a picture, or a form with a picture.
        advice: end of the error's sentence.

    Raises:
        RefusedError: if the Content-Type is not that of a picture, a form or any bytes.
    """
    kind = content_type(request)
    if kind == FORM:
        boundary = boundary_in(request.headers["content-type"])
        return Task("picture", await request.body(), boundary=boundary)
    if kind.startswith("image/") or kind in (BYTES, ""):
        return Task("picture", await request.body())
    message = f"the Content-Type is unknown; send a picture's bytes as image/..., {advice}"
    raise RefusedError(415, "type", message)


def describe(name: str, classifier: Classifier, rejection: str | None = None) -> NetworkAnswer:
    """Describe a network for /api/model.

    Args:
        name: name of the network.
        classifier: the network.
        rejection: name of its rejection network; None: it has none.

    Returns:
        Its name, architecture, number of parameters and rejection network.
    """
    architecture = classifier.meta.get("architecture")
    kind = architecture.get("name") if isinstance(architecture, dict) else None
    return NetworkAnswer(
        name=name,
        architecture=str(kind),
        networks=len(classifier.members),
        parameters=count_parameters(classifier),
        rejection=rejection,
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
        openapi_extra=body_schema(*DRAWINGS, binary=(*PICTURE_TYPES, BYTES), fields=FORM_FIELDS),
        summary="Read a picture, a drawing or an image in the format of MNIST",
    )
    async def predict(
        request: Request,
        model: Annotated[str, Query(description="name of the network that reads")] = default,
        single: Annotated[
            bool,
            Query(description="whether the picture holds one digit at most; not used with the others below"),
        ] = False,
        detail: Annotated[
            bool, Query(description="whether the answer has row, probabilities and image of every mark")
        ] = False,
        length: Annotated[
            Annotated[str, Field(pattern=FIELD_LENGTH)] | SkipJsonSchema[None],
            Query(description=f"digits of the only number, 1 to {MAX_LENGTH}; not used with pattern"),
        ] = None,
        pattern: Annotated[
            Annotated[str, Field(max_length=MAX_LENGTH, pattern=FIELD_PATTERN)] | SkipJsonSchema[None],
            Query(description="form of the only number, such as ##.##, if that is known: # is any digit"),
        ] = None,
        cells: Annotated[
            Annotated[str, Field(pattern=FIELD_CELLS)] | SkipJsonSchema[None],
            Query(description=f"boxes to read in order, also the empty ones, 1 to {MAX_CELLS}"),
        ] = None,
    ) -> Response:
        if model not in api.readers:
            raise RefusedError(404, "model", "there is no network with this name; api/model lists the names")
        if content_type(request) == JSON:
            task = Task("drawing", await request.body())
        else:
            task = await picture_task(request, "or strokes as application/json")
        task = replace(task, length=int(length or 0) or None, pattern=pattern, cells=int(cells or 0) or None)
        return await api.answer(request, replace(task, model=model, single=single, detail=detail))

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
        return await api.answer(request, replace(await picture_task(request), kind="preview"))

    @router.post(
        "/api/corrections",
        status_code=201,
        responses={201: {"model": SavedCorrection}, **error_responses(411, 413, 415, 422, 503, 507)},
        response_class=Response,
        openapi_extra=body_schema(CorrectionBody),
        summary="Save an image with its correct label",
    )
    async def correct(request: Request) -> Response:
        if content_type(request) != JSON:
            raise RefusedError(415, "type", "the Content-Type is not JSON; send application/json")
        return await api.answer(request, Task("correction", await request.body()))

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
