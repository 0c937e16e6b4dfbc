"""
Writes docs/scale.md and its Portuguese twin: capacity computed from what benchmarks/collector.py measured.

    python tools/generate_scale.py            # write
    python tools/generate_scale.py --check    # exit 1 if a page is not what would be written
"""

from __future__ import annotations

import functools
import math
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import table, write_or_check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "scale.md"
PORTUGUESE_PAGE: Final = ROOT / "docs" / "pt-BR" / "scale.md"
MEASURED: Final = ROOT / "benchmarks" / "collector.md"
SPANS_A_MESSAGE: Final = 8
LOGS_A_MESSAGE: Final = 4
LOAD: Final = 0.6
"""Share of a core that is planned for; the rest is for bursts and for draining a queue after an outage."""
SINGLE_PROGRAM_GB: Final = 20
"""Of logs a day, to which Loki is right as one program: https://grafana.com/docs/loki/latest/get-started/deployment-modes"""
TRACES_KEPT_DAYS: Final = 14
LOGS_KEPT_DAYS: Final = 30
STEPS: Final = (12, 100, 1_000, 10_000, 50_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one signal cost the base: CPU microseconds an item, and memory."""

    item_us: float
    rss_mib: int


def read(text: str) -> Mapping[str, Row]:
    """Return the rows of the base, by signal."""
    rows = re.findall(r"^\| (\w+) \| base \| ([\d.]+) \| [\d,]+ \| (\d+) \|", text, re.MULTILINE)
    return {signal: Row(item_us=float(cost), rss_mib=int(rss)) for signal, cost, rss in rows}


def cores(messages_per_min: int, measured: Mapping[str, Row]) -> float:
    """Return how many cores masking and forwarding take, at the share of a core that is planned for."""
    message_us = SPANS_A_MESSAGE * measured["traces"].item_us + LOGS_A_MESSAGE * measured["logs"].item_us
    return messages_per_min / 60 * message_us / 1e6 / LOAD


@functools.cache
def message_bytes() -> tuple[float, float]:
    """Return the size of a message's spans and records as the benchmark's payloads have them, before compression."""
    made = runpy.run_path(str(ROOT / "benchmarks" / "collector.py"))
    span, record = (made[signal]().ByteSize() / made["ITEMS"] for signal in ("traces", "logs"))
    return SPANS_A_MESSAGE * span, LOGS_A_MESSAGE * record


def tier(needed: float) -> str:
    """Return the collectors for so many cores."""
    if needed <= 2:
        return "one, beside the application"
    if needed <= 16:
        return "agents and three gateways (`agent.yaml`, `gateway.yaml`)"
    return "agents, Kafka and a group of consumers (`kafka-producer.yaml`, `kafka-consumer.yaml`)"


def engine(logs_gb_a_day: float) -> str:
    """Return the backends that take so many GB of logs a day."""
    if logs_gb_a_day <= SINGLE_PROGRAM_GB:
        return "Prometheus, Loki and Tempo as single programs"
    return "VictoriaMetrics and VictoriaLogs clusters, or Mimir, Loki and Tempo as microservices on object storage"


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


def capacity(measured: Mapping[str, Row]) -> list[tuple[str, ...]]:
    """Return the rows of the table of capacity."""
    size = sum(message_bytes())
    rows = []
    for step in STEPS:
        needed = cores(step, measured)
        amounts = (f"{step / 60 * each:,.0f}" for each in (SPANS_A_MESSAGE, LOGS_A_MESSAGE))
        sums = (f"{step / 60 * size / 1e6:,.2f}", f"{needed:,.2f}", f"{math.ceil(needed):,}")
        rows.append((f"{step:,}", *amounts, *sums, tier(needed)))
    return rows


def days() -> list[tuple[str, ...]]:
    """Return the rows of the table of what backends take in a day and keep."""
    rows = []
    for step in STEPS:
        messages = step * 60 * 24
        spans, logs = (messages * each / 1e9 for each in message_bytes())
        items = messages * (SPANS_A_MESSAGE + LOGS_A_MESSAGE) / 1e6
        kept = spans * TRACES_KEPT_DAYS + logs * LOGS_KEPT_DAYS
        rows.append((f"{step:,}", *(f"{each:,.1f}" for each in (items, spans, logs)), f"{kept:,.0f}", engine(logs)))
    return rows


def in_portuguese(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return *rows* in Portuguese, with its commas and points; the last cell of each is words."""
    swapped = str.maketrans(",.", ".,")
    return [(*(number.translate(swapped) for number in numbers), _IN_PORTUGUESE[words]) for *numbers, words in rows]


def page(measured: Mapping[str, Row]) -> str:
    """Return the page."""
    rss = max(row.rss_mib for row in measured.values())
    return f"""\
# Scale

<!-- Generated from `benchmarks/collector.md` by `tools/generate_scale.py`; do not edit. -->

One collector serves one machine. What follows is arithmetic on [what was measured](../benchmarks/collector.md): masking
and forwarding took {measured["traces"].item_us:.0f} µs of CPU a span and {measured["logs"].item_us:.0f} µs a log record
on the machine of the benchmark, at {rss} MiB of memory before any queue. No cluster of this size was run
([load_balancing and clusters are unproven](evidence/unproven.md)).

A message is {sum(message_bytes()) / 1e3:.1f} kB before compression, in spans and records of 8 attributes each.

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
[{SINGLE_PROGRAM_GB} GB a day](https://grafana.com/docs/loki/latest/get-started/deployment-modes). Kafka stands between
where gateways may be away, at any step.

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
than it can take makes it lag and loses nothing ([counts](evidence/delivery.md)).

## Steps

1. **One machine.** `docker compose up`. When `otelcol_exporter_queue_size` stays above 70 % of its capacity, find out
   whether the backend is slow first: another collector makes that worse.
2. **Agents and gateways.** Tail sampling moves to the gateways: `sampling.yaml` there, not at the agents.
3. **Kafka.** When gateways may be away for longer than the agents' disks can hold.
4. **Distributed engines.** They are configured in their own projects; the collector sends to them by the same
   `local.yaml`, with other addresses.
"""


def portuguese_page(measured: Mapping[str, Row]) -> str:
    """Return the page in Portuguese."""
    rss = max(row.rss_mib for row in measured.values())
    return f"""\
# Até onde escala

<!-- Generated from `benchmarks/collector.md` by `tools/generate_scale.py`; do not edit. -->

Um collector atende uma máquina. O que segue é aritmética sobre [o que foi medido](../../benchmarks/collector.md) (em
inglês): mascarar e repassar levou {measured["traces"].item_us:.0f} µs de CPU por span e {measured["logs"].item_us:.0f}
µs por registro de log na máquina do benchmark, com {rss} MiB de memória antes de qualquer fila. Nenhum cluster deste
tamanho foi executado ([load_balancing e clusters não foram provados](../evidence/unproven.md)).

Uma mensagem tem {f"{sum(message_bytes()) / 1e3:.1f}".replace(".", ",")} kB antes da compressão, em spans e
registros de 8 atributos cada.

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
[{SINGLE_PROGRAM_GB} GB por dia](https://grafana.com/docs/loki/latest/get-started/deployment-modes). O Kafka fica no
meio onde os gateways podem ficar fora, em qualquer degrau.

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
    return write_or_check(__doc__, {PAGE: page(measured), PORTUGUESE_PAGE: portuguese_page(measured)}, arguments)


if __name__ == "__main__":
    sys.exit(main())
