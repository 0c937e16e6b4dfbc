"""HTTP: does the API answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp
from operations.model import Alert, Check, Group, Page, Words
from operations.promql import ANSWERED, increase
from whatsself_otel.catalogue import (
    HTTP_SERVER_REQUEST_DURATION,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source


HTTP_ERRORS_HIGH: Final = Words(
    en=Page(
        summary="{{ $value | humanizePercentage }} of API requests end in 5xx",
        description=(
            "More than <%http.error_ratio> of the requests, and at least <http.min_errors>, failed in <http.window>."
        ),
        impact="The panel and integrations fail; webhooks of customers may be lost.",
        fix=(
            "Take the route with most errors, open one of its traces, read the exception. After a release: go back to "
            "the one before."
        ),
    ),
    pt=Page(
        summary="{{ $value | humanizePercentage }} das requisições à API acabam em 5xx",
        description=(
            "Mais de <%http.error_ratio> das requisições, e ao menos <http.min_errors>, falharam em <http.window>."
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


def rules(source: Source) -> Group:
    """Does the API answer."""
    window = source["http.window"]
    total = increase(source, HTTP_SERVER_REQUEST_DURATION, window, ANSWERED, suffix="_count")
    errors = increase(source, HTTP_SERVER_REQUEST_DURATION, window, 'http_response_status_code=~"5.."', suffix="_count")
    return Group(
        name="whatsself-http",
        rules=(
            Alert(
                name="WhatsSelfHttpErrorsHigh",
                words=HTTP_ERRORS_HIGH,
                expr=(
                    f"{errors} / {total} > {source['http.error_ratio']}"
                    f"\nand on (job) {errors} >= {source['http.min_errors'] - 0.5}"
                ),
                wait=source["http.error_for"],
                severity="critical",
                component="http",
                dashboard="http",
            ),
        ),
    )


def cases() -> Iterator[Case]:
    """Errors of the API."""
    rule, count = "WhatsSelfHttpErrorsHigh", "http_server_request_duration_seconds_count"

    def answers(status: int, instance: str = "a") -> str:
        return named(count, f'http_route="/api/send",http_response_status_code="{status}"', instance=instance)

    breaks = {answers(200): ramp((30, 100), (60, 0)), answers(500): ramp((30, 0), (60, 100))}
    yield Case(rule=rule, kind=FIRING, title="every request fails, pages within 8 minutes", series=breaks, at={38: 1})
    late = {answers(200): ramp((90, 90)), answers(500): ramp((30, 0), (60, 10))}
    yield Case(rule=rule, kind=BOUNDARY, title="ten minutes after 10 % begin", series=late, at={39.5: 0, 41: 1})
    for errors, fires in ((4.6, 0), (5.4, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{errors} % of what two workers answer",
            series={
                answers(200): ramp((60, 50 - errors / 2)),
                answers(200, "b"): ramp((60, 50 - errors / 2)),
                answers(503): ramp((60, errors / 2)),
                answers(503, "b"): ramp((60, errors / 2)),
            },
            at={30: fires},
        )
    abandoned = named(count, 'http_route="/api/send",error_type="CancelledError"')
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="10 % of what is answered fails, among many requests that nobody waited for",
        series={answers(200): ramp((60, 9)), answers(500): ramp((60, 1)), abandoned: ramp((60, 100))},
        at={30: 1},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="all requests are cancelled, and none failed",
        series={answers(200): flat((60, 5)), answers(500): flat((60, 0)), abandoned: ramp((60, 100))},
        at={30: 0},
    )
    for errors, fires in ((2, 0), (3, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{errors} errors",
            series={
                answers(200): flat((10, 0), (40, 1)),
                answers(500): flat((10, 0), (40, errors - 1)),
                answers(502, "b"): flat((10, 0), (40, 1)),
            },
            at={16: fires},
        )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="2 errors, and a third longer ago",
        series={answers(200): flat((10, 0), (60, 1)), answers(500): flat((18, 0), (7, 1), (45, 3))},
        at={32: 0},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="wrong requests, and no 5xx was ever born",
        series={answers(200): ramp((60, 10)), answers(404): ramp((60, 90))},
        at={30: 0},
    )
