"""A contact who asks to be forgotten: docs/production.md's request, typed as it stands there, to a real Loki."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from binaries import ROOT, Program, free_ports, get, need, post_otlp, running
from markdown_pages import commands
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.backend

SOONER = (
    "-compactor.compaction-interval=1s",
    "-compactor.delete-request-cancel-period=0s",
    "-ingester.flush-check-period=1s",
    "-ingester.chunks-idle-period=1s",
)
"""Loki does the same things sooner."""


def push(url: str, contact_id: str) -> None:
    request = ExportLogsServiceRequest()
    owner = request.resource_logs.add()
    owner.resource.attributes.add(key="service.name").value.string_value = "whatsself"
    record = owner.scope_logs.add().log_records.add(time_unix_nano=time.time_ns() - 3_600_000_000_000)
    record.body.string_value = f"sent to {contact_id}"
    record.attributes.add(key="contactId").value.string_value = contact_id
    post_otlp(f"{url}/otlp/v1/logs", request)


def shown(url: str) -> bytes:
    query = {"query": '{service_name="whatsself"}', "start": time.time() - 7200, "end": time.time() + 60}
    return get(f"{url}/loki/api/v1/query_range?{urllib.parse.urlencode(query)}") or b""


def wait_until(url: str, *, has: bytes = b"", lacks: bytes = b"nothing lacks this") -> bytes:
    deadline = time.monotonic() + 60
    while has not in (found := shown(url)) or lacks in found:
        assert time.monotonic() < deadline, found.decode()
        time.sleep(0.5)
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_lines_of_one_contact_are_deleted_and_no_other(tmp_path: Path) -> None:
    port, grpc = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    (typed,) = (command for command in commands("docs/production.md") if command.startswith("curl"))
    environ = {"LOKI_DATA": str(tmp_path / "loki"), "LOKI_GRPC_PORT": str(grpc), "LOKI_HTTP_PORT": str(port)}
    program = Program(
        command=[
            need("loki"),
            "-config.expand-env=true",
            f"-config.file={ROOT / 'backends/loki/loki.yaml'}",
            *SOONER,
        ],
        ready_url=f"{url}/ready",
        environ=environ,
        log=tmp_path / "loki.log",
    )
    with running(program):
        push(url, "contact-1")
        push(url, "contact-2")
        wait_until(url, has=b"sent to contact-1")
        wait_until(url, has=b"sent to contact-2")

        command = f"{typed.replace(':3100/', f':{port}/')} --silent --fail --noproxy '*'"
        subprocess.run(command, shell=True, check=True, timeout=30)  # noqa: S602 - typed into a shell, as the page says

        assert b"sent to contact-2" in wait_until(url, has=b"contact-2", lacks=b"contact-1")
