"""
Judge the standard variables that no setting of this package reads: name their reader, or what to do instead.

`problems` names each that is set and has no effect, and each name that looks misspelled.

Sources: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/; what begins with ``OTEL_PYTHON_`` is the Python SDK's.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel._installed import CONTEXTS, DETECTORS, is_installed
from whatsself_otel._settings import show

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

OWN_PREFIX: Final = "WHATSSELF_OTEL_"
STANDARD_PREFIX: Final = "OTEL_"
_NEAR: Final = 0.8
"""Similarity to a known name from which a name counts as misspelled."""
_NEAR_IN_A_FAMILY: Final = 0.93
"""The same for a name that another package may read."""
_FAMILIES: Final = ("OTEL_PYTHON_", "OTEL_INSTRUMENTATION_")
FOREIGN_OWN_VARIABLES: Final = ("WHATSSELF_OTEL_CACHE", "WHATSSELF_OTEL_DATA", "WHATSSELF_OTEL_LANG")
"""Variables with our prefix that the command line reads, not the package."""
_FOREIGN: Final = re.compile(r"OTEL_RESOURCE_ATTRIBUTES_.+|OTEL_PYTHON_\w+_EXCLUDED_URLS")
"""Variables that OpenTelemetry's Kubernetes operator and contrib's other instrumentations read."""


@dataclass(frozen=True, slots=True)
class Variable:
    """
    A variable that no setting reads.

    Args:
        name: Its name.
        meaning: What it does, or what to do instead.
        reads: Returns whether whoever reads it can use a text; None: nobody reads it.
        rule: What the text has to be, as the end of a sentence.
    """

    name: str
    meaning: str
    reads: Callable[[str], bool] | None = None
    rule: str = ""


def _unused(meaning: str, *names: str) -> tuple[Variable, ...]:
    return tuple(Variable(name, meaning) for name in names)


def _read_elsewhere(meaning: str, *names: str, reads: Callable[[str], bool], rule: str) -> tuple[Variable, ...]:
    return tuple(Variable(name, meaning, reads, rule) for name in names)


def _is_boolean(text: str) -> bool:
    return text.strip().lower() in {"true", "false"}


def _are_detectors(text: str) -> bool:
    return all(name == "*" or is_installed(DETECTORS, name) for name in _split(text))


def _are_patterns(text: str) -> bool:
    try:
        return all(map(re.compile, _split(text)))
    except re.error:
        return False


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


CAPTURED: Final = {
    f"http_capture_headers_{what}": f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{what.upper()}"
    for what in ("server_request", "server_response", "sanitize_fields")
}
"""Variables of captured headers, each with contrib's argument for it."""
_REQUEST, _RESPONSE, _SANITIZED = CAPTURED.values()
_CONVENTIONS: Final = frozenset({"http", "http/dup", "database", "database/dup", "gen_ai_latest_experimental"})
_BY_CONTRIB: Final = "Where it is set, the contrib instrumentation takes the place of ours and reads it."

_PATTERNS: Final = "must be regular expressions of header names, separated by commas"

