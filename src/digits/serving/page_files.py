"""Serve the files that the browser loads.

These are the page's HTML, CSS and JavaScript, and the networks as bytes. The server reads all of them into
memory when it starts. So a request for one of them opens no file.
"""

import functools
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from digits.networks.bundled import REJECTION
from digits.reading.reader import Reader
from digits.serving.answers import error_responses
from digits.serving.browser_network import network_bytes
from digits.serving.request_bodies import BINARY_SCHEMA, BYTES

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class MemoryFile:
    """A file in memory: its content and its Content-Type."""

    content: bytes
    content_type: str

    @functools.cached_property
    def etag(self) -> str:
        """The ETag header, a hash of the content in quotes."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:20]}"'


def page_files() -> dict[str, MemoryFile]:
    """Read the files of the page.

    Returns:
        Address -> file; an address is "/" or "/static/NAME".
    """
    paths = [path for path in STATIC.iterdir() if path.suffix in CONTENT_TYPES]
    files = {
        f"/static/{path.name}": MemoryFile(path.read_bytes(), CONTENT_TYPES[path.suffix]) for path in paths
    }
    return {"/": files.pop("/static/index.html"), **files}


def network_files(readers: Mapping[str, Reader]) -> dict[str, MemoryFile]:
    """Convert the networks of all readers to files.

    Args:
        readers: name of a network -> its reader.

    Returns:
        Address "/api/network/NAME" -> file, in the format of `browser_network`.
    """
    _, rejections = rejection_networks(readers)
    networks = {name: network_bytes(reader.classifier) for name, reader in readers.items()} | rejections
    return {f"/api/network/{name}": MemoryFile(content, BYTES) for name, content in networks.items()}


def rejection_networks(readers: Mapping[str, Reader]) -> tuple[dict[str, str], dict[str, bytes]]:
    """Name the rejection network of each network. It tells digits from other marks.

    Most networks share one; one that `digits adapt` wrote has its own.

    Args:
        readers: name of a network -> its reader.

    Returns:
        Name of a network -> name of its rejection network, if it has one.
        Name of a rejection network -> its bytes, in the format of `browser_network`.
    """
    names: dict[str, str] = {}
    found: dict[str, bytes] = {}
    for name, reader in readers.items():
        if reader.rejection is None:
            continue
        content = network_bytes(reader.rejection)
        known = next((label for label, other in found.items() if other == content), None)
        if known is None:
            numbered = (f"{REJECTION}-{number}" for number in itertools.count(2))
            candidates = itertools.chain([REJECTION], numbered)
            known = next(label for label in candidates if label not in found and label not in readers)
        names[name], found[known] = known, content
    return names, found


def file_routes(files: Mapping[str, MemoryFile]) -> APIRouter:
    """Return the routes that send the files.

    Args:
        files: address -> file.
    """
    router = APIRouter()

    def answer(request: Request, address: str) -> Response:
        file = files.get(address)
        if file is None:
            raise HTTPException(404)
        # "no-cache" lets the browser keep a copy, but it must ask each time whether the copy is up to date.
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        # The browser sends the ETag of its copy. An equal one means that the copy is up to date.
        if request.headers.get("if-none-match") == file.etag:
            return Response(None, 304, headers)
        return Response(file.content, 200, headers, media_type=file.content_type)

    @router.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return answer(request, "/")

    @router.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        return answer(request, f"/static/{name}")

    @router.get(
        "/api/network/{name}",
        responses={
            200: {"content": {BYTES: {"schema": BINARY_SCHEMA}}},
            304: {"description": "The browser's copy is up to date"},
            **error_responses(404),
        },
        response_class=Response,
        summary="Get the weights of a network; the page computes with them",
    )
    async def network(request: Request, name: str) -> Response:
        return answer(request, f"/api/network/{name}")

    return router


def slash_route(root_path: str) -> APIRouter:
    """Return the route that leads from the page's address without a slash at its end to the page.

    Args:
        root_path: path under which a proxy serves the page, such as "/digits".
    """
    router = APIRouter()

    @router.get(root_path, include_in_schema=False)
    async def add_slash() -> Response:
        # The page's addresses are relative to a folder. The name alone is relative to the folder above.
        return RedirectResponse(f"{root_path.rpartition('/')[2]}/")

    return router
