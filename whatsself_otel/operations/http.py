"""HTTP: does the API answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import DB_POOL_IN_USE, DB_POOL_MAX, EVENT_LOOP_LAG, HTTP_SERVER_REQUEST_DURATION
from whatsself_otel.operations.model import Alert, Check, Group, Inhibition, Page, Words
from whatsself_otel.operations.promql import ANSWERED, ENVIRONMENT, SERVICE, bound, increase, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

HTTP_ERRORS_HIGH: Final = Words(
    en=Page(
        summary=(
            "{{ $value | humanizePercentage }} of requests{{ with $labels.http_route }} to {{ . }}{{ end }} end in 5xx"
        ),
        description=(
            "More than <%http.error_ratio> of all requests, or <%http.route_ratio> of those to one route, and at least "
            "<http.min_errors>, failed in <http.window>."
        ),
        impact="The panel and integrations fail; webhooks of customers may be lost.",
        fix=(
            "Take the route with most errors, open one of its traces, read the exception. After a release: go back to "
            "the one before."
        ),
    ),
    pt=Page(
        summary=(
            "{{ $value | humanizePercentage }} das requisições{{ with $labels.http_route }} a {{ . }}{{ end }} acabam "
            "em 5xx"
        ),
        description=(
            "Mais de <%http.error_ratio> de todas as requisições, ou <%http.route_ratio> das de uma rota, e ao menos "
            "<http.min_errors>, falharam em <http.window>."
        ),
        impact="O painel e as integrações falham; webhooks de clientes podem se perder.",
        fix=(
            "Pegue a rota com mais erros, abra um dos seus traces, leia a exceção. Após uma versão nova: volte à "
            "anterior."
        ),
    ),
    checks=(
        Check(
            en="Errors by route",
            pt="Erros por rota",
            promql=(
                "sum by (http_route, http_response_status_code) "
                "(increase(http_server_request_duration_seconds_count{<job>, "
                'http_response_status_code=~"5.."}[10m])) > 0'
            ),
        ),
        Check(
            en="Pool in use",
            pt="Pool em uso",
            promql="max by (instance) (db_pool_in_use{<job>} / db_pool_max{<job>})",
        ),
        Check(
            en="Traces that failed",
            pt="Traces que falharam",
            traceql='{ resource.service.name = "<service>" && kind = server && status = error }',
        ),
    ),
)
HTTP_SLOW: Final = Words(
    en=Page(
        summary="{{ $value | humanizePercentage }} of requests take over <http.slow_s> s",
        description=(
            "More than <%http.slow_ratio> of the answers, and at least <http.slow_min>, took so long in <http.window>."
        ),
        impact="Customers and providers give up; a webhook that is not answered in time comes again or is lost.",
        fix="See whether the pool is full or the event loop blocked; open the slowest trace of the route.",
    ),
    pt=Page(
        summary="{{ $value | humanizePercentage }} das requisições levam mais de <http.slow_s> s",
        description=(
            "Mais de <%http.slow_ratio> das respostas, e ao menos <http.slow_min>, demoraram tanto em <http.window>."
        ),
        impact="Clientes e provedores desistem; um webhook sem resposta a tempo chega de novo ou se perde.",
        fix="Veja se o pool está cheio ou o event loop bloqueado; abra o trace mais lento da rota.",
    ),
    checks=(
        Check(
            en="95th percentile by route",
            pt="Percentil 95 por rota",
            promql=(
                "histogram_quantile(0.95, sum by (http_route, le) "
                "(rate(http_server_request_duration_seconds_bucket{<job>}[10m])))"
            ),
        ),
        Check(
            en="Share of the pool in use",
            pt="Parte do pool em uso",
            promql="max by (instance) (db_pool_in_use{<job>} / db_pool_max{<job>})",
        ),
        Check(
            en="Lag of the event loop",
            pt="Atraso do event loop",
            promql="max by (instance) (event_loop_lag_seconds{<job>})",
        ),
    ),
)
POOL_FULL: Final = Words(
    en=Page(
        summary="Every database connection of {{ $labels.instance }} is in use",
        description="The pool was full for <http.full_for> without a break.",
        impact="Whatever needs the database waits.",
        fix="Look for a query that hangs or a session that is never closed, before you make the pool larger.",
    ),
    pt=Page(
        summary="Todas as conexões de banco de {{ $labels.instance }} estão em uso",
        description="O pool ficou cheio por <http.full_for> sem pausa.",
        impact="Tudo o que precisa do banco espera.",
        fix="Procure uma consulta travada ou uma sessão nunca fechada, antes de aumentar o pool.",
    ),
    checks=(
        Check(
            en="In use, and at most",
            pt="Em uso, e no máximo",
            promql="db_pool_in_use{<job>} or db_pool_max{<job>}",
        ),
        Check(
            en="How long a connection is waited for",
            pt="Quanto se espera por uma conexão",
            promql="histogram_quantile(0.95, sum by (le) (rate(db_pool_wait_seconds_bucket{<job>}[10m])))",
        ),
        Check(
            en="Open beyond the size of the pool",
            pt="Abertas além do tamanho do pool",
            promql="max by (instance, pool) (db_pool_overflow{<job>})",
        ),
    ),
)
LOOP_BLOCKED: Final = Words(
    en=Page(
        summary="The event loop of {{ $labels.instance }} stands still for {{ $value | humanizeDuration }}",
        description="In each export of <http.loop_for> it was late by more than <http.loop_lag>.",
        impact="All requests and messages of this process wait for one piece of work.",
        fix="Find the call that blocks: a synchronous client, heavy parsing, a lock. Move it to a thread.",
    ),
    pt=Page(
        summary="O event loop de {{ $labels.instance }} para por {{ $value | humanizeDuration }}",
        description="Em cada exportação de <http.loop_for> ele atrasou mais de <http.loop_lag>.",
        impact="Todas as requisições e mensagens deste processo esperam por um só trabalho.",
        fix="Ache a chamada que bloqueia: cliente síncrono, parsing pesado, uma trava. Mova-a para uma thread.",
    ),
    checks=(
        Check(
            en="Lag of each process",
            pt="Atraso de cada processo",
            promql="event_loop_lag_seconds{<job>}",
        ),
        Check(
            en="Requests a second",
            pt="Requisições por segundo",
            promql="sum by (http_route) (rate(http_server_request_duration_seconds_count{<job>}[5m]))",
        ),
        Check(
            en="Share of the pool in use",
            pt="Parte do pool em uso",
            promql="max by (instance) (db_pool_in_use{<job>} / db_pool_max{<job>})",
        ),
    ),
)

_WHOLE: Final = (ENVIRONMENT, "job", "session", "http_route")
"""What two alerts of the whole API agree in: neither is of a session or of a route."""


def rules(source: Source) -> Group:
    """Does the API answer, and in time."""
    return Group(name="whatsself-http", rules=(_errors(source), _slow(source), *_narrow(source)))


def _errors(source: Source) -> Alert:
    def failing(by: str, share: float) -> str:
        total, errors = (
            increase(source, HTTP_SERVER_REQUEST_DURATION, source["http.window"], which, suffix="_count", by=by)
            for which in (ANSWERED, 'http_response_status_code=~"5.."')
        )
        return f"({errors} / {total} > {share} and {errors} >= {source['http.min_errors'] - 0.5})"

    whole = failing(SERVICE, source["http.error_ratio"])
    route = failing(f"{SERVICE}, http_route", source["http.route_ratio"])
    return Alert(
        name="WhatsSelfHttpErrorsHigh",
        words=HTTP_ERRORS_HIGH,
        expr=f"{whole}\nor {route}",
        wait=source["http.error_for"],
        # In a small shop minutes pass between two requests: errors that go on are one message.
        keep=source["http.error_keep"],
        # One incident, one page. Errors of one route explain nothing of the whole.
        inhibits=(Inhibition(targets=('alertname="WhatsSelfHttpSlow"',), equal=_WHOLE),),
        severity="critical",
        component="http",
        dashboard="http",
    )


def _slow(source: Source) -> Alert:
    def answers(more: str, suffix: str) -> str:
        selected = f"{ANSWERED}{more}"
        return increase(source, HTTP_SERVER_REQUEST_DURATION, source["http.window"], selected, suffix=suffix)

    total, quick = answers("", "_count"), answers(f", {bound(source['http.slow_s'])}", "_bucket")
    return Alert(
        name="WhatsSelfHttpSlow",
        words=HTTP_SLOW,
        expr=(
            f"1 - ({quick} or 0 * {total}) / ({total} > 0) > {source['http.slow_ratio']}"
            f"\nand on ({SERVICE}) {total} >= {source['http.slow_min'] - 0.5}"
        ),
        wait=source["http.error_for"],
        severity="critical",
        component="http",
        dashboard="http",
    )


def _narrow(source: Source) -> Iterator[Alert]:
    """What makes it slow, by process."""
    by = f"{SERVICE}, instance"
    window = source["http.full_for"]
    least = f"min_over_time({series(source, DB_POOL_IN_USE)}[{window}])"
    yield Alert(
        name="WhatsSelfPoolFull",
        words=POOL_FULL,
        expr=f"max by ({by}, pool) ({least} / {series(source, DB_POOL_MAX)}) >= 1",
        severity="warning",
        component="http",
        dashboard="http",
    )
    lag = f"min_over_time({series(source, EVENT_LOOP_LAG)}[{source['http.loop_for']}])"
    yield Alert(
        name="WhatsSelfEventLoopBlocked",
        words=LOOP_BLOCKED,
        expr=f"max by ({by}) ({lag}) > {source['http.loop_lag']}",
        severity="warning",
        component="http",
        dashboard="http",
    )
