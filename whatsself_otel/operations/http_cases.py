"""Tests of the rules about the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.catalogue import HTTP_SERVER_REQUEST_DURATION
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp

if TYPE_CHECKING:
    from collections.abc import Iterator


COUNT, BUCKET = (f"{HTTP_SERVER_REQUEST_DURATION.prometheus_name}_{part}" for part in ("count", "bucket"))


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _routes()
    yield from _slow_cases()
    yield from _narrow_cases()
    yield from _share_cases("WhatsSelfHttpErrorsHigh")
    yield from _count_cases("WhatsSelfHttpErrorsHigh")


def answers(status: int, instance: str = "a") -> str:
    """Return the count of the answers with *status*."""
    return named(COUNT, f'http_route="/api/send",http_response_status_code="{status}"', instance=instance)


def _share_cases(rule: str) -> Iterator[Case]:
    breaks = {answers(200): ramp((30, 100), (60, 0)), answers(500): ramp((30, 0), (60, 100))}
    yield Case(rule=rule, kind=FIRING, title="every request fails, pages within 8 minutes", series=breaks, at={38: 1})
    late = {answers(200): ramp((90, 90)), answers(500): ramp((30, 0), (60, 10))}
    yield Case(rule=rule, kind=BOUNDARY, title="ten minutes after 10 % begin", series=late, at={39.5: 0, 41: 1})
    ends = {answers(200): ramp((90, 100)), answers(500): ramp((10, 0), (20, 100), (60, 0))}
    yield Case(rule=rule, kind=BOUNDARY, title="20 minutes longer", series=ends, at={58: 1, 61: 0})
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


def _count_cases(rule: str) -> Iterator[Case]:
    abandoned = named(COUNT, 'http_route="/api/send",error_type="CancelledError"')
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
            # The service, and its one route.
            at={16: 2 * fires},
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


def _routes() -> Iterator[Case]:
    rule = "WhatsSelfHttpErrorsHigh"

    def answers(route: str, status: int, instance: str = "a") -> str:
        return named(COUNT, f'http_route="{route}",http_response_status_code="{status}"', instance=instance)

    busy = {answers("/api/send", 200): ramp((90, 400))}
    fails = {answers("/webhook", 500): ramp((30, 0), (60, 3)), answers("/webhook", 500, "b"): ramp((30, 0), (60, 3))}
    works = {answers("/webhook", 200): ramp((30, 6), (60, 0))}
    yield Case(
        rule=rule, kind=FIRING, title="one route fails beside healthy traffic", series=busy | fails | works, at={60: 1}
    )
    for share, fires in ((48, 0), (52, 1)):
        series = {
            **busy,
            answers("/webhook", 200): ramp((60, 10 - share / 10)),
            answers("/webhook", 500): ramp((60, share / 20)),
            answers("/webhook", 502, "b"): ramp((60, share / 20)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{share} % of a route", series=series, at={55: fires})
    for errors, fires in ((2, 0), (3, 1)):
        series = {
            **busy,
            answers("/webhook", 500): flat((10, 0), (40, errors - 1)),
            answers("/webhook", 500, "b"): flat((10, 0), (40, 1)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{errors} errors of a route", series=series, at={16: fires})
    few = busy | {answers("/webhook", 500): ramp((60, 0.2))}
    yield Case(rule=rule, kind=BOUNDARY, title="two errors of a route in ten minutes", series=few, at={40: 0})
    everything = {answers(route, 500): ramp((60, 10)) for route in ("/api/send", "/webhook")}
    yield Case(
        rule=rule, kind=FIRING, title="all routes fail: the whole, and each of them", series=everything, at={30: 3}
    )


def _slow_cases() -> Iterator[Case]:
    rule = "WhatsSelfHttpSlow"

    def answers(slow: float, quick: float, instance: str = "a", le: str = "5") -> dict[str, str]:
        labels = 'http_route="/api/send",http_response_status_code="200"'
        return {
            named(COUNT, labels, instance=instance): ramp((30, 10), (60, slow + quick)),
            named(BUCKET, f'{labels},le="{le}"', instance=instance): ramp((30, 10), (60, quick)),
        }

    every = answers(10, 0)
    yield Case(rule=rule, kind=FIRING, title="every request takes ten seconds", series=every, at={29: 0, 50: 1})
    yield Case(
        rule=rule, kind=BOUNDARY, title="five minutes after half of ten are slow", series=every, at={39: 0, 41: 1}
    )
    for share, fires in ((4.8, 0), (5.2, 1)):
        both = answers(share, 10 - share) | answers(share, 10 - share, "b")
        yield Case(rule=rule, kind=BOUNDARY, title=f"{share} of 10", series=both, at={60: fires})
    spelled = answers(10, 0, le="5.0")
    yield Case(rule=rule, kind=HEALTHY, title="quick, by scrape", series=answers(0, 10, le="5.0"), at={60: 0})
    yield Case(rule=rule, kind=FIRING, title="slow, by scrape", series=spelled, at={60: 1})
    none = {key: text for key, text in every.items() if "_bucket" not in key}
    yield Case(rule=rule, kind=FIRING, title="none was ever quick", series=none, at={60: 1})
    for count, fires in ((9, 0), (10, 1)):
        few = {
            named(COUNT, 'http_response_status_code="200"'): flat((10, 0), (40, count - 2)),
            named(COUNT, 'http_response_status_code="200"', instance="b"): flat((10, 0), (40, 2)),
            named(BUCKET, 'http_response_status_code="200",le="5"'): flat((50, 0)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{count} slow requests", series=few, at={16: fires})
    rare = {
        named(COUNT, 'http_response_status_code="200"'): ramp((60, 0.8)),
        named(BUCKET, 'http_response_status_code="200",le="5"'): flat((60, 0)),
    }
    yield Case(rule=rule, kind=BOUNDARY, title="eight slow requests in ten minutes", series=rare, at={40: 0})
    gone = {named(COUNT, 'error_type="CancelledError"'): ramp((90, 10))}
    yield Case(rule=rule, kind=HEALTHY, title="nobody waited", series=gone, at={60: 0})


def _narrow_cases() -> Iterator[Case]:
    full, blocked = "WhatsSelfPoolFull", "WhatsSelfEventLoopBlocked"
    most = {named("db_pool_max", 'pool="default"', instance=worker): flat((60, 10)) for worker in ("a", "b")}

    def used(*segments: tuple[float, float]) -> dict[str, str]:
        return most | {
            named("db_pool_in_use", 'pool="default"'): flat(*segments),
            named("db_pool_in_use", 'pool="default"', instance="b"): flat((60, 2)),
        }

    yield Case(rule=full, kind=FIRING, title="one of two processes", series=used((10, 2), (50, 10)), at={9: 0, 20: 1})
    yield Case(
        rule=full, kind=BOUNDARY, title="for five minutes", series=used((10, 2), (50, 10)), at={14.5: 0, 15.5: 1}
    )
    yield Case(rule=full, kind=BOUNDARY, title="nine of ten", series=used((60, 9)), at={30: 0})
    yield Case(rule=full, kind=HEALTHY, title="full at times", series=used(*[(4, 10), (1, 9)] * 12), at={20: 0, 40: 0})
    lag, other = named("event_loop_lag_seconds"), named("event_loop_lag_seconds", instance="b")
    calm = {other: flat((60, 0.01))}
    late = calm | {lag: flat((10, 0.1), (50, 8))}
    yield Case(rule=blocked, kind=FIRING, title="eight seconds", series=late, at={9: 0, 20: 1})
    yield Case(rule=blocked, kind=BOUNDARY, title="for five minutes", series=late, at={14.5: 0, 15.5: 1})
    for seconds, fires in ((1.9, 0), (2.1, 1)):
        series = calm | {lag: flat((60, seconds))}
        yield Case(rule=blocked, kind=BOUNDARY, title=f"{seconds} s", series=series, at={30: fires})
    renewed = {lag.replace("}", f',service_version="{one}"}}'): flat((60, 1.5)) for one in "12"}
    yield Case(rule=blocked, kind=BOUNDARY, title="two versions of one process", series=renewed, at={30: 0})
    both = {
        name.replace("}", f',service_version="{one}"}}'): values
        for one in "12"
        for name, values in used((60, 6)).items()
    }
    yield Case(rule=full, kind=BOUNDARY, title="two versions of one process", series=both, at={30: 0})
    after_deploy = {
        lag.replace("}", f',service_version="{one}"}}'): flat((60, late)) for one, late in (("1", 0.1), ("2", 8))
    }
    yield Case(rule=blocked, kind=FIRING, title="the newer of two versions", series=after_deploy, at={30: 1})
    newer = {
        name.replace("}", f',service_version="{one}"}}'): values
        for one, busy in (("1", 2), ("2", 10))
        for name, values in used((60, busy)).items()
    }
    yield Case(rule=full, kind=FIRING, title="the newer of two versions", series=newer, at={30: 1})
    peaks = calm | {lag: flat(*[(4, 9), (1, 0.1)] * 12)}
    yield Case(rule=blocked, kind=HEALTHY, title="peaks", series=peaks, at={20: 0, 40: 0})
