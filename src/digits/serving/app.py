"""Build the HTTP application of `digits serve`.

    POST /api/predict           read the digits in a picture, a drawing or an image
    POST /api/preview           get a picture as PNG, for a browser that cannot show its format
    POST /api/corrections       save an image with its correct digit
    GET  /api/model             list the networks
    GET  /api/network/NAME      get the weights of one network; the page computes with them
    GET  /api/health, /metrics  monitor the server
    GET  /, /static/NAME        get the page
    GET  /openapi.json          get the description of the API for programs

Every request first passes `request_checks`, which checks its Host, its Origin and its size. Then a route of
`api` or `page_files` answers it. Every error is answered with a JSON object {"error": a sentence, "kind": a
word}; see `error_answers`.
"""

import itertools
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from digits.networks.bundled import BUNDLED, REJECTION
from digits.reading.options import THRESHOLD
from digits.reading.reader import Reader
from digits.serving.api import Api, api_routes
from digits.serving.corrections import Corrections, default_folder
from digits.serving.error_answers import add_error_answers
from digits.serving.options import ServeOptions
from digits.serving.page_files import file_routes, network_files, page_files, slash_route
from digits.serving.prometheus import Metrics
from digits.serving.reading_queue import ReadingQueue, Settings
from digits.serving.request_checks import AllowedHosts, RequestChecks
from digits.serving.tasks import Worker

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")  # names of this machine in Host headers, without the port


def application(
    options: ServeOptions, port: int, *, readers: Mapping[str, Reader] | None = None
) -> RequestChecks:
    """Build the application that answers all requests.

    Args:
        options: options of `digits serve`.
        port: port that the server listens on.
        readers: name of a network -> its reader, the default one first.
            None: the networks of `options.model` and the bundled ones.

    Returns:
        An ASGI application; ASGI is Python's standard interface for web servers.

    Raises:
        CheckpointError: if the file of a network is missing or damaged.
        OptionError: if a network does not have the classes 0 to 9.
    """
    readers = readers or load_readers(options.model, options.threshold)
    worker = Worker(readers, Corrections(options.corrections or default_folder()))
    queue = ReadingQueue(worker.do, Settings(pictures=options.workers), prepare=worker.prepare)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        queue.start()
        yield
        await queue.stop()

    app = FastAPI(
        title="digits",
        summary="Reads handwritten digits",
        version="1",  # of the API
        servers=[{"url": "."}],  # the folder of openapi.json, so that the addresses hold behind a proxy, too
        docs_url=None,  # no HTML documentation: FastAPI's page loads scripts from other sites
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    add_error_answers(app)
    app.include_router(api_routes(Api(readers, queue, metrics)))
    app.include_router(file_routes({**page_files(), **network_files(readers)}))
    if options.root_path:
        app.include_router(slash_route(options.root_path))

    def count(path: str, method: str, status: int, seconds: float) -> None:
        metrics.count_answer(path, method, status, seconds)
        metrics.waiting.set(queue.waiting)

    hosts = AllowedHosts(host_names(options, port))
    return RequestChecks(app, hosts, count, root_path=options.root_path)


def load_readers(models: Iterable[str], threshold: float = THRESHOLD) -> dict[str, Reader]:
    """Load the user's networks, then the bundled ones.

    Args:
        models: folders of runs, model files or names of bundled networks.
        threshold: a mark with at least this probability is accepted, in [0, 1].

    Returns:
        Name of a network -> its reader. The name is safe in a URL.

    Raises:
        CheckpointError: if the file of a network is missing or damaged.
        OptionError: if a network does not have the classes 0 to 9.
    """
    readers: dict[str, Reader] = {}
    for model in (*models, *(name for name in sorted(BUNDLED) if name not in models)):
        reader = Reader.load(model, threshold=threshold)
        file_name = Path(model).resolve().name.removesuffix(".npz")
        name = wanted = model if model in BUNDLED else re.sub(r"[^\w.-]", "_", file_name, flags=re.ASCII)
        # If two networks have the same name, the second one gets the first free number.
        numbers = itertools.count(2)
        while name in readers or name == REJECTION:
            name = f"{wanted}-{next(numbers)}"
        readers[name] = reader
    return readers


def host_names(options: ServeOptions, port: int) -> list[str]:
    """List the allowed Host headers.

    Args:
        options: options of `digits serve`.
        port: port that the server listens on.

    Returns:
        The local names with the port, then the names of --allowed-host.
    """
    names = [f"{name}:{port}" for name in LOCAL_NAMES]
    if port == 80:  # 80 is HTTP's default port; browsers leave it out of the Host header
        names += LOCAL_NAMES
    return [*names, *options.allowed_host]
