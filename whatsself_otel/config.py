"""
Configuration: argument > environment > default, decided field by field when a `TelemetryConfig` is made.

Wrong arguments raise one `ConfigError` with every problem. A wrong environment never stops the application: its
problems are kept in `TelemetryConfig.problems`, the defaults apply, and `setup_telemetry` says so loudly.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from whatsself_otel.catalogue import LOG_LEVELS
from whatsself_otel.errors import ConfigError
from whatsself_otel.masking import Masker, MaskingConfig
from whatsself_otel.state import MetricsConfig

OWN_PREFIX: Final = "WHATSSELF_OTEL_"
EXPORTERS: Final = ("otlp", "console", "none")
PROTOCOLS: Final = ("http/protobuf", "grpc")
LOG_FORMATS: Final = ("auto", "json", "pretty")
INSTRUMENTATIONS: Final = ("contrib", "lean")
FOREIGN_OWN_VARIABLES: Final = ("WHATSSELF_OTEL_CACHE", "WHATSSELF_OTEL_DATA")
"""Variables with our prefix that the command line reads, not the package."""

_HIDDEN: Final = "(hidden)"
_UNSET: Final[Any] = object()
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one field is read: its variables, its default, its parser and its rule."""

    variables: tuple[str, ...]
    default: Any
    parse: Callable[[str], Any]
    rule: str
    """What the value has to be, as the end of a sentence that begins with the field's name."""
    check: Callable[[Any], bool]
    secret: bool = False


def _setting(default: Any, *variables: str, **options: Any) -> Any:
    setting = Setting(variables=variables, default=default, **options)
    return dataclasses.field(default=_UNSET, repr=not setting.secret, metadata={"setting": setting})


def _text(default: str | None, *variables: str) -> Any:
    return _setting(
        default,
        *variables,
        parse=str.strip,
        rule="must be text without control characters, at most 255 of them",
        check=lambda value: value is None or (isinstance(value, str) and len(value) < 256 and value.isprintable()),
    )


def _choice(default: str, options: tuple[str, ...], *variables: str) -> Any:
    return _setting(
        default,
        *variables,
        parse=lambda text: text.strip().lower(),
        rule=f"must be one of {', '.join(options)}",
        check=lambda value: value in options,
    )


def _seconds(default: float, most: float, *variables: str, parse: Callable[[str], float] = float) -> Any:
    return _setting(
        default,
        *variables,
        parse=parse,
        rule=f"must be a number of seconds above 0, at most {most:g}",
        check=lambda value: _is_number(value) and 0 < value <= most,
    )


def _count(default: int, most: int, *variables: str) -> Any:
    return _setting(
        default,
        *variables,
        parse=int,
        rule=f"must be a whole number from 1 to {most}",
        check=lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most,
    )


def _switch(default: bool, *variables: str) -> Any:  # noqa: FBT001 - the default of a switch is a boolean
    return _setting(
        default,
        *variables,
        parse=parse_boolean,
        rule="must be true or false",
        check=lambda value: isinstance(value, bool),
    )


def _endpoint(default: str | None, *variables: str) -> Any:
    return _setting(
        default,
        *variables,
        parse=str.strip,
        rule="must be a URL with scheme http or https and a host, for example http://localhost:4318",
        check=lambda value: value is None or _is_endpoint(value),
    )


def _file(*variables: str) -> Any:
    return _setting(
        None,
        *variables,
        parse=Path,
        rule="must be the path of a readable file",
        check=lambda value: value is None or (isinstance(value, str | Path) and _is_readable(Path(value))),
    )


def parse_boolean(text: str) -> bool:
    """Return what *text* says; raises ``ValueError`` for anything but true and false in their usual spellings."""
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError(lowered)


def parse_milliseconds(text: str) -> float:
    """Return seconds for *text* in milliseconds, as the OpenTelemetry specification has its timeouts."""
    return float(text) / 1000


def parse_headers(text: str) -> dict[str, str]:
    """
    Return the headers of ``key=value,key=value``; values may be percent-encoded.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
    """
    pairs = (item.partition("=") for item in text.split(",") if item.strip())
    return {unquote(key.strip()).lower(): unquote(value.strip()) for key, _, value in pairs}


