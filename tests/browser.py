"""A headless Chromium for tests of pages: `with browser() as driver: driver.get(…)`.

Where there is no Chromium the test is skipped and says so. With KERAS_MTL_NEED_BROWSER=1, as in .ci/run, it fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator

import pytest

PHONE, DESKTOP = 360, 1280
MISSING = "Chromium and its driver are not there (on Debian: apt install chromium chromium-driver)"


@contextlib.contextmanager
def browser(width: int = DESKTOP, height: int = 900, theme: str = "light") -> Iterator:
    """A selenium driver whose window is `width` pixels wide and which prefers a "light" or "dark" theme.

    Requests are kept for `requests`, messages of the console for `errors`.
    """
    binary, program = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not program:
        if os.environ.get("KERAS_MTL_NEED_BROWSER") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(program))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        prefer_theme(driver, theme)
        yield driver
    finally:
        driver.quit()


def prefer_theme(driver, theme: str) -> None:
    """What the system prefers: "light" or "dark"."""
    feature = {"name": "prefers-color-scheme", "value": theme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def requests(driver) -> list[str]:
    """The addresses that pages asked for since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]


def errors(driver) -> list[str]:
    """Errors and warnings in the console since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
