"""Who calls whom: the map of services, what Tempo counts over its traces, and the nodes of one trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.links import traces_link
from dashboards.model import BLUE, ORANGE, Dashboard, Entry, Panel, Query, Row, Store, both
from dashboards.panels import lines
from dashboards.variables import service_choices

if TYPE_CHECKING:
    from dashboards.model import Words
    from whatsself_otel.catalogue import Text
    from whatsself_otel.operations.model import Source

TRACE: Final = "traceId"
CHOSEN: Final = 'resource.service.name =~ "$service" && resource.deployment.environment.name =~ "$environment"'
"""Spans of the chosen services, in TraceQL."""
_ANSWERED: Final = f"{{ {CHOSEN} && kind = server }}"
_FAILED: Final = f"{{ {CHOSEN} && status = error }}"
_NO_SPAN: Final = both("no such span in this time", "nenhum span assim neste período")


def services(source: Source) -> Dashboard:
    """Return the page."""
    return Dashboard(
        key="services",
        title=both("WhatsSelf services and traces", "WhatsSelf serviços e traces"),
        description=both(
            "Which service calls which, how fast and how often it fails, counted by Tempo over its traces.",
            "Que serviço chama qual, com que rapidez e quantas falhas, contado pelo Tempo nos seus traces.",
        ),
        choices=service_choices(source),
        entries=(Entry(name=TRACE, label=TRACE),),
        stores=(Store.PROMETHEUS, Store.TEMPO),
        rows=(
            Row(title=both("Map of services", "Mapa de serviços"), panels=(_service_map(),)),
            Row(title=both("Counted over traces", "Contado nos traces"), panels=_counted()),
            Row(title=both("One trace", "Um trace"), panels=(_nodes(),)),
        ),
    )


def _service_map() -> Panel:
    return _graph(
        both("Who calls whom", "Quem chama quem"),
        both(
            "Services, databases and providers; on each line calls a second and mean duration.",
            "Serviços, bancos e provedores; em cada linha, chamadas por segundo e duração média.",
        ),
        Query(expr='{deployment_environment_name=~"$environment"}', store=Store.TEMPO, maps=True),
        both("no call between services in this time", "nenhuma chamada entre serviços neste período"),
    )


def _counted() -> tuple[Panel, ...]:
    return (
        _metrics(
            both("Requests a second", "Requisições por segundo"),
            both("Spans of servers, by route.", "Spans de servidor, por rota."),
            Query(expr=f"{_ANSWERED} | rate() by (name)", store=Store.TEMPO, counts=True, legend="{{name}}"),
            unit="reqps",
            links=(traces_link(both("These traces", "Estes traces"), "{ kind = server }"),),
        ),
        _metrics(
            both("Duration of requests", "Duração das requisições"),
            both("Median and P95 over all routes.", "Mediana e P95 de todas as rotas."),
            _quantile(0.5, "P50", colour=BLUE),
            _quantile(0.95, "P95", colour=ORANGE),
            unit="s",
        ),
        _metrics(
            both("Failed spans a second", "Spans com erro por segundo"),
            both("By operation; each opens to its traces.", "Por operação; cada uma leva aos seus traces."),
            Query(expr=f"{_FAILED} | rate() by (name)", store=Store.TEMPO, counts=True, legend="{{name}}"),
            unit="cps",
            no_value=both("no span failed", "nenhum span com erro"),
            links=(traces_link(both("Failed traces", "Traces com erro"), "{ status = error }"),),
        ),
        _metrics(
            both("Spans a second by kind", "Spans por segundo por tipo"),
            both(
                "Servers, clients, producers, consumers, internal.", "Servidor, cliente, produtor, consumidor, interno."
            ),
            Query(expr=f"{{ {CHOSEN} }} | rate() by (kind)", store=Store.TEMPO, counts=True, legend="{{kind}}"),
            unit="cps",
        ),
    )


def _quantile(part: float, name: Words, *, colour: str) -> Query:
    return Query(
        expr=f"{_ANSWERED} | quantile_over_time(duration, {part})",
        store=Store.TEMPO,
        counts=True,
        legend=name,
        colour=colour,
        dashed=colour != BLUE,
    )


def _metrics(title: Text, description: Text, *queries: Query, **more: object) -> Panel:
    return lines(title, description, *queries, **{"no_value": _NO_SPAN, **more})


def _nodes() -> Panel:
    return _graph(
        both("The nodes of one trace", "Os nós de um trace"),
        both(
            "Each span of the trace whose traceId is typed above, with its share of the time.",
            "Cada span do trace cujo traceId está digitado acima, com sua parte do tempo.",
        ),
        Query(expr=f"${{{TRACE}}}", store=Store.TEMPO),
        both("no traceId typed", "nenhum traceId digitado"),
    )


def _graph(title: Text, description: Text, query: Query, no_value: Text) -> Panel:
    return Panel(
        kind="nodeGraph",
        title=title,
        description=description,
        queries=(query,),
        no_value=no_value,
        width=24,
        height=14,
    )
