"""A viewer of one's own for every test, and one browser a module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import need_browser, open_browser
from parts import Client

from whatsself_otel.viewer.server import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    with Viewer() as running:
        yield running


@pytest.fixture
def client(viewer: Viewer) -> Iterator[Client]:
    with Client(viewer) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    need_browser()
    with open_browser() as running:
        yield running
