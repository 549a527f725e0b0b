"""The page in a real Chromium: drawing, reading, photos, corrections, keys, and agreement with Python."""

import base64
import io
import itertools
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.hostile import saved
from support.saved_network import saved as save_network
from support.served import Served, overloaded, served_in_thread
from support.strokefont import FONT, sheet

from digits.data import pen
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Upright
from digits.reading.acceptance import NUMBER_PROBABILITY
from digits.reading.options import THRESHOLD
from digits.reading.reader import Reader
from digits.reading.strokes import find_in_strokes
from digits.serving.app import application
from digits.serving.options import ServeOptions
from digits.serving.page_files import page_files
from digits.serving.request_checks import Application, Receive, Scope, Send

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload, Page

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SMALL_PHONE: dict[str, Any] = {**PHONE, "viewport": {"width": 360, "height": 640}}
AGREE = 1e-4  # of a probability

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

Strokes = list[list[list[float]]]
Open = Callable[..., "Page"]


@dataclass(frozen=True)
class Site:
    """A server with a rejection network that gives random answers, and readers of all kinds of networks."""

    address: str
    readers: dict[str, Reader]


@pytest.fixture(scope="session")
def uncertain_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The bundled networks and untrained ones of every kind."""
    folder = tmp_path_factory.mktemp("networks")
    rejection = Classifier.load(save_network("eleven", folder))
    classifiers = {
        f"my-{kind}": Classifier.load(save_network(kind, folder))
        for kind in ("mlp", "cnn", "upright", "ensemble")
    }
    classifiers |= {name: Classifier.load(name) for name in ("cnn", "mlp")}
    readers = {name: Reader(classifier, rejection) for name, classifier in classifiers.items()}
    options = ServeOptions(corrections=folder / "corrections")
    with served_in_thread(lambda port: application(options, port, readers=readers)) as port:
        yield Site(f"http://127.0.0.1:{port}", readers)


class Pages:
    """Pages of one Chromium, kept for all tests: opening the same page again takes half as long as a new one.

    `errors` collects what a page logs, and `foreign` the requests to addresses other than the server's.
    """

    def __init__(self, browser: "Browser") -> None:
        self.browser = browser
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self._pages: dict[str, Page] = {}

    def open(self, address: str, options: dict[str, Any]) -> "Page":
        """Return the page at `address`, as if it was opened for the first time."""
        key = f"{address} {options}"
        if key not in self._pages:
            self._pages[key] = self._new(address, options)
        page = self._pages[key]
        page.context.set_offline(False)
        page.goto("about:blank")  # so that the browser does not scroll to where the last test was
        page.mouse.move(0, 0)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    def leave(self) -> None:
        """Leave all pages. Whatever they have logged is in `errors` then; before, it may be on its way."""
        for page in self._pages.values():
            page.unroute_all()  # an answer that no request has fetched would meet the next test
            page.context.set_offline(False)
            page.goto("about:blank")

    def _new(self, address: str, options: dict[str, Any]) -> "Page":
        page = self.browser.new_context(**options).new_page()
        page.set_default_timeout(60_000)  # the machine may be busy
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text))

        def check_address(url: str) -> None:
            if not url.startswith((address, "blob:", "data:", "about:")):
                self.foreign.append(url)

        page.on("request", lambda request: check_address(request.url))
        page.add_init_script("if (location.protocol !== 'about:') localStorage.clear()")
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """One Chromium for this file.

    Not for the session: Playwright leaves an event loop running in this thread, where asyncio.run would fail.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(browser: "Browser") -> Pages:
    """The pages of that Chromium."""
    return Pages(browser)


@pytest.fixture
def opened(pages: Pages, running: Served) -> Iterator[Open]:
    """Open pages; at the end, check that no other address was requested and no error was logged."""
    errors_allowed = False

    def open_page(address: str = running.address, *, quiet: bool = True, **options: Any) -> "Page":
        nonlocal errors_allowed
        errors_allowed = not quiet
        return pages.open(address, options or DESKTOP)

    pages.leave()
    pages.errors.clear()
    pages.foreign.clear()
    yield open_page
    pages.leave()
    assert not pages.foreign
    assert errors_allowed or not pages.errors


def written(text: str, *, height: float = 150, x: float = 30, y: float = 60) -> Strokes:
    """Return strokes of digits side by side, in pixels of the paper."""
    return [
        [[x + (i + px) * height, y + py * height] for px, py in stroke]
        for i, digit in enumerate(text)
        for stroke in FONT[int(digit)]
    ]


POINTER = """([strokes, pointerType]) => {  // all pointer events at once: the screen refreshes once
  const paper = document.getElementById("paper"), box = paper.getBoundingClientRect();
  const send = (name, [x, y], pointerId) => paper.dispatchEvent(new PointerEvent(name, {
    pointerId, pointerType, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  for (const stroke of strokes) {
    send("pointerdown", stroke[0], 5);
    send("pointerdown", [10, 10], 6);  // a second finger or the palm, which draws nothing
    for (const point of stroke.slice(1)) { send("pointermove", point, 5); send("pointermove", [20, 200], 6); }
    send("pointerup", stroke[stroke.length - 1], 5);
    send("pointerup", [20, 200], 6);
  }
}"""


def draw(page: "Page", strokes: Strokes, pointer: str = "pen") -> None:
    """Draw strokes with a pen or a finger ("touch"), quickly."""
    page.evaluate(POINTER, [strokes, pointer])


