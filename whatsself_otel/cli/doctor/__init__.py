"""``whatsself-otel doctor``: find each fault of this machine's telemetry, with its fix."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.arguments import number, url, whole
from whatsself_otel.cli.doctor import local, places, probe, queues, receiver, running
from whatsself_otel.cli.doctor.findings import SIGNALS, Finding, is_proven, is_well, skipped
from whatsself_otel.cli.doctor.places import QueryAddresses
from whatsself_otel.cli.progress import each
from whatsself_otel.cli.terminal import print_json, show
from whatsself_otel.config import TelemetryConfig
from whatsself_otel.export.exporters import target_of
from whatsself_otel.language import translated
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import FAILED, WRONG_USE, CommandError
from whatsself_otel.stack.paths import data_dir
from whatsself_otel.viewer.console_view import Paint, inert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_EXAMPLES: Final = """\
examples:
  whatsself-otel doctor                        with the application's own OTEL_* and WHATSSELF_OTEL_* variables
  whatsself-otel doctor --no-probe             look only, send nothing
  whatsself-otel doctor --json
  whatsself-otel doctor --health-url http://127.0.0.1:8000/telemetry/health
  whatsself-otel doctor --logs-url https://logs.example.com --query-header authorization=token.txt

Checks variables, versions, other instrumentations, log libraries, credentials, disk, endpoint, TLS, protocol,
authorisation, clock and the collector's queues; then sends one marked trace, log and metric and reads each back.
"All is well" is said only when a probe of each signal was read back from each backend. Where that cannot be, because
a vendor's own server is no place to ask, the end says that not everything was proven.
Addresses to read from are those of a stack that runs here, unless options name others: any backend with the API of
Tempo or Jaeger, Loki or VictoriaLogs, and Prometheus, a vendor's too.

exit status: 0 well (perhaps with warnings), 1 a fault was found, 2 wrong arguments
"""
_SETTLE_S: Final = 10.0
"""A queue that moves nothing for so long, its exporters trying, stands still."""
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
    parser.add_argument("--health-url", type=url, metavar="URL", help="where an application answers with its health")
    parser.add_argument("--bridge-url", type=url, metavar="URL", help="where a bridge listens")
    parser.add_argument(
        "--traces-url", action="append", type=url, metavar="URL", help="where the trace is read; repeatable"
    )
    parser.add_argument("--logs-url", type=url, metavar="URL", help="where the log line is read, with the API of Loki")
    parser.add_argument(
        "--victorialogs-url", type=url, metavar="URL", help="where the log line is read, in VictoriaLogs"
    )
    parser.add_argument("--metrics-url", type=url, metavar="URL", help="where the metric is read")
    parser.add_argument(
        "--query-header",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="header for reading, its value from a file",
    )
    parser.add_argument(
        "--patience", type=number(0), default=30.0, metavar="S", help="seconds to wait for the backends (default: 30)"
    )
    parser.add_argument(
        "--least-free", type=whole(0), default=1000, metavar="MB", help="disk that has to be free (default: 1000)"
    )
    parser.add_argument("--data", type=Path, help="data folder of the native stack")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make every check and print each finding."""
    paint = Paint.for_stream(sys.stdout)
    findings = []
    for finding in each("Asking", examine(arguments)):
        findings.append(finding)
        if not arguments.json:
            _tell(finding, paint)
    well, proven = is_well(findings), is_proven(findings)
    if arguments.json:
        print_json("doctor", ok=well, proven=proven, findings=[finding.as_json() for finding in findings])
    else:
        show(f"\n{_summary(findings, paint)}")
    return 0 if well else FAILED


def _summary(findings: Sequence[Finding], paint: Paint) -> str:
    if not is_well(findings):
        return paint.red(
            translated(f"{sum(finding.state == 'fault' for finding in findings)} to mend: see FAULT above.")
        )
    if not is_proven(findings):
        text = "Nothing wrong was found, and not everything was proven: see skipped and warning above."
        return paint.cyan(translated(text))
    return paint.green(translated("All is well."))


def examine(arguments: argparse.Namespace) -> Iterator[Finding]:
    """Yield the finding of each check, as it comes."""
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
    if arguments.bridge_url:
        yield from running.check_bridge(arguments.bridge_url, config)
    if not config.enabled:
        return
    reached = list(receiver.check_receiver(config))
    yield from reached
    addresses = named or (here[1] if here else QueryAddresses())
    metrics_url = "" if addresses.viewer else f"http://{ports.at('OTELCOL_METRICS_PORT')}/metrics"
    before = queues.read(metrics_url, config) if metrics_url else None
    if metrics_url:
        yield from queues.check_seen(before, metrics_url, [target_of(config, signal).url for signal in SIGNALS])
    if is_well(reached):
        yield from _probe(arguments, config, addresses, before)
    if before is not None:
        yield from _queues(before, lambda: queues.read(metrics_url, config), config, addresses.metrics)


def _probe(
    arguments: argparse.Namespace, config: TelemetryConfig, addresses: QueryAddresses, collector: queues.Reading | None
) -> Iterator[Finding]:
    if arguments.no_probe:
        yield skipped("round trip", "Nothing was sent: --no-probe.")
        return
    sent = probe.send_probe(config)
    asked = list(places.places(addresses, sent))
    yield from probe.check_probe(sent, asked, config, arguments.patience)
    if sent.delivered and not sent.problems and collector is not None:
        yield from probe.name_unread(sent, asked, list(collector.queues()))


def _queues(
    before: queues.Reading, look: Callable[[], queues.Reading | None], config: TelemetryConfig, prometheus: str | None
) -> Iterator[Finding]:
    after = queues.settle(before, look, _SETTLE_S)
    history = prometheus or ""
    yield from queues.check_queues(
        before,
        after,
        lambda exporter, signal: queues.last_sent(history, config, exporter, signal) if history else None,
    )


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
    mark, check = translated(_MARKS[finding.state]), translated(finding.check)
    show(f"{colour(mark)}  {check:<20} {inert(translated(finding.cause))}")
    if finding.fix:
        show(f"{'':<9}{'':<20}  -> {inert(translated(finding.fix))}")
