"""
Reasons why a signal does not leave, each with its remedy.

`Telemetry.health` asks these functions. Each looks at one stage between a record and the receiver's answer.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel import _sdk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace.sampling import Sampler

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.export.batch_queue import BatchQueue
    from whatsself_otel.logs import LoggingInstallation
    from whatsself_otel.metrics.metric_reader import IntervalReader

SIGNALS: Final = ("traces", "metrics", "logs")
_ITEMS: Final = {"traces": "spans", "metrics": "metrics", "logs": "log records"}
_RECENT_S: Final = 60.0
"""A loss or an error stays reported for this many seconds."""
_HANGS_AFTER_S: Final = 30.0
"""A send or a collection that takes this many seconds counts as hanging; a request takes 10 s by default."""
_COMPONENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "callback": ("metrics",),
    "metrics": ("metrics",),
    "logs": ("logs",),
    "export": ("traces",),
    "instrumentation": ("traces",),
    "context": SIGNALS,
    "masking": SIGNALS,
}
"""Signals that an error inside each component affects."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """
    One reason why a signal does not leave.

    Args:
        signal: traces, metrics or logs; empty for what concerns none of them alone.
        cause: What is so.
        remedy: What to do.
        wanted: Somebody asked for it: nothing is wrong.
    """

    signal: str
    cause: str
    remedy: str = ""
    wanted: bool = False

    @property
    def text(self) -> str:
        """Cause and remedy."""
        return f"{self.cause} {self.remedy}".strip()


STRANGERS_BELOW: Final = Obstacle(
    "",
    "Spans of another tracer provider are children of ours, and the tree that it exports has no root.",
    "Let it observe FastAPI too, for example by logfire.instrument_fastapi(app).",
)


def of_everything(cause: str, remedy: str, *, wanted: bool = False) -> Iterator[Obstacle]:
    """Yield each obstacle that stops every signal."""
    return (Obstacle(signal, cause, remedy, wanted) for signal in SIGNALS)


def of_configuration(config: TelemetryConfig) -> Iterator[Obstacle]:
    """Yield an obstacle for each signal that the configuration switches off."""
    for signal in SIGNALS:
        exporter = config.exporter(signal)
        if exporter != "otlp":
            name = f"OTEL_{signal.upper()}_EXPORTER"
            yield Obstacle(signal, f"{name} is {exporter}: {signal} are not sent.", f"Unset {name}.", wanted=True)


def of_sampler(sampler: Sampler) -> Iterator[Obstacle]:
    """Yield an obstacle if *sampler* takes no trace. Ratio samplers drop the tested trace id last."""
    try:
        drops = not sampler.should_sample(None, 1, "whatsself_otel").decision.is_recording()  # type: ignore[no-untyped-call]
        name = sampler.get_description()
    except Exception as error:  # noqa: BLE001 - a sampler of the application raises whatever it likes
        yield Obstacle("traces", f"The sampler raises {type(error).__name__}: no span is made.", "Mend or replace it.")
        return
    if drops:
        remedy = "Unset OTEL_TRACES_SAMPLER, or raise its argument."
        yield Obstacle("traces", f"The sampler {name} drops every trace.", remedy, wanted=True)


def of_globals(own: _sdk.Globals) -> Iterator[Obstacle]:
    """Yield each global provider that has replaced one of *own*."""
    for signal, ours, now in zip(SIGNALS, own, _sdk.Globals.read(), strict=True):
        if now is not ours:
            theirs = "gone" if now is None else f"{type(now).__module__}.{type(now).__qualname__}"
            yield Obstacle(
                signal,
                f"The process's provider of {signal} is not ours any more, it is {theirs}: {_ITEMS[signal]} of code "
                "that asks OpenTelemetry for it do not leave by this package.",
                "Remove the other set-up, or call it before this one.",
            )


def of_logging(installation: LoggingInstallation) -> Iterator[Obstacle]:
    """Yield each obstacle between loggers and the handler of *installation*."""
    root, level = logging.getLogger(), installation.level
    lowest = max(root.level, logging.root.manager.disable + 1)
    if not installation.is_reached:
        cause = (
            "Other code has put logging.Logger.callHandlers back, and the handler of this package is not on the root"
        )
        yield Obstacle("logs", f"{cause} logger.", "Call setup_telemetry() after it.")
    elif root.disabled or lowest > logging.CRITICAL:
        cause = "Other code has switched logging off: no log record leaves."
        yield Obstacle("logs", cause, "Remove its logging.disable() or setLevel(), or call setup_telemetry() after it.")
    elif lowest > level:
        cause = f"Other code has raised the level of logging to {logging.getLevelName(lowest)}: less leaves."
        yield Obstacle("logs", cause, "Use Telemetry.set_log_level() for it.", wanted=True)


def of_queue(signal: str, queue: BatchQueue[Any], url: str) -> Iterator[Obstacle]:
    """Yield each obstacle between `BatchQueue.put` and the receiver's answer."""
    lost = queue.counts.last_loss
    if queue.counts.last_error:
        yield of_answer(signal, queue.counts.last_error, url)
    elif lost is not None and time.monotonic() - lost.moment_s < _RECENT_S:
        cause = f"{_ITEMS[signal].capitalize()} were dropped in the last minute ({lost.reason})."
        yield Obstacle(signal, cause, f"Raise the size of its queue, or see how fast {url} answers.")
    if queue.sending_s > _HANGS_AFTER_S:
        yield _hanging(signal, "A request", queue.sending_s, f"Look at the resolver and at {url}.")
    if queue.is_stranded:
        yield Obstacle(signal, f"No thread sends {signal}: none could be started.", "Raise the limits of this process.")


