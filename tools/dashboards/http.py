"""Is the API fast and right, and does the database keep up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.links import logs_link, traces_link
from dashboards.logs import of_levels
from dashboards.model import BAD, BLUE, GREY, ORANGE, SKY, VERMILION, Dashboard, Panel, Query, Row, both
from dashboards.panels import bars, lines, log_lines, stat
from dashboards.promql import increase, quantile, rate, ratio, series
from dashboards.variables import service_choices
from whatsself_otel.catalogue import (
    DB_POOL_IN_USE,
    DB_POOL_MAX,
    DB_POOL_OVERFLOW,
    DB_POOL_WAIT,
    EVENT_LOOP_LAG,
    HTTP_ROUTE,
    HTTP_SERVER_REQUEST_DURATION,
    PROCESS_UPTIME,
)
from whatsself_otel.metrics.prometheus_names import prometheus_label
from whatsself_otel.operations.promql import ANSWERED

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

SPAN_CALLS: Final = "traces_span_metrics_calls_total"
SPAN_SECONDS: Final = "traces_span_metrics_duration_seconds"
"""The collector's durations of all spans; a database call is a client span."""
_CLIENT: Final = 'span_kind="SPAN_KIND_CLIENT"'
_RANGE: Final = "$__range"
_FAILED: Final = 'http_response_status_code=~"5.."'
_ROUTE: Final = prometheus_label(HTTP_ROUTE.name)
_NO_REQUEST: Final = both("no request", "nenhuma requisição")
_NO_CALL: Final = both("no call", "nenhuma chamada")


def http(source: Source) -> Dashboard:
    """Return the page."""
    return Dashboard(
        key="http",
        title=both("WhatsSelf HTTP and database", "WhatsSelf HTTP e banco de dados"),
        description=both(
            "Requests, errors and durations of the API; connections, waits and statements of the database.",
            "Requisições, erros e durações da API; conexões, esperas e comandos do banco.",
        ),
        choices=service_choices(source),
        rows=(
            Row(title="HTTP", panels=_http(source)),
            Row(title=both("Database", "Banco de dados"), panels=_database()),
            Row(title=both("Process and logs", "Processo e logs"), panels=_process()),
        ),
    )


def _answered(statuses: str) -> str:
    """Return the speed of the answers of a kind; 0 while there are only others."""
    server = HTTP_SERVER_REQUEST_DURATION
    chosen = rate(server, f'http_response_status_code=~"{statuses}"', suffix="_count")
    return f"{chosen} or 0 * {rate(server, suffix='_count')}"


def _http(source: Source) -> tuple[Panel, ...]:
    server, limit, window = HTTP_SERVER_REQUEST_DURATION, source["http.error_ratio"], source["http.window"]
    errors = increase(server, window, _FAILED, suffix="_count")
    total = increase(server, window, ANSWERED, suffix="_count")
    answers = increase(server, _RANGE, ANSWERED, by="http_response_status_code", suffix="_count")
    return (
        stat(
            both(
                f"Server errors in {window} (alert above {limit:.0%})",
                f"Erros do servidor em {window} (alerta > {limit:.0%})",
            ),
            both(
                "Share of the requests answered with 5xx, and how many requests that is out of.",
                "Parcela das requisições respondidas com 5xx, e de quantas requisições.",
            ),
            Query(expr=ratio(errors, total), legend="5xx", instant=True, unit="percentunit"),
            Query(expr=f"round({total})", legend=both("requests (n)", "requisições (n)"), instant=True, colour=GREY),
            limits=((limit, BAD),),
            no_value=_NO_REQUEST,
            width=8,
            height=8,
        ),
        lines(
            both("Requests a second", "Requisições por segundo"),
            both("All, and those answered with 4xx and 5xx.", "Todas, e as respondidas com 4xx e 5xx."),
            Query(expr=rate(server, suffix="_count"), legend=both("all", "todas")),
            Query(expr=_answered("4.."), legend="4xx", colour=ORANGE),
            Query(expr=_answered("5.."), legend="5xx", colour=VERMILION, dashed=True),
            unit="reqps",
            no_value=_NO_REQUEST,
            width=16,
            links=(
                logs_link(
                    both("Errors of this time", "Erros deste período"),
                    of_levels("error", "fatal"),
                ),
                traces_link(
                    both("Failed requests of this time", "Requisições com erro deste período"),
                    "{ kind = server && status = error }",
                ),
            ),
        ),
        lines(
            both("Duration of requests", "Duração das requisições"),
            both(
                "Median and P95. Dots are traces: click one to open it.",
                "Mediana e P95. Os pontos são traces: clique para abrir.",
            ),
            Query(expr=quantile(0.5, server, "$__rate_interval"), legend="P50", colour=SKY),
            Query(expr=quantile(0.95, server, "$__rate_interval"), legend="P95", exemplars=True, colour=BLUE),
            unit="s",
            no_value=_NO_REQUEST,
        ),
        bars(
            both("Slowest routes, P95", "Rotas mais lentas, P95"),
            both(
                "In the chosen time range; the requests stand below.",
                "No período escolhido; as requisições estão abaixo.",
            ),
            Query(
                expr=f"topk(10, {quantile(0.95, server, _RANGE, by=_ROUTE)})", legend=f"{{{{{_ROUTE}}}}}", instant=True
            ),
            unit="s",
            no_value=_NO_REQUEST,
        ),
        bars(
            both("Requests of each route (n)", "Requisições de cada rota (n)"),
            both("In the chosen time range.", "No período escolhido."),
            Query(
                expr=f"topk(10, round({increase(server, _RANGE, by=_ROUTE, suffix='_count')}))",
                legend=f"{{{{{_ROUTE}}}}}",
                instant=True,
            ),
            no_value=_NO_REQUEST,
            decimals=0,
        ),
        bars(
            both("Answers by status", "Respostas por status"),
            both("In the chosen time range.", "No período escolhido."),
            Query(
                expr=f"round({answers}) > 0",
                legend="{{http_response_status_code}}",
                instant=True,
            ),
            no_value=_NO_REQUEST,
            decimals=0,
        ),
    )


