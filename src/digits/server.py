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

import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from digits import drawing, page
from digits.corrections import Corrections, default_folder
from digits.drawing import Points
from digits.errors import DataError, PhotoError
from digits.guard import BODY, Application, Guard, Hosts, RefusedError, Scope, refusal
from digits.inference import Classifier, Convolution, Dense
from digits.metrics import Metrics
from digits.options import ServeOptions
from digits.page import Asset
from digits.pictures import Limits
from digits.reader import Reader, Reading
from digits.worker import BusyError, Worker

LIMITS = Limits(file_bytes=BODY, pixels=25_000_000, side=20_000)
STROKES, POINTS = 1_000, 10_000  # of a drawing, at most
PICTURES = tuple(f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "heic"))
BYTES, JSON = "application/octet-stream", "application/json"
BUNDLED = ("cnn", "mlp")
DOUBT = "doubt"  # the name under which the page finds the network that knows what is no digit

STATUS = {"format": 415, "limit": 413, "damaged": 400}
WORDS = {
    "format": "this is no picture that can be read here; send PNG, JPEG, WebP, GIF, TIFF or BMP",
    "limit": f"the picture is too large; at most {BODY:,} bytes, {LIMITS.pixels:,} pixels and a side of "
    f"{LIMITS.side:,} pixels are read",
    "damaged": "the picture is damaged: its pixels cannot be decoded",
}
BUSY = "the server is busy; try again in a second"
SHAPE = "expected an array of 28 rows of 28 numbers from 0 (paper) to 1 (ink)"
log = logging.getLogger("digits.server")


# ------------------------------------------------------------------------------------ what is said


class Mark(BaseModel):
    """One mark and the best guess of what it is."""

    digit: Annotated[int, Field(ge=0, le=9)]
    probability: Annotated[float, Field(ge=0, le=1)]
    accepted: bool
    reason: Annotated[str | None, Field(description="why it was not: blank, not a digit, unclear")]
    box: Annotated[list[int], Field(min_length=4, max_length=4, description="x, y, width, height")]
    row: Annotated[int | None, Field(description="line of writing, from 0; with ?detail=true")] = None
    probabilities: Annotated[list[float] | None, Field(description="of 0 to 9; with ?detail=true")] = None
    image: Annotated[
        str | None, Field(description="what the network saw: 784 bytes in Base64; with ?detail=true")
    ] = None


class Answer(BaseModel):
    """What a picture says: every mark in reading order."""

    text: Annotated[str, Field(description="the accepted digits, a line for each row")]
    digits: list[Mark]
    width: Annotated[int | None, Field(description="of the picture; with ?detail=true")] = None
    height: Annotated[int | None, Field(description="of the picture; with ?detail=true")] = None


class Error(BaseModel):
    """Why there is no answer."""

    error: Annotated[str, Field(description="a sentence for people")]
    kind: Annotated[str, Field(description="a word for programs")]


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"]


class About(BaseModel):
    """One network."""

    name: str
    architecture: str
    networks: Annotated[int, Field(description="that answer as one")]
    parameters: int


class Models(BaseModel):
    """The networks there are; the first one reads if none is named."""

    models: list[About]
    doubt: Annotated[bool, Field(description="whether a second network says what is no digit at all")]


class Kept(BaseModel):
    """That a correction was kept."""

    kept: Annotated[str, Field(description="its name in the folder of corrections")]


