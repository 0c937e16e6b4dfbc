"""Libraries that write to the console by themselves: health, one warning and the doctor say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_programs import SET_UP, run
from otlp_sink import Sink

USES = {
    "loguru": ("from loguru import logger", "logger.info('said')"),
    "structlog": ("import structlog", "structlog.get_logger().info('said')"),
    "structlog to standard error": (
        "import structlog, sys\nstructlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))",
        "structlog.get_logger().info('said')",
    ),
    "structlog that writes": (
        "import structlog\nstructlog.configure(logger_factory=structlog.WriteLoggerFactory())",
        "structlog.get_logger().info('said')",
    ),
}
WIRED = {
    "loguru": 'logger.configure(handlers=[{"sink": telemetry.log_handler, "format": "{message}"}])',
    "loguru to a file": 'logger.remove(); logger.add("shop.log")',
    "structlog": (
        "structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(),"
        " processors=[structlog.stdlib.render_to_log_kwargs])"
    ),
}
TELL = "for problem in telemetry.health().problems: print('problem:', problem)\n"


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_health_and_one_warning_name_it_once_it_has_written(sink: Sink, tmp_path: Path, name: str, when: str) -> None:
    load, say = USES[name]
    library = name.partition(" ")[0]
    order = [load, SET_UP] if when == "before" else [SET_UP, load]
    ran = run(sink, tmp_path, "\n".join([*order, TELL, say, TELL, TELL]))

    problems = [line for line in ran.stdout.splitlines() if line.startswith("problem:")]
    assert [library in problem for problem in problems] == [True, True]
    assert len([message for message in ran.written("whatsself_otel") if message.startswith(library)]) == 1


@pytest.mark.parametrize("name", WIRED)
def test_wired_they_are_well(sink: Sink, tmp_path: Path, name: str) -> None:
    load, say = USES[name.partition(" ")[0]]
    ran = run(sink, tmp_path, "\n".join([SET_UP, load, WIRED[name], say, TELL]))

    assert (ran.status, ran.stderr, "problem:" in ran.stdout) == (0, "", False)


@pytest.mark.parametrize("name", ["loguru", "structlog"])
def test_only_imported_they_are_no_problem(sink: Sink, tmp_path: Path, name: str) -> None:
    ran = run(sink, tmp_path, f"import {name}\n{SET_UP}{TELL}")

    assert (ran.status, ran.stderr, "problem:" in ran.stdout) == (0, "", False)
