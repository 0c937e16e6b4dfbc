"""
Writes docs/scale.md and its Portuguese twin: what scale_figures.py computes from measurements.

    python tools/generate_scale.py            # write
    python tools/generate_scale.py --check    # exit 1 if a page is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import table, write_or_check
from scale_figures import (
    LOAD,
    LOGS_A_MESSAGE,
    LOGS_KEPT_DAYS,
    MANY_SERIES,
    MEASURED,
    METRICS_KEPT_DAYS,
    QUEUE_BYTES,
    SINGLE_PROGRAM_GB,
    SPANS_A_MESSAGE,
    STORES,
    TRACES_KEPT_DAYS,
    bill,
    capacity,
    days,
    kept,
    message_bytes,
    read,
    stack_trace_ms,
    store_facts,
    stores,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scale_figures import Need, Row

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "scale.md"
PORTUGUESE_PAGE: Final = ROOT / "docs" / "pt-BR" / "scale.md"
_COLUMNS: Final = ("Messages a minute", "Spans/s", "Records/s", "MB/s", "Cores", "Collectors of one core", "Tier")
_PORTUGUESE_COLUMNS: Final = (
    *("Mensagens por minuto", "Spans/s", "Registros/s", "MB/s", "Núcleos", "Collectors de um núcleo", "Camada"),
)
_DAY_COLUMNS: Final = (
    *("Messages a minute", "Million spans and records a day", "GB of traces a day", "GB of logs a day", "GB kept"),
    "Engine",
)
_PORTUGUESE_DAY_COLUMNS: Final = (
    *("Mensagens por minuto", "Milhões de spans e registros por dia", "GB de traces por dia", "GB de logs por dia"),
    *("GB guardados", "Backends"),
)
_IN_PORTUGUESE: Final = {
    "one, beside the application": "um, ao lado da aplicação",
    "Prometheus, Loki and Tempo as single programs": "Prometheus, Loki e Tempo como programas únicos",
    "agents and three gateways (`agent.yaml`, `gateway.yaml`)": "agentes e 3 gateways (`agent.yaml`, `gateway.yaml`)",
    "VictoriaMetrics and VictoriaLogs clusters, or Mimir, Loki and Tempo as microservices on object storage": (
        "clusters de VictoriaMetrics e VictoriaLogs, ou Mimir, Loki e Tempo como microsserviços sobre object storage"
    ),
}
"""What `tier` and `engine` say, as far as `STEPS` go."""
_KEPT_COLUMNS: Final = (
    *("Messages a minute", "GB of logs on VictoriaLogs' disk", "GB of logs on Loki's"),
    *("GB of traces on Tempo's disk", "GB of logs before compression"),
    "GB of traces before compression",
)
_PORTUGUESE_KEPT_COLUMNS: Final = (
    *("Mensagens por minuto", "GB de logs no disco do VictoriaLogs", "GB de logs no do Loki"),
    *("GB de traces no disco do Tempo", "GB de logs antes da compressão"),
    "GB de traces antes da compressão",
)
_BILL_COLUMNS: Final = (
    *("Messages a minute", "Million spans", "Million log records", "Million events", "GB of traces", "GB of logs"),
    "GB together",
)
_PORTUGUESE_BILL_COLUMNS: Final = (
    *("Mensagens por minuto", "Milhões de spans", "Milhões de registros de log", "Milhões de eventos"),
    *("GB de traces", "GB de logs", "GB somados"),
)
_WALK_COLUMNS: Final = (
    *("Messages a minute", "Cores, in each tier", "Gateways of one core", "Minutes of traces that their queues hold"),
    *("Kafka between", "GB of logs on disk, 30 days", "Engine"),
)
_PORTUGUESE_WALK_COLUMNS: Final = (
    *("Mensagens por minuto", "Núcleos, em cada camada", "Gateways de um núcleo"),
    *("Minutos de traces que as filas deles guardam", "Kafka no meio", "GB de logs em disco, 30 dias", "Backends"),
)


def in_portuguese(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return *rows* in Portuguese, with its commas and points; the last cell of each is words."""
    return [(*map(_number_in_portuguese, numbers), _IN_PORTUGUESE[words]) for *numbers, words in rows]


