"""The HTTP application of `digits serve`: `application` puts its parts together.

    POST /api/predict           read a picture, strokes or an array: which digits?
    POST /api/corrections       keep an image with its right digit
    GET  /api/model             the networks to choose from
    GET  /api/network/NAME      one network as bytes, for the page to compute with
    GET  /api/health, /metrics  for monitoring
    GET  /, /static/NAME        the page
    GET  /openapi.json          the API's description for programs

A request passes `request_checks` (Host, Origin, size), then a route of `api` or `page_files`. Every error is
a JSON object {"error": a sentence, "kind": a word}; see `error_answers`.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from digits.networks.bundled import BUNDLED, REJECTION
from digits.reading.reader import Reader
from digits.serving.api import Api, api_routes
from digits.serving.corrections import Corrections, default_folder
from digits.serving.error_answers import add_error_answers
from digits.serving.limits import PICTURE_LIMITS
from digits.serving.options import ServeOptions
from digits.serving.page_files import file_routes, network_files, page_files
from digits.serving.prometheus import Metrics
from digits.serving.reading_queue import ReadingQueue
from digits.serving.request_checks import AllowedHosts, RequestChecks

THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")  # Host headers of a server that only this machine reaches


def application(
    options: ServeOptions, port: int, *, readers: Mapping[str, Reader] | None = None
) -> RequestChecks:
    """Return the server as an ASGI application that answers requests to `port`.

    `readers` are the networks by name, the default one first; without it, those of `options.model` and the
    bundled ones are loaded. Raises CheckpointError or OptionError if one cannot be used.
    """
    readers = readers or load_readers(options.model)
    queue = ReadingQueue(PICTURE_LIMITS)
    metrics = Metrics(several_processes=options.workers > 1)
    corrections = Corrections(options.corrections or default_folder())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        queue.start()
        yield
        queue.stop()

    app = FastAPI(
        title="digits",
        summary="Reads handwritten digits",
        version="1",  # of the API
        docs_url=None,  # FastAPI's pages of documentation load scripts from other sites
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    add_error_answers(app)
    app.include_router(api_routes(Api(readers, queue, metrics, corrections)))
    app.include_router(file_routes({**page_files(), **network_files(readers)}))

    def count(path: str, method: str, status: int, seconds: float) -> None:
        metrics.count_answer(path, method, status, seconds)
        metrics.waiting.set(queue.waiting)

    return RequestChecks(app, AllowedHosts(host_names(options, port)), count)


def load_readers(models: Iterable[str]) -> dict[str, Reader]:
    """Return readers for the user's networks, then for the bundled ones, by names that are safe in a URL.

    A network is named after its folder or file; a name that is taken gets a number. Raises CheckpointError or
    OptionError if a network cannot be used.
    """
    readers: dict[str, Reader] = {}
    for model in (*models, *(name for name in sorted(BUNDLED) if name not in models)):
        reader = Reader.load(model)
        file_name = Path(model).resolve().name.removesuffix(".npz")
        name = wanted = re.sub(r"[^\w.-]", "_", file_name, flags=re.ASCII)
        while name in readers or name == REJECTION:
            name = f"{wanted}-{len(readers)}"
        readers[name] = reader
    return readers


def host_names(options: ServeOptions, port: int) -> list[str]:
    """Return the allowed Host headers: this machine's names with the port, and those of --allowed-host."""
    own = [f"{name}:{port}" for name in THIS_MACHINE]
    if port == 80:  # browsers leave out HTTP's default port
        own += THIS_MACHINE
    return [*own, *options.allowed_host]
