"""Write docs/page.png: the page of a running daemon, as the README shows it.

`python -m docs.screenshot` in the repository's root; needs Chromium, as the tests of the page do.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import urllib3
from numpy.typing import NDArray
from selenium.webdriver.support.wait import WebDriverWait

from tests.broker import free_port, until
from tests.e2e.box import ROOT, running
from tests.http.browser import chromium, resize

CONFIG = """
node: shop-1
paths: {{models: {models}}}
mqtt: {{url: embedded, embedded_port: {mqtt}}}
http: {{listen: "127.0.0.1:{http}"}}
services: {{image-classification: {{}}, ocr: {{}}}}
streams:
  street:
    source: models:picodet-416/bikes.mp4
    loop: true
    gate: {{fps: 5}}
    run: [object-detection]
"""
TARGET = Path(__file__).parent / "page.png"
SIZE = 1200, 800
"""Pixels."""
SHADES = 32
"""Of each colour, in the cameras' pictures only: PNG keeps their noise otherwise, 200 kB of it."""
PATIENCE_S = 60.0
_PICTURES = "document.querySelectorAll('.tile[data-state=online] img:not([hidden])')"
_READY = f"return {_PICTURES}.length && document.querySelectorAll('#results li').length >= 12"
_PLACES = f"""return [...{_PICTURES}].map((image) => image.getBoundingClientRect())
    .map(({{x, y, width, height}}) => [x, y, x + width, y + height].map(Math.round))"""


def screenshot(url: str, target: Path = TARGET) -> None:
    """Wait until a stream shows its picture and results have come, then write a PNG of `SIZE`.

    Raises `TimeoutException` when the page does not get there within `PATIENCE_S`.
    """
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        resize(browser, *SIZE)
        browser.get(url)
        WebDriverWait(browser, PATIENCE_S).until(lambda driver: driver.execute_script(_READY))
        places = browser.execute_script(_PLACES)
        encoded = np.frombuffer(browser.get_screenshot_as_png(), np.uint8)
    shot = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    for left, top, right, bottom in places:
        shot[top:bottom, left:right] = _plain(shot[top:bottom, left:right])
    cv2.imwrite(str(target), shot, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _plain(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With `SHADES` of each colour."""
    step = 256 / SHADES
    return np.minimum(np.round(bgr / step) * step, 255).astype(np.uint8)


def main() -> None:
    """Run a daemon of its own on free ports, with the demo clip as its camera, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        path, mqtt, http = Path(folder) / "config.yaml", free_port(), free_port()
        path.write_text(CONFIG.format(models=ROOT / "models", mqtt=mqtt, http=http), "utf-8")
        with running(path, mqtt, "shop-1", "--pull", "--quiet"):
            until(lambda: _answers(f"http://127.0.0.1:{http}/v2/health/ready"), "a ready daemon", 600)
            screenshot(f"http://127.0.0.1:{http}/")


def _answers(url: str) -> bool:
    try:
        return bool(urllib3.request("GET", url, retries=False).status == 200)
    except urllib3.exceptions.HTTPError:
        return False


if __name__ == "__main__":
    main()