def numbers_in_portuguese(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return *rows*, all numbers, in Portuguese."""
    return [tuple(map(_number_in_portuguese, row)) for row in rows]


def _number_in_portuguese(text: str) -> str:
    return {"yes": "sim", "no": "não"}.get(text) or text.translate(str.maketrans(",.", ".,"))


def page(measured: Mapping[str, Row], needs: Mapping[str, Need]) -> str:
    """Return the page."""
    rss = max(row.rss_mib for row in measured.values())
    trace_ms = stack_trace_ms(MEASURED.read_text("utf-8"))
    fact = store_facts(needs)
    return f"""\
# Scale

<!-- Generated from `benchmarks/*.md` by `tools/generate_scale.py`; do not edit. -->

One collector serves one machine. What follows is arithmetic on [what was measured](../benchmarks/collector.md): masking
and forwarding took {measured["traces"].item_us:.0f} µs of CPU a span and {measured["logs"].item_us:.0f} µs a log record
on the machine of the benchmark, at {rss} MiB of memory before any queue. No cluster of this size was run
([load_balancing and clusters are unproven](evidence/unproven.md)).

A message is {sum(message_bytes()) / 1e3:.1f} kB before compression, in spans and records of 8 attributes each.
A long text costs far more than a short one: a stack trace of 6 kB took {trace_ms:.0f} ms, as much as
{trace_ms * 1000 / measured["logs"].item_us:.0f} short records. Count the errors that you log.

Assumed, not measured: {SPANS_A_MESSAGE} spans and {LOGS_A_MESSAGE} records a message, and a core planned to
{LOAD:.0%}. Multiply by your own. Metrics are left out: they grow with services, not with messages.

{table(_COLUMNS, capacity(measured))}

Agents mask, and a gateway or consumer masks again, because others may write to it: with two tiers the cores of the
table are needed in each. Each collector may use `OTELCOL_MEMORY_LIMIT_MIB` (400) whatever it was measured at.

## What backends take

{table(_DAY_COLUMNS, days())}

Before compression, which each backend does in its own way: read yours from its own metrics after a week. Kept are
{TRACES_KEPT_DAYS} days of traces and {LOGS_KEPT_DAYS} of logs, as [production](production.md) sets them. Vendors that
count events bill the second column, those that count volume the two after it.

The engine follows the logs: Loki's makers call it right as one program for up to about
[{SINGLE_PROGRAM_GB} GB a day](https://grafana.com/docs/loki/latest/get-started/deployment-modes). VictoriaLogs' makers
prefer [one program](https://docs.victoriametrics.com/victorialogs/cluster) until one machine is too small, and say no
figure. Prometheus' storage ends with [one machine](https://prometheus.io/docs/prometheus/latest/storage). Kafka stands
between where gateways may be away, at any step.

## What they keep on disk and in memory

{table(_KEPT_COLUMNS, kept(needs))}

At {LOGS_KEPT_DAYS} days of logs and {TRACES_KEPT_DAYS} of traces. [Measured](../benchmarks/backends.md) for messages
whose ids, times and texts differ: VictoriaLogs wrote {fact["record"]} bytes a record and had {fact["logs_mib"]} MiB of
memory after {fact["logs_items"]} of them. Prometheus wrote {fact["sample"]} bytes a sample, where its makers say
[one to two](https://prometheus.io/docs/prometheus/latest/storage): {MANY_SERIES:,} series with a point a minute are
{fact["metrics_gb"]} GB in {METRICS_KEPT_DAYS} days. With {fact["series"]} series it had {fact["series_mib"]} MiB of
memory. Jaeger keeps spans in memory, {fact["span"]} KiB each. Loki wrote {fact["loki_record"]} bytes a record and had
{fact["loki_mib"]} MiB of memory; Tempo wrote {fact["tempo_span"]} bytes a span and had {fact["tempo_mib"]} MiB after
{fact["spans"]} of them. Object storage was not measured: what it keeps is the columns before compression, at most.

## What vendors count in a month

{table(_BILL_COLUMNS, bill())}

Some count spans and records as events, some their volume before compression, some the series of metrics. How many
series there are, Prometheus knows: `count({{__name__=~".+"}})`. Sampling at the gateways takes from the first and
fourth columns, not from the logs. There are no prices here: they change, and yours is in your contract.

## A cluster's sizes

For those who come from [Kubernetes](kubernetes.md), with its three gateways:

{table(_WALK_COLUMNS, walk(measured, needs))}

Queues hold {QUEUE_BYTES // 2**20} MiB of each exporter and signal (`OTELCOL_QUEUE_BYTES`); where they hold too little
for an outage of your store, give them more disk, or put Kafka between. Two agents, one Kafka broker and three gateways
were run on one machine of two cores: [counts](evidence/delivery.md). `benchmarks/load.py` makes the same load anywhere.

## Files

| File | Does |
| --- | --- |
| `collector/scale/agent.yaml` | sends to gateways, the spans of a trace to the same one; the official image only |
| `collector/scale/agent-delta.yaml` | beside `agent.yaml`, where the vendor takes deltas |
| `collector/scale/gateway.yaml` | takes from agents that show a certificate |
| `collector/scale/kafka-producer.yaml` | sends to Kafka, the spans of a trace to one partition |
| `collector/scale/kafka-consumer.yaml` | reads as a member of a group, marks what every queue on disk has |
| `kafka-producer-secure.yaml`, `kafka-consumer-secure.yaml` | beside them, for brokers that ask for TLS and a login |

Each is one word of the command line, `whatsself-otel collector run --scale kafka-consumer --vendor local`, which asks
for its variables; without it, one more `--config`.

What needs to see a whole runs where the whole comes by. Spans are counted by agents, and sampled by gateways, to which
all spans of a trace come. Increases (delta) are made by agents: of three gateways each saw a part of a series, and the
vendor added up more than the 300 that were counted; with `agent-delta.yaml` it is 300 with one gateway and with
three (`tests/collector/test_gateways.py`). The gateways then need `OTELCOL_AGENT_TEMPORALITY=delta`, and vendors that
take cumulative metrics, Prometheus among them, gateways of their own. `collector run` refuses what cannot be right
together, with the reason. Without the command line nothing does.

A consumer syncs each Kafka message to its disk before it is marked, and each trace is a message of its own: its disk is
the limit before its CPU. Give topics many partitions, which are read side by side, and watch the group's lag. More
than it can take makes it lag and loses nothing ([counts](evidence/delivery.md)). A message that is no OTLP is counted
(`otelcol_kafka_receiver_unmarshal_failed_spans`) and passed over: it stops no partition
(`tests/collector/test_kafka.py`).

## Steps

1. **One machine.** `docker compose up`. When `otelcol_exporter_queue_size` stays above 70 % of its capacity, find out
   whether the backend is slow first: another collector makes that worse.
2. **Agents and gateways.** Tail sampling moves to the gateways: `sampling.yaml` there, not at the agents.
3. **Kafka.** When gateways may be away for longer than the agents' disks can hold.
4. **Distributed engines.** They are configured in their own projects; the collector sends to them by the same
   `local.yaml`, with other addresses.
"""


def portuguese_page(measured: Mapping[str, Row], needs: Mapping[str, Need]) -> str:
    """Return the page in Portuguese."""
    rss = max(row.rss_mib for row in measured.values())
    trace_ms = stack_trace_ms(MEASURED.read_text("utf-8"))
    fact = {name: _number_in_portuguese(text) for name, text in store_facts(needs).items()}
    return f"""\
# Até onde escala

<!-- Generated from `benchmarks/*.md` by `tools/generate_scale.py`; do not edit. -->

Um collector atende uma máquina. O que segue é aritmética sobre [o que foi medido](../../benchmarks/collector.md) (em
inglês): mascarar e repassar levou {measured["traces"].item_us:.0f} µs de CPU por span e {measured["logs"].item_us:.0f}
µs por registro de log na máquina do benchmark, com {rss} MiB de memória antes de qualquer fila. Nenhum cluster deste
tamanho foi executado ([load_balancing e clusters não foram provados](../evidence/unproven.md)).

Uma mensagem tem {f"{sum(message_bytes()) / 1e3:.1f}".replace(".", ",")} kB antes da compressão, em spans e
registros de 8 atributos cada.
Um texto longo custa muito mais que um curto: um stack trace de 6 kB levou {trace_ms:.0f} ms, tanto quanto
{trace_ms * 1000 / measured["logs"].item_us:.0f} registros curtos. Conte os erros que você registra.

Suposto, não medido: {SPANS_A_MESSAGE} spans e {LOGS_A_MESSAGE} registros por mensagem, e um núcleo planejado até
{LOAD:.0%}. Multiplique pelos seus números. As métricas ficam de fora: elas crescem com os serviços, não com as
mensagens.

{table(_PORTUGUESE_COLUMNS, in_portuguese(capacity(measured)))}

Os agentes mascaram, e um gateway ou consumidor mascara de novo, porque outros podem escrever nele: com duas camadas, os
núcleos da tabela são precisos em cada uma. Cada collector pode usar `OTELCOL_MEMORY_LIMIT_MIB` (400), não importa com
quanto foi medido.

## O que os backends recebem

{table(_PORTUGUESE_DAY_COLUMNS, in_portuguese(days()))}

Antes da compressão, que cada backend faz ao seu modo: leia a do seu nas métricas dele depois de uma semana. Ficam
guardados {TRACES_KEPT_DAYS} dias de traces e {LOGS_KEPT_DAYS} de logs, como diz [em produção](production.md).
Fornecedores que contam eventos cobram a segunda coluna; os que contam volume, as duas seguintes.

Os backends seguem os logs: quem faz o Loki o recomenda como um só programa até cerca de
[{SINGLE_PROGRAM_GB} GB por dia](https://grafana.com/docs/loki/latest/get-started/deployment-modes). Quem faz o
VictoriaLogs prefere [um só programa](https://docs.victoriametrics.com/victorialogs/cluster) até uma máquina ficar
pequena, e não diz número. O armazenamento do Prometheus termina em
[uma máquina](https://prometheus.io/docs/prometheus/latest/storage). O Kafka fica no meio onde os gateways podem ficar
fora, em qualquer degrau.

## O que eles guardam em disco e na memória

{table(_PORTUGUESE_KEPT_COLUMNS, numbers_in_portuguese(kept(needs)))}

Com {LOGS_KEPT_DAYS} dias de logs e {TRACES_KEPT_DAYS} de traces. [Medido](../../benchmarks/backends.md) (em inglês) com
mensagens cujos ids, horários e textos variam: o VictoriaLogs gravou {fact["record"]} bytes por registro e tinha
{fact["logs_mib"]} MiB de memória depois de {fact["logs_items"]} deles. O Prometheus gravou {fact["sample"]} bytes por
amostra, onde os autores dizem [um a dois](https://prometheus.io/docs/prometheus/latest/storage):
{_number_in_portuguese(f"{MANY_SERIES:,}")} séries com um ponto por minuto são {fact["metrics_gb"]} GB em
{METRICS_KEPT_DAYS} dias. Com {fact["series"]} séries ele tinha {fact["series_mib"]} MiB de memória. O Jaeger guarda os
spans na memória, {fact["span"]} KiB cada. O Loki gravou {fact["loki_record"]} bytes por registro e tinha
{fact["loki_mib"]} MiB de memória; o Tempo gravou {fact["tempo_span"]} bytes por span e tinha {fact["tempo_mib"]} MiB
depois de {fact["spans"]} deles. O object storage não foi medido: o que ele guarda é, no máximo, o das colunas antes da
compressão.

## O que os fornecedores contam num mês

{table(_PORTUGUESE_BILL_COLUMNS, numbers_in_portuguese(bill()))}

Alguns contam spans e registros como eventos, alguns o volume antes da compressão, alguns as séries das métricas.
Quantas séries há, o Prometheus sabe: `count({{__name__=~".+"}})`. A amostragem nos gateways reduz a primeira e a quarta
colunas, não os logs. Não há preços aqui: eles mudam, e o seu está no seu contrato.

## Os tamanhos de um cluster

Para quem vem do [Kubernetes](kubernetes.md), com os três gateways dele:

{table(_PORTUGUESE_WALK_COLUMNS, in_portuguese(walk(measured, needs)))}

As filas guardam {QUEUE_BYTES // 2**20} MiB por exportador e sinal (`OTELCOL_QUEUE_BYTES`); onde guardam pouco para uma
queda do seu backend, dê mais disco a elas, ou ponha o Kafka no meio. Dois agentes, um broker Kafka e três gateways
rodaram numa máquina de dois núcleos: [contagens](../evidence/delivery.md) (em inglês). `benchmarks/load.py` faz a mesma
carga em qualquer lugar.

## Arquivos

| Arquivo | Faz |
| --- | --- |
| `collector/scale/agent.yaml` | envia a gateways, os spans de um trace sempre ao mesmo; só com a imagem oficial |
| `collector/scale/agent-delta.yaml` | ao lado de `agent.yaml`, quando o fornecedor recebe deltas |
| `collector/scale/gateway.yaml` | recebe de agentes que mostram um certificado |
| `collector/scale/kafka-producer.yaml` | envia ao Kafka, os spans de um trace a uma só partição |
| `collector/scale/kafka-consumer.yaml` | lê como membro de um grupo, marca o que toda fila já tem em disco |
| `kafka-producer-secure.yaml`, `kafka-consumer-secure.yaml` | ao lado deles, para brokers que pedem TLS e login |

Cada um é uma palavra da linha de comando, `whatsself-otel collector run --scale kafka-consumer --vendor local`, que
pede as variáveis dele; sem ela, é um `--config` a mais.

O que precisa ver o todo roda onde o todo passa. Os spans são contados pelos agentes e amostrados pelos gateways, aos
quais chegam todos os spans de um trace. Os aumentos (delta) são feitos pelos agentes: de três gateways, cada um via uma
parte da série, e o fornecedor somava mais do que os 300 contados; com `agent-delta.yaml` são 300 com um gateway e com
três (`tests/collector/test_gateways.py`). Os gateways precisam então de `OTELCOL_AGENT_TEMPORALITY=delta`, e
fornecedores que recebem métricas cumulativas, o Prometheus entre eles, de gateways próprios. `collector run` recusa o
que não pode dar certo junto, e diz por quê. Sem a linha de comando, ninguém recusa.

Um consumidor grava cada mensagem do Kafka no disco antes de marcá-la, e cada trace é uma mensagem: o limite dele é o
disco, antes da CPU. Dê muitas partições aos tópicos, que são lidas em paralelo, e acompanhe o atraso (lag) do grupo.
Mais do que ele aguenta o atrasa, e não perde nada ([contagens](../evidence/delivery.md), em inglês).
Uma mensagem que não é OTLP é contada (`otelcol_kafka_receiver_unmarshal_failed_spans`) e deixada para trás: ela não
para nenhuma partição (`tests/collector/test_kafka.py`).

## Passos

1. **Uma máquina.** `docker compose up`. Quando `otelcol_exporter_queue_size` fica acima de 70 % da capacidade, veja
   antes se o backend é lento: outro collector piora isso.
2. **Agentes e gateways.** A amostragem de cauda (tail sampling) vai para os gateways: `sampling.yaml` neles, e não nos
   agentes.
3. **Kafka.** Quando os gateways podem ficar fora por mais tempo do que cabe nos discos dos agentes.
4. **Backends distribuídos.** São configurados nos projetos deles; o collector envia com o mesmo `local.yaml`, com
   outros endereços.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages."""
    measured = read(MEASURED.read_text(encoding="utf-8"))
    needs = stores(STORES.read_text(encoding="utf-8"))
    pages = {PAGE: page(measured, needs), PORTUGUESE_PAGE: portuguese_page(measured, needs)}
    return write_or_check(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
