"""
Writes docs/configuration.md from `TelemetryConfig`, `MaskingConfig`, `MetricsConfig` and the ports of the stack.

    python tools/generate_configuration.py            # write
    python tools/generate_configuration.py --check    # exit 1 if the page is not what would be written
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pages import table, write_or_check

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

_INTRO: Final = """\
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
`prometheus` and `return_trace_id` stand. An argument `None` is no argument where `None` is the default."""

_OTLP_INTRO: Final = """\
`traces_otlp`, `metrics_otlp` and `logs_otlp` take one. What it leaves out is as for all signals. Each has variables of
its own: `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT` is the timeout of logs."""

_STANDARD_INTRO: Final = """\
All variables of OpenTelemetry's specification ([SDK][], [exporter][]) and of the Python SDK. One that is set and has no
effect is a problem in `telemetry.health()`, with the remedy that stands here.

[SDK]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
[exporter]: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

Names that begin with `OTEL_PYTHON_` and end with `_EXCLUDED_URLS` are left alone: other packages read them."""

_PORTS_INTRO: Final = """\
Read by the collector's and the backends' files and by the command line; all of them listen on the loopback.
`WHATSSELF_OTEL_CACHE` and `WHATSSELF_OTEL_DATA` say where the native stack keeps its programs and its data.
`WHATSSELF_OTEL_LANG`, `en` or `pt-BR`, is the language of the command line; without it the locale says. Each
program may be another one than was built: `OTELCOL_BIN`, `PROMETHEUS_BIN`, `VICTORIALOGS_BIN`, `JAEGER_BIN`,
`ALERTMANAGER_BIN`. `LOKI_BIN` and `TEMPO_BIN`, or a `loki` and `tempo` on PATH, run beside VictoriaLogs and Jaeger."""


def render() -> str:
    """Return the whole page."""
    meanings = field_docs(TelemetryConfig)
    return (
        "\n\n".join(
            (
                _INTRO,
                "## TelemetryConfig",
                table(
                    ("Field", "Variable", "Default", "Rule", "Meaning"),
                    (_setting_row(field, meanings[field.name]) for field in _settings()),
                ),
                "## OtlpConfig",
                _OTLP_INTRO,
                table(("Field", "Meaning"), _meaning_rows(OtlpConfig)),
                "## WhatsAppConfig",
                "The field `whatsapp` takes one; its variables begin with `WHATSSELF_OTEL_WHATSAPP_`.",
                table(("Field", "Variable", "Default", "Rule", "Meaning"), _group_rows(WhatsAppConfig, "whatsapp")),
                "## LimitsConfig",
                "The field `limits` takes one.",
                table(("Field", "Meaning"), _meaning_rows(LimitsConfig)),
                "## Standard variables",
                _STANDARD_INTRO,
                table(("Variable", "Setting", "Value"), sorted(_standard_rows())),
                "## MaskingConfig",
                "The field `masking` takes one.",
                table(("Field", "Default", "Meaning"), _plain_rows(MaskingConfig)),
                "## MaskRule",
                table(("Field", "Default", "Meaning"), _plain_rows(MaskRule)),
                "## MetricsConfig",
                "The field `metrics` takes one, for example `MetricsConfig(first_response_deadline_s=60)`.",
                table(("Field", "Default", "Meaning"), _plain_rows(MetricsConfig)),
                "## Ports of the stack",
                _PORTS_INTRO,
                table(("Variable", "Default"), ((f"`{name}`", f"`{port}`") for name, port in PORTS.items())),
            )
        )
        + "\n"
    )


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


def _setting_row(field: dataclasses.Field[Any], meaning: str) -> Sequence[str]:
    setting = field.metadata.get("setting")
    if setting is None:
        variables = f"`{field.metadata['prefix']}…`" if "prefix" in field.metadata else ""
        return f"`{field.name}`", variables, "none" if field.default is None else "the defaults below", "", meaning
    variables = ", ".join(f"`{name}`" for name in setting.variables)
    return f"`{field.name}`", variables, _default(setting.default), setting.rule, meaning


def _meaning_rows(kind: type) -> Iterator[Sequence[str]]:
    return ((f"`{name}`", meaning) for name, meaning in field_docs(kind).items())


def _group_rows(kind: type, field: str) -> Iterator[Sequence[str]]:
    """Yield the settings of a group whose variables are this package's own."""
    meanings = field_docs(kind)
    for row in rows(TelemetryConfig):
        if row.path[0] == field:
            variables = ", ".join(f"`{name}`" for name in row.variables)
            yield f"`{row.path[1]}`", variables, _default(row.setting.default), row.setting.rule, meanings[row.path[1]]


def _standard_rows() -> Iterator[tuple[str, str, str]]:
    for row in rows(TelemetryConfig):
        rule = (row.setting.variable_rule or row.setting.rule).removeprefix("must be ")
        for name in row.variables:
            if not name.startswith(OWN_PREFIX) and " " not in name:
                yield f"`{name}`", f"`{'.'.join(row.path)}`", rule
    for variable in OTHERS:
        yield f"`{variable.name}`", "", variable.meaning if variable.reads else f"No effect. {variable.meaning}"


def _plain_rows(kind: type) -> Iterator[Sequence[str]]:
    meanings = field_docs(kind)
    for field in dataclasses.fields(kind):
        default = "required" if field.default is dataclasses.MISSING else _default(field.default)
        yield f"`{field.name}`", default, meanings[field.name]


def _default(value: object) -> str:
    if value is None or value in ("", ()) or (isinstance(value, Mapping) and not value):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    """Write the page, or check it."""
    return write_or_check(__doc__, {docs / "configuration.md": render()}, arguments)


if __name__ == "__main__":
    sys.exit(main())