def of_reader(reader: IntervalReader, last_error: str | None, url: str) -> Iterator[Obstacle]:
    """Yield each obstacle for the metrics of a process; *last_error* is from its last export."""
    if reader.stopped:
        cause = "Other code has shut the meter provider down: metrics are not collected any more."
        yield Obstacle("metrics", cause, "Remove that call.")
    elif not reader.is_alive:
        yield Obstacle("metrics", "The thread that collects metrics has ended.", "Start the process again.")
    if error := reader.last_error or last_error:
        yield of_answer("metrics", error, url)
    if reader.collecting_s > _HANGS_AFTER_S:
        yield _hanging("metrics", "A collection", reader.collecting_s, "Look at the callbacks of your instruments.")


def of_errors(last_error_s: Mapping[str, float]) -> Iterator[Obstacle]:
    """Yield each part of this package that failed in the last minute; *last_error_s* is on the monotonic clock."""
    for component, moment_s in list(last_error_s.items()):
        age_s = time.monotonic() - moment_s
        for signal in _COMPONENTS.get(component, ()) if age_s < _RECENT_S else ():
            cause = f"An error inside {component} in the last minute: what it was about is not whole."
            yield Obstacle(signal, cause, f'telemetry_errors_total{{component="{component}"}} counts them.')


def of_answer(signal: str, error: str, url: str) -> Obstacle:
    """Return the meaning of the last export's *error*, and its remedy."""
    remedy = next((remedy for pattern, remedy in _REMEDIES if pattern.search(error)), _NOBODY)
    return Obstacle(signal, f"The last export of {signal} failed ({error});", remedy.format(url=url))


def _hanging(signal: str, what: str, seconds: float, remedy: str) -> Obstacle:
    return Obstacle(signal, f"{what} of {signal} hangs: it has been under way for {seconds:.0f} s.", remedy)


_NOBODY: Final = "is a collector listening at {url}?"
_REMEDIES: Final = tuple(
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        (r"^TLS: ", "does OTEL_EXPORTER_OTLP_CERTIFICATE name the CA of {url}?"),
        (r"HTTP 40[13]|UNAUTHENTICATED|PERMISSION_DENIED", "does {url} know the credential? See bearer_token_file."),
        (r"HTTP 40[45]|HTTP 3|UNIMPLEMENTED|is not |BadStatusLine", "is {url} the address of an OTLP receiver?"),
        (r"were rejected|HTTP 400|INVALID_ARGUMENT", "the log of the receiver at {url} says why."),
        (r"not encodable|was ended by", "the fault is in this process, not at {url}."),
        (r"HTTP 413|too large", "one item is larger than {url} takes: record less in it."),
        (r"HTTP 429|HTTP 50[234]|EXHAUSTED|UNAVAILABLE|a pause", "{url} is overloaded or away; it is asked again."),
        (r"forked", "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf."),
        (r"gaierror", "is the name in {url} right? Nobody knows it."),
    )
)
"""Remedies for the errors of `ExportResult`, by pattern. No match means that nothing answers at the endpoint."""
