"""
Writes docs/metrics.md and docs/metrics.pt-BR.md from the catalogue.

    python tools/generate_docs.py            # write
    python tools/generate_docs.py --check    # exit 1 if a file is not what would be written
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import table, write_or_check

from whatsself_otel.catalogue import (
    LOG_FIELDS,
    METRICS,
    OTHER,
    Aggregation,
    AttributeSpec,
    Exposition,
    Kind,
    MetricSpec,
    Pii,
    Text,
    bucket_label,
)
from whatsself_otel.metrics.prometheus_names import prometheus_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language of the documentation: how to read a `Text`, and the page's own words."""

    file: str
    read: Callable[[Text], str]
    title: str
    generated: str
    intro: str
    metrics_heading: str
    metric_columns: tuple[str, ...]
    kinds: dict[Kind, str]
    aggregation: dict[Aggregation, str]
    buckets_heading: str
    bucket_columns: tuple[str, ...]
    attributes_heading: str
    attribute_columns: tuple[str, ...]
    open_set: str
    pii: dict[Pii, str]
    fields_heading: str
    field_columns: tuple[str, ...]


ENGLISH: Final = Language(
    file="metrics.md",
    read=lambda text: text.en,
    title="Metrics and log fields",
    generated="Generated from `whatsself_otel/catalogue.py` by `tools/generate_docs.py`; do not edit.",
    intro=(
        "Names are as Prometheus shows them, the same by OTLP and from `/metrics`; only the label `le` is spelled "
        '`"120"` by OTLP and `"120.0"` by scrape, so match `le=~"120(\\\\.0)?"`.\n\n'
        "Counters whose attributes are known beforehand exist at 0 from the start; every other counter and histogram "
        "sent by OTLP begins with a zero point, so that its first event is an increase. From `/metrics` only the "
        "former holds.\n\n"
        "Metrics of your own are called by the same rules: unit `By/s` gives `_bytes_per_second`. Attributes `job`, "
        "`instance` and `le` arrive as `exported_job` and so on, since Prometheus sets those labels itself; a name "
        "without a Latin letter arrives as the numbers of its characters. Where two meters have one metric name, the "
        "series of the second carry `otel_scope_name`. Series that masking or Prometheus makes equal are added.\n\n"
        'An instrument has at most 2000 series; what exceeds it shares one series with `otel_metric_overflow="true"`. '
        f"A value outside a closed set becomes `{OTHER}`. Windows, waits and breakers follow up to 10,000 contacts "
        "at a time (`MetricsConfig.tracked_contacts`); what exceeds that is counted in "
        '`telemetry_dropped_items_total` with `reason="tracking_limit"`.\n\n'
        "With several workers use the aggregation given here, over the label `instance`. *recompute* means: never "
        "aggregate the gauge, compute the ratio from the counters. `/metrics` in the application shows one worker "
        "only; with several scrape the collector's Prometheus endpoint. A worker that is killed loses what it counted "
        "since its last export, 15 s at most by default; one that ends in order loses nothing."
    ),
    metrics_heading="Metrics",
    metric_columns=("Prometheus name", "OpenTelemetry name", "Kind", "Unit", "Attributes", "Across workers", "Meaning"),
    kinds={Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "histogram"},
    aggregation={
        Aggregation.SUM: "sum",
        Aggregation.MAX: "max",
        Aggregation.MIN: "min",
        Aggregation.RECOMPUTE: "recompute",
    },
    buckets_heading="Buckets",
    bucket_columns=("Histogram", "Upper bounds"),
    attributes_heading="Attributes",
    attribute_columns=("Attribute", "Label", "On", "Values", "Personal data", "Meaning"),
    open_set="open",
    pii={Pii.NONE: "none", Pii.IDENTIFIER: "identifier, masked", Pii.CONTENT: "content, masked"},
    fields_heading="Log fields",
    field_columns=("Field", "Personal data", "Meaning"),
)

