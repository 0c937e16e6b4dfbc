"""``whatsself-otel doctor``: what is wrong with the telemetry of this machine, and what to do about it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.addresses import Addresses
from whatsself_otel.cli.console_view import Paint
from whatsself_otel.cli.doctor import local, places, probe, receiver, running
from whatsself_otel.cli.doctor.findings import Finding, is_well
from whatsself_otel.cli.doctor.places import QueryAddresses
from whatsself_otel.cli.errors import FAILED, WRONG_USE, CommandError
from whatsself_otel.cli.paths import data_dir
from whatsself_otel.cli.progress import each
from whatsself_otel.config import TelemetryConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLES: Final = """\
examples:
  whatsself-otel doctor                        with the application's own OTEL_* and WHATSSELF_OTEL_* variables
  whatsself-otel doctor --no-probe             look only, send nothing
  whatsself-otel doctor --json
  whatsself-otel doctor --health-url http://127.0.0.1:8000/telemetry/health
  whatsself-otel doctor --logs-url https://logs.example.com --query-header authorization=token.txt

Checks variables, versions, other instrumentations, log libraries, credentials, disk, endpoint, TLS, protocol,
authorisation, clock and the collector's queues; then sends one marked trace, log and metric and reads each back.
Addresses to read from are those of a stack that runs here, unless options name others: any backend with the API of
Tempo or Jaeger, Loki or VictoriaLogs, and Prometheus, a vendor's too.

exit status: 0 well (perhaps with warnings), 1 a fault was found, 2 wrong arguments
"""
_MARKS: Final = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  ", "skipped": "skipped"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``doctor``."""
    parser = subparsers.add_parser(
        "doctor",
        help="find what is wrong with the telemetry, and say the fix",
        description="Sends one marked trace, log and metric and reads each back; says of each fault cause and fix.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--no-probe", action="store_true", help="send nothing")
    parser.add_argument("--health-url", metavar="URL", help="where a running application answers with its health")
    parser.add_argument("--traces-url", action="append", metavar="URL", help="where to read the trace; repeatable")
    parser.add_argument("--logs-url", metavar="URL", help="where to read the log line, with the API of Loki")
    parser.add_argument("--victorialogs-url", metavar="URL", help="where to read the log line, in VictoriaLogs")
    parser.add_argument("--metrics-url", metavar="URL", help="where to read the metric")
    parser.add_argument(
        "--query-header",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="header for reading, its value from a file",
    )
    parser.add_argument(
        "--patience", type=float, default=30.0, metavar="S", help="seconds to wait for the backends (default: 30)"
    )
    parser.add_argument(
        "--least-free", type=int, default=1000, metavar="MB", help="disk that has to be free (default: 1000)"
    )
    parser.add_argument("--data", type=Path, help="data folder of the native stack")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make every check and tell what was found."""
    paint = Paint.for_stream(sys.stdout)
    findings = []
    for finding in each("Asking", examine(arguments)):
        findings.append(finding)
        if not arguments.json:
            _tell(finding, paint)
    well = is_well(findings)
    if arguments.json:
        print(json.dumps({"ok": well, "findings": [finding.as_json() for finding in findings]}, indent=2))
    else:
        faults = sum(finding.state == "fault" for finding in findings)
        print(f"\n{paint.green('All is well.') if well else paint.red(f'{faults} to mend: see FAULT above.')}")
    return 0 if well else FAILED


def examine(arguments: argparse.Namespace) -> Iterator[Finding]:
    """Yield what each check finds, as it is found."""
    config = TelemetryConfig(service_name=probe.SERVICE_NAME, log_to_stdout=False)
    named = _named_addresses(arguments)
    here = places.running_here(arguments.data)
    ports = here[2] if here else Addresses.from_environment()
    yield from local.check_variables(config)
    yield from local.check_signals(config)
    yield from local.check_versions()
    yield from local.check_duplicates()
    yield from local.check_log_libraries()
    yield from local.check_secrets(config)
    yield from local.check_disk(arguments.data or data_dir(), arguments.least_free * 1_000_000)
    if arguments.health_url:
        yield from running.check_application(arguments.health_url, config)
    if not config.enabled:
        return
    reached = list(receiver.check_receiver(config))
    yield from reached
    yield from receiver.check_queues(f"http://{ports.at('OTELCOL_METRICS_PORT')}/metrics", config)
    if is_well(reached) and not arguments.no_probe:
        sent = probe.send_probe(config)
        addresses = named or (here[1] if here else QueryAddresses())
        asked = list(places.places(addresses, sent))
        yield from probe.check_probe(sent, asked, config, arguments.patience)


def _named_addresses(arguments: argparse.Namespace) -> QueryAddresses | None:
    headers = dict(_read_header(each) for each in arguments.query_header)
    addresses = QueryAddresses(
        traces=arguments.traces_url or (),
        logs=arguments.logs_url,
        victorialogs=arguments.victorialogs_url,
        metrics=arguments.metrics_url,
        headers=headers,
    )
    named = addresses.traces or addresses.logs or addresses.victorialogs or addresses.metrics
    return addresses if named else None


def _read_header(text: str) -> tuple[str, str]:
    name, _, file = text.partition("=")
    try:
        return name.strip().lower(), Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"--query-header needs NAME=FILE, and {file!r} cannot be read ({type(error).__name__}).", status=WRONG_USE
        ) from None


def _tell(finding: Finding, paint: Paint) -> None:
    colour = {"ok": paint.green, "warning": paint.cyan, "fault": paint.red, "skipped": paint.dim}[finding.state]
    print(f"{colour(_MARKS[finding.state])}  {finding.check:<20} {finding.cause}", flush=True)
    if finding.fix:
        print(f"{'':<9}{'':<20}  -> {finding.fix}", flush=True)
