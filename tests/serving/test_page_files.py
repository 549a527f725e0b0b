"""The page behind a proxy: under any path, all addresses lead back to the server."""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest
from support.hostile import saved
from support.served import asked
from support.strokefont import sheet

from digits.errors import OptionError
from digits.serving.app import application
from digits.serving.options import ServeOptions
from digits.serving.page_files import STATIC

PREFIX = "http://hub.example.org/user/ada/proxy/8000/"
ADDRESSES = re.compile(r'(?:href|src|action)="([^"]*)"|url\(([^)]*)\)|@import "([^"]*)"')


def addresses(name: str) -> Iterator[str]:
    """List the addresses that a file of the page names in HTML or CSS."""
    for found in ADDRESSES.finditer((STATIC / name).read_text()):
        yield next(filter(None, found.groups()))


def test_html_and_css_name_relative_addresses_that_exist(client: httpx.Client) -> None:
    """Every address in HTML and CSS stays under the path of the page and is answered."""
    named = [("", "index.html"), *(("static/", path.name) for path in STATIC.glob("*.css"))]
    found = [
        urljoin(f"{PREFIX}{folder}", address)
        for folder, name in named
        for address in addresses(name)
        if not address.startswith("data:")
    ]
    assert len(found) >= 3
    for address in found:
        assert address.startswith(PREFIX)
        assert client.get(f"/{address.removeprefix(PREFIX)}").status_code == 200


def test_the_schema_names_no_place_of_its_own(client: httpx.Client) -> None:
    """The addresses of /openapi.json are relative to where it was found; no answer names another place."""
    schema = client.get("/openapi.json").json()
    (server,) = schema["servers"]
    base = urljoin(f"{PREFIX}openapi.json", server["url"]).rstrip("/")
    assert {f"{base}{path}" for path in schema["paths"]} > {f"{PREFIX}api/predict", f"{PREFIX}metrics"}
    for path in ("/nothing", "/api/predict?model=none", "/api/predict"):
        assert " /" not in client.post(path, content=b"x").json()["error"]


def test_a_root_path_is_taken_off(client: httpx.Client) -> None:
    """With --root-path the server answers under that path and without it; the bare path leads to the page."""
    app = application(ServeOptions(root_path="/user/ada/digits"), 80)

    def ask(method: str, path: str, **more: bytes) -> httpx.Response:
        return asyncio.run(asked(app, method, path, **more))

    for prefix in ("", "/user/ada/digits"):
        assert ask("GET", f"{prefix}/").text == client.get("/").text
        assert ask("GET", f"{prefix}/static/main.js").status_code == 200
        picture = saved(sheet("3", size=(60, 60), height=40), "PNG")
        assert ask("POST", f"{prefix}/api/predict?single=true", content=picture).json()["text"] == "3"
    moved = ask("GET", "/user/ada/digits")
    assert (moved.status_code, moved.headers["location"]) == (307, "digits/")
    assert ask("GET", "/user/ada/digitsx/").status_code == 404
    assert ask("GET", "/user/ada/").status_code == 404


@pytest.mark.parametrize("path", ["digits", "/digits/", "/", "/a b", "//a", "/{x}"])
def test_a_wrong_root_path_is_an_option_error(path: str) -> None:
    """A root path begins with a slash and does not end with one."""
    with pytest.raises(OptionError, match="--root-path"):
        ServeOptions(root_path=path)