ROW = {
    "type": "array",
    "minItems": 28,
    "maxItems": 28,
    "items": {"type": "number", "minimum": 0, "maximum": 1},
}
IMAGE = {"type": "array", "minItems": 28, "maxItems": 28, "items": ROW}
POINT = {
    "type": "array",
    "minItems": 2,
    "maxItems": 2,
    "items": {"type": "number", "minimum": -1e6, "maximum": 1e6},
}
STROKE = {"type": "array", "items": POINT}
DRAWING = {
    "oneOf": [
        {
            "title": title,
            "type": "object",
            "required": [name],
            "properties": {name: schema},
            "additionalProperties": False,
        }
        for title, name, schema in (
            ("Strokes", "strokes", {"type": "array", "maxItems": STROKES, "items": STROKE}),
            ("Image", "image", IMAGE),
        )
    ]
}
CORRECTION = {
    "title": "Correction",
    "type": "object",
    "required": ["image", "label"],
    "properties": {"image": IMAGE, "label": {"type": "integer", "minimum": 0, "maximum": 9}},
    "additionalProperties": False,
}
Responses: TypeAlias = dict[int | str, dict[str, Any]]
REASONS = {
    400: "Damaged, no JSON, or a wrong Host",
    403: "Asked by another site's page",
    404: "There is no such thing",
    405: "Another method is needed",
    411: "The body's length is missing",
    413: "Too large",
    415: "No picture, or a Content-Type that is not read here",
    422: "JSON or parameters that say something else than expected",
    503: "Busy",
    507: "The folder of corrections is full or cannot be written",
}


def _errors(*statuses: int) -> Responses:
    return {status: {"model": Error, "description": REASONS[status]} for status in (400, 403, *statuses)}


def _body(schemas: dict[str, Any]) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


BINARY = {"type": "string", "format": "binary"}
PREDICT = _body({**dict.fromkeys((*PICTURES, BYTES), BINARY), JSON: DRAWING})


# ---------------------------------------------------------------------------------------- networks


@dataclass(frozen=True)
class Network:
    """One that the page offers: its reader, its bytes for the page, what is said of it."""

    reader: Reader
    asset: Asset
    about: dict[str, Any]


def networks(models: Iterable[str]) -> dict[str, Network]:
    """The user's own first, then the bundled ones, by name. Raises CheckpointError, OptionError."""
    found: dict[str, Network] = {}
    for model in (*models, *(name for name in BUNDLED if name not in models)):
        reader = Reader.load(model)
        name = wanted = re.sub(r"[^\w.-]", "_", Path(model).resolve().name.removesuffix(".npz"), flags=re.A)
        while name in found or name == DOUBT:
            name = f"{wanted}-{len(found)}"
        found[name] = Network(reader, _binary(reader.classifier), {"name": name, **_about(reader.classifier)})
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


# ------------------------------------------------------------------------------------- application


def application(options: ServeOptions, port: int, *, worker: Worker | None = None) -> Application:
    """The server as ASGI has it; `port` is the one it is asked on. Raises CheckpointError, OptionError."""
    known = networks(options.model)
    worker = worker or Worker(LIMITS)
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

    return Guard(app, Hosts(_names(options, port)), counted)


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
    app: FastAPI, known: dict[str, Network], worker: Worker, metrics: Metrics, kept: Corrections
) -> None:
    first = next(iter(known))

    @app.post(
        "/api/predict",
        responses={200: {"model": Answer}, **_errors(404, 411, 413, 415, 422, 503)},
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
            reading = await worker.do(lambda: _read_json(reader, body))
        elif kind.startswith("image/") or kind in (BYTES, ""):
            reading = await worker.read(reader, body, single=single)
        else:
            raise RefusedError(
                415, "type", "send the picture's bytes as image/... or strokes as application/json"
            )
        for mark in reading.digits:
            metrics.marks.labels(model, str(mark.digit), str(mark.accepted).lower()).inc()
        return _said(_in_detail(reading) if detail else reading.to_json())

    @app.post(
        "/api/corrections",
        status_code=201,
        responses={201: {"model": Kept}, **_errors(411, 413, 415, 422, 503, 507)},
        openapi_extra=_body({JSON: CORRECTION}),
        summary="Keep a picture with its right label",
    )
    async def correct(request: Request) -> Response:
        if _kind(request) != JSON:
            raise RefusedError(415, "type", "send application/json")
        body = await request.body()
        image, label = await worker.do(lambda: _correction(body))
        try:
            name = await worker.do(lambda: kept.add(image, label))
        except DataError as error:
            log.error("%s", error)
            raise RefusedError(507, "full", REASONS[507].lower()) from None
        metrics.corrected.labels(str(label)).inc()
        return _said({"kept": name}, 201)

    @app.get("/api/model", responses={200: {"model": Models}, **_errors()}, summary="The networks there are")
    async def model() -> Response:
        doubt = next(iter(known.values())).reader.doubt is not None
        return _said({"models": [network.about for network in known.values()], "doubt": doubt})

    @app.get("/api/health", responses={200: {"model": Health}, **_errors()}, summary="Whether all is well")
    async def health() -> Response:
        return _said({"status": "ok"})

    @app.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_errors()},
        response_class=Response,
        summary="For Prometheus",
    )
    async def measured() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _files(app: FastAPI, known: dict[str, Network]) -> None:
    """The page and the networks, from memory."""
    doubts = [network.reader.doubt for network in known.values() if network.reader.doubt is not None]
    files = page.assets()
    binaries = {name: network.asset for name, network in known.items()}
    if doubts:
        binaries[DOUBT] = _binary(doubts[0])
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
            **_errors(404),
        },
        response_class=Response,
        summary="A network's numbers, for the page to compute with",
    )
    async def network(request: Request, name: str) -> Response:
        return send(binaries.get(name), request)


