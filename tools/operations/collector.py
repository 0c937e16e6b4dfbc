"""The collector: is it up, and does it lose anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat
from operations.model import APPLICATION, Alert, Check, Group, Inhibition, Page, Record, Words
from operations.promql import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source


COLLECTOR_DOWN: Final = Words(
    en=Page(
        summary="The collector does not answer",
        description="Prometheus has not reached the collector's own metrics for <telemetry.collector_for>.",
        impact="No new telemetry. Applications keep a little in memory, then drop it and count it.",
        fix=(
            "Start it, read its log. What it had queued on disk is sent after the start. A queue file that it cannot "
            "read is put aside as `*.backup` in its queue directory; no metric shows that, so look there."
        ),
    ),
    pt=Page(
        summary="O collector não responde",
        description="O Prometheus não alcança as métricas do próprio collector há <telemetry.collector_for>.",
        impact="Nenhuma telemetria nova. As aplicações guardam um pouco na memória, depois descartam e contam.",
        fix=(
            "Inicie-o, leia seu log. O que estava na fila em disco é enviado após o início. Um arquivo de fila "
            "ilegível é posto de lado como `*.backup` no diretório da fila; nenhuma métrica mostra isso, olhe lá."
        ),
    ),
    checks=(
        Check(
            en="Is it reached",
            pt="Ele é alcançado",
            promql='up{job="otelcol"}',
        ),
        Check(
            en="Its memory",
            pt="Sua memória",
            promql="otelcol_process_memory_rss",
        ),
        Check(
            en="What the applications lose",
            pt="O que as aplicações perdem",
            promql="sum by (signal, reason) (increase(telemetry_dropped_items_total{<job>}[15m])) > 0",
        ),
    ),
)
COLLECTOR_QUEUE_FILLING: Final = Words(
    en=Page(
        summary="Queue of {{ $labels.exporter }} is {{ $value | humanizePercentage }} full",
        description=(
            "Above <%telemetry.queue_fill> for <telemetry.queue_for>: the backend does not take what the collector has."
        ),
        impact="When full, new telemetry is refused.",
        fix=(
            "Bring the backend back or make it faster; the queue then drains by itself. Files `*.backup` in the queue "
            "directory hold what could not be read: no metric counts them."
        ),
    ),
    pt=Page(
        summary="A fila de {{ $labels.exporter }} está {{ $value | humanizePercentage }} cheia",
        description=(
            "Acima de <%telemetry.queue_fill> há <telemetry.queue_for>: o backend não recebe o que o collector tem."
        ),
        impact="Quando cheia, telemetria nova é recusada.",
        fix=(
            "Traga o backend de volta ou deixe-o mais rápido; a fila então esvazia sozinha. Arquivos `*.backup` no "
            "diretório da fila guardam o que não pôde ser lido: nenhuma métrica os conta."
        ),
    ),
    checks=(
        Check(
            en="Fill of each queue",
            pt="Ocupação de cada fila",
            promql="otelcol_exporter_queue_size / otelcol_exporter_queue_capacity",
        ),
        Check(
            en="Which backends answer",
            pt="Que backends respondem",
            promql='up{job=~"prometheus|loki|victorialogs|tempo"}',
        ),
        Check(
            en="What is sent on",
            pt="O que segue adiante",
            promql="sum by (exporter) (rate(otelcol_exporter_sent_metric_points[5m]))",
        ),
    ),
)
COLLECTOR_REFUSING: Final = Words(
    en=Page(
        summary="The collector refuses {{ $labels.signal }}",
        description=(
            "In <telemetry.items_window> about {{ $value | humanize }} items were refused: memory limit, a full queue "
            "or disk, or masking that failed closed."
        ),
        impact="Senders try again for a while, then lose it.",
        fix=(
            "Give it more memory (OTELCOL_MEMORY_LIMIT_MIB) or send less; bring the backend with the full queue back; "
            "read its log for a failed masking statement."
        ),
    ),
    pt=Page(
        summary="O collector recusa {{ $labels.signal }}",
        description=(
            "Em <telemetry.items_window> cerca de {{ $value | humanize }} itens foram recusados: limite de memória, "
            "fila ou disco cheio, ou mascaramento que falhou fechado."
        ),
        impact="Os remetentes tentam de novo por um tempo, depois perdem.",
        fix=(
            "Dê mais memória (OTELCOL_MEMORY_LIMIT_MIB) ou envie menos; traga de volta o backend com a fila cheia; "
            "procure no log uma instrução de mascaramento que falhou."
        ),
    ),
    checks=(
        Check(
            en="Refused by signal",
            pt="Recusados por sinal",
            promql="whatsself:collector_receiver_refused:increase10m > 0",
        ),
        Check(
            en="Its memory",
            pt="Sua memória",
            promql="otelcol_process_memory_rss",
        ),
        Check(
            en="Items that come in",
            pt="Itens que chegam",
            promql="sum by (processor) (rate(otelcol_processor_incoming_items[5m]))",
        ),
    ),
)
COLLECTOR_LOSING: Final = Words(
    en=Page(
        summary="The collector loses {{ $labels.signal }}",
        description=(
            "In <telemetry.items_window> about {{ $value | humanize }} items were rejected by a backend for good, "
            "dropped at the gate of a backend whose queue is full, or too large for any backend."
        ),
        impact="They are gone.",
        fix="Read the collector's log for the backend's answer: away, too old, too large, wrong credentials.",
    ),
    pt=Page(
        summary="O collector perde {{ $labels.signal }}",
        description=(
            "Em <telemetry.items_window> cerca de {{ $value | humanize }} itens foram rejeitados em definitivo por um "
            "backend, descartados na porta de um backend com a fila cheia, ou grandes demais para qualquer um."
        ),
        impact="Estão perdidos.",
        fix="Leia no log do collector a resposta do backend: ausente, velho ou grande demais, credenciais erradas.",
    ),
    checks=(
        Check(
            en="Rejected by signal",
            pt="Rejeitados por sinal",
            promql="whatsself:collector_exporter_send_failed:increase10m > 0",
        ),
        Check(
            en="Too large for any backend, by signal",
            pt="Grandes demais para qualquer backend, por sinal",
            promql="whatsself:collector_too_large:increase10m > 0",
        ),
        Check(
            en="Fill of each queue",
            pt="Ocupação de cada fila",
            promql="otelcol_exporter_queue_size / otelcol_exporter_queue_capacity",
        ),
    ),
)
COLLECTOR_QUEUE_SET_ASIDE: Final = Words(
    en=Page(
        summary="A queue of the collector was corrupt and is set aside",
        description=(
            "At its start the collector of {{ $labels.instance }} could not read a queue. It renamed the file to "
            "`*.backup` and went on with an empty one."
        ),
        impact="What that queue held was accepted and is not sent. What came after it flows.",
        fix=(
            "Look at the disk: its log of errors, its free space, how the machine went down. Move the `*.backup` files "
            "out of the queue directory (OTELCOL_QUEUE_DIR) and restart the collector: that ends the alert. Keep them "
            "if the loss must be examined, but not where others can read: they hold telemetry."
        ),
    ),
    pt=Page(
        summary="Uma fila do collector estava corrompida e foi posta de lado",
        description=(
            "Ao iniciar, o collector de {{ $labels.instance }} não conseguiu ler uma fila. Renomeou o arquivo para "
            "`*.backup` e seguiu com uma vazia."
        ),
        impact="O que essa fila guardava foi aceito e não será enviado. O que chegou depois segue normalmente.",
        fix=(
            "Examine o disco: seu log de erros, o espaço livre, como a máquina caiu. Mova os arquivos `*.backup` para "
            "fora do diretório da fila (OTELCOL_QUEUE_DIR) e reinicie o collector: isso encerra o alerta. Guarde-os se "
            "a perda precisa ser investigada, mas não onde outros possam ler: eles contêm telemetria."
        ),
    ),
    checks=(
        Check(
            en="How many files, by collector",
            pt="Quantos arquivos, por collector",
            promql='otelcol_receiver_accepted_log_records{receiver="file_log/set_aside"}',
        ),
        Check(
            en="Which files",
            pt="Quais arquivos",
            logql='{service_name="otelcol"} |= "set aside"',
            logsql='{service.name="otelcol"} "set aside"',
        ),
        Check(
            en="What waits now",
            pt="O que espera agora",
            promql="otelcol_exporter_queue_size",
        ),
    ),
)


ITEMS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}


# Each file is read, and so counted, once a start: the alert stands until the file is gone and the collector restarted.
SET_ASIDE: Final = 'otelcol_receiver_accepted_log_records{receiver="file_log/set_aside"}'


TROUBLES: Final = ("receiver_refused", "exporter_send_failed", "exporter_enqueue_failed")
_TOO_LARGE: Final = {"traces": "spans", "metrics": "datapoints", "logs": "logs"}
"""How the filter of the base calls them."""

# A gate is tried again and again; its sender is this collector itself.
SELECTED: Final = {"receiver_refused": '{receiver!~".+_gate"}'}


def rules(source: Source) -> Group:
    """Return the rules about the collector."""
    window = source["telemetry.items_window"]
    filled = "max by (exporter, data_type) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"
    return Group(
        name="whatsself-collector",
        rules=(
            *_records(window),
            Alert(
                name="WhatsSelfCollectorDown",
                words=COLLECTOR_DOWN,
                inhibits=(
                    # The collector's loss makes every application look silent.
                    Inhibition(targets=(f'component=~"telemetry|{APPLICATION}"',)),
                ),
                expr='max(up{job="otelcol"}) == 0\nor absent(up{job="otelcol"})',
                wait=source["telemetry.collector_for"],
                severity="critical",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorQueueFilling",
                words=COLLECTOR_QUEUE_FILLING,
                inhibits=(Inhibition(targets=('alertname="WhatsSelfTelemetryDropped"',)),),
                expr=f"{filled} > {source['telemetry.queue_fill']}",
                wait=source["telemetry.queue_for"],
                severity="warning",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorRefusing",
                words=COLLECTOR_REFUSING,
                expr=f"whatsself:collector_{TROUBLES[0]}:increase{window} > 0",
                severity="warning",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorLosing",
                words=COLLECTOR_LOSING,
                # Who finds a queue full is refused, which is no loss; a gate counts what it drops as failed.
                expr="\nor ".join(
                    f"whatsself:collector_{trouble}:increase{window} > 0" for trouble in (TROUBLES[1], "too_large")
                ),
                severity="critical",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorQueueSetAside",
                words=COLLECTOR_QUEUE_SET_ASIDE,
                expr=f"max by (instance) ({SET_ASIDE}) > 0",
                severity="critical",
                component="collector",
                dashboard="collector",
            ),
        ),
    )


def _records(window: str) -> Iterator[Record]:
    for trouble in TROUBLES:
        for signal, items in ITEMS.items():
            yield Record(
                name=f"whatsself:collector_{trouble}:increase{window}",
                labels={"signal": signal},
                expr=counted(f"otelcol_{trouble}_{items}{SELECTED.get(trouble, '')}", window),
            )
    for signal, items in _TOO_LARGE.items():
        yield Record(
            name=f"whatsself:collector_too_large:increase{window}",
            labels={"signal": signal},
            expr=counted(f"otelcol_processor_filter_{items}_filtered", window),
        )


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _down()
    yield from _queue()
    yield from _items("WhatsSelfCollectorRefusing", ("receiver_refused",), "receiver")
    yield from _gate()
    yield from _items("WhatsSelfCollectorLosing", ("exporter_send_failed",), "exporter")
    yield from _too_large()
    yield from _set_aside()


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


def _too_large() -> Iterator[Case]:
    rule = "WhatsSelfCollectorLosing"
    for signal, items in _TOO_LARGE.items():
        name = f'otelcol_processor_filter_{items}_filtered{{job="otelcol",instance="x",filter="filter/too_large"}}'
        other = name.replace('"x"', '"y"')
        once = {name: flat((20, 0), (60, 1)), other: flat((80, 0))}
        born = {name: flat((20, None), (60, 4)), other: flat((20, None), (60, 5))}
        record = f'whatsself:collector_too_large:increase10m{{signal="{signal}"}}'
        yield Case(rule=rule, kind=FIRING, title=f"{signal}: one too large", series=once, at={19: 0, 22: 1, 31: 0})
        yield Case(
            rule=rule, kind=VALUE, title=f"{signal}: born too large at two", series=born, values={(record, 22): 9}
        )
        two = {name: flat((20, 0), (60, 1)), other: flat((20, 0), (60, 2))}
        yield Case(rule=rule, kind=VALUE, title=f"{signal}: too large at two", series=two, values={(record, 22): 3})
        healthy = {name: flat((80, 3)), other: flat((80, 0))}
        yield Case(rule=rule, kind=HEALTHY, title=f"{signal}: no new too large", series=healthy, at={40: 0})


def _gate() -> Iterator[Case]:
    """A full vendor behind a gate is a loss, which the gate counts, and no refusal."""
    refused = 'otelcol_receiver_refused_spans{job="otelcol",instance="x",receiver="otlp/otlp_gate"}'
    full = 'otelcol_exporter_enqueue_failed_spans{job="otelcol",instance="x",exporter="otlp_http/otlp"}'
    tried = {refused: flat((20, 0), (60, 90)), full: flat((20, 0), (60, 90))}
    for rule in ("WhatsSelfCollectorRefusing", "WhatsSelfCollectorLosing"):
        yield Case(rule=rule, kind=HEALTHY, title="a gate tries again", series=tried, at={22: 0})
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
    gone = {aside: flat((10, 1), (50, 0))}
    yield Case(rule=rule, kind=BOUNDARY, title="taken away", series=gone, at={9: 1, 11: 0})
    otlp = {aside.replace("file_log/set_aside", "otlp"): flat((60, 700))}
    yield Case(rule=rule, kind=HEALTHY, title="records of applications", series=otlp, at={30: 0})
