"""Tests of the rules about collector, backends and the way of an alert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat
from operations.machinery import ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator


def machinery_cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _down()
    yield from _queue()
    yield from _items("WhatsSelfCollectorRefusing", ("receiver_refused",), "receiver")
    yield from _items("WhatsSelfCollectorLosing", ("exporter_send_failed", "exporter_enqueue_failed"), "exporter")
    yield from _set_aside()
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
    always = "WhatsSelfWatchdog"
    yield Case(rule=always, kind=FIRING, title="always", series={}, at={10: 1})
    yield Case(rule=always, kind=HEALTHY, title="beside a good collector too", series=_up("otelcol"), at={10: 1})
    yield Case(rule=always, kind=BOUNDARY, title="from the first evaluation", series={}, at={0: 1})


def _up(job: str) -> dict[str, str]:
    return {f'up{{job="{job}",instance="x"}}': flat((60, 1))}


def _down() -> Iterator[Case]:
    rule, up = "WhatsSelfCollectorDown", 'up{job="otelcol",instance="x"}'
    dead = {up: flat((10, 1), (50, 0))}
    yield Case(rule=rule, kind=FIRING, title="not reached, pages within 8 minutes", series=dead, at={9: 0, 18: 1})
    yield Case(rule=rule, kind=FIRING, title="not even a target", series=_up("prometheus"), at={5: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for two minutes", series=dead, at={11.5: 0, 12: 1})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="one of two lives",
        series={up: flat((60, 0)), 'up{job="otelcol",instance="y"}': flat((60, 1))},
        at={30: 0},
    )


def _queue() -> Iterator[Case]:
    rule = "WhatsSelfCollectorQueueFilling"
    labels = '{job="otelcol",instance="x",exporter="otlp_http/loki",data_type="logs"}'
    capacity = {f"otelcol_exporter_queue_capacity{labels}": flat((60, 1000))}

    def size(*segments: tuple[float, float]) -> dict[str, str]:
        return capacity | {f"otelcol_exporter_queue_size{labels}": flat(*segments)}

    yield Case(rule=rule, kind=FIRING, title="90 % full", series=size((10, 0), (50, 900)), at={9: 0, 20: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for five minutes", series=size((10, 0), (50, 720)), at={14.5: 0, 15: 1})
    other = labels.replace('"x"', '"y"')
    half = {f"otelcol_exporter_queue_capacity{other}": flat((60, 1000))}
    half |= {f"otelcol_exporter_queue_size{other}": flat((60, 100))}
    yield Case(
        rule=rule, kind=BOUNDARY, title="72 % at one of two collectors", series=size((60, 720)) | half, at={20: 1}
    )
    yield Case(rule=rule, kind=BOUNDARY, title="70 %", series=size((60, 700)), at={20: 0})
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="45 % at each of two collectors",
        series=size((60, 450)) | {key: flat((60, 450)) if "size" in key else text for key, text in half.items()},
        at={20: 0},
    )
    yield Case(rule=rule, kind=HEALTHY, title="nearly empty", series=size((60, 10)), at={20: 0})


def _items(rule: str, troubles: tuple[str, ...], label: str) -> Iterator[Case]:
    for trouble in troubles:
        for signal, items in ITEMS.items():
            name = f'otelcol_{trouble}_{items}{{job="otelcol",instance="x",{label}="otlp"}}'
            other = f'otelcol_{trouble}_{items}{{job="otelcol",instance="x",{label}="other"}}'
            once = {name: flat((20, 0), (60, 1)), other: flat((80, 0))}
            born = {name: flat((20, None), (60, 4))}
            yield Case(rule=rule, kind=FIRING, title=f"{signal}: one {trouble}", series=once, at={19: 0, 22: 1})
            yield Case(rule=rule, kind=FIRING, title=f"{signal}: born with {trouble}", series=born, at={19: 0, 20: 1})
            yield Case(
                rule=rule, kind=BOUNDARY, title=f"{signal}: {trouble} ten minutes ago", series=once, at={29: 1, 31: 0}
            )
            yield Case(
                rule=rule,
                kind=BOUNDARY,
                title=f"{signal}: born with {trouble} ten minutes ago",
                series=born,
                at={29: 1, 31: 0},
            )
            record = f'whatsself:collector_{trouble}:increase10m{{signal="{signal}"}}'
            yield Case(
                rule=rule,
                kind=VALUE,
                title=f"{signal}: {trouble} of two, and of one just born",
                series={
                    name: flat((20, 0), (60, 1)),
                    other: flat((20, 0), (60, 2)),
                    name.replace("otlp", "new"): flat((25, None), (55, 4)),
                    name.replace("otlp", "newer"): flat((25, None), (55, 5)),
                },
                values={(record, 22): 3, (record, 26): 12},
            )
            healthy = {name: flat((80, 0)), other: flat((80, 7))}
            yield Case(rule=rule, kind=HEALTHY, title=f"{signal}: no new {trouble}", series=healthy, at={40: 0})


def _set_aside() -> Iterator[Case]:
    rule, counter = "WhatsSelfCollectorQueueSetAside", "otelcol_receiver_accepted_log_records"
    aside = f'{counter}{{job="otelcol",instance="x",receiver="file_log/set_aside",transport="file"}}'
    born = {aside: flat((10, None), (50, 1))}
    yield Case(rule=rule, kind=FIRING, title="one file", series=born, at={9: 0, 11: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="until a restart without it", series=born, at={55: 1})
    other = {aside.replace('transport="file"', 'transport="other"'): flat((60, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two ways of reading has it", series=born | other, at={11: 1})
    gone = {aside: flat((10, 1), (50, 0))}
    yield Case(rule=rule, kind=BOUNDARY, title="taken away", series=gone, at={9: 1, 11: 0})
    otlp = {aside.replace("file_log/set_aside", "otlp"): flat((60, 700))}
    yield Case(rule=rule, kind=HEALTHY, title="records of applications", series=otlp, at={30: 0})


def _backend() -> Iterator[Case]:
    rule = "WhatsSelfBackendDown"
    for job in ("prometheus", "alertmanager", "loki", "victorialogs", "tempo"):
        dead = {f'up{{job="{job}",instance="x"}}': flat((10, 1), (50, 0))}
        yield Case(rule=rule, kind=FIRING, title=f"{job} is down", series=dead, at={9: 0, 18: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job} for five minutes", series=dead, at={14.5: 0, 15: 1})
    two = {'up{job="loki",instance="x"}': flat((60, 0)), 'up{job="loki",instance="y"}': flat((60, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="one of two lives, Tempo is not used", series=two, at={30: 0})


def _delivery() -> Iterator[Case]:
    rule = "WhatsSelfAlertsNotDelivered"
    found = {'prometheus_notifications_alertmanagers_discovered{job="prometheus",instance="x"}': flat((80, 1))}
    for name, labels in (
        ("alertmanager_notifications_failed_total", 'job="alertmanager",integration="slack",reason="clientError"'),
        ("prometheus_notifications_dropped_total", 'job="prometheus",alertmanager="x"'),
    ):
        quiet = {**found, f'{name}{{job="quiet"}}': flat((80, 0))}
        once = {**quiet, f"{name}{{{labels}}}": flat((20, 0), (60, 1))}
        nothing = {f'{name}{{job="new"}}': flat((20, None), (60, 0))}
        born = {**found, **nothing, f"{name}{{{labels}}}": flat((20, None), (60, 1))}
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
    nobody = {next(iter(found)): flat((20, 1), (60, 0))}
    yield Case(rule=rule, kind=FIRING, title="Prometheus knows no Alertmanager", series=nobody, at={19: 0, 22: 1})
    one = nobody | {next(iter(found)).replace('"x"', '"y"'): flat((80, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="another Prometheus knows one", series=one, at={40: 0})