# --------------------------------------------------------------------------------------- what JSON says


def _json(body: bytes, *wanted: set[str]) -> dict[str, Any]:
    """A JSON object with exactly these names, or these."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "json", "the body is no JSON") from None
    if not isinstance(value, dict) or set(value) not in wanted:
        names = " or ".join(" and ".join(sorted(names)) for names in wanted)
        raise RefusedError(422, "json", f"expected a JSON object with {names}")
    return value


def _read_json(reader: Reader, body: bytes) -> Reading:
    value = _json(body, {"strokes"}, {"image"})
    if "image" in value:
        return reader.read_image(_image(value["image"]))
    return reader.read_strokes(_strokes(value["strokes"]))


def _strokes(value: Any) -> list[Points]:
    parts = value if isinstance(value, list) else []
    if len(parts) > STROKES or sum(len(part) for part in parts if isinstance(part, list)) > POINTS:
        raise RefusedError(422, "limit", f"at most {STROKES:,} strokes and {POINTS:,} points are read")
    try:
        return drawing.as_strokes(value)
    except ValueError as error:
        raise RefusedError(422, "json", str(error)) from None


def _image(value: Any) -> npt.NDArray[np.float32]:
    """28 rows of 28 numbers in [0, 1]; true and "0.5" are no numbers."""
    rows = value if isinstance(value, list) and len(value) == 28 else []
    flat = [number for row in rows if isinstance(row, list) and len(row) == 28 for number in row]
    right = all(type(number) in (int, float) and 0 <= number <= 1 for number in flat)
    if len(flat) != 784 or not right:
        raise RefusedError(422, "json", SHAPE)
    return np.array(flat, np.float32).reshape(28, 28)


def _correction(body: bytes) -> tuple[npt.NDArray[np.uint8], int]:
    value = _json(body, {"image", "label"})
    label = value["label"]
    if isinstance(label, bool) or label not in range(10) or label != int(label):
        raise RefusedError(422, "json", "expected a label from 0 to 9")
    return _bytes(_image(value["image"])), int(label)


def _bytes(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.rint(image * np.float32(255)), np.uint8)


def _in_detail(reading: Reading) -> dict[str, Any]:
    digits = [
        {
            **digit.to_json(),
            "row": digit.row,
            "probabilities": [round(p, 6) for p in digit.probabilities],
            "image": base64.b64encode(_bytes(digit.image).tobytes()).decode(),
        }
        for digit in reading.digits
    ]
    return {"text": reading.text, "digits": digits, "width": reading.width, "height": reading.height}
