"""Tests of the rules about the collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.operations import unaccounted
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, while_closed
from whatsself_otel.operations.collector import ITEMS, TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _down()
    yield from _replica()
    yield from _queue()
    yield from _items("WhatsSelfCollectorRefusing", ("receiver_refused",), "receiver")
    yield from _gate()
    yield from _items("WhatsSelfCollectorLosing", ("exporter_send_failed",), "exporter")
    yield from _too_large()
    yield from unaccounted.cases(ITEMS)
    yield from _set_aside()


def _up(job: str) -> dict[str, str]:
    return {f'up{{job="{job}",instance="x"}}': flat((60, 1))}


def _down() -> Iterator[Case]:
    rule, up = "WhatsSelfCollectorDown", 'up{job="otelcol",instance="x"}'
    dead = {up: flat((10, 1), (50, 0))}
    yield Case(rule=rule, kind=FIRING, title="not reached, pages within 8 minutes", series=dead, at={9: 0, 18: 1})
    gone = {up: flat((10, 1))}
    yield Case(rule=rule, kind=FIRING, title="its target is gone", series=gone, at={9: 0, 20: 1, 120: 1})
    yield Case(rule=rule, kind=HEALTHY, title="there never was one", series=_up("prometheus"), at={5: 0, 30: 0})
    yield Case(rule=rule, kind=BOUNDARY, title="for two minutes", series=dead, at={11.5: 0, 12: 1})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="one of two lives",
        series={up: flat((60, 0)), 'up{job="otelcol",instance="y"}': flat((60, 1))},
        at={30: 0},
    )


def _replica() -> Iterator[Case]:
    rule, one, two = "WhatsSelfCollectorReplicaDown", *(f'up{{job="otelcol",instance="{name}"}}' for name in "xy")
    lives = {two: flat((130, 1))}
    dead = lives | {one: flat((10, 1), (120, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two is dead", series=dead, at={9: 0, 20: 1, 120: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for five minutes", series=dead, at={14.5: 0, 15: 1})
    gone = lives | {one: flat((10, 1))}
    yield Case(rule=rule, kind=BOUNDARY, title="its target is gone", series=gone, at={19.5: 0, 20.5: 1, 120: 1})
    back = lives | {one: flat((10, 1), (70, 0), (120, 1)), two: flat((200, 1))}
    yield while_closed(rule, back, closes=60, opens=120)
    both = {one: flat((10, 1), (50, 0)), two: flat((10, 1), (50, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="both are dead, which pages", series=both, at={20: 0, 40: 0})


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


def _window(record: str, counter: str) -> Case:
    """Return the values of a recorded increase of ten minutes: of two series, of one just born, and afterwards."""
    return Case(
        rule="WhatsSelfCollectorLosing",
        kind=VALUE,
        title=f"{record}: of two, of one just born, and over",
        series={
            counter: flat((20, 0), (60, 1)),
            counter.replace('"x"', '"y"'): flat((20, 0), (60, 2)),
            counter.replace('"x"', '"z"'): flat((25, None), (55, 4)),
        },
        values={(record, 22): 3, (record, 26): 7, (record, 34): 4, (record, 36): 0},
    )


def _too_large() -> Iterator[Case]:
    rule = "WhatsSelfCollectorLosing"
    for signal, items in TOO_LARGE.items():
        name = f'otelcol_processor_filter_{items}_filtered{{job="otelcol",instance="x",filter="filter/too_large"}}'
        other = name.replace('"x"', '"y"')
        once = {name: flat((20, 0), (60, 1)), other: flat((80, 0))}
        born = {name: flat((20, None), (60, 4)), other: flat((20, None), (60, 5))}
        record = f'whatsself:collector_too_large:increase10m{{signal="{signal}"}}'
        yield _window(record, name)
        yield Case(rule=rule, kind=FIRING, title=f"{signal}: one too large", series=once, at={19: 0, 22: 1, 31: 0})
        yield Case(
            rule=rule, kind=VALUE, title=f"{signal}: born too large at two", series=born, values={(record, 22): 9}
        )
        two = {name: flat((20, 0), (60, 1)), other: flat((20, 0), (60, 2))}
        yield Case(rule=rule, kind=VALUE, title=f"{signal}: too large at two", series=two, values={(record, 22): 3})
        healthy = {name: flat((80, 3)), other: flat((80, 0))}
        yield Case(rule=rule, kind=HEALTHY, title=f"{signal}: no new too large", series=healthy, at={40: 0})


def _gate() -> Iterator[Case]:
    """Return cases of a full vendor behind a gate: a loss that the gate counts, and no refusal."""
    refused = 'otelcol_receiver_refused_spans{job="otelcol",instance="x",receiver="otlp/otlp_gate"}'
    full = 'otelcol_exporter_enqueue_failed_spans{job="otelcol",instance="x",exporter="otlp_http/otlp"}'
    tried = {refused: flat((20, 0), (60, 90)), full: flat((20, 0), (60, 90))}
    for rule in ("WhatsSelfCollectorRefusing", "WhatsSelfCollectorLosing"):
        yield Case(rule=rule, kind=HEALTHY, title="a gate tries again", series=tried, at={22: 0})
    for signal, items in ITEMS.items():
        counter = f'otelcol_exporter_enqueue_failed_{items}{{job="otelcol",instance="x",exporter="otlp"}}'
        yield _window(f'whatsself:collector_exporter_enqueue_failed:increase10m{{signal="{signal}"}}', counter)
    record = 'whatsself:collector_exporter_enqueue_failed:increase10m{signal="traces"}'
    yield Case(
        rule="WhatsSelfCollectorLosing", kind=VALUE, title="a queue is full", series=tried, values={(record, 22): 90}
    )


def _set_aside() -> Iterator[Case]:
    rule, counter = "WhatsSelfCollectorQueueSetAside", "otelcol_receiver_accepted_log_records"
    aside = f'{counter}{{job="otelcol",instance="x",receiver="file_log/set_aside",transport="file"}}'
    born = {aside: flat((10, None), (50, 1))}
    yield Case(rule=rule, kind=FIRING, title="one file", series=born, at={9: 0, 11: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="until a restart without it", series=born, at={55: 1})
    other = {aside.replace('transport="file"', 'transport="other"'): flat((60, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two ways of reading has it", series=born | other, at={11: 1})
    # Prometheus was started again too and wrote no end of the series: by itself it would show it for five minutes.
    both_again = {aside: flat((10, 1), (50, None))}
    yield Case(rule=rule, kind=BOUNDARY, title="started again without it", series=both_again, at={9: 1, 13: 0})
    missed = {aside: flat((10, 1), (1.75, None), (40, 1))}
    yield Case(rule=rule, kind=BOUNDARY, title="readings of 100 seconds were missed", series=missed, at={11.5: 1})
    gone = {aside: flat((10, 1), (50, 0))}
    yield Case(rule=rule, kind=BOUNDARY, title="taken away", series=gone, at={9: 1, 11: 0})
    otlp = {aside.replace("file_log/set_aside", "otlp"): flat((60, 700))}
    yield Case(rule=rule, kind=HEALTHY, title="records of applications", series=otlp, at={30: 0})
