"""
The settings of this package and their meaning. `_settings` reads one setting.

Wrong arguments raise one `ConfigError` with every problem. A wrong environment never stops the application: its
problems are kept in `TelemetryConfig.problems`, the defaults apply, and `setup_telemetry` says so loudly.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whatsself_otel import _environment, _settings
from whatsself_otel._installed import PROPAGATORS, SAMPLERS, is_installed
from whatsself_otel._settings import (
    PartlyWrongError,
    Reading,
    choice,
    count,
    file,
    group,
    items,
    milliseconds,
    parse_pairs,
    setting,
    switch,
    text,
    timeout,
)
from whatsself_otel.catalogue import LOG_LEVELS
from whatsself_otel.errors import ConfigError
from whatsself_otel.export.endpoints import Endpoint, grpc_endpoint, http_endpoint, is_endpoint, is_this_machine
from whatsself_otel.masking import MaskingConfig
from whatsself_otel.masking.regions import is_region
from whatsself_otel.metrics.hours import BusinessHours
from whatsself_otel.metrics.state import MetricsConfig
from whatsself_otel.whatsapp.config import WhatsAppConfig

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS: Final = ("traces", "metrics", "logs")
EXPORTERS: Final = ("otlp", "console", "none")
PROTOCOLS: Final = ("http/protobuf", "grpc")
LOG_FORMATS: Final = ("auto", "json", "pretty")
INSTRUMENTATIONS: Final = ("contrib", "own")
TEMPORALITIES: Final = ("cumulative", "delta", "lowmemory")
HISTOGRAMS: Final = ("explicit_bucket_histogram", "base2_exponential_bucket_histogram")
EXEMPLAR_FILTERS: Final = ("trace_based", "always_on", "always_off")
DEFAULT_SAMPLER: Final = "parentbased_always_on"
RATIO_SAMPLERS: Final = ("traceidratio", "parentbased_traceidratio")
STATIC_SAMPLERS: Final = ("always_on", "always_off", DEFAULT_SAMPLER, "parentbased_always_off")
KNOWN_PROPAGATORS: Final = ("tracecontext", "baggage", "none")
MAX_INTEGER: Final = 2**31 - 1
_ENDPOINT_RULE: Final = "must be a URL with scheme http or https and a host, for example http://localhost:4318"
_OWN_HEADERS: Final = frozenset(
    ("connection", "content-encoding", "content-length", "content-type", "te", "transfer-encoding", "user-agent")
)
"""Headers that the exporter sets itself."""


def is_host_rule(value: object) -> bool:
    """Return whether *value* is a host name, ``.domain`` or ``*``, as `trace_context_hosts` takes them."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"\*|\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[?[0-9a-f:]+\]?", value) is not None
    )


def parse_headers(given: str) -> dict[str, str]:
    """Return the headers of ``key=value,key=value``, as `parse_pairs` does, with names in lower case."""
    return parse_pairs(",".join(_with_lower_key(pair) for pair in given.split(",")), _is_header)


def _with_lower_key(pair: str) -> str:
    key, sign, value = pair.partition("=")
    return key.lower() + sign + value


def _is_header(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None
        and name.lower() not in _OWN_HEADERS
        and not name.lower().startswith("grpc-")
        and isinstance(value, str)
        and value.isascii()
        and value.isprintable()
    )


def _is_attribute(name: object, value: object) -> bool:
    return isinstance(name, str) and bool(name) and name.isprintable() and isinstance(value, str | bool | int | float)


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and "," not in value and bool(re.compile(value))
    except re.error:
        return False


def _is_sampler(value: object) -> bool:
    return value in STATIC_SAMPLERS + RATIO_SAMPLERS or (isinstance(value, str) and is_installed(SAMPLERS, value))


def _is_propagator(value: object) -> bool:
    return value in KNOWN_PROPAGATORS or (isinstance(value, str) and is_installed(PROPAGATORS, value))