def _database() -> tuple[Panel, ...]:
    return (
        lines(
            both("Connections", "Conexões"),
            both(
                "In use, beyond the pool's size, and how many there may be.",
                "Em uso, além do tamanho do pool, e quantas pode haver.",
            ),
            Query(expr=f"sum({series(DB_POOL_IN_USE)})", legend=both("in use", "em uso")),
            Query(expr=f"sum({series(DB_POOL_OVERFLOW)})", legend=both("overflow", "excedente"), colour=SKY),
            Query(
                expr=f"sum({series(DB_POOL_MAX)})", legend=both("may be open", "permitidas"), colour=ORANGE, dashed=True
            ),
            decimals=0,
        ),
        lines(
            both("Wait for a connection, P95", "Espera por uma conexão, P95"),
            both("A new connection's set-up included.", "Com a abertura de uma conexão nova."),
            Query(expr=quantile(0.95, DB_POOL_WAIT, "$__rate_interval"), legend="P95"),
            unit="s",
            no_value=_NO_CALL,
        ),
        bars(
            both("Slowest calls going out, P95", "Chamadas de saída mais lentas, P95"),
            both(
                "SQL statements and sends to WhatsApp, as the collector measures their spans; the calls stand beside.",
                "Comandos SQL e envios ao WhatsApp, medidos pelo collector nos spans; as chamadas estão ao lado.",
            ),
            Query(
                expr=f"topk(10, {quantile(0.95, SPAN_SECONDS, _RANGE, _CLIENT, by='span_name')})",
                legend="{{span_name}}",
                instant=True,
            ),
            unit="s",
            no_value=_NO_CALL,
        ),
        bars(
            both("Most frequent calls going out (n)", "Chamadas de saída mais frequentes (n)"),
            both("In the chosen time range.", "No período escolhido."),
            Query(
                expr=f"topk(10, round({increase(SPAN_CALLS, _RANGE, _CLIENT, by='span_name')}))",
                legend="{{span_name}}",
                instant=True,
            ),
            no_value=_NO_CALL,
            decimals=0,
        ),
    )


def _process() -> tuple[Panel, ...]:
    return (
        lines(
            both("Event-loop lag of each worker", "Atraso do event loop de cada worker"),
            both("A worker that lags answers nobody.", "Um worker atrasado não responde a ninguém."),
            Query(expr=f"max by (instance) ({series(EVENT_LOOP_LAG)})", legend="{{instance}}"),
            unit="s",
        ),
        lines(
            both("Age of each worker", "Idade de cada worker"),
            both("A line that falls to zero is a restart.", "Uma linha que cai a zero é um reinício."),
            Query(expr=f"max by (instance) ({series(PROCESS_UPTIME)})", legend="{{instance}}"),
            unit="s",
        ),
        log_lines(
            both("Warnings and errors", "Avisos e erros"),
            both("A line opens to its trace.", "Uma linha abre o seu trace."),
            of_levels("warn", "error", "fatal").chosen(),
        ),
    )
