"""An application with a queue, written into a folder and run as processes that queue jobs and do them."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from children import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp_sink import Sink, Span

SLOW = {
    "OTEL_BSP_SCHEDULE_DELAY": "60000",
    "OTEL_BLRP_SCHEDULE_DELAY": "60000",
    "OTEL_METRIC_EXPORT_INTERVAL": "600000",
    "WHATSSELF_OTEL_SHUTDOWN_TIMEOUT_S": "30",
}
"""Long intervals: every export comes from the end of a job or a worker."""
SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The application's folder, its Redis and where its telemetry goes."""

    folder: Path
    redis: str
    sink: Sink

    def write(self, name: str, code: str) -> None:
        """Write a module of the application."""
        (self.folder / f"{name}.py").write_text(code)

    def environ(self, **variables: str) -> dict[str, str]:
        own = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.sink.url,
            "WHATSSELF_OTEL_LOG_TO_STDOUT": "false",
            "PYTHONPATH": str(self.folder),
            "REDIS": self.redis,
        }
        return environment({**own, **SLOW, **variables})

    def run(self, *command: str, **variables: str) -> str:
        """Run *command* to its end; return its output."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environ(**variables),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, *command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run *command* until the block ends, then end it as a service is ended: by SIGTERM."""
        with self.started(*command, **variables) as process:
            yield process
            process.send_signal(signal.SIGTERM)

    @contextmanager
    def started(self, *command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run *command*; after the block it ends successfully."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=self.environ(**variables), stdout=log, stderr=log
            )
        try:
            yield process
            assert process.wait(timeout=120) == 0, (self.folder / "log").read_text()[-3000:]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def trail(sink: Sink, span: Span) -> list[str]:
    """Return the names of *span* and of all that it is part of, outermost first."""
    by_id = {each.span_id: each for each in sink.spans()}
    names = [span.name]
    while span.parent_id:
        span = by_id[span.parent_id]
        names.append(span.name)
    return names[::-1]


def instances(sink: Sink, metric: str) -> set[str]:
    """Return the instances that have counted anything of *metric*."""
    return {instance for (instance, _), value in sink.series(metric).items() if value}