def _allow_both(argument: tuple[str, ...], variable: tuple[str, ...]) -> tuple[str, ...]:
    """Return the host rules that both sides allow."""
    both = [
        *(rule for rule in argument if _covers(variable, rule)),
        *(rule for rule in variable if _covers(argument, rule)),
    ]
    return tuple(dict.fromkeys(both))


def _both(argument: tuple[str, ...], variable: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*argument, *variable)))


def _covers(rules: tuple[str, ...], rule: str) -> bool:
    return any(each in ("*", rule) or (each[0] == "." and rule.endswith(each)) for each in rules)


def _unless_none(argument: Any, variable: Any) -> Any:
    return variable if variable in ("none", ("none",)) else argument


def _exporter(variable: str, hint: str = "") -> Any:
    return choice("otlp", EXPORTERS, variable, hint=hint, stricter=_unless_none)


def _endpoint(variable: str) -> Any:
    return setting(
        None,
        variable,
        rule=_ENDPOINT_RULE,
        check=is_endpoint,
        is_shown=False,
    )


def _protocol(default: str | None, variable: str) -> Any:
    return choice(default, PROTOCOLS, variable)


def _headers(default: Mapping[str, str] | None, variable: str) -> Any:
    return setting(
        default,
        variable,
        parse=parse_headers,
        rule="must be header names with values of printable ASCII, as key=value,key=value in the environment, "
        f"and none of {', '.join(sorted(_OWN_HEADERS))} or grpc-…",
        check=lambda value: isinstance(value, Mapping) and all(_is_header(*pair) for pair in value.items()),
        secret=True,
    )


def _compression(default: str | None, variable: str) -> Any:
    return choice(default, ("gzip", "none"), variable)


def _standard_switch(default: bool | None, variable: str, **more: Any) -> Any:  # noqa: FBT001 - as in `switch`
    return switch(default, variable, parse=_settings.parse_standard_boolean, **more)


