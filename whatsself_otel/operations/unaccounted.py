"""Items that the collector accepted, and neither sent nor counted as lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat
from whatsself_otel.operations.model import Alert, Check, Page, Record, Words
from whatsself_otel.operations.promql import MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLLECTOR_UNACCOUNTED: Final = Words(
    en=Page(
        summary="The collector has lost {{ $labels.signal }} that no counter names",
        description=(
            "{{ $value | humanize }} items were accepted since its start, and were neither sent, refused nor counted "
            "as dropped, while nothing waits in its queues."
        ),
        impact="They are gone, at one backend at least. More is likely to go the same way.",
        fix=(
            "Read the collector's log for `Failed to split request`: an item larger than a whole batch takes its "
            "neighbours along. Find its sender, and tell us: the collector should have refused that item alone."
        ),
    ),
    pt=Page(
        summary="O collector perdeu {{ $labels.signal }} que nenhum contador nomeia",
        description=(
            "{{ $value | humanize }} itens foram aceitos desde o início, e não foram enviados, recusados nem contados "
            "como descartados, enquanto nada espera em suas filas."
        ),
        impact="Estão perdidos, ao menos em um backend. É provável que mais siga o mesmo caminho.",
        fix=(
            "Procure `Failed to split request` no log do collector: um item maior que um lote inteiro leva os vizinhos "
            "consigo. Encontre o remetente e nos avise: o collector devia ter recusado só esse item."
        ),
    ),
    checks=(
        Check(
            en="Accepted minus sent, by signal",
            pt="Aceitos menos enviados, por sinal",
            promql="whatsself:collector_accepted_minus_sent:items",
        ),
        Check(
            en="What waits now",
            pt="O que espera agora",
            promql="otelcol_exporter_queue_size",
        ),
        Check(
            en="What each backend was sent",
            pt="O que foi enviado a cada backend",
            promql="sum by (exporter) (otelcol_exporter_sent_spans)",
        ),
    ),
)
BALANCE: Final = "whatsself:collector_accepted_minus_sent:items"
BY: Final = f"{MACHINE}, instance"
MISSING: Final = "whatsself:collector_unaccounted:items"
"""The same, only while nothing waits."""


def rules(window: str, items_of: Mapping[str, str]) -> Iterator[Record | Alert]:
    """Return the series of each signal of *items_of*, and the alert that looks at them for *window*."""
    for signal, items in items_of.items():
        empty = f'sum by ({BY}) (otelcol_exporter_queue_size{{data_type="{signal}"}}) == 0'
        yield Record(name=BALANCE, labels={"signal": signal}, expr=_balance(signal, items))
        yield Record(
            name=MISSING,
            labels={"signal": signal},
            expr=f'{BALANCE}{{signal="{signal}"}} and on ({BY}) ({empty})',
        )
    yield Alert(
        name="WhatsSelfCollectorUnaccounted",
        words=COLLECTOR_UNACCOUNTED,
        # Three looks: between two counters of one item a look may fall, but not so often.
        expr=f"min_over_time({MISSING}[{window}]) > 0\nand count_over_time({MISSING}[{window}]) >= 2.5",
        severity="critical",
        component="collector",
        dashboard="collector",
    )


def _balance(signal: str, items: str) -> str:
    """
    Return the items that exporters were given, minus those that they sent, refused or counted as lost.

    What the base lets through goes to each vendor, or to the gate before it; what a gate hands over is asked for once
    more. With sampling nobody can tell; a delta has no first value, and what has no queue loses nothing.
    """
    vendors = f'count by ({BY}) (otelcol_exporter_queue_capacity{{data_type="{signal}", exporter!~".+_gate"}})'
    through = f'processor="filter/too_large", "otel.signal"="{signal}"'
    passed = f"sum by ({BY}) (otelcol_processor_outgoing_items{{{through}}}) * on ({BY}) {vendors}"
    came = [f'otelcol_receiver_{what}_{items}{{receiver=~".+_gate"}}' for what in ("accepted", "refused")]
    left = [
        f'otelcol_exporter_{what}_{items}{{exporter!~"debug|file/.+|prometheus/.+"}}'
        for what in ("sent", "send_failed", "enqueue_failed")
    ]
    delta = f'{{processor=~"cumulative_to_delta/.+", "otel.signal"="{signal}"}}'
    left += [f"otelcol_processor_incoming_items{delta}"]
    came += [f"otelcol_processor_outgoing_items{delta}"]
    parts = [(passed, ""), *((f"sum by ({BY}) ({each})", "") for each in came)]
    parts += [(f"sum by ({BY}) ({each})", "-") for each in left]
    union = "\nor ".join(
        f'label_replace({sign}({part}), "part", "{number}", "", "")' for number, (part, sign) in enumerate(parts)
    )
    sampled = f"\nunless on ({BY}) otelcol_processor_tail_sampling_new_trace_id_received" * (signal == "traces")
    return f"sum by ({BY}) ({union}){sampled}"


def cases(items_of: Mapping[str, str]) -> Iterator[Case]:
    """Return every test of the alert."""
    rule, base = "WhatsSelfCollectorUnaccounted", 'job="otelcol",instance="x"'
    for signal, items in items_of.items():
        record = f'{BALANCE}{{instance="x",signal="{signal}"}}'

        def held(exporter: str, size: float, signal: str = signal) -> dict[str, str]:
            labels = f'{{{base},exporter="{exporter}",data_type="{signal}"}}'
            capacity = {f"otelcol_exporter_queue_capacity{labels}": flat((60, 1000))}
            return capacity | {f"otelcol_exporter_queue_size{labels}": flat((60, size))}

        passed = f'otelcol_processor_outgoing_items{{{base},processor="filter/too_large","otel.signal"="{signal}"}}'
        sent = f'otelcol_exporter_sent_{items}{{{base},exporter="otlp_http/otlp"}}'
        alone = held("otlp_http/otlp", 0) | {passed: flat((60, 100))}
        lost = alone | {sent: flat((20, 100), (40, 90))}
        yield Case(rule=rule, kind=FIRING, title=f"{signal}: ten are missing", series=lost, at={19: 0, 32: 1})
        yield Case(rule=rule, kind=VALUE, title=f"{signal}: how many", series=lost, values={(record, 32): 10})
        waits = lost | held("otlp_http/otlp", 5)
        yield Case(rule=rule, kind=HEALTHY, title=f"{signal}: what waits is not missing", series=waits, at={40: 0})
        for trouble in ("send_failed", "enqueue_failed"):
            counted_as = sent.replace("_sent_", f"_{trouble}_")
            series = alone | {sent: flat((60, 90)), counted_as: flat((60, 10))}
            yield Case(rule=rule, kind=HEALTHY, title=f"{signal}: {trouble} is counted", series=series, at={40: 0})
        short = alone | {sent: flat((20, 100), (0.5, 90), (39.5, 100))}
        yield Case(rule=rule, kind=BOUNDARY, title=f"{signal}: under way at two looks", series=short, at={21: 0, 25: 0})
        yield from _looks(signal, lost)
        yield _all_parts(signal, items)
        gate = f'otelcol_receiver_accepted_{items}{{{base},receiver="otlp/otlp_gate"}}'
        gated = alone | held("otlp_grpc/otlp_gate", 0) | {sent.replace("http/otlp", "grpc/otlp_gate"): flat((60, 100))}
        after = gated | {gate: flat((60, 100)), sent: flat((60, 90))}
        yield Case(rule=rule, kind=FIRING, title=f"{signal}: missing after a gate", series=after, at={20: 1})
        refused = gate.replace("accepted", "refused")
        tried = gated | {gate: flat((60, 90)), refused: flat((60, 30)), sent: flat((60, 90))}
        tried |= {sent.replace("_sent_", "_enqueue_failed_"): flat((60, 30))}
        tried |= {sent.replace("http/otlp", "grpc/otlp_gate"): flat((60, 90))}
        tried |= {sent.replace("_sent_", "_send_failed_").replace("http/otlp", "grpc/otlp_gate"): flat((60, 10))}
        yield Case(rule=rule, kind=HEALTHY, title=f"{signal}: a gate drops and counts", series=tried, at={20: 0})
        plain = {sent.replace("otlp_http/otlp", name): flat((60, 70)) for name in ("debug", "file/traces")}
        yield Case(
            rule=rule,
            kind=HEALTHY,
            title=f"{signal}: what has no queue",
            series=alone | {sent: flat((60, 100))} | plain,
            at={20: 0},
        )
        if signal == "traces":
            name = f"otelcol_processor_tail_sampling_new_trace_id_received{{{base}}}"
            sampled = lost | {name: flat((60, 9))}
            yield Case(rule=rule, kind=HEALTHY, title="traces: what sampling leaves out", series=sampled, at={40: 0})
    delta = f'otelcol_processor_incoming_items{{{base},processor="cumulative_to_delta/x","otel.signal"="metrics"}}'
    first = {delta: flat((60, 100)), delta.replace("incoming", "outgoing"): flat((60, 80))}
    kept = alone | first | {sent: flat((60, 80))}
    # The last of the loop are metrics' no more: their names are built once again.
    kept = {
        key.replace('"logs"', '"metrics"').replace("_log_records", "_metric_points"): of for key, of in kept.items()
    }
    yield Case(rule=rule, kind=HEALTHY, title="metrics: a delta's first values", series=kept, at={20: 0})


def _looks(signal: str, lost: Mapping[str, str]) -> Iterator[Case]:
    """Return cases of a queue that is empty for single looks, 30 seconds apart: three within the window are needed."""
    rule = "WhatsSelfCollectorUnaccounted"
    yield Case(rule=rule, kind=BOUNDARY, title=f"{signal}: for ten minutes", series=lost, at={27: 0, 31: 1})
    size = next(name for name in lost if "queue_size" in name)
    for title, moments, at in (
        ("at two looks", (20, 20.5), {25.0: 0}),
        ("at three looks", (20, 20.5, 21), {25.0: 1}),
        ("at three looks in nine minutes", (20, 24, 28), {29.0: 1}),
        ("at three looks in fifteen minutes", (20, 28, 34), {35.0: 0}),
    ):
        filled = [0 if sample / 4 in moments else 5 for sample in range(240)]
        series = {**lost, size: " ".join(map(str, filled))}
        yield Case(rule=rule, kind=BOUNDARY, title=f"{signal}: {title}", series=series, at=at)


def _all_parts(signal: str, items: str) -> Case:
    """Return the case of two series of each part of the balance."""
    base = f'job="otelcol",instance="x","otel.signal"="{signal}"'
    named = (
        ("otelcol_processor_outgoing_items", 'processor="filter/too_large"', 600, 400),
        (f"otelcol_receiver_accepted_{items}", 'receiver="otlp/a_gate"', 300, 200),
        (f"otelcol_receiver_refused_{items}", 'receiver="otlp/a_gate"', 60, 40),
        (f"otelcol_exporter_sent_{items}", 'exporter="otlp/a"', 700, 300),
        (f"otelcol_exporter_send_failed_{items}", 'exporter="otlp/a"', 120, 80),
        (f"otelcol_exporter_enqueue_failed_{items}", 'exporter="otlp/a"', 100, 50),
        ("otelcol_processor_incoming_items", 'processor="cumulative_to_delta/a"', 50, 50),
        ("otelcol_processor_outgoing_items", 'processor="cumulative_to_delta/a"', 70, 30),
    )
    series = {
        f'{name}{{{base},{labels},shard="{shard}"}}': flat((40, count))
        for name, labels, *counts in named
        for shard, count in enumerate(counts)
    }
    queue = f'job="otelcol",instance="x",data_type="{signal}"'
    for name in "ab":
        series[f'otelcol_exporter_queue_capacity{{{queue},exporter="otlp/{name}"}}'] = flat((40, 1000))
    # Two vendors: what passed is owed to each of them.
    balance = 2 * 1000 + 500 + 100 + 100 - 1000 - 200 - 150 - 100
    return Case(
        rule="WhatsSelfCollectorUnaccounted",
        kind=VALUE,
        title=f"{signal}: two series of each part",
        series=series,
        values={(f'{BALANCE}{{instance="x",signal="{signal}"}}', 20.0): balance},
    )
