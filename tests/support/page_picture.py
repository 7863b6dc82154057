"""Draws docs/page.jpg: `python -m tests.support.page_picture docs/page.jpg`.

The marionette on a photograph that scikit-image ships (Chelsea, CC0), with the model that comes with the project: an
ear is pulled, and points around it stay.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.trainers.page.conftest import start

WINDOW = {"width": 1280, "height": 760}
ARROW = ((0.79, 0.2), (0.90, 0.08))
"""In shares of the stage, x and y: an ear, and where it is pulled."""
FIXED = ((0.31, 0.42), (0.58, 0.44), (0.45, 0.82), (0.84, 0.5), (0.84, 0.85), (0.2, 0.2))


def draw(to: Path) -> None:
    """Starts a page, pulls, and writes what Chromium shows as a JPEG."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        images, shot = Path(folder) / "images", Path(folder) / "page.png"
        for made in (images, Path(folder) / "results"):
            made.mkdir()
        Image.fromarray(skimage.data.chelsea()).save(images / "chelsea.png")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        served = start(Path(folder) / "results", "--images", str(images), "--read-only")
        try:
            tab = browser.new_page(viewport=WINDOW)
            tab.goto(served.url)
            tab.goto(f"{served.address}/#/marionette/folder/0")
            tab.get_by_text("Press on the image and drag").first.wait_for()
            box = tab.get_by_label("The image, with its arrows").bounding_box()
            begin, end = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ARROW)
            for x, y in FIXED:
                tab.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
            tab.mouse.move(*begin)
            tab.mouse.down()
            tab.mouse.move(*end, steps=5)
            tab.mouse.up()
            tab.wait_for_timeout(3000)
            tab.screenshot(path=str(shot))
            Image.open(shot).convert("RGB").save(to, quality=85)
        finally:
            served.stop()
            browser.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
