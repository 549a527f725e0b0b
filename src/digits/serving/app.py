"""The HTTP interface: addresses, what they take, what they answer. `application` is the way in.

    POST /api/predict           a picture, strokes or an array: which digits?
    POST /api/corrections       "that was wrong: it is a 7"
    GET  /api/model             the networks there are to choose from
    GET  /api/network/NAME      one of them, for the page to compute with
    GET  /api/health, /metrics  for whoever watches over the server
    GET  /, /static/NAME        the page
    GET  /openapi.json          all this for programs

Every error is a JSON object {"error": a sentence, "kind": a word}, made from fixed texts.
"""

import json
import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from digits.errors import DataError, PhotoError
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Convolution, Dense
from digits.reading.image_files import PictureLimits
from digits.reading.reader import Reader
from digits.serving import page
from digits.serving.corrections import Corrections, default_folder
from digits.serving.messages import (
    BINARY,
    BYTES,
    CORRECTION,
    JSON,
    PREDICT,
    REASONS,
    Answer,
    Health,
    Kept,
    Models,
    detailed,
    error_responses,
    parse_correction,
    read_json,
    request_body,
)
from digits.serving.options import ServeOptions
from digits.serving.page import Asset
from digits.serving.prometheus import Metrics
from digits.serving.reading_queue import BusyError, ReadingQueue
from digits.serving.request_checks import (
    BODY,
    AllowedHosts,
    Application,
    RefusedError,
    RequestChecks,
    Scope,
    refusal,
)

LIMITS = PictureLimits(file_bytes=BODY, pixels=25_000_000, side=20_000)
BUNDLED = ("cnn", "mlp")
REJECTION = "rejection"  # the name under which the page finds the network that knows what is no digit
STATUS = {"format": 415, "limit": 413, "damaged": 400}
WORDS = {
    "format": "this is no picture that can be read here; send PNG, JPEG, WebP, GIF, TIFF or BMP",
    "limit": f"the picture is too large; at most {BODY:,} bytes, {LIMITS.pixels:,} pixels and a side of "
    f"{LIMITS.side:,} pixels are read",
    "damaged": "the picture is damaged: its pixels cannot be decoded",
}
BUSY = "the server is busy; try again in a second"
log = logging.getLogger("digits.server")


@dataclass(frozen=True)
class ServedNetwork:
    """One that the page offers: its reader, its bytes for the page, what is said of it."""

    reader: Reader
    asset: Asset
    about: dict[str, Any]


def networks(models: Iterable[str]) -> dict[str, ServedNetwork]:
    """The user's own first, then the bundled ones, by name. Raises CheckpointError, OptionError."""
    found: dict[str, ServedNetwork] = {}
    for model in (*models, *(name for name in BUNDLED if name not in models)):
        reader = Reader.load(model)
        name = wanted = re.sub(r"[^\w.-]", "_", Path(model).resolve().name.removesuffix(".npz"), flags=re.A)
        while name in found or name == REJECTION:
            name = f"{wanted}-{len(found)}"
        found[name] = ServedNetwork(
            reader, _binary(reader.classifier), {"name": name, **_about(reader.classifier)}
        )
    return found


def _binary(classifier: Classifier) -> Asset:
    return Asset(page.network(classifier), BYTES)


def _about(classifier: Classifier) -> dict[str, Any]:
    architecture = classifier.meta.get("architecture")
    kind = architecture.get("name") if isinstance(architecture, dict) else None
    parameters = sum(
        (layer.weights if isinstance(layer, Dense) else layer.kernels).size + layer.bias.size
        for layers in classifier.members
        for layer in layers
        if isinstance(layer, Dense | Convolution)
    )
    return {"architecture": str(kind), "networks": len(classifier.members), "parameters": parameters}


def application(options: ServeOptions, port: int, *, worker: ReadingQueue | None = None) -> Application:
    """The server as ASGI has it; `port` is the one it is asked on. Raises CheckpointError, OptionError."""
    known = networks(options.model)
    worker = worker or ReadingQueue(LIMITS)
    metrics = Metrics(several=options.workers > 1)
    kept = Corrections(options.corrections or default_folder())

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop()

    app = FastAPI(
        title="digits",
        summary="Reads handwritten digits",
        version="1",  # of the interface
        docs_url=None,  # its page would load a script from elsewhere
        redoc_url=None,
        lifespan=working,
        redirect_slashes=False,
    )
    _say_errors(app)
    _api(app, known, worker, metrics, kept)
    _files(app, known)

    def counted(scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope.get("path", ""))
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        metrics.count(route, method, status, seconds)
        metrics.waiting.set(worker.waiting)

    return RequestChecks(app, AllowedHosts(_names(options, port)), counted)


def _names(options: ServeOptions, port: int) -> list[str]:
    own = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    if port == 80:  # which browsers leave out
        own += ["127.0.0.1", "localhost", "[::1]"]
    return [*own, *options.allowed_host]


def _route(path: str) -> str:
    """One of few: a label of a metric must not be what a stranger chooses."""
    if path in ("/", "/metrics", "/openapi.json"):
        return path
    found = re.match(r"/api/(predict|corrections|model|network|health)\b|/static\b", path)
    return found[0] if found else "other"


