"""Take the screenshots of the page for the README and docs/serving.md, with Chromium.

    python docs/page_pictures.py [FOLDER]

FOLDER is docs/pictures if left out. The digits are drawn with simulated mouse movements. Needs Chromium and
the packages of requirements-dev.txt.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent / "pictures"
sys.path.append(str(FOLDER.parents[1] / "tests"))

from support.served import served  # in tests/, found through the line above
from support.strokefont import FONT


def draw(page: Page, digits: str, size: float, left: float, top: float) -> None:
    """Draw digits side by side on the page's paper, each `size` pixels high, and wait for the answer."""
    box = page.locator("#paper").bounding_box() or {"x": 0.0, "y": 0.0}
    for i, digit in enumerate(digits):
        for stroke in FONT[int(digit)]:
            x, y = box["x"] + left + 0.8 * size * i, box["y"] + top
            points = [(x + size * px, y + size * py) for px, py in stroke]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point)
            page.mouse.up()
    page.wait_for_timeout(1000)


def main(folder: Path) -> None:
    """Write page.png, with a neuron chosen, and page-phone.png."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(server.address)
        page.wait_for_selector("body[data-ready]")
        page.locator("#networks label").nth(1).click()
        draw(page, "358", 230, 50, 80)
        page.locator(".layer canvas").nth(2).click(position={"x": 34, "y": 142})
        page.wait_for_timeout(500)
        page.screenshot(path=folder / "page.png", full_page=True)
        phone = browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
        phone.goto(server.address)
        phone.wait_for_selector("body[data-ready]")
        draw(phone, "5", 160, 110, 60)
        phone.screenshot(path=folder / "page-phone.png")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    main(parser.parse_args().folder)
