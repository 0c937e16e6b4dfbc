"""Items that the collector accepted, and neither sent nor counted as lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat
from whatsself_otel.operations.model import Alert, Check, Page, Record, Words
from whatsself_otel.operations.promql import MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RULE: Final = "WhatsSelfCollectorUnaccounted"
_BASE: Final = 'job="otelcol",instance="x"'
_VENDOR, _GATE = "otlp_http/otlp", "otlp_grpc/otlp_gate"

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
        name=_RULE,
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


@dataclass(frozen=True, slots=True)
class _Series:
    """Names of one collector's series about one signal."""

    signal: str
    items: str

    @property
    def passed(self) -> str:
        return f'otelcol_processor_outgoing_items{{{_BASE},processor="filter/too_large","otel.signal"="{self.signal}"}}'

    def received(self, outcome: str) -> str:
        return f'otelcol_receiver_{outcome}_{self.items}{{{_BASE},receiver="otlp/otlp_gate"}}'

    def exported(self, outcome: str, exporter: str = _VENDOR) -> str:
        return f'otelcol_exporter_{outcome}_{self.items}{{{_BASE},exporter="{exporter}"}}'

    def queue(self, size: float, exporter: str = _VENDOR) -> dict[str, str]:
        labels = f'{{{_BASE},exporter="{exporter}",data_type="{self.signal}"}}'
        capacity = {f"otelcol_exporter_queue_capacity{labels}": flat((60, 1000))}
        return capacity | {f"otelcol_exporter_queue_size{labels}": flat((60, size))}

    def alone(self) -> dict[str, str]:
        """Return the series of a hundred items that passed to one vendor, whose queue is empty."""
        return self.queue(0) | {self.passed: flat((60, 100))}


def cases(items_of: Mapping[str, str]) -> Iterator[Case]:
    """Return every test of the alert."""
    for signal, items in items_of.items():
        series = _Series(signal, items)
        yield from _missing(series)
        yield _all_parts(signal, items)
        yield from _gated(series)
        yield from _left_out(series)
    yield _first_deltas(_Series("metrics", items_of["metrics"]))


def _missing(of: _Series) -> Iterator[Case]:
    """Return cases of ten items that are missing, that wait, and that are counted as lost."""
    record = f'{BALANCE}{{instance="x",signal="{of.signal}"}}'
    lost = of.alone() | {of.exported("sent"): flat((20, 100), (40, 90))}
    yield Case(rule=_RULE, kind=FIRING, title=f"{of.signal}: ten are missing", series=lost, at={19: 0, 32: 1})
    yield Case(rule=_RULE, kind=VALUE, title=f"{of.signal}: how many", series=lost, values={(record, 32): 10})
    waits = lost | of.queue(5)
    yield Case(rule=_RULE, kind=HEALTHY, title=f"{of.signal}: what waits is not missing", series=waits, at={40: 0})
    for trouble in ("send_failed", "enqueue_failed"):
        series = of.alone() | {of.exported("sent"): flat((60, 90)), of.exported(trouble): flat((60, 10))}
        yield Case(rule=_RULE, kind=HEALTHY, title=f"{of.signal}: {trouble} is counted", series=series, at={40: 0})
    short = of.alone() | {of.exported("sent"): flat((20, 100), (0.5, 90), (39.5, 100))}
    title = f"{of.signal}: under way at two looks"
    yield Case(rule=_RULE, kind=BOUNDARY, title=title, series=short, at={21: 0, 25: 0})
    yield from _looks(of.signal, lost)


