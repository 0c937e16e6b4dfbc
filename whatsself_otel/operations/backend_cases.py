"""Tests of the rules about backends and the delivery of alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, ramp, while_closed

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _backend()
    yield from _delivery()
    rule, failures = (
        "WhatsSelfRulesFailing",
        'prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="x"}',
    )
    once = {failures: flat((20, 0), (60, 1)), failures.replace('"x"', '"y"'): flat((80, 0))}
    yield Case(rule=rule, kind=FIRING, title="one failure", series=once, at={19: 0, 22: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="told for ten minutes", series=once, at={29: 1, 31: 0})
    yield Case(rule=rule, kind=HEALTHY, title="old failures", series={failures: flat((60, 7))}, at={30: 0})
    missed = 'prometheus_rule_group_iterations_missed_total{job="prometheus",rule_group="x"}'
    calm, second = (missed.replace('"x"', f'"{name}"') for name in "yz")
    for count, fires in ((2, 0), (3, 1)):
        few = {missed: flat((20, 0), (60, count)), calm: flat((80, 0))}
        few |= {second: flat((20, 0), (60, 2))}
        at: dict[float, int] = {19: 0, 22: fires, 29: fires, 31: 0}
        yield Case(rule=rule, kind=BOUNDARY, title=f"{count} missed in one of three groups", series=few, at=at)
    yield from _reloads()
    yield from _storage()
    yield from _discards()
    always, beside = "WhatsSelfWatchdog", {'up{job="otelcol",instance="x"}': flat((60, 1))}
    yield Case(rule=always, kind=FIRING, title="always", series={}, at={10: 1})
    yield Case(
        rule=always,
        kind=HEALTHY,
        title="beside a good collector too",
        series=beside,
        at={10: 1},
    )
    yield Case(rule=always, kind=BOUNDARY, title="from the first evaluation", series={}, at={0: 1})


def _backend() -> Iterator[Case]:
    rule = "WhatsSelfBackendDown"
    for job in ("prometheus", "alertmanager", "loki", "victorialogs", "tempo"):
        dead = {f'up{{job="{job}",instance="x"}}': flat((10, 1), (50, 0))}
        yield Case(rule=rule, kind=FIRING, title=f"{job} is down", series=dead, at={9: 0, 18: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job} for five minutes", series=dead, at={14.5: 0, 15: 1})
    gone = {'up{job="loki",instance="x"}': flat((10, 1))}
    yield Case(rule=rule, kind=BOUNDARY, title="its target is gone", series=gone, at={19: 0, 21: 1, 120: 1})
    for down, fires in ((1.25, 0), (2.75, 1)):
        crashes = {'up{job="loki",instance="x"}': flat((20, 1), *[(down, 0), (4 - down, 1)] * 15)}
        title = f"not reached for {down} of each four minutes"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=crashes, at={60: fires})
    ends = {'up{job="loki",instance="x"}': flat((20, 1), *[(2.75, 0), (1.25, 1)] * 10, (30, 1))}
    yield Case(rule=rule, kind=BOUNDARY, title="the crashes end", series=ends, at={62: 1, 64: 0})
    names = {name: f'up{{job="loki",instance="{name}"}}' for name in "xy"}
    both = {name: flat((20, 1), *[(2.75, 0), (1.25, 1)] * 15) for name in names.values()}
    yield Case(rule=rule, kind=BOUNDARY, title="each of two is reached at times", series=both, at={60: 1})
    two = {'up{job="loki",instance="x"}': flat((60, 0)), 'up{job="loki",instance="y"}': flat((60, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="one of two lives, Tempo is not used", series=two, at={30: 0})


def _delivery() -> Iterator[Case]:
    rule = "WhatsSelfAlertsNotDelivered"
    found = {'prometheus_notifications_alertmanagers_discovered{job="prometheus",instance="x"}': flat((80, 1))}
    slack = 'job="alertmanager",integration="slack"'
    for name, labels, count in (
        ("alertmanager_notifications_failed_total", f'{slack},reason="clientError"', 1),
        ("alertmanager_notification_requests_failed_total", slack, 3),
        ("prometheus_notifications_dropped_total", 'job="prometheus",alertmanager="x"', 1),
    ):
        quiet = {**found, f'{name}{{job="quiet"}}': flat((80, 0))}
        once = {**quiet, f"{name}{{{labels}}}": flat((20, 0), (60, count))}
        nothing = {f'{name}{{job="new"}}': flat((20, None), (60, 0))}
        born = {**found, **nothing, f"{name}{{{labels}}}": flat((20, None), (60, count))}
        yield Case(rule=rule, kind=FIRING, title=f"{name} rises", series=once, at={19: 0, 22: 1})
        yield Case(rule=rule, kind=FIRING, title=f"{name} is born", series=born, at={19: 0, 22: 1})
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{name} from one to ten minutes",
            series=once,
            at={20.5: 0, 21: 1, 29: 1, 31: 0},
        )
        yield Case(
            rule=rule, kind=BOUNDARY, title=f"{name} born, for ten", series=born, at={20.5: 0, 21: 1, 29: 1, 31: 0}
        )
        old = {**found, f"{name}{{{labels}}}": flat((80, 3))}
        yield Case(rule=rule, kind=HEALTHY, title=f"{name} is old", series=old, at={40: 0})
    again = {f"alertmanager_notification_requests_failed_total{{{slack}}}": flat((20, 0), (60, 2))}
    yield Case(rule=rule, kind=BOUNDARY, title="two requests are tried again", series=found | again, at={22: 0, 25: 0})
    by_slack = next(iter(again))
    each = again | {by_slack.replace("slack", "email"): again[by_slack]}
    yield Case(rule=rule, kind=BOUNDARY, title="two by each of two ways", series=found | each, at={22: 1})
    nobody = {next(iter(found)): flat((20, 1), (60, 0))}
    yield Case(rule=rule, kind=FIRING, title="Prometheus knows no Alertmanager", series=nobody, at={19: 0, 22: 1})
    one = nobody | {next(iter(found)).replace('"x"', '"y"'): flat((80, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="another Prometheus knows one", series=one, at={40: 0})


def _reloads() -> Iterator[Case]:
    rule = "WhatsSelfReloadFailed"
    for job in ("prometheus", "alertmanager"):
        name = f'{job}_config_last_reload_successful{{job="{job}",instance="x"}}'
        refused = {name: flat((10, 1), (50, 0))}
        yield Case(rule=rule, kind=FIRING, title=job, series=refused, at={9: 0, 20: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job} for five minutes", series=refused, at={14.5: 0, 15: 1})
    half = {name: flat((60, 0)), name.replace('"x"', '"y"'): flat((60, 1))}
    yield Case(rule=rule, kind=FIRING, title="one of two refuses", series=half, at={20: 1})
    prometheus = {series.replace("alertmanager", "prometheus"): values for series, values in half.items()}
    yield Case(rule=rule, kind=FIRING, title="one of two Prometheus refuses", series=prometheus, at={20: 1})
    yield Case(rule=rule, kind=HEALTHY, title="taken", series={name: flat((60, 1))}, at={30: 0})


def _storage() -> Iterator[Case]:
    rule, minute_s = "WhatsSelfStorageFailing", 60
    for name in ("wal_writes", "compactions"):
        counter = f'prometheus_tsdb_{name}_failed_total{{job="prometheus",instance="x"}}'
        once = {counter: flat((20, 0), (60, 1)), counter.replace('"x"', '"y"'): flat((80, 0))}
        yield Case(rule=rule, kind=FIRING, title=name, series=once, at={19: 0, 22: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{name} for ten minutes", series=once, at={29: 1, 31: 0})
    yield Case(rule=rule, kind=HEALTHY, title="old failures", series={counter: flat((60, 7))}, at={30: 0})
    rule, of = "WhatsSelfStorageFilling", '{job="prometheus",instance="x"}'

    def held(share: float, limit: float = 1000) -> dict[str, str]:
        return {
            f"prometheus_tsdb_storage_blocks_bytes{of}": flat((20, 100), (100, share)),
            f"prometheus_tsdb_retention_limit_bytes{of}": flat((120, limit)),
        }

    yield Case(rule=rule, kind=FIRING, title="95 % of its limit", series=held(950), at={19: 0, 60: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for half an hour", series=held(950), at={49: 0, 51: 1})
    for share, fires in ((890, 0), (910, 1)):
        yield Case(rule=rule, kind=BOUNDARY, title=f"{share} of 1000", series=held(share), at={80: fires})
    yield Case(rule=rule, kind=HEALTHY, title="without a limit", series=held(950, 0), at={80: 0})
    back = held(950) | {f"prometheus_tsdb_storage_blocks_bytes{of}": flat((20, 100), (60, 950), (120, 100))}
    back |= {f"prometheus_tsdb_retention_limit_bytes{of}": flat((200, 1000))}
    yield while_closed(rule, back, closes=60, opens=120)
    disk = 'node_filesystem_avail_bytes{job="node",instance="x",mountpoint="/data"}'
    other = {disk.replace("/data", "/"): flat((1200, 1e6), step_s=minute_s)}
    # It begins to fall an hour before: a trend of three hours is told too soon, one of twelve too late.
    begins = {disk: "130000+0x539 130000-1000x130"}
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="begins to fall",
        series=begins | other,
        at={606.0: 0, 640.0: 1},
        step_s=minute_s,
    )
    for hours, fires in ((22, 1), (26, 0)):
        # So many bytes are left at the moment that is looked at.
        falls = {disk: ramp((1200, -1000), start=1000 * (600 + hours * 60), step_s=minute_s)}
        at = {600.0: fires}
        title = f"full in {hours} hours"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=falls | other, at=at, step_s=minute_s)


def _discards() -> Iterator[Case]:
    rule = "WhatsSelfStoreDiscards"
    for job, series in (
        (
            "tempo",
            'tempo_discarded_spans_total{job="tempo",instance="x",reason="trace_too_large",tenant="single-tenant"}',
        ),
        ("victorialogs", 'vl_rows_dropped_total{job="victorialogs",instance="x",reason="too_small_timestamp"}'),
    ):
        calm = {series.replace('"x"', '"y"'): flat((80, 0))}
        once = calm | {series: flat((20, 0), (60, 1))}
        born = calm | {series: flat((20, None), (60, 1))}
        at: dict[float, int] = {19: 0, 20.5: 1, 29: 1, 31: 0}
        yield Case(rule=rule, kind=FIRING, title=f"{job} throws one away", series=once, at={19: 0, 22: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job} throws one away, told for ten minutes", series=once, at=at)
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job}'s first one, told for ten minutes", series=born, at=at)
        yield Case(rule=rule, kind=HEALTHY, title=f"{job} did long ago", series={series: flat((60, 7))}, at={30: 0})
        other = series.replace('reason="', 'reason="other_')
        both = once | {other: once[series]}
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job} for two reasons", series=both, at={22: 2})
    refused = 'tempo_discarded_spans_total{job="tempo",instance="x",reason="rate_limited"}'
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="Tempo refuses, and is asked again",
        series={refused: flat((20, 0), (60, 9))},
        at={22: 0},
    )
