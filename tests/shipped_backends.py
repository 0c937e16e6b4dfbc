"""Single backends, each run with the configuration that ships."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from binaries import ROOT, Program, free_ports, need, running

if TYPE_CHECKING:
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