PORTUGUESE: Final = Language(
    file="metrics.pt-BR.md",
    read=lambda text: text.pt,
    title="Métricas e campos de log",
    generated="Gerado de `whatsself_otel/catalogue.py` por `tools/generate_docs.py`; não edite.",
    intro=(
        "Os nomes são os que o Prometheus mostra, iguais por OTLP e em `/metrics`; só o rótulo `le` é escrito "
        '`"120"` por OTLP e `"120.0"` por scrape: use `le=~"120(\\\\.0)?"`.\n\n'
        "Contadores de atributos conhecidos existem em 0 desde o início; todo outro contador e histograma enviado por "
        "OTLP começa com um ponto zero, para que o primeiro evento apareça como aumento. Em `/metrics` só vale o "
        "primeiro caso.\n\n"
        "As métricas da sua aplicação seguem as mesmas regras: a unidade `By/s` dá `_bytes_per_second`. Os atributos "
        "`job`, `instance` e `le` chegam como `exported_job` etc., pois o próprio Prometheus define esses rótulos; um "
        "nome sem letra latina chega como os números de seus caracteres. Se dois meters têm uma métrica de mesmo nome, "
        "as séries do segundo levam `otel_scope_name`. Séries que o mascaramento, ou o Prometheus, torna iguais são "
        "somadas.\n\n"
        'Um instrumento tem no máximo 2000 séries; o excesso divide uma série com `otel_metric_overflow="true"`. '
        f"Um valor fora de um conjunto fechado vira `{OTHER}`. Janelas, esperas e disjuntores acompanham até 10.000 "
        "contatos por vez (`MetricsConfig.tracked_contacts`); o excesso é contado em `telemetry_dropped_items_total` "
        'com `reason="tracking_limit"`.\n\n'
        "Com vários workers use a agregação indicada aqui, sobre o rótulo `instance`. *recalcular* quer dizer: nunca "
        "agregue o gauge, calcule a razão a partir dos contadores. O `/metrics` da aplicação mostra um só worker; com "
        "vários, leia o endpoint Prometheus do collector. Um worker morto à força perde o que contou desde a última "
        "exportação, por padrão no máximo 15 s; um que termina em ordem não perde nada."
    ),
    metrics_heading="Métricas",
    metric_columns=(
        "Nome no Prometheus",
        "Nome OpenTelemetry",
        "Tipo",
        "Unidade",
        "Atributos",
        "Entre workers",
        "Significado",
    ),
    kinds={Kind.COUNTER: "contador", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "histograma"},
    aggregation={
        Aggregation.SUM: "soma",
        Aggregation.MAX: "máximo",
        Aggregation.MIN: "mínimo",
        Aggregation.RECOMPUTE: "recalcular",
    },
    buckets_heading="Faixas",
    bucket_columns=("Histograma", "Limites superiores"),
    attributes_heading="Atributos",
    attribute_columns=("Atributo", "Rótulo", "Em", "Valores", "Dados pessoais", "Significado"),
    open_set="aberto",
    pii={Pii.NONE: "nenhum", Pii.IDENTIFIER: "identificador, mascarado", Pii.CONTENT: "conteúdo, mascarado"},
    fields_heading="Campos de log",
    field_columns=("Campo", "Dados pessoais", "Significado"),
)


def render(language: Language) -> str:
    """Return the whole page in *language*."""
    parts = [
        f"# {language.title}",
        f"<!-- {language.generated} -->",
        language.intro,
        f"## {language.metrics_heading}",
        table(language.metric_columns, (_metric_row(spec, language) for spec in METRICS)),
        f"## {language.buckets_heading}",
        table(language.bucket_columns, _bucket_rows()),
        f"## {language.attributes_heading}",
        table(language.attribute_columns, _attribute_rows(language)),
        f"## {language.fields_heading}",
        table(
            language.field_columns,
            ((f"`{it.name}`", language.pii[it.pii], language.read(it.description)) for it in LOG_FIELDS),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _metric_row(spec: MetricSpec, language: Language) -> Sequence[str]:
    return (
        f"`{spec.prometheus_name}`",
        f"`{spec.name}`",
        language.kinds[spec.kind],
        f"`{spec.unit}`" if spec.unit else "",
        ", ".join(f"`{prometheus_label(attribute.name)}`" for attribute in spec.attributes),
        language.aggregation[spec.aggregation],
        language.read(spec.description),
    )


def _bucket_rows() -> Iterator[Sequence[str]]:
    for spec in METRICS:
        if spec.buckets:
            yield f"`{spec.prometheus_name}`", " ".join(bucket_label(bound, Exposition.OTLP) for bound in spec.buckets)


def _attribute_rows(language: Language) -> Iterator[Sequence[str]]:
    users: dict[AttributeSpec, list[str]] = {}
    for spec in METRICS:
        for attribute in spec.attributes:
            users.setdefault(attribute, []).append(f"`{spec.prometheus_name}`")
    for attribute, names in users.items():
        yield (
            f"`{attribute.name}`",
            f"`{prometheus_label(attribute.name)}`",
            ", ".join(names),
            ", ".join(f"`{value}`" for value in attribute.values) or language.open_set,
            language.pii[attribute.pii],
            language.read(attribute.description),
        )


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    """Write the pages, or check them."""
    pages = {docs / language.file: render(language) for language in (ENGLISH, PORTUGUESE)}
    return write_or_check(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