def _say_errors(app: FastAPI) -> None:
    async def plain(_: Request, error: Exception) -> Response:
        if isinstance(error, RefusedError):
            return _refused(error.status, error.kind, str(error))
        if isinstance(error, BusyError):
            return _refused(503, "busy", BUSY, {"Retry-After": "1"})
        if isinstance(error, PhotoError):
            return _refused(STATUS[error.kind], error.kind, WORDS[error.kind])
        if isinstance(error, RequestValidationError):
            return _refused(422, "parameter", "a parameter of the address is not what was expected")
        if isinstance(error, HTTPException):
            words = {404: "there is nothing at this address", 405: "this address takes another method"}
            text = words.get(error.status_code, "this cannot be answered")
            return _refused(error.status_code, "address", text, dict(error.headers or {}))
        log.error("a bug: %s", f"{type(error).__name__}: {error}"[:200].encode("unicode_escape").decode())
        return _refused(500, "bug", "something went wrong here; it was noted")

    for kind in (RefusedError, BusyError, PhotoError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, plain)


def _refused(status: int, kind: str, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(
        refusal(text, kind), status, {"Cache-Control": "no-store", **(headers or {})}, media_type=JSON
    )


def _said(what: Any, status: int = 200) -> Response:
    return Response(json.dumps(what), status, {"Cache-Control": "no-store"}, media_type=JSON)


def _api(
    app: FastAPI, known: dict[str, ServedNetwork], worker: ReadingQueue, metrics: Metrics, kept: Corrections
) -> None:
    first = next(iter(known))

    @app.post(
        "/api/predict",
        responses={200: {"model": Answer}, **error_responses(404, 411, 413, 415, 422, 503)},
        openapi_extra=PREDICT,
        summary="Read a picture, a drawing or an image in MNIST's form",
    )
    async def predict(
        request: Request,
        model: Annotated[str, Query(description="name of a network")] = first,
        single: Annotated[bool, Query(description="there is one digit at most")] = False,
        detail: Annotated[bool, Query(description="say more about every mark")] = False,
    ) -> Response:
        if model not in known:
            raise RefusedError(404, "model", "there is no network of this name; /api/model lists them")
        reader, kind, body = known[model].reader, _kind(request), await request.body()
        if kind == JSON:
            reading = await worker.do(lambda: read_json(reader, body))
        elif kind.startswith("image/") or kind in (BYTES, ""):
            reading = await worker.read(reader, body, single=single)
        else:
            raise RefusedError(
                415, "type", "send the picture's bytes as image/... or strokes as application/json"
            )
        for mark in reading.digits:
            metrics.marks.labels(model, str(mark.digit), str(mark.accepted).lower()).inc()
        return _said(detailed(reading) if detail else reading.to_json())

    @app.post(
        "/api/corrections",
        status_code=201,
        responses={201: {"model": Kept}, **error_responses(411, 413, 415, 422, 503, 507)},
        openapi_extra=request_body({JSON: CORRECTION}),
        summary="Keep a picture with its right label",
    )
    async def correct(request: Request) -> Response:
        if _kind(request) != JSON:
            raise RefusedError(415, "type", "send application/json")
        body = await request.body()
        image, label = await worker.do(lambda: parse_correction(body))
        try:
            name = await worker.do(lambda: kept.add(image, label))
        except DataError as error:
            log.error("%s", error)
            raise RefusedError(507, "full", REASONS[507].lower()) from None
        metrics.corrected.labels(str(label)).inc()
        return _said({"kept": name}, 201)

    @app.get(
        "/api/model",
        responses={200: {"model": Models}, **error_responses()},
        summary="The networks there are",
    )
    async def model() -> Response:
        rejection = next(iter(known.values())).reader.rejection is not None
        return _said({"models": [network.about for network in known.values()], "rejection": rejection})

    @app.get(
        "/api/health", responses={200: {"model": Health}, **error_responses()}, summary="Whether all is well"
    )
    async def health() -> Response:
        return _said({"status": "ok"})

    @app.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **error_responses()},
        response_class=Response,
        summary="For Prometheus",
    )
    async def measured() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _files(app: FastAPI, known: dict[str, ServedNetwork]) -> None:
    """The page and the networks, from memory."""
    rejections = [
        network.reader.rejection for network in known.values() if network.reader.rejection is not None
    ]
    files = page.assets()
    binaries = {name: network.asset for name, network in known.items()}
    if rejections:
        binaries[REJECTION] = _binary(rejections[0])
    marks = {asset: asset.etag for asset in (*files.values(), *binaries.values())}

    def send(asset: Asset | None, request: Request) -> Response:
        if asset is None:
            raise HTTPException(404)
        headers = {"ETag": marks[asset], "Cache-Control": "no-cache"}  # ask again, take 304 for an answer
        if request.headers.get("if-none-match") == marks[asset]:
            return Response(None, 304, headers)
        return Response(asset.content, 200, headers, media_type=asset.kind)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return send(files["/"], request)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        return send(files.get(f"/static/{name}"), request)

    @app.get(
        "/api/network/{name}",
        responses={
            200: {"content": {BYTES: {"schema": BINARY}}},
            304: {"description": "As before"},
            **error_responses(404),
        },
        response_class=Response,
        summary="A network's numbers, for the page to compute with",
    )
    async def network(request: Request, name: str) -> Response:
        return send(binaries.get(name), request)
