"""
Writes docs/configuration.md and its Portuguese twin from the settings' dataclasses and the ports of the stack.

The Portuguese of what stands in the code: tools/portuguese/configuration.toml.


    python tools/generate_configuration.py            # write
    python tools/generate_configuration.py --check    # exit 1 if a page is not what would be written
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pages import table, write_or_check
from portuguese_words import Words

from whatsself_otel._environment import OTHERS, OWN_PREFIX
from whatsself_otel._settings import rows
from whatsself_otel.config import LimitsConfig, OtlpConfig, TelemetryConfig
from whatsself_otel.masking import MaskingConfig, MaskRule
from whatsself_otel.metrics.state import MetricsConfig
from whatsself_otel.stack.addresses import PORTS
from whatsself_otel.whatsapp.config import WhatsAppConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The page's own words in one language, and the translation of the code's texts."""

    file: str
    say: Callable[[str], str]
    rule: Callable[[str], str]
    field: str
    variable: str
    default: str
    rule_heading: str
    meaning: str
    setting: str
    value: str
    takes_one: str
    whatsapp: str
    metrics: str
    standard: str
    ports: str
    intro: str
    otlp_intro: str
    standard_intro: str
    ports_intro: str


ENGLISH: Final = Language(
    file="configuration.md",
    say=str,
    rule=str,
    field="Field",
    variable="Variable",
    default="Default",
    rule_heading="Rule",
    meaning="Meaning",
    setting="Setting",
    value="Value",
    takes_one="The field `{}` takes one.",
    whatsapp="The field `whatsapp` takes one; its variables begin with `WHATSSELF_OTEL_WHATSAPP_`.",
    metrics="The field `metrics` takes one, for example `MetricsConfig(first_response_deadline_s=60)`.",
    standard="Standard variables",
    ports="Ports of the stack",
    intro="""\
# Configuration

<!-- Generated from `whatsself_otel/config.py`, `_environment.py`, `masking/masker.py`,
`metrics/state.py` and `stack/addresses.py` by `tools/generate_configuration.py`; do not edit. -->

Every setting is a field of `TelemetryConfig`. It takes, in this order, the argument, the first of its environment
variables that is set (an empty one counts as unset), its default.

A wrong argument raises one `ConfigError` that lists every problem. A wrong variable never stops the application: the
problem is logged with its remedy, the default applies, and `telemetry.health()` shows it. A variable that begins with
`WHATSSELF_OTEL_` and is not known is reported with the nearest known one; so is a misspelled `OTEL_` one.

What an operator closes by a variable, no argument opens: of `mask_last` the smaller counts, of `trace_context_hosts`
what both allow; `OTEL_SDK_DISABLED=true`, an exporter or propagator `none`, and `false` for `log_to_stdout`,
`prometheus` and `return_trace_id` stand. An argument `None` is no argument where `None` is the default.""",
    otlp_intro="""\
`traces_otlp`, `metrics_otlp` and `logs_otlp` take one. What it leaves out is as for all signals. Each has variables of
its own: `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT` is the timeout of logs.""",
    standard_intro="""\
All variables of OpenTelemetry's specification ([SDK][], [exporter][]) and of the Python SDK. One that is set and has no
effect is a problem in `telemetry.health()`, with the remedy that stands here.

[SDK]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
[exporter]: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

Names that begin with `OTEL_PYTHON_` and end with `_EXCLUDED_URLS` are left alone: other packages read them.""",
    ports_intro="""\
Read by the collector's and the backends' files and by the command line; all of them listen on the loopback.
`WHATSSELF_OTEL_CACHE` and `WHATSSELF_OTEL_DATA` say where the native stack keeps its programs and its data.
`WHATSSELF_OTEL_LANG`, `en` or `pt-BR`, is the language of the command line and of what `health()` finds wrong; without
it the locale says. Each program may be another one than was built: `OTELCOL_BIN`, `PROMETHEUS_BIN`,
`VICTORIALOGS_BIN`, `JAEGER_BIN`, `ALERTMANAGER_BIN`. `LOKI_BIN` and `TEMPO_BIN`, or a `loki` and `tempo` on PATH, run
beside VictoriaLogs and Jaeger.""",
)

_WORDS: Final = Words("configuration")

