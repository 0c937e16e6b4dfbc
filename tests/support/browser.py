"""The system's own Chromium, driven by Playwright; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def need_browser() -> str:
    """Return the path of the browser, or skip the test."""
    path = os.environ.get("CHROMIUM_BIN") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("No Chromium on this machine: install it (Debian: apt-get install chromium) or set CHROMIUM_BIN.")
    return path


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run the browser headless until the block ends."""
    from playwright.sync_api import sync_playwright

    path = need_browser()
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*quiet, "--disable-sync"])
        try:
            yield browser
        finally:
            browser.close()
