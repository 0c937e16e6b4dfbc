"""Places to look at each signal, each with a first query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from whatsself_otel.language import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whatsself_otel.stack.addresses import Addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One place of one signal."""

    signal: str
    program: str
    url: str
    """Its page, or the root of its API where it has no page."""
    query: str = ""
    """A URL that answers in a browser and in curl, on any system."""


def links(addresses: Addresses, programs: Iterable[str], *, message_id: str = "MESSAGE_ID") -> list[Link]:
    """
    Return the places to look at, for the running ones of *programs*.

    Args:
        addresses: Where the programs listen.
        programs: Their names: ``prometheus``, ``loki``, ``victorialogs``, ``tempo``, ``jaeger``,
            ``alertmanager``.
        message_id: Put into the example queries.
    """
    at = addresses
    tags = f'{{"messageId":"{message_id}"}}'
    traceql = f'{{ span.messageId = "{message_id}" }}'
    logql = f'{{service_name="whatsself"}} | messageId = "{message_id}"'
    logsql = f'messageId:="{message_id}"'
    jaeger = _asked(f"{at.jaeger}/api/traces", service="whatsself", tags=tags)
    logs = _asked(f"{at.victorialogs}/select/logsql/query", query=logsql)
    metrics = _asked(f"{at.prometheus}/api/v1/query", query="messages_outbound_total")
    everything = (
        Link(signal="traces", program="jaeger", url=at.jaeger, query=jaeger),
        Link(signal="traces", program="tempo", url=at.tempo, query=_asked(f"{at.tempo}/api/search", q=traceql)),
        Link(
            signal="logs", program="loki", url=at.loki, query=_asked(f"{at.loki}/loki/api/v1/query_range", query=logql)
        ),
        Link(signal="logs", program="victorialogs", url=f"{at.victorialogs}/select/vmui/", query=logs),
        Link(signal="metrics", program="prometheus", url=at.prometheus, query=metrics),
        Link(signal="alerts", program="alertmanager", url=at.alertmanager),
    )
    running = set(programs)
    return [link for link in everything if link.program in running]


def _asked(url: str, **parameters: str) -> str:
    return f"{url}?{urlencode(parameters)}"


def table(addresses: Addresses, shown: Sequence[Link]) -> str:
    """Return *shown* as text for a terminal."""
    how = translated(f"OTLP over HTTP; gRPC: {addresses.at('OTELCOL_GRPC_PORT')}")
    rows = [f"  {translated('send to'):<8} {addresses.otlp_http}  ({how})"]
    for link in shown:
        rows.append(f"  {translated(link.signal):<8} {link.url}  ({link.program})")
        if link.query:
            rows.append(f"  {'':<8} {link.query}")
    return "\n".join(rows)