PORTUGUESE: Final = Language(
    file="pt-BR/configuration.md",
    say=_WORDS,
    rule=lambda text: _WORDS(text.removeprefix("must be ")),
    field="Campo",
    variable="Variável",
    default="Padrão",
    rule_heading="Regra",
    meaning="Significado",
    setting="Configuração",
    value="Valor",
    takes_one="O campo `{}` recebe um.",
    whatsapp="O campo `whatsapp` recebe um; as variáveis dele começam com `WHATSSELF_OTEL_WHATSAPP_`.",
    metrics="O campo `metrics` recebe um, por exemplo `MetricsConfig(first_response_deadline_s=60)`.",
    standard="Variáveis padronizadas",
    ports="Portas da pilha",
    intro="""\
# Configuração

<!-- Generated from `whatsself_otel/config.py`, `_environment.py`, `masking/masker.py`,
`metrics/state.py` and `stack/addresses.py` by `tools/generate_configuration.py`; do not edit. -->

Cada configuração é um campo de `TelemetryConfig`. Vale, nesta ordem, o argumento, a primeira das variáveis de ambiente
dela que esteja definida (uma vazia conta como não definida), o padrão.

Um argumento errado levanta um só `ConfigError`, que lista todos os problemas. Uma variável errada nunca para a
aplicação: o problema vai para o log com a solução, vale o padrão, e `telemetry.health()` o mostra. Uma variável que
começa com `WHATSSELF_OTEL_` e não é conhecida é apontada com a conhecida mais próxima; uma `OTEL_` mal escrita também.

O que quem opera fecha por uma variável, nenhum argumento abre: de `mask_last` vale o menor, de `trace_context_hosts` o
que os dois permitem; `OTEL_SDK_DISABLED=true`, um exportador ou propagator `none`, e `false` em `log_to_stdout`,
`prometheus` e `return_trace_id` prevalecem. Um argumento `None` não é argumento onde `None` é o padrão.""",
    otlp_intro="""\
`traces_otlp`, `metrics_otlp` e `logs_otlp` recebem um. O que ele não diz fica como para todos os sinais. Cada um tem
variáveis próprias: `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT` é o tempo limite dos logs.""",
    standard_intro="""\
Todas as variáveis da especificação do OpenTelemetry ([SDK][], [exportador][]) e do SDK de Python. Uma que está definida
e não tem efeito é um problema em `telemetry.health()`, com a solução que está aqui.

[SDK]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
[exportador]: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

Nomes que começam com `OTEL_PYTHON_` e terminam com `_EXCLUDED_URLS` são deixados em paz: outros pacotes os leem.""",
    ports_intro="""\
Lidas pelos arquivos do collector e dos backends e pela linha de comando; todos escutam só no loopback.
`WHATSSELF_OTEL_CACHE` e `WHATSSELF_OTEL_DATA` dizem onde a pilha nativa guarda os programas e os dados.
`WHATSSELF_OTEL_LANG`, `en` ou `pt-BR`, é a língua da linha de comando e do que `health()` acha de errado; sem ela vale
o locale. Cada programa pode ser outro que não o compilado aqui: `OTELCOL_BIN`, `PROMETHEUS_BIN`, `VICTORIALOGS_BIN`,
`JAEGER_BIN`, `ALERTMANAGER_BIN`. `LOKI_BIN` e `TEMPO_BIN`, ou um `loki` e um `tempo` no PATH, rodam ao lado do
VictoriaLogs e do Jaeger.""",
)