def _limit(variable: str) -> Any:
    return count(None, 0, MAX_INTEGER, variable)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpConfig:
    """
    Export settings for one signal. A field that is None follows `TelemetryConfig`.

    Its variables are those of `TelemetryConfig` with the signal in their name: ``OTEL_EXPORTER_OTLP_LOGS_TIMEOUT``.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """

    protocol: str | None = _protocol(None, "PROTOCOL")
    """OTLP transport: http/protobuf or grpc."""
    insecure: bool | None = _standard_switch(None, "INSECURE")
    """Use gRPC without TLS if the endpoint has no scheme."""
    headers: Mapping[str, str] | None = _headers(None, "HEADERS")
    """Headers of every export, in place of the general ones."""
    certificate_file: Path | None = file("CERTIFICATE")
    """CA certificate the collector is checked against."""
    client_certificate_file: Path | None = file("CLIENT_CERTIFICATE")
    """Certificate shown to a collector that asks for one (mTLS)."""
    client_key_file: Path | None = file("CLIENT_KEY")
    """Private key of `client_certificate_file`."""
    compression: str | None = _compression(None, "COMPRESSION")
    """Compression of the exports: gzip or none."""
    export_timeout_s: float | None = timeout(None, 600, "TIMEOUT")
    """Seconds for one export."""

    def __post_init__(self) -> None:
        _settings.check_arguments(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """
    Limits on the content of one span or log record. Text is cut after masking; excess items are counted as dropped.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """

    attributes: int | None = _limit("ATTRIBUTE_COUNT_LIMIT")
    """Attributes of a span, event, link or log record, where nothing below says otherwise; 128."""
    attribute_length: int | None = _limit("ATTRIBUTE_VALUE_LENGTH_LIMIT")
    """Characters of an attribute's text, where nothing below says otherwise; default: no limit."""
    span_attributes: int | None = _limit("SPAN_ATTRIBUTE_COUNT_LIMIT")
    """Attributes of a span."""
    span_attribute_length: int | None = _limit("SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")
    """Characters of the text of an attribute of a span, an event or a link."""
    span_events: int | None = _limit("SPAN_EVENT_COUNT_LIMIT")
    """Events of a span; 128."""
    span_links: int | None = _limit("SPAN_LINK_COUNT_LIMIT")
    """Links of a span; 128."""
    event_attributes: int | None = _limit("EVENT_ATTRIBUTE_COUNT_LIMIT")
    """Attributes of an event."""
    link_attributes: int | None = _limit("LINK_ATTRIBUTE_COUNT_LIMIT")
    """Attributes of a link."""
    log_attributes: int | None = _limit("LOGRECORD_ATTRIBUTE_COUNT_LIMIT")
    """Attributes of a log record."""
    log_attribute_length: int | None = _limit("LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT")
    """Characters of the text of a log record's attribute."""

    def __post_init__(self) -> None:
        _settings.check_arguments(self)

    def count(self, own: int | None) -> int:
        """Return the limit for a count: *own* if set, else the general limit."""
        return next(limit for limit in (own, self.attributes, 128) if limit is not None)

    def length(self, own: int | None) -> int | None:
        """Return the limit for a length: *own* if set, else the general limit; None means no limit."""
        return self.attribute_length if own is None else own


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """
    All settings of `setup_telemetry`.

    Each field takes its argument, else the first of its environment variables that is set, else its default. An
    argument cannot open what an operator has closed by a variable: there, the stricter value applies.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """

    service_name: str = text("whatsself", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES (service.name)")
    """Name of the service, shown as ``job`` in Prometheus."""
    service_namespace: str | None = text(
        None, "WHATSSELF_OTEL_SERVICE_NAMESPACE", "OTEL_RESOURCE_ATTRIBUTES (service.namespace)"
    )
    """Group of services it belongs to; with it, ``job`` is ``namespace/name``."""
    service_version: str | None = text(
        None, "WHATSSELF_OTEL_SERVICE_VERSION", "OTEL_RESOURCE_ATTRIBUTES (service.version)"
    )
    """Version of the application."""
    environment: str = text(
        "development",
        "WHATSSELF_OTEL_ENVIRONMENT",
        "OTEL_RESOURCE_ATTRIBUTES (deployment.environment.name)",
        "OTEL_RESOURCE_ATTRIBUTES (deployment.environment)",
    )
    """Where it runs (production, staging, …): ``deployment.environment.name`` on all three signals."""
    resource_attributes: Mapping[str, Any] = setting(
        {},
        "OTEL_RESOURCE_ATTRIBUTES",
        parse=lambda given: parse_pairs(given, _is_attribute),
        rule="must be names with values, as key=value,key=value in the environment",
        check=lambda value: isinstance(value, Mapping) and all(_is_attribute(*pair) for pair in value.items()),
        is_shown=False,
    )
    """Further resource attributes, on everything that this process sends."""
    enabled: bool = setting(
        True,
        "OTEL_SDK_DISABLED",
        parse=lambda given: not _settings.parse_standard_boolean(given),
        rule="must be true or false",
        check=lambda value: isinstance(value, bool),
        show=lambda value: str(not value).lower(),
        stricter=operator.and_,
    )
    """False, or ``OTEL_SDK_DISABLED=true``: nothing is recorded, nothing is patched, every call is a no-op."""

    endpoint: str | None = _endpoint("OTEL_EXPORTER_OTLP_ENDPOINT")
    """Base URL of the collector. Default: http://localhost:4318, or :4317 with gRPC. gRPC also takes host:port."""
    traces_endpoint: str | None = _endpoint("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    """Whole URL for traces only, with its path."""
    metrics_endpoint: str | None = _endpoint("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    """Whole URL for metrics only, with its path."""
    logs_endpoint: str | None = _endpoint("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
    """Whole URL for logs only, with its path."""
    protocol: str = _protocol("http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL")
    """OTLP transport; http/protobuf behind servers that fork their workers."""
    insecure: bool = _standard_switch(False, "OTEL_EXPORTER_OTLP_INSECURE")
    """Use gRPC without TLS if the endpoint has no scheme. A scheme in the endpoint decides this by itself."""
    headers: Mapping[str, str] = _headers({}, "OTEL_EXPORTER_OTLP_HEADERS")
    """Headers of every export, for example a bearer token; hidden from ``repr``."""
    bearer_token_file: Path | None = file("WHATSSELF_OTEL_BEARER_TOKEN_FILE")
    """File with the collector's bearer token, read at start; sent by https, and by http only to this machine."""
    certificate_file: Path | None = file("OTEL_EXPORTER_OTLP_CERTIFICATE")
    """CA certificate the collector is checked against."""
    client_certificate_file: Path | None = file("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
    """Certificate shown to a collector that asks for one (mTLS)."""
    client_key_file: Path | None = file("OTEL_EXPORTER_OTLP_CLIENT_KEY")
    """Private key of `client_certificate_file`."""
    compression: str | None = _compression(None, "OTEL_EXPORTER_OTLP_COMPRESSION")
    """Compression of the exports: gzip or none; default gzip, and none to a collector on this machine."""
    export_timeout_s: float = timeout(10.0, 600, "OTEL_EXPORTER_OTLP_TIMEOUT")
    """Seconds for one export."""
    traces_otlp: OtlpConfig = group(OtlpConfig, "OTEL_EXPORTER_OTLP_TRACES_")
    """Export settings for traces that differ from the fields above."""
    metrics_otlp: OtlpConfig = group(OtlpConfig, "OTEL_EXPORTER_OTLP_METRICS_")
    """Export settings for metrics that differ from the fields above."""
    logs_otlp: OtlpConfig = group(OtlpConfig, "OTEL_EXPORTER_OTLP_LOGS_")
    """Export settings for logs that differ from the fields above."""
    traces_exporter: str = _exporter("OTEL_TRACES_EXPORTER")
    """Where spans go: otlp, console or none."""
    metrics_exporter: str = _exporter("OTEL_METRICS_EXPORTER", " (for /metrics set WHATSSELF_OTEL_PROMETHEUS=true)")
    """Where metrics go: otlp, console or none."""
    logs_exporter: str = _exporter("OTEL_LOGS_EXPORTER")
    """Where log records go besides stdout: otlp, console or none."""

    metric_interval_s: float = milliseconds(15.0, 3600, "OTEL_METRIC_EXPORT_INTERVAL")
    """Seconds between metric exports; the specification's 60 s is too slow for 5-minute windows."""
    metric_export_timeout_s: float = timeout(30.0, 600, "OTEL_METRIC_EXPORT_TIMEOUT")
    """Seconds for one metric export; `export_timeout_s` counts if it is less."""
    metric_temporality: str = choice("cumulative", TEMPORALITIES, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
    """Whether counters and histograms are sent as totals or as increments; Prometheus needs totals."""
    histogram_aggregation: str = choice(
        "explicit_bucket_histogram", HISTOGRAMS, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    )
    """Kind of the buckets of histograms."""
    exemplar_filter: str = choice("trace_based", EXEMPLAR_FILTERS, "OTEL_METRICS_EXEMPLAR_FILTER")
    """Which measurements may become exemplars: those in a sampled span, all, none."""
    traces_sampler: str = setting(
        DEFAULT_SAMPLER,
        "OTEL_TRACES_SAMPLER",
        parse=lambda given: given.strip().lower(),
        rule=f"must be one of {', '.join(STATIC_SAMPLERS + RATIO_SAMPLERS)}, or one that an installed package brings",
        check=_is_sampler,
    )
    """Which traces are recorded; metrics and logs stay whole."""
    traces_sampler_arg: str | None = text(None, "OTEL_TRACES_SAMPLER_ARG")
    """Argument of `traces_sampler`: for the ratio samplers the share of traces, 0 to 1, default 1."""
    limits: LimitsConfig = group(LimitsConfig, "OTEL_")
    """Limits on the content of one span or log record."""
    span_delay_s: float = milliseconds(2.0, 60, "OTEL_BSP_SCHEDULE_DELAY", with_zero=True)
    """Longest wait of a span for its batch, in seconds."""
    span_export_timeout_s: float = timeout(30.0, 600, "OTEL_BSP_EXPORT_TIMEOUT")
    """Seconds for one export of spans; `export_timeout_s` counts if it is less."""
    span_queue_size: int = count(8192, 1, MAX_INTEGER, "OTEL_BSP_MAX_QUEUE_SIZE")
    """Spans kept while the collector is away, at most 64 MiB; the oldest are dropped first."""
    span_batch_size: int = count(512, 1, MAX_INTEGER, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
    """Spans in one export; at most `span_queue_size`."""
    log_delay_s: float = milliseconds(1.0, 60, "OTEL_BLRP_SCHEDULE_DELAY", with_zero=True)
    """Longest wait of a log record for its batch, in seconds."""
    log_export_timeout_s: float = timeout(30.0, 600, "OTEL_BLRP_EXPORT_TIMEOUT")
    """Seconds for one export of log records; `export_timeout_s` counts if it is less."""
    log_queue_size: int = count(8192, 1, MAX_INTEGER, "OTEL_BLRP_MAX_QUEUE_SIZE")
    """Log records kept while the collector is away, at most 64 MiB; the oldest are dropped first."""
    log_batch_size: int = count(512, 1, MAX_INTEGER, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE")
    """Log records in one export; at most `log_queue_size`."""
    queue_max_age_s: float = _settings.seconds(3600.0, 86_400, "WHATSSELF_OTEL_QUEUE_MAX_AGE_S")
    """Seconds for which a span or log record is retried while the collector is away; then it is dropped and counted."""
    shutdown_timeout_s: float = _settings.seconds(4.0, 60, "WHATSSELF_OTEL_SHUTDOWN_TIMEOUT_S")
    """Seconds for a whole shutdown with its last exports; half of it if the collector takes nothing."""

    log_level: str = choice("info", LOG_LEVELS, "WHATSSELF_OTEL_LOG_LEVEL")
    """Lowest level that is written and exported."""
    sdk_log_level: str = setting(
        "warn",
        "OTEL_LOG_LEVEL",
        parse=lambda given: given.strip().lower().replace("warning", "warn"),
        rule=f"must be one of {', '.join(LOG_LEVELS)}",
        check=lambda value: value in LOG_LEVELS,
    )
    """Lowest level of OpenTelemetry's and this package's own messages, which are written but never exported."""
    log_format: str = choice("auto", LOG_FORMATS, "WHATSSELF_OTEL_LOG_FORMAT")
    """auto is pretty on a terminal and JSON elsewhere."""
    log_to_stdout: bool = switch(True, "WHATSSELF_OTEL_LOG_TO_STDOUT", stricter=operator.and_)
    """Write log lines to standard output as well."""
    prometheus: bool = switch(False, "WHATSSELF_OTEL_PROMETHEUS", stricter=operator.and_)
    """Answer ``/metrics`` in instrumented applications; needs the extra ``whatsself-otel[prometheus]``."""
    prometheus_token_file: Path | None = file("WHATSSELF_OTEL_PROMETHEUS_TOKEN_FILE")
    """File with the bearer token that a scrape must show; without it ``/metrics`` is open."""
    excluded_paths: tuple[str, ...] = items(
        ("/health", "/healthz", "/livez", "/readyz", "/metrics"),
        "must be paths that begin with /, separated by commas",
        lambda value: isinstance(value, str) and value.startswith("/"),
        "WHATSSELF_OTEL_EXCLUDED_PATHS",
    )
    """Paths without spans and duration metrics."""
    excluded_urls: tuple[str, ...] = items(
        (),
        "must be regular expressions, separated by commas",
        _is_pattern,
        "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS",
        "OTEL_PYTHON_EXCLUDED_URLS",
    )
    """Regular expressions; a request with a match in its URL has no span and no duration metric."""
    instrumentation: str = choice("own", INSTRUMENTATIONS, "WHATSSELF_OTEL_INSTRUMENTATION")
    """Instrumentation of FastAPI and SQLAlchemy: own is this package's, contrib is OpenTelemetry's."""
    return_trace_id: bool = switch(True, "WHATSSELF_OTEL_RETURN_TRACE_ID", stricter=operator.and_)
    """Answer with ``traceresponse`` and ``Server-Timing`` headers that name the trace."""

    propagators: tuple[str, ...] = items(
        ("tracecontext",),
        f"must be names of installed propagators ({', '.join(KNOWN_PROPAGATORS)}; "
        "b3 comes with opentelemetry-propagator-b3), separated by commas",
        _is_propagator,
        "OTEL_PROPAGATORS",
        lower=True,
        stricter=_unless_none,
    )
    """Context formats exchanged with other hosts. Baggage carries data from strangers, so it is off by default."""
    trace_context_hosts: tuple[str, ...] = items(
        ("*",),
        "must be host names, .domain for all hosts below it, * for all, none for none, separated by commas",
        is_host_rule,
        "WHATSSELF_OTEL_TRACE_CONTEXT_HOSTS",
        lower=True,
        closes=True,
        stricter=_allow_both,
    )
    """Hosts that receive the trace context; ``("api.example.com", ".internal")`` excludes all others."""
    mask_last: int = count(4, 0, 4, "WHATSSELF_OTEL_MASK_LAST", stricter=min)
    """Last digits of a phone that stay readable; 0 hides all."""
    regions: tuple[str, ...] = items(
        ("BR",),
        "must be ISO codes of countries in capitals, separated by commas",
        is_region,
        "WHATSSELF_OTEL_REGIONS",
        stricter=_both,
    )
    """Countries whose numbers are masked without their calling code too; Brazil's always are."""
    pseudonym_key_file: Path | None = file("WHATSSELF_OTEL_PSEUDONYM_KEY_FILE")
    """File with the key for pseudonyms of contact ids that are phones; without it they are masked."""
    masking: MaskingConfig | None = None
    """Further masking rules. Of both `mask_last` the smaller counts, and its own key file takes precedence."""
    metrics: MetricsConfig = dataclasses.field(default_factory=MetricsConfig)
    """Settings of the metrics: the deadline of a first response, windows and limits."""

    business_hours: str | None = text(None, "BUSINESS_HOURS")
    """
    When replies are due, in `time_zone`: ``09:00-18:00``, or ``mon-fri 09:00-18:00; sat 09:00-13:00``.

    A message that comes outside of them begins no wait, and warnings wait for them. Without them: always.
    """
    time_zone: str = text("America/Sao_Paulo", "TIMEZONE")
    """IANA name of the zone of the business hours."""
    holidays: str = text("", "HOLIDAYS")
    """Days without business hours: ``2026-12-25,2027-01-01``."""

    whatsapp: WhatsAppConfig = group(WhatsAppConfig, "WHATSSELF_OTEL_WHATSAPP_")
    """Settings for providers' webhooks: secrets, sizes and session names."""

    environ: InitVar[Mapping[str, str] | None] = None
    problems: tuple[str, ...] = dataclasses.field(default=(), init=False)
    """Problems in the environment, each with its remedy."""

    def __post_init__(self, environ: Mapping[str, str] | None) -> None:
        variables = os.environ if environ is None else environ
        misused = "" if _is_environment(variables) else type(variables).__name__
        variables = {} if misused else variables
        named = _attribute_variables(self.resource_attributes, variables)
        reading = _settings.read(type(self), _settings.arguments_of(self), {**variables, **named})
        if misused:
            reading.wrong_arguments["environ"] = f"environ must map text to text, as os.environ does, got {misused}."
        if not isinstance(self.metrics, MetricsConfig):
            kind = type(self.metrics).__name__
            reading.wrong_arguments["metrics"] = f"metrics must be a MetricsConfig, got {kind}."
        _settings.set_fields(self, reading.values)
        self._check_together(reading)
        self._settle_masking(reading)
        if reading.wrong_arguments:
            raise ConfigError(_settings.in_order(type(self), reading.wrong_arguments))
        unused = _environment.problems(variables, set(variable_names()))
        object.__setattr__(self, "problems", (*unused, *reading.wrong_variables))

    def _check_together(self, reading: Reading) -> None:
        """Check what only several fields together can break, and mend it."""
        for signal in SIGNALS:
            self._check_endpoint(signal, reading)
        for kind in ("span", "log"):
            self._check_batch_size(f"{kind}_batch_size", getattr(self, f"{kind}_queue_size"), reading)
        self._check_sampler(reading)
        try:
            self.opening_hours()
        except ValueError as error:
            reading.report("business_hours", f"is left out: {error}")
            object.__setattr__(self, "business_hours", None)
        if open_target := self._open_target():
            problem = f"needs https, got {open_target}: the token would be readable on the way."
            reading.report("bearer_token_file", problem)
            object.__setattr__(self, "bearer_token_file", None)

    def opening_hours(self) -> BusinessHours | None:
        """Return the business hours, or None if the business is always open."""
        return BusinessHours.parse(self.business_hours, self.time_zone, self.holidays) if self.business_hours else None

    def _check_endpoint(self, signal: str, reading: Reading) -> None:
        field = f"{signal}_endpoint" if getattr(self, f"{signal}_endpoint") else "endpoint"
        endpoint = self._endpoint(signal)
        if endpoint is None:
            shown = _settings.show(getattr(self, field))
            reading.report(field, f"{_ENDPOINT_RULE}, got {shown}; it counts as unset. Only gRPC takes host:port.")
        elif endpoint.ignored:
            shown = _settings.show(endpoint.ignored)
            reading.report(field, f"has {shown}, which has no effect. Remove it.")

    def _check_batch_size(self, field: str, queue_size: int, reading: Reading) -> None:
        size = getattr(self, field)
        if size <= queue_size:
            return
        if field in reading.sources:
            reading.report(field, f"must be at most the size of its queue, {queue_size}, got {size}. Lower it.")
        object.__setattr__(self, field, queue_size)

    def _check_sampler(self, reading: Reading) -> None:
        argument = self.traces_sampler_arg
        if argument is None or self.traces_sampler not in STATIC_SAMPLERS + RATIO_SAMPLERS:
            return
        if self.traces_sampler in STATIC_SAMPLERS:
            problem = f"has no effect with the sampler {self.traces_sampler}. Unset it, or set OTEL_TRACES_SAMPLER."
        elif _is_ratio(argument):
            return
        else:
            problem = f"must be a number from 0 to 1, got {_settings.show(argument)}; 1 is used instead. Correct it."
        reading.report("traces_sampler_arg", problem)
        object.__setattr__(self, "traces_sampler_arg", None)

    def _open_target(self) -> str:
        """Return an endpoint that would receive a token unencrypted, or an empty text."""
        if self.bearer_token_file is None:
            return ""
        targets = [urlsplit(self.target(signal)) for signal in SIGNALS]
        is_open = (each.netloc for each in targets if each.scheme != "https" and not is_this_machine(each.hostname))
        return next(is_open, "")

    def _settle_masking(self, reading: Reading) -> None:
        """Combine `masking` with its two neighbouring fields; the stricter value applies."""
        given = MaskingConfig() if self.masking is None else self.masking
        if not isinstance(given, MaskingConfig):
            reading.wrong_arguments["masking"] = f"masking must be a MaskingConfig, got {type(given).__name__}."
            return
        shown = min(given.mask_last, self.mask_last)
        regions = _both(given.regions, self.regions)
        key_file = given.pseudonym_key_file or self.pseudonym_key_file
        try:
            masking = dataclasses.replace(given, mask_last=shown, regions=regions, pseudonym_key_file=key_file)
        except ConfigError as error:
            problems = " ".join(error.problems).removeprefix("pseudonym_key_file ")
            reading.report("pseudonym_key_file", problems)
            masking = dataclasses.replace(given, mask_last=shown, regions=regions, pseudonym_key_file=None)
        values = {"masking": masking, "mask_last": shown, "regions": regions}
        values["pseudonym_key_file"] = masking.pseudonym_key_file
        _settings.set_fields(self, values)

    @property
    def masking_rules(self) -> MaskingConfig:
        """The masking in force."""
        return self.masking if self.masking is not None else MaskingConfig()

    def exporter(self, signal: str) -> str:
        """Return the exporter of *signal* (traces, metrics, logs): otlp, console or none."""
        return str(getattr(self, f"{signal}_exporter"))

    def otlp(self, signal: str) -> OtlpConfig:
        """Return the export settings of *signal*: its own, else the general ones."""
        own = _settings.arguments_of(getattr(self, f"{signal}_otlp"))
        return OtlpConfig(**{name: getattr(self, name) if value is None else value for name, value in own.items()})

    def batch_timeout_s(self, signal: str) -> float:
        """Return the seconds that the collecting side of *signal* allows for an export."""
        kind = {"traces": "span", "logs": "log", "metrics": "metric"}[signal]
        return float(getattr(self, f"{kind}_export_timeout_s"))

    def headers_of(self, signal: str) -> dict[str, str]:
        """Return the headers of every export of *signal*, with its credentials."""
        headers = {name.lower(): value for name, value in (self.otlp(signal).headers or {}).items()}
        endpoint = self._endpoint(signal)
        token = self._bearer_token()
        credentials = f"Bearer {token}" if token else endpoint.credentials if endpoint else ""
        is_own = "authorization" in (getattr(self, f"{signal}_otlp").headers or {})
        if credentials and not is_own and (token or "authorization" not in headers):
            headers["authorization"] = credentials
        return headers

    def target(self, signal: str) -> str:
        """Return the URL that receives *signal*, with its path for HTTP and without credentials."""
        endpoint = self._endpoint(signal)
        return f"http://localhost:4318/v1/{signal}" if endpoint is None else endpoint.url

    def _endpoint(self, signal: str) -> Endpoint | None:
        """Return the endpoint of *signal*, or None if HTTP cannot use it."""
        own: str | None = getattr(self, f"{signal}_endpoint")
        otlp = self.otlp(signal)
        if otlp.protocol == "grpc":
            return grpc_endpoint(own or self.endpoint or "http://localhost:4317", insecure=bool(otlp.insecure))
        if own:
            return http_endpoint(own)
        return http_endpoint(self.endpoint or "http://localhost:4318", f"v1/{signal}")

    def _bearer_token(self) -> str:
        try:
            return self.bearer_token_file.read_text("utf-8").strip() if self.bearer_token_file else ""
        except (OSError, UnicodeDecodeError):  # it was readable a moment ago; the collector will say 401
            return ""


def variable_names() -> Iterator[str]:
    """Return the name of every variable that a setting reads."""
    for row in _settings.rows(TelemetryConfig):
        yield from (name for name in row.variables if " " not in name)


def _is_ratio(given: str) -> bool:
    try:
        return 0 <= float(given) <= 1
    except ValueError:
        return False


def _is_environment(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(given, str) for name, given in value.items()
    )


def _attribute_variables(argument: object, environ: Mapping[str, str]) -> dict[str, str]:
    """Return each resource attribute as a variable, for the fields that may take their value from it."""
    try:
        pairs = parse_pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""), _is_attribute)
    except PartlyWrongError as error:
        pairs = error.value
    except ValueError:
        pairs = {}
    if isinstance(argument, Mapping):
        pairs.update((name, str(value)) for name, value in argument.items() if _is_attribute(name, value))
    return {f"OTEL_RESOURCE_ATTRIBUTES ({name})": value for name, value in pairs.items()}