def draw_with_mouse(page: "Page", strokes: Strokes) -> None:
    """Draw strokes with the mouse, point by point, as a hand does."""
    box = page.locator("#paper").bounding_box()
    assert box is not None
    for stroke in strokes:
        points = [(box["x"] + x, box["y"] + y) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()


def text(page: "Page", wanted: str) -> None:
    """Wait until the page shows this answer."""
    page.wait_for_function("wanted => document.getElementById('text').textContent === wanted", arg=wanted)


def keep(page: "Page", name: str) -> None:
    """Save a screenshot for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


# ------------------------------------------------------------------------------------------- agreement

IN_PAGE = """async ([name, drawings, withRejection, threshold]) => {
  const { render } = await import("./static/drawing.js");
  const { Network, answer, judge } = await import("./static/network.js");
  const { numbersOf } = await import("./static/numbers.js");
  const { findInStrokes } = await import("./static/strokes.js");
  const load = async (which) => new Network(await (await fetch(`api/network/${which}`)).arrayBuffer());
  const network = await load(name), rejection = withRejection ? await load("rejection") : null;
  return drawings.map((strokes) => {
    const classify = (numbers) => {
      const image = render(numbers.map((i) => strokes[i]));
      return { ...answer(network, rejection, image), image };
    };
    const { marks, signs } = findInStrokes(strokes, classify);
    const judged = judge(marks.map((mark) => ({ ...mark, ...mark.answer })), threshold);
    const numbers = numbersOf(judged, signs).map(({ parts, ...number }) => number);
    const found = judged.map(({ digit, accepted, reason, box, row, probabilities, image }) => (
      { digit, accepted, reason, box, row, probabilities: [...probabilities], image: [...image] }));
    return { signs, numbers, marks: found };
  });
}"""


def scribbles() -> list[Strokes]:
    """Return drawings of digits, distorted digits, a number, dots, lines and nonsense, and an empty one."""
    random = np.random.default_rng(0)
    shaken = [
        [
            [[x + random.normal(0, 4), y + random.normal(0, 4)] for x, y in stroke]
            for stroke in written(str(d))
        ]
        for d in range(10)
    ]
    nonsense = [random.uniform(0, 400, (random.integers(1, 5), 9, 2)).tolist() for _ in range(8)]
    odd: list[Strokes] = [[], [[[5.0, 5.0]]], [[[5.0, 5.0], [5.0, 5.0]]], [[[1.0, 1.0], [300.0, 1.0]]]]
    point, comma, dash = [[122.0, 208.0]], [[335.0, 205.0], [325.0, 230.0]], [[0.0, 130.0], [25.0, 132.0]]
    slash = [[120.0, 40.0], [70.0, 225.0]]
    numbers = [
        written("4072", height=90),
        written("90", height=150, x=0) + written("4485", height=120, x=9, y=280),  # two rows
        [*written("25", height=150), point, *written("8", x=390), comma],
        [dash, *written("74", height=150), slash],
        [[[x, y + 0.2 * x] for x, y in stroke] for stroke in written("5843", height=70)],  # a row that slopes
        [[[0.6 * x, y] for x, y in stroke] for stroke in written("1474", height=160)],  # digits that touch
    ]
    return [*(written(str(d)) for d in range(10)), *shaken, *numbers, *nonsense, *odd]


SLOW_NETWORKS = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("mlp", "my-upright", "my-mlp", "my-cnn", "my-ensemble")
]


@pytest.mark.parametrize("name", ["cnn", *SLOW_NETWORKS])
def test_the_page_computes_what_python_computes(opened: Open, uncertain_site: Site, name: str) -> None:
    """With rejection, every network finds the rows, digits, signs and probabilities that Python finds."""
    page = opened(uncertain_site.address)
    drawings = scribbles()
    answers = page.evaluate(IN_PAGE, [name, drawings, True, THRESHOLD])
    python = uncertain_site.readers[name]
    largest = 0.0
    for strokes, found in zip(drawings, answers, strict=True):
        reading = python.read_strokes(strokes)
        signs = find_in_strokes([pen.as_points(stroke) for stroke in strokes], python.probabilities).signs
        assert found["signs"] == [asdict(sign) | {"box": list(sign.box)} for sign in signs]
        sure = True
        for mark, digit in zip(found["marks"], reading.digits, strict=True):
            assert (mark["box"], mark["row"]) == (list(digit.box), digit.row)
            assert np.abs(np.array(mark["image"]).reshape(28, 28) - digit.image).max() < 1e-6
            largest = max(
                largest, float(np.abs(np.subtract(mark["probabilities"], digit.probabilities)).max())
            )
            is_digit, probability = sum(digit.probabilities), digit.probability
            edges = (
                probability - THRESHOLD,
                is_digit - NUMBER_PROBABILITY,
                is_digit * is_digit - probability,
            )
            sure = sure and min(map(abs, edges)) > AGREE
            if min(map(abs, edges)) > AGREE:
                assert (mark["accepted"], mark["reason"]) == (digit.accepted, digit.reason)
        if sure:
            wanted = [asdict(number) | {"box": list(number.box)} for number in reading.numbers]
            for number, other in zip(found["numbers"], wanted, strict=True):
                assert number.pop("probability") == pytest.approx(other.pop("probability"), abs=AGREE)
                assert number == other
    assert largest < AGREE


@pytest.mark.slow
def test_the_page_agrees_without_rejection(opened: Open) -> None:
    """Without rejection, the bundled networks give the same probabilities as Python."""
    page = opened()
    drawings = scribbles()
    for name in ("cnn", "mlp"):
        python = Reader(Classifier.load(name))
        answers = page.evaluate(IN_PAGE, [name, drawings, False, THRESHOLD])
        for strokes, answer in zip(drawings, answers, strict=True):
            wanted = [digit.probabilities for digit in python.read_strokes(strokes).digits]
            assert np.allclose([mark["probabilities"] for mark in answer["marks"]], wanted, atol=AGREE)


def test_an_answer_is_there_before_the_next_picture_of_the_screen(opened: Open) -> None:
    """The CNN takes less than 30 ms in the page."""
    if overloaded():
        pytest.skip("needs a machine that is less busy")
    page = opened()
    code = """async (strokes) => {
      const { render } = await import("./static/drawing.js");
      const { Network } = await import("./static/network.js");
      const network = new Network(await (await fetch("api/network/cnn")).arrayBuffer());
      const image = render(strokes);
      const times = [];
      for (let i = 0; i < 40; i++) {
        const start = performance.now();
        network.run(image);
        times.push(performance.now() - start);
      }
      return Math.min(...times);
    }"""
    assert page.evaluate(code, written("5")) < 30


# ------------------------------------------------------------------------------------- drawing, reading


@pytest.mark.parametrize(
    ("name", "options", "strokes"),
    [
        ("desktop", DESKTOP, written("4", height=260, x=190)),
        pytest.param("phone", PHONE, written("4", height=200, x=100, y=40), marks=pytest.mark.slow),
        pytest.param(
            "dark",
            {**DESKTOP, "color_scheme": "dark"},
            written("4", height=260, x=190),
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_drawn_digit_is_read_at_once(
    opened: Open, name: str, options: dict[str, Any], strokes: Strokes
) -> None:
    """A drawn 4 is read on a desktop, on a phone and in dark mode; the input image is shown."""
    page = opened(**options)
    assert "Nothing is drawn yet" in page.inner_text("#sentence")
    draw_with_mouse(page, strokes)
    text(page, "4")
    assert re.search(r"\d % sure that this is a 4", page.inner_text("#sentence"))
    assert "best" in (page.locator("#bars li").nth(4).get_attribute("class") or "")
    seen = page.evaluate(
        "[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    image = np.array(seen).reshape(28, 28, 4)[..., 0]
    assert np.abs(image / 255 - pen.render([pen.as_points(stroke) for stroke in strokes])).max() < 0.15
    page.wait_for_function("() => document.getElementById('status').textContent.startsWith('It reads: 4')")
    keep(page, name)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(PHONE, id="390"),
        pytest.param(SMALL_PHONE, id="360", marks=pytest.mark.slow),
        pytest.param(DESKTOP, id="1280", marks=pytest.mark.slow),
    ],
)
def test_nothing_is_wider_than_the_screen(opened: Open, options: dict[str, Any]) -> None:
    """The page never scrolls sideways: empty, with a number, with either network."""
    page = opened(**options)
    width = options["viewport"]["width"]

    def fits() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth") <= width)

    assert fits()
    draw(page, written("147174", height=50, x=10))
    text(page, "147174")
    assert fits()
    page.locator("#networks label").nth(1).click()
    page.wait_for_selector(".mlp")
    assert fits()


@pytest.mark.slow
def test_many_networks_are_not_wider_than_the_screen(opened: Open, uncertain_site: Site) -> None:
    """With six networks on a phone, the page does not scroll sideways."""
    page = opened(uncertain_site.address, **PHONE)
    assert page.locator("#networks label").count() == 6
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]


COPY = """(which) => {  // of a canvas, 28 x 28: reading one itself twice makes Chromium complain
    const from = document.querySelector(which), to = document.createElement("canvas");
    to.width = to.height = 28;
    const pen = to.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingEnabled = false;
    pen.drawImage(from, 0, 0, 28, 28);
    return [...pen.getImageData(0, 0, 28, 28).data];
}"""


@pytest.mark.slow
def test_what_an_upright_network_sees_is_shown(opened: Open, uncertain_site: Site) -> None:
    """A network with the view upright shows the upright drawing as its input; others do not."""
    page = opened(uncertain_site.address)
    leaning = [[[x - 0.5 * y, y] for x, y in stroke] for stroke in written("4", x=150)]
    draw(page, leaning)
    drawn = pen.render([pen.as_points(stroke) for stroke in leaning])
    upright = Upright()(drawn[None, ..., None])[0, ..., 0]
    assert np.abs(upright - drawn).max() > 0.5
    for name, wanted in (("my-cnn", drawn), ("my-upright", upright)):
        page.locator("#networks label", has_text=name).click()
        page.wait_for_timeout(300)
        for canvas in ("#seen", ".layer canvas"):
            seen = np.array(page.evaluate(COPY, canvas)).reshape(28, 28, 4)[..., 0] / 255
            assert np.abs(seen - wanted).max() < 0.15


def test_several_digits_are_a_number_and_each_can_be_looked_at(opened: Open) -> None:
    """Digits side by side are a number; each can be chosen with mouse or arrow keys."""
    page = opened()
    draw(page, written("407"))
    text(page, "407")
    chips = page.locator("#chips button")
    assert chips.count() == 3
    chips.nth(0).click()
    assert "this is a 4" in page.inner_text("#sentence")
    page.keyboard.press("ArrowRight")
    assert "this is a 0" in page.inner_text("#sentence")
    assert chips.nth(1).get_attribute("aria-checked") == "true"
    assert page.locator("#tags span").count() == 3
    keep(page, "number")


def test_rows_and_numbers_are_shown(opened: Open) -> None:
    """Two rows are two lines, numbers are apart, a point is a point; every digit has its answer below it."""
    page = opened()
    decimal = [
        *written("2", height=90, x=60, y=240),
        [[150.0, 328.0]],
        *written("5", height=90, x=175, y=240),
    ]
    draw(page, [*written("407", height=110, y=40), *decimal, *written("81", height=90, x=400, y=240)])
    text(page, "407\n2.5 81")
    assert page.locator("#chips button").count() == page.locator("#tags span").count() == 7
    label, mark = (page.locator(f"#tags span{part}").first.bounding_box() for part in (" b", ""))
    assert label is not None
    assert mark is not None
    assert label["y"] >= mark["y"] + mark["height"]
    page.locator("#chips button").nth(3).click()
    assert "The number 2.5:" in page.inner_text("#sentence small")
    page.locator("#labels button").nth(3).click()
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('Saved as a 3')")
    keep(page, "rows")


@pytest.mark.parametrize(
    ("options", "height"),
    [pytest.param(PHONE, 30, id="phone"), pytest.param(DESKTOP, 52, id="desktop", marks=pytest.mark.slow)],
)
def test_a_long_number_becomes_smaller_and_stays_on_its_line(
    opened: Open, options: dict[str, Any], height: float
) -> None:
    """Ten digits are one line that is as wide as the page at most."""
    page = opened(**options)
    draw(page, written("8015273461", height=height, x=15))
    text(page, "8015273461")
    wide, place, line, tall = page.evaluate("""() => {
      const text = document.getElementById("text"), style = getComputedStyle(text);
      return [text.scrollWidth, text.clientWidth, parseFloat(style.lineHeight), text.clientHeight]; }""")
    assert wide <= place
    assert tall < 1.5 * line


def test_the_answer_follows_the_pen(opened: Open) -> None:
    """While the last of ten digits is drawn, an answer takes less than 50 ms."""
    if overloaded():
        pytest.skip("needs a machine that is less busy")
    page = opened()
    code = """async (strokes) => {
      const { render } = await import("./static/drawing.js");
      const { Network, answer } = await import("./static/network.js");
      const { findInStrokes } = await import("./static/strokes.js");
      const load = async (which) => new Network(await (await fetch(`api/network/${which}`)).arrayBuffer());
      const network = await load("cnn"), rejection = await load("rejection"), known = new Map();
      const last = strokes.pop(), times = [];
      for (let end = 1; end <= last.length; end++) {
        const drawn = [...strokes, last.slice(0, end)], start = performance.now();
        findInStrokes(drawn, (indices) => {
          const key = indices.map((i) => `${drawn[i][0]}:${drawn[i].length}`).join();
          const image = known.has(key) ? null : render(indices.map((i) => drawn[i]));
          if (image) known.set(key, answer(network, rejection, image));
          return known.get(key);
        });
        if (end > 1) times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[times.length >> 1];
    }"""
    assert page.evaluate(code, written("1472538960", height=60)) < 50


def test_the_answer_is_live(opened: Open) -> None:
    """The answer changes while the pen is still down."""
    page = opened()
    box = page.locator("#paper").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 250, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 300, steps=8)
    text(page, "1")
    page.mouse.move(box["x"] + 420, box["y"] + 300, steps=8)
    page.wait_for_function("() => document.getElementById('text').textContent !== '1'")
    page.mouse.up()


@pytest.mark.slow
def test_fingers_and_pens_draw(opened: Open) -> None:
    """Touch and pen draw; a second finger draws nothing."""
    page = opened(**PHONE)
    for kind in ("touch", "pen"):
        draw(page, written("7", height=180, x=110, y=40), kind)
        text(page, "7")
        page.keyboard.press("Escape")
        text(page, "–")


@pytest.mark.slow
def test_a_rejection_is_shown(opened: Open, uncertain_site: Site) -> None:
    """A rejected drawing is shown as ?, with the probability that it is no digit."""
    page = opened(uncertain_site.address)
    draw(page, written("3"))
    page.wait_for_function("() => document.querySelector('#bars li.none em').textContent.includes('%')")
    page.wait_for_function("() => document.getElementById('text').textContent === '?'")
    said = page.inner_text("#sentence")
    assert "Probably not a digit" in said or re.search(r"Unclear: \d or \d\?", said)


@pytest.mark.slow
def test_the_keyboard_does_everything(opened: Open) -> None:
    """With keys alone one can draw, undo, redo, clear, correct and walk through a layer."""
    page = opened()
    page.focus("#paper")
    page.keyboard.press("Space")
    for _ in range(25):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    text(page, "1")
    page.keyboard.press("Control+z")
    text(page, "–")
    page.keyboard.press("Control+Shift+z")
    text(page, "1")
    page.keyboard.press("Delete")
    text(page, "–")
    page.keyboard.press("Control+z")
    text(page, "1")
    page.keyboard.press("7")
    page.keyboard.press("7")
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('Saved as a 7')")
    page.focus("#networks input")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".mlp")
    page.keyboard.press("Tab")
    for _ in range(30):
        if page.evaluate("document.activeElement.closest('.layer') !== null"):
            break
        page.keyboard.press("Tab")
    page.wait_for_function("() => document.getElementById('neuron-name').textContent.startsWith('Neuron')")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.getElementById('neuron-name').textContent === 'Neuron 1 of 800'")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('neuron-name').textContent === 'Neuron 2 of 800'")


@pytest.mark.slow
def test_everything_has_a_name(opened: Open) -> None:
    """For screen readers, every button, input and canvas has a name, and the page a language."""
    page = opened()
    draw(page, written("42"))
    text(page, "42")
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, canvas, img, fieldset")]
      .filter((e) => e.offsetParent !== null && !e.closest("[aria-hidden=true]"))
      .filter((e) => !(e.getAttribute("aria-label") || e.alt || e.textContent.trim()
        || e.closest("label, button")?.textContent.trim()))
      .map((e) => e.outerHTML.slice(0, 100))""")
    assert nameless == []
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.slow
def test_contrast_is_enough(opened: Open) -> None:
    """Text has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) in light and dark mode."""

    def luminance(colour: str) -> float:
        channels = np.array([int(c) for c in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    page = opened()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        code = """(name) => { const probe = document.createElement("i"); probe.style.color = `var(${name})`;
          document.body.append(probe); const colour = getComputedStyle(probe).color; probe.remove();
          return colour; }"""
        shade = {name: luminance(page.evaluate(code, f"--{name}")) for name in
                 ("ground", "surface", "ink", "soft", "accent", "warm")}  # fmt: skip
        for front, back in itertools.product(("ink", "soft", "accent", "warm"), ("ground", "surface")):
            high, low = sorted((shade[front], shade[back]), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, front, back)
    page.emulate_media(color_scheme="null")


# ------------------------------------------------------------------------------------ inside the network


@pytest.mark.slow
def test_a_neurons_picture_is_its_weights(opened: Open) -> None:
    """The picture of a neuron in the first layer is blue for positive weights, orange for negative ones."""
    page = opened()
    page.locator("#networks label").nth(1).click()
    draw(page, written("4", height=260, x=190))
    layer = page.locator(".layer canvas").nth(1)
    layer.click(position={"x": 123 % 32 * 10 + 4, "y": 123 // 32 * 10 + 4})
    page.mouse.move(5, 5)
    page.wait_for_function("() => document.getElementById('neuron-name').textContent === 'Neuron 124 of 800'")
    shown = page.evaluate(
        "[...document.getElementById('weights').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    colour = np.array(shown).reshape(784, 4).astype(int)
    weights = Classifier.load("mlp").members[0][0].weights[:, 123]  # type: ignore[union-attr]  # it is Dense
    clear = np.abs(weights) > 0.3 * np.abs(weights).max()
    blue = colour[:, 2] > colour[:, 0]
    assert (blue[clear] == (weights[clear] > 0)).all()
    assert "784 weights" in page.inner_text("#neuron-said")
    keep(page, "neuron")


def test_deeper_neurons_are_followed_back_to_the_pixels(opened: Open) -> None:
    """The picture of the answer 4 agrees with the numerical gradient of its logit by the pixels."""
    page = opened()
    page.locator("#networks label").nth(1).click()
    strokes = written("4", height=260, x=190)
    draw(page, strokes)
    text(page, "4")
    page.locator(".layer canvas").nth(3).click(position={"x": 8, "y": 4 * 23 + 8})
    page.mouse.move(5, 5)
    page.wait_for_function("() => document.getElementById('neuron-name').textContent === 'The answer 4'")
    shown = page.evaluate(
        "[...document.getElementById('weights').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    colour = np.array(shown).reshape(784, 4).astype(int)
    seen = page.evaluate(
        "[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    image = (np.array(seen).reshape(784, 4)[:, 0] / 255).astype(np.float32)
    gradient = _gradient(image, 4)
    clear = np.abs(gradient) > 0.4 * np.abs(gradient).max()
    blue = colour[:, 2] > colour[:, 0]
    assert (blue[clear] == (gradient[clear] > 0)).mean() > 0.9
    assert page.locator("#threads path").count() > 2


def _gradient(image: npt.NDArray[np.float32], digit: int) -> npt.NDArray[np.float64]:
    classifier = Classifier.load("mlp")
    step = 1e-3
    moved = np.clip(image[None] + step * np.eye(784, dtype=np.float32), -1, 2).reshape(784, 28, 28)
    logits = classifier.logits(np.concatenate([image.reshape(1, 28, 28), moved]))[:, digit].astype(np.float64)
    return np.asarray((logits[1:] - logits[0]) / step)


@pytest.mark.slow
def test_maps_of_the_convolutions_can_be_looked_at(opened: Open) -> None:
    """Maps, means and answers of the CNN can be chosen and are named."""
    page = opened()
    draw(page, written("4", height=260, x=190))
    text(page, "4")
    canvases = page.locator(".layer canvas")
    assert canvases.count() == 10
    for number, name in ((1, "Map 1 of 32"), (5, "Map 1 of 64"), (8, "Mean 1 of 128"), (9, "The answer 0")):
        canvases.nth(number).click(position={"x": 6, "y": 6})
        page.wait_for_function(
            "name => document.getElementById('neuron-name').textContent === name", arg=name
        )
    keep(page, "maps")


# ------------------------------------------------------------------------------------------------ photos


def _photo(numbers: str = "3141") -> "FilePayload":
    content = saved(sheet(numbers, size=(900, 500), height=150), "PNG")
    return {"name": "photo.png", "mimeType": "image/png", "buffer": content}


def test_a_photo_is_read_with_boxes(opened: Open) -> None:
    """A photo shows a box over each digit and the text; Escape closes it."""
    page = opened()
    page.set_input_files("#file", _photo())
    text(page, "3141")
    assert page.locator("#boxes button").count() == 4
    assert page.locator("#chips canvas").count() == 4
    picture, first = (
        page.locator("#picture").bounding_box(),
        page.locator("#boxes button").nth(0).bounding_box(),
    )
    assert picture is not None
    assert first is not None
    left, top, width, height = Reader.load("cnn").read(_photo()["buffer"]).digits[0].box
    scale = picture["width"] / 900
    wanted = (picture["x"] + left * scale, picture["y"] + top * scale, width * scale, height * scale)
    assert np.allclose([first[k] for k in ("x", "y", "width", "height")], wanted, atol=2)
    keep(page, "photo")
    page.locator("#networks label").nth(1).click()
    text(page, "3141")
    page.locator("#boxes button").nth(2).click()
    assert "this is a 4" in page.inner_text("#sentence")
    page.keyboard.press("Escape")
    text(page, "–")
    assert page.locator("#boxes button").count() == 0


@pytest.mark.parametrize("event", ["drop", pytest.param("paste", marks=pytest.mark.slow)])
def test_a_photo_can_be_dropped_and_pasted(opened: Open, event: str) -> None:
    """A photo that is dropped or pasted anywhere on the page is read."""
    page = opened()
    code = """([bytes, event]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" }));
      const init = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
      const kinds = { drop: DragEvent, paste: ClipboardEvent };
      document.body.dispatchEvent(new kinds[event](event, init));
    }"""
    page.evaluate(code, [list(_photo("27")["buffer"]), event])
    text(page, "27")


@pytest.mark.slow
def test_a_photo_that_is_turned_has_its_boxes_where_the_digits_are(opened: Open) -> None:
    """Browser and server both respect a photo's orientation in its EXIF data."""
    upright = sheet("52", size=(500, 300), height=120)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    page = opened()
    page.set_input_files("#file", {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": content})
    text(page, "52")
    box = page.locator("#boxes").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(500 / 300, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_a_large_photo_is_made_smaller_before_it_is_sent(opened: Open, kind: str) -> None:
    """The digits of a large uncompressed picture are read, too; a TIFF is sent as it is."""
    content = saved(sheet("83", size=(1500, 1100), height=400, mode="RGB", colour="white"), kind)
    assert len(content) > 4_500_000
    page = opened()
    page.set_input_files(
        "#file", {"name": f"p.{kind.lower()}", "mimeType": f"image/{kind.lower()}", "buffer": content}
    )
    text(page, "83")


@pytest.mark.slow  # decoding and reading two million noisy pixels takes seconds
def test_a_large_noisy_photo_is_made_smaller_before_it_is_sent(opened: Open) -> None:
    """A PNG file of two million noisy pixels is larger than the server accepts; its digits are read."""
    clean = np.asarray(sheet("83", size=(1600, 1300), height=500, mode="RGB", colour="white"), np.float32)
    noisy = np.clip(clean * 0.8 + np.random.default_rng(0).normal(25, 20, clean.shape), 0, 255)
    content = saved(Image.fromarray(noisy.astype(np.uint8)), "PNG", compress_level=1)
    assert len(content) > 4_500_000
    page = opened()
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": content})
    text(page, "83")


def test_what_is_no_photo_is_said(opened: Open) -> None:
    """A file that is not a photo gets a sentence, and the drawing stays."""
    page = opened(quiet=False)  # the browser notes the 415 on its console
    draw(page, written("4"))
    text(page, "4")
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_function(
        "() => document.getElementById('sentence').textContent.includes('could not be read')"
    )
    text(page, "4")


def _said(page: "Page", words: str) -> None:
    """Wait until the sentence of the answer contains these words."""
    page.wait_for_function(
        "words => document.getElementById('sentence').textContent.includes(words)", arg=words
    )


def answer_once(page: "Page", address: str, answer: dict[str, Any]) -> None:
    """Answer the next request to an address instead of the server."""
    page.route(address, lambda route: route.fulfill(**answer), times=1)


PROXY_PAGE = "<!doctype html><title>Sorry</title><p>Sign in"
UNUSABLE: dict[str, tuple[str, dict[str, Any]]] = {  # what answers instead of the server -> sentence, answer
    "a login page": ("perhaps a proxy or a login page", {"body": PROXY_PAGE, "content_type": "text/html"}),
    "no page": ("perhaps a proxy", {"status": 404, "body": PROXY_PAGE, "content_type": "text/html"}),
    "no server": ("cannot be reached", {"status": 502, "body": PROXY_PAGE, "content_type": "text/html"}),
    "a small limit": ("too large for a proxy", {"status": 413, "body": "", "content_type": "text/html"}),
    "busy": ("try again in 7 seconds", {"status": 503, "headers": {"Retry-After": "7"}, "body": "{}"}),
    "a full hour": ("try again in 60 minutes", {"status": 429, "headers": {"Retry-After": "3600"}}),
    "another JSON": ("not understood", {"json": {"text": "7", "digits": [{}]}}),
    "null": ("perhaps a proxy", {"json": None}),
    "half an answer": ("perhaps a proxy", {"body": '{"text": ', "content_type": "application/json"}),
    "the server": ("could not be read: send it again.", {"status": 400, "json": {"error": "send it again"}}),
}


@pytest.mark.slow
def test_an_answer_that_is_not_the_servers_is_a_sentence(opened: Open) -> None:
    """Whatever answers for a photo, the page says so, the drawing stays, and the next photo is read."""
    page = opened(quiet=False)
    draw(page, written("4"))
    text(page, "4")
    for words, answer in UNUSABLE.values():
        answer_once(page, "**/api/predict?*", answer)
        page.set_input_files("#file", _photo())
        _said(page, words)
        text(page, "4")
    page.route("**/api/predict?*", lambda route: route.abort(), times=1)
    page.set_input_files("#file", _photo())
    _said(page, "the server does not answer")
    page.set_input_files("#file", _photo())
    text(page, "3141")


@pytest.mark.slow
def test_waiting_for_an_answer_ends(browser: "Browser", running: Served) -> None:
    """A photo without an answer is given up after a minute; networks that do not come, too."""
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(running.address)
    page.wait_for_selector("body[data-ready]")
    page.route("**/api/**", lambda route: None)
    page.set_input_files("#file", _photo())
    _said(page, "Reading the photo")
    page.clock.fast_forward(61_000)
    _said(page, "no answer within 60 seconds")
    page.reload()
    page.clock.fast_forward(61_000)
    page.wait_for_function("() => document.getElementById('ready').textContent.includes('within 60 seconds')")
    context.close()


@pytest.mark.slow
def test_the_latest_photo_or_stroke_is_answered(opened: Open) -> None:
    """An earlier photo never replaces a later one or a drawing; Escape cancels it and leaves the drawing."""
    page = opened()
    held: list[Any] = []

    def slow_photo() -> None:
        page.route("**/api/predict?*", lambda route: held.append(route), times=1)
        page.set_input_files("#file", _photo("27"))
        page.wait_for_function("() => document.getElementById('clear').textContent.startsWith('Cancel')")

    def answer_late() -> None:
        digit = {"box": [1, 1, 9, 9], "row": 0, "image": "A" * 1044 + "AA=="}
        held.pop().fulfill(json={"text": "2", "width": 10, "height": 10, "digits": [digit]})
        page.wait_for_timeout(100)

    draw(page, written("4"))
    text(page, "4")
    slow_photo()
    page.keyboard.press("Escape")
    _said(page, "cancelled")
    answer_late()
    text(page, "4")
    slow_photo()
    draw(page, written("7", x=300))
    text(page, "47")
    answer_late()
    text(page, "47")
    assert "sure" in page.inner_text("#sentence")
    slow_photo()
    page.set_input_files("#file", _photo("83"))
    text(page, "83")
    answer_late()
    text(page, "83")


@pytest.mark.slow
def test_a_photo_that_the_browser_cannot_show(opened: Open) -> None:
    """The server's picture of a TIFF is shown; without it, boxes on empty paper. Notes are shown, too."""
    pages = sheet("52", size=(500, 300), height=120), sheet("7")
    content = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    page = opened(quiet=False)  # the browser notes the 500 on its console
    for width in (500, 600):
        page.set_input_files("#file", {"name": "p.tiff", "mimeType": "image/tiff", "buffer": content})
        page.wait_for_function(
            "width => document.getElementById('picture').naturalWidth === width", arg=width
        )
        text(page, "52")
        assert any("page" in line for line in page.locator("#sentence small").all_inner_texts())
        box = page.locator("#boxes").bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(500 / 300, rel=0.02)
        answer_once(page, "**/api/preview", {"status": 500})
    page.keyboard.press("Escape")
    assert page.locator("#sentence small").count() == 0


# ------------------------------------------------------------------------------- corrections, no network


def test_a_correction_is_kept(opened: Open, corrections_folder: Path) -> None:
    """After the correction "it is a 9", the network's input is under 9 in the folder."""
    page = opened()
    strokes = written("4", height=230, x=200)
    before = set(corrections_folder.glob("9/*.png"))
    draw(page, strokes)
    text(page, "4")
    page.locator("#labels button").nth(9).click()
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('Saved as a 9')")
    assert page.locator("#labels button").nth(9).get_attribute("aria-pressed") == "true"
    (new,) = set(corrections_folder.glob("9/*.png")) - before
    image = np.asarray(Image.open(new)).astype(int)
    assert np.abs(image / 255 - pen.render([pen.as_points(stroke) for stroke in strokes])).max() < 0.15


@pytest.mark.slow
def test_without_the_network_drawing_goes_on(opened: Open, corrections_folder: Path) -> None:
    """Without a connection drawing works, and corrections wait in the browser until it is back."""
    page = opened(quiet=False)  # a failed request is noted on the console
    page.context.set_offline(True)
    draw(page, written("8", height=230, x=200))
    text(page, "8")
    page.locator("#networks label").nth(1).click()
    page.wait_for_selector(".mlp")
    text(page, "8")
    page.keyboard.press("3")
    page.keyboard.press("3")
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('Saved as a 3')")
    assert page.inner_text("#kept button") == "Download 1 as .zip"
    with page.expect_download() as downloading:
        page.click("#kept button")
    with zipfile.ZipFile(io.BytesIO(downloading.value.path().read_bytes())) as kept:
        assert kept.testzip() is None
        (name,) = kept.namelist()
        assert re.fullmatch(r"3/[0-9a-f]{8}\.png", name)
        image = np.asarray(Image.open(io.BytesIO(kept.read(name))).convert("L"))
    page.set_input_files("#file", _photo())
    page.wait_for_function(
        "() => document.getElementById('sentence').textContent.includes('does not answer')"
    )
    before = set(corrections_folder.glob("3/*.png"))
    page.context.set_offline(False)
    page.wait_for_function("() => localStorage.getItem('digits-corrections') === '[]'")
    (new,) = set(corrections_folder.glob("3/*.png")) - before
    assert np.array_equal(np.asarray(Image.open(new)), image)


@pytest.mark.slow
def test_a_stray_digit_key_saves_nothing(opened: Open, corrections_folder: Path) -> None:
    """A digit key asks. Escape, another stroke and a key that is held say no; the same key again says yes."""
    page = opened()
    draw(page, written("4", height=210, x=200))
    text(page, "4")
    before = set(corrections_folder.glob("*/*.png"))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.keyboard.press("8")
    assert page.inner_text("#kept").startswith("Save this as a 8?")
    page.keyboard.press("Escape")
    assert page.inner_text("#kept") == ""
    page.keyboard.down("8")
    page.keyboard.down("8")  # without a release between them, as a held key repeats itself
    page.keyboard.up("8")
    page.keyboard.press("6")
    assert page.inner_text("#kept").startswith("Save this as a 6?")
    draw(page, written("7", height=210, x=350))
    text(page, "47")
    assert page.inner_text("#kept") == ""
    assert not sent
    page.keyboard.press("8")
    page.locator("#kept button").click()
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('Saved as a 8')")
    (new,) = set(corrections_folder.glob("*/*.png")) - before
    assert new.parent.name == "8"


QUEUE = """(waiting) => {
  localStorage.setItem("digits-corrections", typeof waiting === "string" ? waiting : JSON.stringify(waiting));
  dispatchEvent(new Event("online"));
}"""


@pytest.mark.slow
def test_a_damaged_correction_holds_up_no_other(opened: Open, corrections_folder: Path) -> None:
    """What cannot be sent is set aside and counted; the others are sent; "Delete" forgets the first."""
    page = opened(quiet=False)  # the browser notes the 422 on its console
    image = base64.b64encode(bytes(783) + b"x").decode()
    refused, good = ({"image": image, "label": label} for label in (2, 3))
    damaged = [
        None,
        7,
        {},
        {"image": "?", "label": 3},
        {"image": image[8:], "label": 3},
        {**good, "label": 10},
    ]

    def from_server(route: Any) -> None:
        if route.request.post_data_json["label"] == 2:
            route.fulfill(status=422, json={"error": "label: expected a digit", "kind": "json"})
        else:
            route.continue_()

    page.route("**/api/corrections", from_server)
    page.evaluate(QUEUE, [*damaged, refused, good])
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('7 corrections')")
    page.evaluate(QUEUE, "no JSON")
    page.wait_for_function("() => document.getElementById('kept').textContent.startsWith('8 corrections')")
    page.unroute("**/api/corrections")
    assert page.evaluate("localStorage.getItem('digits-corrections')") == "[]"
    assert len(list(corrections_folder.glob("3/*.png"))) >= 1
    page.locator("#kept button").click()
    assert page.inner_text("#kept") == ""
    assert page.evaluate("localStorage.getItem('digits-corrections-aside')") == "[]"


@pytest.mark.slow
def test_a_correction_is_saved_only_if_the_server_says_so(opened: Open) -> None:
    """A login page that answers 200 has saved nothing: the correction waits in the browser."""
    page = opened()
    draw(page, written("4", height=190, x=200))
    text(page, "4")
    answer_once(page, "**/api/corrections", {"body": PROXY_PAGE, "content_type": "text/html"})
    page.locator("#labels button").nth(9).click()
    page.wait_for_function("() => document.getElementById('kept').textContent.includes('in this browser')")
    assert len(json.loads(page.evaluate("localStorage.getItem('digits-corrections')"))) == 1


# ------------------------------------------------------------------------------------------- other addresses

PREFIX = "/user/x/proxy/8000"


@pytest.fixture(scope="module")
def proxied_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page behind a proxy that serves it under PREFIX, and nothing at other addresses."""

    def proxied(port: int) -> Application:
        app = application(
            ServeOptions(threshold=1.0, corrections=tmp_path_factory.mktemp("corrections")), port
        )

        async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path", "")
            stripped = path.removeprefix(PREFIX) if path.startswith(PREFIX) else "/not/here"
            await app({**scope, "path": stripped, "raw_path": stripped.encode()}, receive, send)

        return proxy

    with served_in_thread(proxied) as port:
        yield f"http://127.0.0.1:{port}{PREFIX}/"


@pytest.mark.slow
def test_the_page_works_under_a_prefix(opened: Open, proxied_address: str) -> None:
    """Behind a proxy such as JupyterHub's, the page draws, reads a photo and saves a correction.

    It accepts what the server's --threshold lets it accept.
    """
    page = opened(proxied_address)
    assert page.evaluate("getComputedStyle(document.getElementById('sheet')).position") == "relative"
    draw(page, written("4"))
    text(page, "?")  # this server accepts no digit: its threshold is 1
    page.set_input_files("#file", _photo())
    page.wait_for_function("() => document.querySelectorAll('#boxes button').length === 4")
    page.locator("#labels button").nth(9).click()
    page.wait_for_function("() => document.getElementById('kept').textContent.includes('on the server')")


def test_no_address_in_the_page_begins_at_the_root() -> None:
    """Every address in HTML, JavaScript and CSS is relative to the page."""
    at_root = re.compile(
        r"""(?:href|src|srcset|action|data|poster)\s*=\s*["']?/|url\(\s*["']?/|["'`]/[\w.]"""
    )
    assert at_root.search('<a href="/static/x">')
    assert at_root.search("fetch(`/api/x`)")
    for address, file in page_files().items():
        assert not at_root.search(file.content.decode()), address


def test_the_page_says_when_the_server_has_gone(browser: "Browser", running: Served) -> None:
    """A page whose networks could not be loaded says so."""
    context = browser.new_context()
    page = context.new_page()
    page.route("**/api/model", lambda route: route.abort())
    page.goto(running.address)
    page.wait_for_function(
        "() => document.getElementById('ready').textContent.includes('could not be loaded')"
    )
    context.close()


def test_the_files_of_the_page_are_small_and_name_no_other_place() -> None:
    """The page's files take less than 125 kB and name no other site."""
    content = {address: asset.content.decode() for address, asset in page_files().items()}
    assert set(content) >= {"/", "/static/main.js", "/static/style.css", "/static/icon.svg"}
    assert sum(map(len, content.values())) < 125_000
    for address, body in content.items():
        found = set(re.findall(r"https?://[^\s\"'<>)]+", body)) - {"http://www.w3.org/2000/svg"}
        assert not found, address
        assert "style=" not in body
        assert not re.search(r"<script(?! type=\"module\" src)", body)
