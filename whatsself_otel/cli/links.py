"""Where each signal can be seen, and a query to start with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whatsself_otel.cli.addresses import Addresses


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
    Return the places to look at, for those of *programs* that run.

    Args:
        addresses: Where the programs listen.
        programs: Their names: ``prometheus``, ``loki``, ``victorialogs``, ``tempo``, ``jaeger``,
            ``alertmanager``.
        message_id: Put into the example queries.
    """
    everything = (
        Link(
            signal="traces",
            program="jaeger",
            url=addresses.jaeger,
            query=f"{addresses.jaeger}/api/traces?"
            + urlencode({"service": "whatsself", "tags": f'{{"messageId":"{message_id}"}}'}),
        ),
        Link(
            signal="traces",
            program="tempo",
            url=addresses.tempo,
            query=f"{addresses.tempo}/api/search?" + urlencode({"q": f'{{ span.messageId = "{message_id}" }}'}),
        ),
        Link(
            signal="logs",
            program="loki",
            url=addresses.loki,
            query=f"{addresses.loki}/loki/api/v1/query_range?"
            + urlencode({"query": f'{{service_name="whatsself"}} | messageId = "{message_id}"'}),
        ),
        Link(
            signal="logs",
            program="victorialogs",
            url=f"{addresses.victorialogs}/select/vmui/",
            query=f"{addresses.victorialogs}/select/logsql/query?" + urlencode({"query": f'messageId:="{message_id}"'}),
        ),
        Link(
            signal="metrics",
            program="prometheus",
            url=addresses.prometheus,
            query=f"{addresses.prometheus}/api/v1/query?" + urlencode({"query": "messages_outbound_total"}),
        ),
        Link(signal="alerts", program="alertmanager", url=addresses.alertmanager),
    )
    running = set(programs)
    return [link for link in everything if link.program in running]


def table(addresses: Addresses, shown: Sequence[Link]) -> str:
    """Return *shown* as text for a terminal."""
    rows = [f"  {'send to':<8} {addresses.otlp_http}  (OTLP over HTTP; gRPC: {addresses.at('OTELCOL_GRPC_PORT')})"]
    for link in shown:
        rows.append(f"  {link.signal:<8} {link.url}  ({link.program})")
        if link.query:
            rows.append(f"  {'':<8} {link.query}")
    return "\n".join(rows)
