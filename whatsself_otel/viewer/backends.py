"""Which stores of the real stack there are to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.log_stores import Loki, VictoriaLogs
from whatsself_otel.stack.store_http import SourceError, get
from whatsself_otel.viewer.prometheus_metrics import PrometheusMetrics
from whatsself_otel.viewer.stack_source import Backends
from whatsself_otel.viewer.trace_stores import Jaeger, Tempo

if TYPE_CHECKING:
    from whatsself_otel.stack.addresses import Addresses
    from whatsself_otel.stack.log_stores import SearchedLogStore
    from whatsself_otel.viewer.trace_stores import TraceStore

_LOKI: Final = "/loki/api/v1/status/buildinfo"
_VICTORIALOGS: Final = "/select/logsql/query?query=*&limit=1"
_TEMPO: Final = "/api/status/buildinfo"
_JAEGER: Final = "/api/services"


def find_backends(
    addresses: Addresses, *, prometheus: str | None = None, logs: str | None = None, traces: str | None = None
) -> Backends:
    """
    Return the stores that answer: Loki before VictoriaLogs, Tempo before Jaeger.

    Args:
        addresses: Where the programs of a stack listen, for each store that is not named.
        prometheus: Address of Prometheus.
        logs: Address of Loki or VictoriaLogs.
        traces: Address of Tempo or Jaeger.

    Raises:
        SourceError: A store does not answer.
    """
    prometheus = (prometheus or addresses.prometheus).rstrip("/")
    if not _answers("prometheus", f"{prometheus}/api/v1/status/buildinfo"):
        raise SourceError(f"Prometheus does not answer at {prometheus}.")
    return Backends(
        metrics=PrometheusMetrics(prometheus),
        logs=_logs(*((logs, logs) if logs else (addresses.loki, addresses.victorialogs))),
        traces=_traces(*((traces, traces) if traces else (addresses.tempo, addresses.jaeger))),
    )


def _logs(loki: str, victorialogs: str) -> SearchedLogStore:
    if _answers("loki", loki.rstrip("/") + _LOKI):
        return Loki(loki.rstrip("/"))
    if _answers("victorialogs", victorialogs.rstrip("/") + _VICTORIALOGS):
        return VictoriaLogs(victorialogs.rstrip("/"))
    raise SourceError(f"Neither Loki nor VictoriaLogs answers at {' or '.join(dict.fromkeys([loki, victorialogs]))}.")


def _traces(tempo: str, jaeger: str) -> TraceStore:
    if _answers("tempo", tempo.rstrip("/") + _TEMPO):
        return Tempo(tempo.rstrip("/"))
    if _answers("jaeger", jaeger.rstrip("/") + _JAEGER):
        return Jaeger(jaeger.rstrip("/"))
    raise SourceError(f"Neither Tempo nor Jaeger answers at {' or '.join(dict.fromkeys([tempo, jaeger]))}.")


def _answers(name: str, url: str) -> bool:
    try:
        body = get(name, url)
    except SourceError:
        return False
    return body is not None and not body.lstrip().startswith(b"<")  # a page is no API's answer
