"""Single backends, each run with the configuration that ships."""

from __future__ import annotations

import json
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from binaries import ROOT, Program, free_ports, get, need, running

from whatsself_otel.stack.native_stack import victorialogs_flags

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def run_shipped_loki(folder: Path) -> Iterator[str]:
    """Run Loki with its data in *folder*, and give its URL."""
    http, grpc = free_ports(2)
    url = f"http://127.0.0.1:{http}"
    program = Program(
        command=[need("loki"), "-config.expand-env=true", f"-config.file={ROOT / 'backends/loki/loki.yaml'}"],
        ready_url=f"{url}/ready",
        environ={"LOKI_DATA": str(folder / "loki"), "LOKI_GRPC_PORT": str(grpc), "LOKI_HTTP_PORT": str(http)},
        log=folder / "loki.log",
    )
    with running(program):
        yield url


@contextmanager
def run_shipped_tempo(folder: Path) -> Iterator[tuple[str, str]]:
    """Run Tempo with its data in *folder*, and give its URL and its address for OTLP by gRPC."""
    http, grpc, otlp = free_ports(3)
    url = f"http://127.0.0.1:{http}"
    program = Program(
        command=[need("tempo"), "-config.expand-env=true", f"-config.file={ROOT / 'backends/tempo/tempo.yaml'}"],
        ready_url=f"{url}/ready",
        environ={
            "TEMPO_DATA": str(folder / "tempo"),
            "TEMPO_HTTP_PORT": str(http),
            "TEMPO_GRPC_PORT": str(grpc),
            "TEMPO_OTLP_PORT": str(otlp),
        },
        log=folder / "tempo.log",
    )
    with running(program):
        yield url, f"127.0.0.1:{otlp}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VictoriaLogs:
    """A running VictoriaLogs."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def otlp(self) -> str:
        """Where it takes logs; an exporter appends ``/v1/logs``."""
        return f"{self.url}/insert/opentelemetry"

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what *query* (LogsQL) selects."""
        return [json.loads(line) for line in self.get("/select/logsql/query", query=query).splitlines()]

    def get(self, path: str, **parameters: str) -> bytes:
        """Return what *path* answers; nothing where it does not answer well."""
        return get(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}") or b""

    def metric(self, series: str) -> float:
        """Return the value of one of the program's own series, in the notation of its metrics page."""
        values = [line.rpartition(" ") for line in self.get("/metrics").decode().splitlines()]
        return sum(float(value) for name, _, value in values if name == series)


@contextmanager
def run_shipped_victorialogs(folder: Path, *, port: int = 0, **environ: str) -> Iterator[VictoriaLogs]:
    """
    Run VictoriaLogs as the native stack does, with its data in *folder*.

    Args:
        folder: Where its data and its log go.
        port: Where it listens; any free port if 0.
        environ: Variables that the native stack reads for it.
    """
    port = port or free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    data = f"-storageDataPath={folder / 'victorialogs'}"
    program = Program(
        command=[need("victorialogs"), f"-httpListenAddr=127.0.0.1:{port}", data, *victorialogs_flags(environ)],
        ready_url=f"{url}/health",
        environ={},
        log=folder / "victorialogs.log",
    )
    with running(program) as process:
        yield VictoriaLogs(url=url, log=program.log, process=process)


@contextmanager
def run_shipped_prometheus(folder: Path) -> Iterator[str]:
    """Run Prometheus with its data in *folder*, and give its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = Program(
        command=[
            need("prometheus"),
            f"--config.file={ROOT / 'backends/prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-otlp-receiver",
        ],
        ready_url=f"{url}/-/ready",
        environ={},
        log=folder / "prometheus.log",
    )
    with running(program):
        yield url