OTHERS: Final = (
    *_read_elsewhere(
        _BY_CONTRIB,
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        reads=lambda text: _CONVENTIONS.issuperset(_split(text)),
        rule=f"must be some of {', '.join(sorted(_CONVENTIONS))}, separated by commas",
    ),
    *_read_elsewhere(_BY_CONTRIB, _REQUEST, _RESPONSE, reads=_are_patterns, rule=_PATTERNS),
    *_read_elsewhere(
        "Set to anything, every HTTP method keeps its name on spans and durations; unset, only the standard ones.",
        "OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS",
        reads=bool,
        rule="",
    ),
    *_read_elsewhere(
        "The contrib instrumentation reads it, if it captures headers.",
        _SANITIZED,
        reads=_are_patterns,
        rule=_PATTERNS,
    ),
    *_read_elsewhere(
        "Contrib's instrumentation of HTTP clients reads it.",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE",
        reads=_are_patterns,
        rule=_PATTERNS,
    ),
    *_read_elsewhere(
        "The SDK adds what these detectors find to the resource: process, os, host, and what other packages bring.",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        reads=_are_detectors,
        rule="must be names of installed resource detectors, separated by commas",
    ),
    *_read_elsewhere(
        "The API keeps its context as the package does that brings this name.",
        "OTEL_PYTHON_CONTEXT",
        reads=lambda text: is_installed(CONTEXTS, text),
        rule="must be the name of an installed context",
    ),
    *_read_elsewhere(
        "The SDK counts its own spans, records and exports; our own spans take more steps then.",
        "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED",
        reads=_is_boolean,
        rule="must be true or false",
    ),
    *_unused(
        "A configuration file would set the SDK up past our masking. Use the variables or `TelemetryConfig`.",
        "OTEL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
    ),
    *_unused("Put what it says into OTEL_RESOURCE_ATTRIBUTES.", "OTEL_ENTITIES"),
    *_unused(
        "Send OTLP to a collector; it can write Zipkin.",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
        "OTEL_EXPORTER_ZIPKIN_PROTOCOL",
    ),
    *_unused(
        "The application itself answers /metrics: set WHATSSELF_OTEL_PROMETHEUS=true.",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    ),
    *_unused("It is obsolete: use OTEL_EXPORTER_OTLP_TRACES_INSECURE.", "OTEL_EXPORTER_OTLP_SPAN_INSECURE"),
    *_unused("It is obsolete: use OTEL_EXPORTER_OTLP_METRICS_INSECURE.", "OTEL_EXPORTER_OTLP_METRIC_INSECURE"),
    *_unused(
        "Our own clients send. Use OTEL_EXPORTER_OTLP_HEADERS or WHATSSELF_OTEL_BEARER_TOKEN_FILE.",
        *(
            f"OTEL_PYTHON_EXPORTER_OTLP_{transport}_{signal}CREDENTIAL_PROVIDER"
            for transport in ("GRPC", "HTTP")
            for signal in ("", "TRACES_", "METRICS_", "LOGS_")
        ),
    ),
    *_unused(
        "Our own clients send, and repeat what the protocol says.",
        "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES",
    ),
    *_unused("Trace and span ids are random.", "OTEL_PYTHON_ID_GENERATOR"),
    *_unused(
        "`setup_telemetry()` makes the providers.",
        "OTEL_PYTHON_TRACER_PROVIDER",
        "OTEL_PYTHON_METER_PROVIDER",
        "OTEL_PYTHON_LOGGER_PROVIDER",
        "OTEL_PYTHON_TRACER_CONFIGURATOR",
        "OTEL_PYTHON_METER_CONFIGURATOR",
        "OTEL_PYTHON_LOGGER_CONFIGURATOR",
    ),
    *_unused(
        "The program opentelemetry-instrument reads it, which would set the SDK up past our masking. Start without it.",
        "OTEL_PYTHON_CONFIGURATOR",
        "OTEL_PYTHON_DISTRO",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED",
    ),
)
"""Each standard variable that no setting reads."""


def wants_contrib(environ: Mapping[str, str]) -> bool:
    """Return whether *environ* asks for data that only the contrib instrumentation records."""
    return any(each.meaning == _BY_CONTRIB and is_used(each.name, environ) for each in OTHERS)


def own_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the standard variables in *environ* that the SDK and the API must not read themselves."""
    return [name for name in environ if name.startswith(STANDARD_PREFIX) and not is_used(name, environ)]


def is_used(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether the variable *name* of `OTHERS` is set to a value that its reader can use."""
    text = environ.get(name, "")
    return bool(text.strip()) and any(each.name == name and each.reads and each.reads(text) for each in OTHERS)


def problems(environ: Mapping[str, str], settings: Collection[str]) -> Iterator[str]:
    """
    Name each variable that is set and has no effect.

    Args:
        environ: The environment variables.
        settings: Names of the variables that settings read.
    """
    others = {each.name: each for each in OTHERS}
    known = {*settings, *others, *FOREIGN_OWN_VARIABLES}
    for name in sorted(name for name, text in environ.items() if text.strip()):
        if name in others:
            yield from _unused_problem(others[name], environ)
        elif name.startswith((OWN_PREFIX, STANDARD_PREFIX)) and name not in known:
            yield from _unknown_problem(name, known)


def _unused_problem(variable: Variable, environ: Mapping[str, str]) -> Iterator[str]:
    if variable.reads is None:
        yield f"{variable.name} has no effect. {variable.meaning} Unset it."
    elif not is_used(variable.name, environ):
        shown = show(environ[variable.name])
        yield f"{variable.name} {variable.rule}, got {shown}; it counts as unset. Correct the variable or unset it."


def _unknown_problem(name: str, known: Collection[str]) -> Iterator[str]:
    if name.startswith(OWN_PREFIX):
        near = difflib.get_close_matches(name, [each for each in known if each.startswith(OWN_PREFIX)], n=1)
        hint = f"did you mean {near[0]}?" if near else "it is ignored."
        yield f"{name} is not a variable of whatsself_otel: {hint}"
    elif not _FOREIGN.fullmatch(name):
        likeness = _NEAR_IN_A_FAMILY if name.startswith(_FAMILIES) else _NEAR
        if near := difflib.get_close_matches(name, known, n=1, cutoff=likeness):
            yield f"{name} is not a variable of OpenTelemetry: did you mean {near[0]}?"