def _gated(of: _Series) -> Iterator[Case]:
    """Return cases of a vendor behind a gate, which receives what it sends."""
    gated = of.alone() | of.queue(0, _GATE) | {of.exported("sent", _GATE): flat((60, 100))}
    after = gated | {of.received("accepted"): flat((60, 100)), of.exported("sent"): flat((60, 90))}
    yield Case(rule=_RULE, kind=FIRING, title=f"{of.signal}: missing after a gate", series=after, at={20: 1})
    tried = gated | {
        of.received("accepted"): flat((60, 90)),
        of.received("refused"): flat((60, 30)),
        of.exported("sent"): flat((60, 90)),
        of.exported("enqueue_failed"): flat((60, 30)),
        of.exported("sent", _GATE): flat((60, 90)),
        of.exported("send_failed", _GATE): flat((60, 10)),
    }
    yield Case(rule=_RULE, kind=HEALTHY, title=f"{of.signal}: a gate drops and counts", series=tried, at={20: 0})


def _left_out(of: _Series) -> Iterator[Case]:
    """Return cases of what owes nothing: exporters without a queue, and what sampling leaves out."""
    plain = {of.exported("sent", name): flat((60, 70)) for name in ("debug", "file/traces")}
    series = of.alone() | {of.exported("sent"): flat((60, 100))} | plain
    yield Case(rule=_RULE, kind=HEALTHY, title=f"{of.signal}: what has no queue", series=series, at={20: 0})
    if of.signal == "traces":
        lost = of.alone() | {of.exported("sent"): flat((20, 100), (40, 90))}
        sampled = lost | {f"otelcol_processor_tail_sampling_new_trace_id_received{{{_BASE}}}": flat((60, 9))}
        yield Case(rule=_RULE, kind=HEALTHY, title="traces: what sampling leaves out", series=sampled, at={40: 0})


def _first_deltas(of: _Series) -> Case:
    """Return the case of a delta's first values, which are kept to count from."""
    delta = f'otelcol_processor_incoming_items{{{_BASE},processor="cumulative_to_delta/x","otel.signal"="metrics"}}'
    first = {delta: flat((60, 100)), delta.replace("incoming", "outgoing"): flat((60, 80))}
    kept = of.alone() | first | {of.exported("sent"): flat((60, 80))}
    return Case(rule=_RULE, kind=HEALTHY, title="metrics: a delta's first values", series=kept, at={20: 0})


def _looks(signal: str, lost: Mapping[str, str]) -> Iterator[Case]:
    """Return cases of a queue that is empty for single looks, 30 seconds apart: three within the window are needed."""
    yield Case(rule=_RULE, kind=BOUNDARY, title=f"{signal}: for ten minutes", series=lost, at={27: 0, 31: 1})
    size = next(name for name in lost if "queue_size" in name)
    for title, moments, at in (
        ("at two looks", (20, 20.5), {25.0: 0}),
        ("at three looks", (20, 20.5, 21), {25.0: 1}),
        ("at three looks in nine minutes", (20, 24, 28), {29.0: 1}),
        ("at three looks in fifteen minutes", (20, 28, 34), {35.0: 0}),
    ):
        filled = [0 if sample / 4 in moments else 5 for sample in range(240)]
        series = {**lost, size: " ".join(map(str, filled))}
        yield Case(rule=_RULE, kind=BOUNDARY, title=f"{signal}: {title}", series=series, at=at)


def _all_parts(signal: str, items: str) -> Case:
    """Return the case of two series of each part of the balance."""
    base = f'job="otelcol",instance="x","otel.signal"="{signal}"'
    named = (
        ("otelcol_processor_outgoing_items", 'processor="filter/too_large"', 600, 400),
        (f"otelcol_receiver_accepted_{items}", 'receiver="otlp/a_gate"', 300, 200),
        (f"otelcol_receiver_refused_{items}", 'receiver="otlp/a_gate"', 60, 40),
        (f"otelcol_exporter_sent_{items}", 'exporter="otlp/a"', 1500, 300),
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
    balance = 2 * 1000 + 500 + 100 + 100 - 1800 - 200 - 150 - 100
    return Case(
        rule=_RULE,
        kind=VALUE,
        title=f"{signal}: two series of each part",
        series=series,
        values={(f'{BALANCE}{{instance="x",signal="{signal}"}}', 20.0): balance},
    )