def render(language: Language) -> str:
    """Return the whole page."""
    settings = (language.field, language.variable, language.default, language.rule_heading, language.meaning)
    plain = (language.field, language.default, language.meaning)
    meaning = (language.field, language.meaning)
    meanings = field_docs(TelemetryConfig)
    rows_of_all = (_setting_row(field, meanings[field.name], language) for field in _settings())
    parts = (
        language.intro,
        "## TelemetryConfig",
        table(settings, rows_of_all),
        "## OtlpConfig",
        language.otlp_intro,
        table(meaning, _meaning_rows(OtlpConfig, language)),
        "## WhatsAppConfig",
        language.whatsapp,
        table(settings, _group_rows(WhatsAppConfig, "whatsapp", language)),
        "## LimitsConfig",
        language.takes_one.format("limits"),
        table(meaning, _meaning_rows(LimitsConfig, language)),
        f"## {language.standard}",
        language.standard_intro,
        table((language.variable, language.setting, language.value), sorted(_standard_rows(language))),
        "## MaskingConfig",
        language.takes_one.format("masking"),
        table(plain, _plain_rows(MaskingConfig, language)),
        "## MaskRule",
        table(plain, _plain_rows(MaskRule, language)),
        "## MetricsConfig",
        language.metrics,
        table(plain, _plain_rows(MetricsConfig, language)),
        f"## {language.ports}",
        language.ports_intro,
        table((language.variable, language.default), ((f"`{name}`", f"`{port}`") for name, port in PORTS.items())),
    )
    return "\n\n".join(parts) + "\n"


def field_docs(kind: type) -> dict[str, str]:
    """
    Return the literal that stands under each field of the dataclass *kind*.

    Raises:
        ValueError: A field that a caller may set has none.
    """
    (definition,) = ast.parse(inspect.getsource(kind)).body
    body = getattr(definition, "body", [])
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = _literal(below)
            if text is not None:
                found[field.target.id] = " ".join(text.split()).replace("``", "`")
    if silent := [field.name for field in dataclasses.fields(kind) if field.init and field.name not in found]:
        raise ValueError(f"{kind.__name__}: no docstring literal under {', '.join(silent)}; write one sentence there.")
    return found


def _literal(statement: ast.stmt) -> str | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _settings() -> Iterator[dataclasses.Field[Any]]:
    return (field for field in dataclasses.fields(TelemetryConfig) if field.init)


def _setting_row(field: dataclasses.Field[Any], meaning: str, language: Language) -> Sequence[str]:
    setting = field.metadata.get("setting")
    if setting is None:
        variables = f"`{field.metadata['prefix']}…`" if "prefix" in field.metadata else ""
        default = "none" if field.default is None else "the defaults below"
        return f"`{field.name}`", variables, language.say(default), "", language.say(meaning)
    variables = ", ".join(f"`{name}`" for name in setting.variables)
    rule = language.rule(setting.rule)
    return f"`{field.name}`", variables, _default(setting.default, language), rule, language.say(meaning)


def _meaning_rows(kind: type, language: Language) -> Iterator[Sequence[str]]:
    return ((f"`{name}`", language.say(meaning)) for name, meaning in field_docs(kind).items())


def _group_rows(kind: type, field: str, language: Language) -> Iterator[Sequence[str]]:
    """Yield the settings of a group whose variables are this package's own."""
    meanings = field_docs(kind)
    for row in rows(TelemetryConfig):
        if row.path[0] == field:
            variables = ", ".join(f"`{name}`" for name in row.variables)
            told = language.rule(row.setting.rule), language.say(meanings[row.path[1]])
            yield f"`{row.path[1]}`", variables, _default(row.setting.default, language), *told


def _standard_rows(language: Language) -> Iterator[tuple[str, str, str]]:
    for row in rows(TelemetryConfig):
        rule = (row.setting.variable_rule or row.setting.rule).removeprefix("must be ")
        for name in row.variables:
            if not name.startswith(OWN_PREFIX) and " " not in name:
                yield f"`{name}`", f"`{'.'.join(row.path)}`", language.rule(rule)
    for variable in OTHERS:
        meaning = variable.meaning if variable.reads else f"No effect. {variable.meaning}"
        yield f"`{variable.name}`", "", language.say(meaning)


def _plain_rows(kind: type, language: Language) -> Iterator[Sequence[str]]:
    meanings = field_docs(kind)
    for field in dataclasses.fields(kind):
        is_required = field.default is dataclasses.MISSING
        default = language.say("required") if is_required else _default(field.default, language)
        yield f"`{field.name}`", default, language.say(meanings[field.name])


def _default(value: object, language: Language) -> str:
    if value is None or value in ("", ()) or (isinstance(value, Mapping) and not value):
        return language.say("none")
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    """Write the pages, or check them."""
    pages = {docs / language.file: render(language) for language in (ENGLISH, PORTUGUESE)}
    _WORDS.check()
    return write_or_check(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
