"""The pytest fixture: ``pytest_plugins = ["whatsself_otel.pytest_plugin"]`` in your top ``conftest.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whatsself_otel.testing import RecordedTelemetry, record_telemetry

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def recorded_telemetry() -> Generator[RecordedTelemetry, None, None]:
    """Telemetry that stays in memory; the test fails at its end if anything personal was emitted."""
    with record_telemetry() as recorded:
        yield recorded
        recorded.assert_no_pii()