def _is_readable(file: Path) -> bool:
    return os.access(file, os.R_OK) and not file.is_dir()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_endpoint(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def is_host_rule(value: object) -> bool:
    """Return whether *value* is a host name, ``.domain`` or ``*``, as `trace_context_hosts` takes them."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"\*|\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[?[0-9a-f:]+\]?", value) is not None
    )


def _is_headers(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return all(
        isinstance(name, str)
        and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)
        and isinstance(text, str)
        and text.isascii()
        and text.isprintable()
        for name, text in value.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """
    Everything `setup_telemetry` may be told.

    Each field takes, in this order, the argument, its environment variables (the first that is set), its default.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """

    service_name: str = _text("whatsself", "OTEL_SERVICE_NAME")
    """Name of the service, shown as ``job`` in Prometheus."""
    service_namespace: str | None = _text(None, "WHATSSELF_OTEL_SERVICE_NAMESPACE")
    """Group of services it belongs to; with it, ``job`` is ``namespace/name``."""
    service_version: str | None = _text(None, "WHATSSELF_OTEL_SERVICE_VERSION")
    """Version of the application."""
    environment: str = _text("development", "WHATSSELF_OTEL_ENVIRONMENT")
    """Where it runs (production, staging, …): ``deployment.environment.name`` on all three signals."""
    enabled: bool = _setting(
        True,
        "OTEL_SDK_DISABLED",
        parse=lambda text: not parse_boolean(text),
        rule="must be true or false",
        check=lambda value: isinstance(value, bool),
    )
    """False, or ``OTEL_SDK_DISABLED=true``: nothing is recorded, nothing is patched, every call is a no-op."""

    endpoint: str | None = _endpoint(None, "OTEL_EXPORTER_OTLP_ENDPOINT")
    """Base URL of the collector; default http://localhost:4318, or :4317 with gRPC."""
    traces_endpoint: str | None = _endpoint(None, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    """Whole URL for traces alone, path included."""
    metrics_endpoint: str | None = _endpoint(None, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    """Whole URL for metrics alone, path included."""
    logs_endpoint: str | None = _endpoint(None, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
    """Whole URL for logs alone, path included."""
    protocol: str = _choice("http/protobuf", PROTOCOLS, "OTEL_EXPORTER_OTLP_PROTOCOL")
    """OTLP transport."""
    headers: Mapping[str, str] = _setting(
        {},
        "OTEL_EXPORTER_OTLP_HEADERS",
        parse=parse_headers,
        rule="must be header names with values of printable ASCII, as key=value,key=value in the environment",
        check=_is_headers,
        secret=True,
    )
    """Headers of every export, for example a bearer token; hidden from ``repr``."""
    bearer_token_file: Path | None = _file("WHATSSELF_OTEL_BEARER_TOKEN_FILE")
    """File with the collector's bearer token, read at start; sent by https, and by http only to this machine."""
    certificate_file: Path | None = _file("OTEL_EXPORTER_OTLP_CERTIFICATE")
    """CA certificate the collector is checked against."""
    client_certificate_file: Path | None = _file("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
    """Certificate shown to a collector that asks for one (mTLS)."""
    client_key_file: Path | None = _file("OTEL_EXPORTER_OTLP_CLIENT_KEY")
    """Private key of `client_certificate_file`."""
    compression: str = _choice("gzip", ("gzip", "none"), "OTEL_EXPORTER_OTLP_COMPRESSION")
    """Compression of the exports."""
    export_timeout_s: float = _seconds(10.0, 600, "OTEL_EXPORTER_OTLP_TIMEOUT", parse=parse_milliseconds)
    """Seconds for one export with all its retries. The variable is in milliseconds, as specified."""
    traces_exporter: str = _choice("otlp", EXPORTERS, "OTEL_TRACES_EXPORTER")
    """Where spans go: otlp, console or none."""
    metrics_exporter: str = _choice("otlp", EXPORTERS, "OTEL_METRICS_EXPORTER")
    """Where metrics go: otlp, console or none."""
    logs_exporter: str = _choice("otlp", EXPORTERS, "OTEL_LOGS_EXPORTER")
    """Where log records go besides stdout: otlp, console or none."""
    metric_interval_s: float = _seconds(15.0, 3600, "OTEL_METRIC_EXPORT_INTERVAL", parse=parse_milliseconds)
    """Seconds between metric exports; the specification's 60 s is too slow for 5-minute windows."""
    span_delay_s: float = _seconds(2.0, 60, "OTEL_BSP_SCHEDULE_DELAY", parse=parse_milliseconds)
    """Seconds a span waits at most for its batch."""
    log_delay_s: float = _seconds(1.0, 60, "OTEL_BLRP_SCHEDULE_DELAY", parse=parse_milliseconds)
    """Seconds a log record waits at most for its batch."""
    queue_size: int = _count(8192, 1_000_000, "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_QUEUE_SIZE")
    """Spans, and log records, held while the collector is away; the oldest go first."""
    queue_max_age_s: float = _seconds(3600.0, 86_400, "WHATSSELF_OTEL_QUEUE_MAX_AGE_S")
    """Seconds a span or log record is tried again while the collector is away; older ones are dropped and counted."""
    shutdown_timeout_s: float = _seconds(4.0, 60, "WHATSSELF_OTEL_SHUTDOWN_TIMEOUT_S")
    """Seconds that shutdown, with its last exports, may take in all; half of it when the collector takes nothing."""

    log_level: str = _choice("info", LOG_LEVELS, "WHATSSELF_OTEL_LOG_LEVEL")
    """Lowest level that is written and exported."""
    log_format: str = _choice("auto", LOG_FORMATS, "WHATSSELF_OTEL_LOG_FORMAT")
    """auto is pretty on a terminal and JSON elsewhere."""
    log_to_stdout: bool = _switch(True, "WHATSSELF_OTEL_LOG_TO_STDOUT")
    """Write log lines to standard output as well."""
    prometheus: bool = _switch(False, "WHATSSELF_OTEL_PROMETHEUS")
    """Answer ``/metrics`` in instrumented applications; needs the extra ``whatsself-otel[prometheus]``."""
    prometheus_token_file: Path | None = _file("WHATSSELF_OTEL_PROMETHEUS_TOKEN_FILE")
    """File with the bearer token that a scrape must show; without it ``/metrics`` is open."""
    excluded_paths: tuple[str, ...] = _setting(
        ("/health", "/healthz", "/livez", "/readyz", "/metrics"),
        "WHATSSELF_OTEL_EXCLUDED_PATHS",
        parse=lambda text: tuple(path.strip() for path in text.split(",") if path.strip()),
        rule="must be paths that begin with /, separated by commas",
        check=lambda value: isinstance(value, tuple | list) and all(map(_is_path, value)),
    )
    """Paths without spans and duration metrics."""
    instrumentation: str = _choice("lean", INSTRUMENTATIONS, "WHATSSELF_OTEL_INSTRUMENTATION")
    """Whose code observes FastAPI and SQLAlchemy: lean is our own, contrib OpenTelemetry's."""
    return_trace_id: bool = _switch(True, "WHATSSELF_OTEL_RETURN_TRACE_ID")
    """Answer with ``traceresponse`` and ``Server-Timing`` headers that name the trace."""

    trace_context_hosts: tuple[str, ...] = _setting(
        ("*",),
        "WHATSSELF_OTEL_TRACE_CONTEXT_HOSTS",
        parse=lambda text: tuple(host.strip().lower() for host in text.split(",") if host.strip()),
        rule="must be host names, .domain for all hosts below it, * for all, none for none, separated by commas",
        check=lambda value: isinstance(value, tuple | list) and all(is_host_rule(host) for host in value),
    )
    """Hosts whose requests carry the trace context; ``("api.example.com", ".internal")`` tells nobody else."""
    mask_last: int = _setting(
        4,
        "WHATSSELF_OTEL_MASK_LAST",
        parse=int,
        rule="must be a whole number from 0 to 4",
        check=lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 4,
    )
    """Last digits of a phone that stay readable; 0 hides all."""
    pseudonym_key_file: Path | None = _file("WHATSSELF_OTEL_PSEUDONYM_KEY_FILE")
    """Key for pseudonyms of contact ids that are phone numbers; without it they are masked."""
    masking: MaskingConfig | None = None
    """Rules beyond `mask_last` and `pseudonym_key_file`; when given, those two are taken from it."""
    metrics: MetricsConfig = dataclasses.field(default_factory=MetricsConfig)
    """What the metrics keep, and how much of it: deadline of the first response, windows, caps."""

    environ: InitVar[Mapping[str, str] | None] = None
    problems: tuple[str, ...] = dataclasses.field(default=(), init=False)
    """What was wrong with the environment, with remedies."""

    def __post_init__(self, environ: Mapping[str, str] | None) -> None:
        environment = os.environ if environ is None else environ
        given = {field for field, _ in _settings() if getattr(self, field) is not _UNSET}
        wrong_arguments: list[str] = []
        if not _is_environment(environment):
            wrong_arguments.append(f"environ must map text to text, as os.environ does, got {type(environ).__name__}.")
            environment = {}
        wrong_variables: list[str] = list(_unknown_variables(environment))
        for field, setting in _settings():
            value = getattr(self, field)
            if value is _UNSET:
                value = _from_environment(setting, environment, wrong_variables)
            elif not _holds(setting, value):
                wrong_arguments.append(f"{field} {setting.rule}, got {_show(setting, value)}.")
                value = setting.default  # so that the rest is checked all the same
            object.__setattr__(self, field, _settled(setting, value))
        if open_target := self._open_target():
            problem = f"bearer_token_file needs https, got {open_target}: the token would be readable on the way."
            (wrong_arguments if "bearer_token_file" in given else wrong_variables).append(problem)
            object.__setattr__(self, "bearer_token_file", None)
        if self.masking is None:
            problems = wrong_arguments if "pseudonym_key_file" in given else wrong_variables
            object.__setattr__(self, "masking", self._build_masking(problems))
        elif not isinstance(self.masking, MaskingConfig):
            wrong_arguments.append(f"masking must be a MaskingConfig, got {type(self.masking).__name__}.")
        if not isinstance(self.metrics, MetricsConfig):
            wrong_arguments.append(f"metrics must be a MetricsConfig, got {type(self.metrics).__name__}.")
        if wrong_arguments:
            raise ConfigError(wrong_arguments)
        object.__setattr__(self, "problems", tuple(wrong_variables))

    def _open_target(self) -> str:
        """Return where a token would go unencrypted, or nothing."""
        if self.bearer_token_file is None:
            return ""
        targets = [urlsplit(self.target(signal)) for signal in ("traces", "metrics", "logs")]
        is_open = (each.netloc for each in targets if each.scheme != "https" and not is_this_machine(each.hostname))
        return next(is_open, "")

    @property
    def export_headers(self) -> dict[str, str]:
        """The headers of every export, the bearer token among them."""
        if self.bearer_token_file is None:
            return dict(self.headers)
        try:
            token = self.bearer_token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):  # it was readable a moment ago; the collector will say 401
            return dict(self.headers)
        return {**self.headers, "authorization": f"Bearer {token}"}

    def _build_masking(self, problems: list[str]) -> MaskingConfig:
        try:
            return MaskingConfig(mask_last=self.mask_last, pseudonym_key_file=self.pseudonym_key_file)
        except ConfigError as error:
            problems.extend(error.problems)
            return MaskingConfig(mask_last=self.mask_last)

    @property
    def masking_rules(self) -> MaskingConfig:
        """The masking in force."""
        return self.masking if self.masking is not None else MaskingConfig()

    def exporter(self, signal: str) -> str:
        """Return where *signal* (traces, metrics, logs) goes: otlp, console or none."""
        return str(getattr(self, f"{signal}_exporter"))

    def target(self, signal: str) -> str:
        """Return the URL that *signal* is sent to, with its path for HTTP."""
        own = getattr(self, f"{signal}_endpoint")
        if own:
            return str(own)
        if self.protocol == "grpc":
            return self.endpoint or "http://localhost:4317"
        return f"{(self.endpoint or 'http://localhost:4318').rstrip('/')}/v1/{signal}"


def is_this_machine(host: str | None) -> bool:
    """Return whether *host* is a loopback name or address."""
    return host in {"localhost", "::1"} or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host or ""))


def _settings() -> Iterator[tuple[str, Setting]]:
    for field in dataclasses.fields(TelemetryConfig):
        if "setting" in field.metadata:
            yield field.name, field.metadata["setting"]


def _from_environment(setting: Setting, environment: Mapping[str, str], problems: list[str]) -> Any:
    for variable in setting.variables:
        text = environment.get(variable, "")
        if not text.strip():  # the specification: an empty value counts as unset
            continue
        value = _parse(setting, text)
        if value is not _UNSET:
            return value
        problems.append(
            f"{variable} {setting.rule}, got {_show(setting, text)}; "
            f"{setting.default!r} is used instead. Correct the variable or unset it."
        )
    return setting.default


def _parse(setting: Setting, text: str) -> Any:
    try:
        value = setting.parse(text)
    except (ValueError, TypeError, OverflowError):
        return _UNSET
    return value if _holds(setting, value) else _UNSET


def _holds(setting: Setting, value: object) -> bool:
    try:
        return bool(setting.check(value))
    except Exception:  # noqa: BLE001 - a value of any type may raise whatever it likes when it is asked
        return False


def _is_environment(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(text, str) for name, text in value.items()
    )


def _settled(setting: Setting, value: Any) -> Any:
    """*value* as its field is annotated: a file given as text is a path, and what a caller may still change a copy."""
    if setting.parse is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, list):
        return tuple(value)
    return dict(value) if isinstance(value, Mapping) else value


def _show(setting: Setting, value: object) -> str:
    return _HIDDEN if setting.secret else repr(Masker().value(None, value))[:120]


def _unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    known = [
        variable for _, setting in _settings() for variable in setting.variables if variable.startswith(OWN_PREFIX)
    ]
    known.extend(FOREIGN_OWN_VARIABLES)
    for variable in sorted(environment):
        if variable.startswith(OWN_PREFIX) and variable not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "it is ignored."
            yield f"{variable} is not a variable of whatsself_otel: {hint}"
