"""What can be seen without asking anybody: variables, versions, other instrumentations, files, disk."""

from __future__ import annotations

import os
import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from whatsself_otel.cli.doctor.findings import SIGNALS, Finding, fault, ok, warning
from whatsself_otel.export.endpoints import is_this_machine
from whatsself_otel.export.obstacles import of_configuration, of_sampler
from whatsself_otel.integrations.sqlalchemy import version_problem
from whatsself_otel.logs.consoles import WIRING
from whatsself_otel.traces.sampling import build_sampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from whatsself_otel.config import TelemetryConfig

_OTHERS: Final = (
    "opentelemetry-distro",
    "logfire",
    "ddtrace",
    "elastic-apm",
    "elastic-opentelemetry",
    "sentry-sdk",
    "azure-monitor-opentelemetry",
    "splunk-opentelemetry",
    "newrelic",
)
"""Packages that instrument FastAPI or SQLAlchemy themselves: every request would be recorded twice."""
_STABLE: Final = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp")
_BETA: Final = ("opentelemetry-instrumentation-fastapi", "opentelemetry-instrumentation-sqlalchemy")
_FASTAPI_OLDEST: Final = (0, 120)
_SECRET_MODE: Final = 0o077


def check_variables(config: TelemetryConfig) -> Iterator[Finding]:
    """Report each variable that the package does not take as it stands."""
    for problem in config.problems:
        yield fault("variables", problem, "Correct the variable or unset it.")
    if not config.problems:
        yield ok("variables", "Every variable that is set is known and valid.")


def check_signals(config: TelemetryConfig) -> Iterator[Finding]:
    """Report signals that are switched off."""
    if not config.enabled:
        yield fault("signals", "OTEL_SDK_DISABLED is true: nothing is recorded.", "Unset OTEL_SDK_DISABLED.")
        return
    off = [*of_configuration(config), *of_sampler(build_sampler(config, []))]
    for obstacle in off:
        yield warning("signals", obstacle.cause, obstacle.remedy)
    if not off:
        yield ok("signals", "Traces, metrics and logs are sent.")


def check_versions() -> Iterator[Finding]:
    """Report OpenTelemetry versions that do not fit together, and untested versions of instrumented packages."""
    problems = [*_mixed(_STABLE), *_mixed(_BETA), *filter(None, [version_problem(), _fastapi_problem()])]
    for problem in problems:
        yield fault("versions", problem, "Install the versions of constraints.txt.")
    if not problems:
        names = ("opentelemetry-sdk", "sqlalchemy", "fastapi")
        found = [f"{name} {number}" for name in names if (number := installed(name))]
        yield ok("versions", ", ".join(found))


def check_duplicates(environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Report what else would record the same requests."""
    others = [f"{name} {number}" for name in _OTHERS if (number := installed(name))]
    for other in others:
        yield warning(
            "duplicates",
            f"{other} is installed and instruments the same libraries: requests may be recorded twice.",
            "Uninstall it, or switch its instrumentation of FastAPI and SQLAlchemy off.",
        )
    automatic = environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").lower() == "true"
    if automatic:
        yield warning(
            "duplicates",
            "FASTAPI_OTEL_AUTO_CONFIGURE is true: FastAPI adds exporters of its own beside this package's.",
            "Unset FASTAPI_OTEL_AUTO_CONFIGURE.",
        )
    if not others and not automatic:
        yield ok("duplicates", "Nothing else instruments this environment.")


def check_log_libraries() -> Iterator[Finding]:
    """Report libraries whose lines pass neither masking nor export until they are given our handler."""
    found = [(name, number, fix) for name, fix in WIRING.items() if (number := installed(name))]
    for name, number, fix in found:
        yield warning("log libraries", f"{name} {number} is installed: by itself it prints raw lines.", fix)
    if not found:
        yield ok("log libraries", "No installed library is known to print past logging.")


def check_secrets(config: TelemetryConfig) -> Iterator[Finding]:
    """Report credentials that travel in the clear, and key files that others may read."""
    signals = [signal for signal in SIGNALS if config.headers_of(signal)]
    plain = sorted({host for signal in signals if (host := _remote_plain_host(config.target(signal)))})
    if plain:
        yield fault(
            "secrets",
            f"Headers go to {', '.join(plain)} without TLS: whoever listens has the credential.",
            "Use an https:// endpoint.",
        )
    files = [file for file in _secret_files(config) if file and _is_open(file)]
    for file in files:
        yield warning("secrets", f"{file} can be read by other users.", f"chmod 600 {file}")
    if not files and not plain:
        yield ok("secrets", "No credential travels in the clear, and no key file is open to others.")


def check_disk(folder: Path, least_bytes: int) -> Iterator[Finding]:
    """Report a data folder that is full or cannot be written: the collector's queue is in it."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield fault("disk", f"{existing} cannot be written.", "Choose another folder with WHATSSELF_OTEL_DATA.")
        return
    free_bytes = shutil.disk_usage(existing).free
    said = f"{free_bytes / 1e9:.1f} GB free at {existing}"
    if free_bytes < least_bytes:
        yield fault("disk", f"{said}: the collector's queue may not fit.", "Free space, or set WHATSSELF_OTEL_DATA.")
    else:
        yield ok("disk", f"{said}.")


def installed(name: str) -> str | None:
    """Return the installed version of package *name*, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _mixed(names: Iterable[str]) -> Iterator[str]:
    versions = {name: number for name in names if (number := installed(name))}
    if len({_minor(number) for number in versions.values()}) > 1:
        listed = ", ".join(f"{name} {number}" for name, number in versions.items())
        yield f"These versions do not belong together: {listed}."


def _fastapi_problem() -> str | None:
    number = installed("fastapi")
    if number is None or _minor(number) >= _FASTAPI_OLDEST:
        return None
    oldest = ".".join(map(str, _FASTAPI_OLDEST))
    return f"FastAPI {number} is older than {oldest}: server spans may be missing."


def _minor(number: str) -> tuple[int, int]:
    parts = re.match(r"(\d+)\.(\d+)", number)
    return (int(parts[1]), int(parts[2])) if parts else (0, 0)


def _remote_plain_host(url: str) -> str | None:
    parts = urlsplit(url)
    return parts.hostname if parts.scheme == "http" and not is_this_machine(parts.hostname) else None


def _secret_files(config: TelemetryConfig) -> tuple[Path | None, ...]:
    keys = (config.otlp(signal).client_key_file for signal in SIGNALS)
    return tuple(
        dict.fromkeys((config.pseudonym_key_file, config.prometheus_token_file, config.bearer_token_file, *keys))
    )


def _is_open(file: Path) -> bool:
    try:
        return os.name == "posix" and bool(file.stat().st_mode & _SECRET_MODE)
    except OSError:
        return False
