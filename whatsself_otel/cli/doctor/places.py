"""Places to read the probe back: a stack that runs here, the viewer, or addresses of options."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from whatsself_otel.cli.stack import Running
from whatsself_otel.stack import containers, docker
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.paths import data_dir

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from whatsself_otel.cli.doctor.probe import Probe

_BEFORE_NS: Final = 60_000_000_000
"""Logs are asked for from this long before the probe: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    One backend's question for one signal of the probe.

    Args:
        signal: traces, logs or metrics.
        backend: Its name, for people.
        url: What to get; ``wanted`` is in the answer once the probe has arrived.
        wanted: Text that only the arrived probe brings.
        headers: Sent along; may hold a credential.
    """

    signal: str
    backend: str
    url: str
    wanted: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAddresses:
    """Where to ask, as the options or a running stack say; None: nowhere."""

    traces: Sequence[str] = ()
    logs: str | None = None
    """With the API of Loki."""
    victorialogs: str | None = None
    metrics: str | None = None
    viewer: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def running_here(data: Path | None = None) -> tuple[str, QueryAddresses, Addresses] | None:
    """Return the stack of this machine: its kind, its addresses to ask and its ports; None if none runs."""
    folder = (data or data_dir()).resolve()
    if (native := Running.read(folder)) is not None:
        at = Addresses(ports=native.ports)
        return "native", _asked_of(at, native.ready_urls), at
    if (note := folder / "viewer.json").is_file():
        said = json.loads(note.read_text("utf-8"))
        headers = {"authorization": f"Bearer {said['token']}"}
        return "viewer", QueryAddresses(viewer=said["url"], headers=headers), Addresses.from_environment()
    if docker.problem() is None and (at_containers := containers.running()) is not None:
        return "docker", _asked_of(at_containers, containers.PROGRAMS), at_containers
    return None


def _asked_of(at: Addresses, programs: Collection[str]) -> QueryAddresses:
    return QueryAddresses(
        traces=[getattr(at, name) for name in ("tempo", "jaeger") if name in programs],
        logs=at.loki if "loki" in programs else None,
        victorialogs=at.victorialogs if "victorialogs" in programs else None,
        metrics=at.prometheus,
    )


def places(asked: QueryAddresses, probe: Probe) -> Iterator[Place]:
    """Return every question about *probe*."""
    if asked.viewer:
        yield from _viewer_places(asked, probe)
    for url in asked.traces:
        address = f"{url.rstrip('/')}/api/traces/{probe.trace_id}"
        yield Place(
            signal="traces",
            backend=f"The trace store at {url}",
            url=address,
            wanted=probe.name,
            headers={"accept": "application/json", **asked.headers},
        )
    if asked.logs:
        yield _loki_place(asked.logs, probe, asked.headers)
    if asked.victorialogs:
        yield _victorialogs_place(asked.victorialogs, probe, asked.headers)
    if asked.metrics:
        query = {"query": f'process_uptime_seconds{{instance="{probe.instance_id}"}}'}
        address = f"{asked.metrics.rstrip('/')}/api/v1/query?{urlencode(query)}"
        yield Place(
            signal="metrics", backend="Prometheus", url=address, wanted=probe.instance_id, headers=asked.headers
        )


def _loki_place(url: str, probe: Probe, headers: Mapping[str, str]) -> Place:
    query = {
        "query": f'{{service_name="{probe.service_name}"}} | trace_id="{probe.trace_id}"',
        "start": str(probe.start_ns - _BEFORE_NS),
    }
    address = f"{url.rstrip('/')}/loki/api/v1/query_range?{urlencode(query)}"
    return Place(signal="logs", backend="Loki", url=address, wanted=probe.name, headers=headers)


def _victorialogs_place(url: str, probe: Probe, headers: Mapping[str, str]) -> Place:
    query = {"query": f'trace_id:="{probe.trace_id}"', "start": str((probe.start_ns - _BEFORE_NS) // 1_000_000_000)}
    address = f"{url.rstrip('/')}/select/logsql/query?{urlencode(query)}"
    return Place(signal="logs", backend="VictoriaLogs", url=address, wanted=probe.name, headers=headers)


def _viewer_places(asked: QueryAddresses, probe: Probe) -> Iterator[Place]:
    for signal, path, wanted in (
        ("traces", f"/api/traces/{probe.trace_id}", probe.name),
        ("logs", f"/api/traces/{probe.trace_id}", probe.text),
        ("metrics", "/api/metrics", "process"),
    ):
        yield Place(
            signal=signal, backend="The viewer", url=f"{asked.viewer}{path}", wanted=wanted, headers=asked.headers
        )
