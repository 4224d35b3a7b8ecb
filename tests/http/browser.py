"""A real Chromium without a screen, driven through chromedriver; it goes only to the tests' servers."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # containers have none to offer
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # containers have 64 MB there
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # and may be used
)


def programs() -> tuple[str, str] | None:
    """Chromium and its driver; none where they are not installed (Debian: chromium chromium-driver)."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """A browser for the length of the block; `profile` is an empty folder for what it writes."""
    found = programs()
    assert found, "chromium and chromedriver are needed"
    options = ChromeOptions()
    options.binary_location, driver = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = Chrome(options, Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def resize(browser: Chrome, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
    """The size of the page in CSS pixels, one device pixel each; a phone has a finger instead of a mouse."""
    size: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def complaints(browser: Chrome) -> list[str]:
    """Errors and warnings of the console since the last call; a failed load is told apart by its source."""
    entries = browser.get_log("browser")
    return [f"{e['source']}: {e['message']}" for e in entries if e["level"] in ("SEVERE", "WARNING")]


@contextmanager
def spotless(browser: Chrome, width: int, height: int) -> Iterator[None]:
    """A window of that size; at the end nothing may have gone wrong in its page, failed requests left out."""
    resize(browser, width, height)
    complaints(browser)
    yield
    wrong = [line for line in complaints(browser) if not line.startswith("network:")]
    browser.get("about:blank")
    assert wrong == []
