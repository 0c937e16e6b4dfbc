"""Set-up: `setup_telemetry` configures traces, metrics and logs and returns the handle that owns them."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import logging
import multiprocessing.util
import os
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from whatsself_otel import _sdk
from whatsself_otel._environment import wants_contrib
from whatsself_otel._imports import hidden_from_the_sdk
from whatsself_otel.catalogue import LOG_LEVELS, SCHEMA_URL
from whatsself_otel.config import TelemetryConfig
from whatsself_otel.errors import ConfigError
from whatsself_otel.export.exporters import Exporters
from whatsself_otel.export.obstacles import SIGNALS, Obstacle, of_errors, of_everything, of_logging
from whatsself_otel.handle import HANDLE
from whatsself_otel.health import Health, HealthApp, installed_versions, show_configuration
from whatsself_otel.integrations.fastapi import instrument_app, uninstrument_app
from whatsself_otel.integrations.pool import PoolMetrics
from whatsself_otel.integrations.serving import FastAPIOptions
from whatsself_otel.integrations.sqlalchemy import (
    contrib_problems,
    instrument_engine,
    root_of,
    uninstrument_engine,
    version_problem,
)
from whatsself_otel.logs import LEVEL_NUMBERS, LoggingInstallation, LogSettings, TelemetryHandler, make_settings
from whatsself_otel.logs.consoles import past_logging
from whatsself_otel.logs.levels import set_sdk_level
from whatsself_otel.masking import Masker
from whatsself_otel.messages import LOST, OwnLogger
from whatsself_otel.metrics.recording import WhatsSelfMetrics
from whatsself_otel.metrics.runtime import RuntimeMetrics
from whatsself_otel.processes.forks import Termination, is_one_of_several_workers
from whatsself_otel.providers import Providers
from whatsself_otel.traces.processors import OpenRequests
from whatsself_otel.traces.propagation import install_propagator
from whatsself_otel.whatsapp.observe import WhatsApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Tracer, TracerProvider

    from whatsself_otel.processes.children import Children

_logger = OwnLogger("whatsself_otel")
_SCOPE: Final = "whatsself_otel"
_LONELY_WAITS: Final = (
    "Contacts wait for a reply in this process, and it may be one of several: a reply from another process does not "
    "end the wait, which then counts as unanswered. Hand waits over by capture_context() and resume_context(), or set "
    "MetricsConfig(track_first_response=False); see docs/several-processes.md."
)
_LAST_TRY_S: Final = 0.3
"""Seconds for a shutdown whose earlier flush failed."""


class Telemetry:
    """
    The handle that `setup_telemetry` returns: it owns the providers, the queues and every patch.

    It is also a context manager that shuts down at its end.

    Args:
        config: Settings.
        exporters: Receivers of the exports, for tests; default: from *config*.
        id_generator: Makes trace and span ids, for tests; default: random ids.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        exporters: Exporters | None = None,
        id_generator: IdGenerator | None = None,
    ) -> None:
        self.config = config
        self._recording = exporters is not None
        self._problems = list(config.problems)
        self._lost_before = LOST.count
        self._warned: set[str] = set()
        self._closed = False
        self._ended = threading.Event()
        self._log_handler: logging.Handler = logging.NullHandler()
        self._logging: LoggingInstallation | None = None
        self._gave_up = False
        self._undo: list[Callable[[], object]] = []
        self._requests = OpenRequests()
        self._masker = Masker(config.masking_rules, on_masked=self._count_masked)
        self._providers: Providers | None = None
        if config.enabled:
            with hidden_from_the_sdk():
                self._providers = Providers(
                    config,
                    self._masker,
                    self._requests,
                    exporters or Exporters.of(config, self._masker),
                    id_generator,
                )
        meter = self.meter_provider.get_meter(_SCOPE, schema_url=SCHEMA_URL)
        self._metrics = WhatsSelfMetrics(
            meter,
            config=config.metrics,
            identifier=self._masker.identifier,
            repeats_url=config.whatsapp.repeats_url,
            hours=config.opening_hours(),
        )
        self._whatsapp = WhatsApp(self._metrics, config=config.whatsapp, pseudonyms=self._masker.pseudonyms)
        self._runtime = RuntimeMetrics(meter)
        self._pools = PoolMetrics(meter)
        if self._providers is not None:
            self._count_losses_of(self._providers)
        self._children: Children | None = None

    def _count_losses_of(self, providers: Providers) -> None:
        providers.on_dropped = self._count_dropped
        providers.on_retried = self._metrics.retried
        providers.on_error = self._count_error
        providers.meter_provider.on_overflow = lambda _name: self._metrics.dropped("metrics", "cardinality_limit")

    @property
    def metrics(self) -> WhatsSelfMetrics:
        """The WhatsSelf instruments: recording methods such as ``message_sent``."""
        return self._metrics

    @property
    def whatsapp(self) -> WhatsApp:
        """Reads providers' webhooks and answers: ``observe``, ``observe_send``, ``instrument_webhook``."""
        return self._whatsapp

    @property
    def tracer_provider(self) -> TracerProvider:
        """The provider of tracers."""
        return self._providers.tracer_provider if self._providers else NoOpTracerProvider()

    @property
    def meter_provider(self) -> MeterProvider:
        """The provider of meters."""
        return self._providers.meter_provider if self._providers else NoOpMeterProvider()

    @property
    def tracer(self) -> Tracer:
        """A tracer for the application's own spans."""
        return self.tracer_provider.get_tracer(_SCOPE)

    @property
    def children(self) -> Children | None:
        """The link between this process and its children, for integrations; None while disabled."""
        if self._children is None and self._providers is not None:
            from whatsself_otel.processes.children import Children

            self._children = Children(
                self._providers, self._metrics, self.config.metric_interval_s, lambda: self._count_error("metrics")
            )
        return self._children

    @property
    def masker(self) -> Masker:
        """The masker in force, for text that the application sends on without telemetry."""
        return self._masker

    @property
    def log_handler(self) -> logging.Handler:
        """The handler that masks, writes and exports, for libraries that take one, such as loguru's ``logger.add``."""
        return self._log_handler

    def set_log_level(self, level: str) -> None:
        """
        Change the lowest level that is written and exported.

        Args:
            level: trace, debug, info, warn, error or fatal.

        Raises:
            ConfigError: If *level* is none of them.
        """
        if level not in LEVEL_NUMBERS:
            raise ConfigError([f"log level must be one of {', '.join(LOG_LEVELS)}, got {level!r}."])
        if self._logging is None:
            logging.getLogger().setLevel(LEVEL_NUMBERS[level])
        else:
            self._logging.set_level(LEVEL_NUMBERS[level])

    def instrument_app(self, app: Any) -> None:
        """
        Instrument a FastAPI application. A second call does nothing.

        Args:
            app: The ``fastapi.FastAPI`` application.
        """
        if self._providers is None:
            return
        options = FastAPIOptions(
            tracer_provider=self.tracer_provider,
            meter=self.meter_provider.get_meter(_SCOPE, schema_url=SCHEMA_URL),
            requests=self._requests,
            masker=self._masker,
            excluded_paths=self.config.excluded_paths,
            excluded_urls=self.config.excluded_urls,
            return_trace_id=self.config.return_trace_id,
            on_start=self._runtime.watch_event_loop,
            on_shutdown=self._flush_at_end,
            metrics_app=self._metrics_app(),
            on_error=self._count_error,
            own=self._is_own(),
        )
        if not options.own:
            self._say(_sdk.CONVENTIONS.problem())
        if instrument_app(app, options):
            self._undo.append(lambda: uninstrument_app(app))

    def instrument_engine(self, engine: Any, name: str = "default") -> None:
        """
        Trace a SQLAlchemy engine and watch its pool. A second call does nothing.

        Args:
            engine: A SQLAlchemy ``Engine`` or ``AsyncEngine``.
            name: Name of the pool in metrics.
        """
        if self._providers is None:
            return
        self._say(version_problem())
        self._pools.watch(engine, name)
        if instrument_engine(engine, self.tracer_provider, own=self._is_own()):
            traced = weakref.ref(root_of(engine))
            self._undo.append(functools.partial(self._release_engine, traced))
            for problem in contrib_problems(engine):
                self._say(problem)

    def _is_own(self) -> bool:
        """Return whether our own instrumentation is used. Contrib's is used if variables ask for its extra data."""
        return self.config.instrumentation == "own" and not wants_contrib(os.environ)

    def _release_engine(self, engine: weakref.ref[Any]) -> None:
        if (alive := engine()) is not None:
            uninstrument_engine(alive)
            self._pools.unwatch(alive)

    def _metrics_app(self) -> Any:
        if self._providers is None or self._providers.prometheus is None:
            return None
        from whatsself_otel.metrics.prometheus import MetricsApp, several_workers_problem

        self._say(several_workers_problem())
        file = self.config.prometheus_token_file
        try:
            return MetricsApp(self._providers.prometheus, bearer_token=file.read_text().strip() if file else None)
        except (OSError, ValueError) as error:
            self._say(f"/metrics does not answer: its token file cannot be used ({type(error).__name__}). Fill it.")
            return None

    def note_problem(self, problem: str) -> None:
        """Keep *problem* for `health`, and log it once."""
        self._say(problem)

    def on_shutdown(self, undo: Callable[[], object]) -> None:
        """Call *undo* when this telemetry ends. It reverts an integration's changes."""
        self._undo.append(undo)

    def _say(self, problem: str | None) -> None:
        """Keep *problem* for `health` and log it, once."""
        if problem and problem not in self._problems:
            self._problems.append(problem)
            _logger.warning(problem)

    def health(self) -> Health:
        """Return the health of this process's telemetry. Cheap; never raises."""
        from whatsself_otel.language import translated

        found = list(self._find_obstacles())
        status = self._signals()
        problems = dict.fromkeys([*self._problems, *(each.text for each in found if not each.wanted)])
        return Health(
            ok=not problems,
            problems=tuple(map(translated, problems)),
            signals={
                signal: {
                    **status.get(signal, {}),
                    "not_leaving": [translated(each.text) for each in found if each.signal == signal],
                }
                for signal in SIGNALS
            },
            versions=installed_versions(),
            configuration=show_configuration(self.config, self._masker),
        )

    def _find_obstacles(self) -> Iterator[Obstacle]:
        """Yield each reason why a signal does not leave, or why our messages are not seen."""
        if self._providers is None:
            yield from of_everything("Telemetry is disabled.", "Unset OTEL_SDK_DISABLED.", wanted=True)
            return
        if self._closed:
            yield from of_everything("shutdown() was called: nothing leaves any more.", "Call setup_telemetry() again.")
            return
        yield from self._providers.obstacles()
        if self._logging is not None and self.config.exporter("logs") != "none":
            yield from of_logging(self._logging)
            yield from (Obstacle("logs", problem) for problem in self._look_past_logging())
        yield from of_errors(self._metrics.last_error_s)
        if lost := LOST.problem(self._lost_before):
            yield Obstacle("", lost)
        if self._metrics.waits_alone() and is_one_of_several_workers():
            yield Obstacle("", _LONELY_WAITS)

    @property
    def health_app(self) -> Any:
        """Answers with the health, for operators: ``app.add_route("/telemetry/health", telemetry.health_app)``."""
        return HealthApp(self.health)

    def force_flush(self, timeout_s: float = 2.0) -> bool:
        """
        Send all queued items of all three signals.

        Args:
            timeout_s: Seconds in all; above 0.

        Returns:
            Whether everything left in time.
        """
        if self._closed or self._providers is None:
            return True
        self._requests.finish_all()
        return self._providers.flush(timeout_s)

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """
        Send all queued items, end the exports and undo every patch. A second call does nothing.

        Args:
            timeout_s: Seconds in all; default: ``shutdown_timeout_s`` of the configuration.

        Returns:
            Whether everything left in time.
        """
        drained = True if self._closed else self._end(timeout_s)
        if self._logging is not None:
            self._logging.uninstall()
        return drained

    def _end_process(self) -> None:
        """End the exports but keep masking: Python may still run code and print after this."""
        if not self._closed:
            self._end(None)
            if self._logging is not None:
                self._logging.handler.provider = None

    def _end_child(self) -> None:
        """End the exports before this process ends; if another thread is ending them, wait for it."""
        self._end_process()
        self._ended.wait(self.config.shutdown_timeout_s)

    def _end(self, timeout_s: float | None) -> bool:
        self._closed = True
        HANDLE.forget(self)
        self._look_past_logging()
        default_s = _LAST_TRY_S if self._gave_up else self.config.shutdown_timeout_s
        deadline_s = default_s if timeout_s is None else timeout_s
        if self._children is not None:
            self._children.settle()
        self._requests.finish_all()
        drained = self._providers.shutdown(deadline_s) if self._providers is not None else True
        self._runtime.close()
        for undo in reversed(self._undo):
            with contextlib.suppress(Exception):
                undo()
        self._undo.clear()
        self._ended.set()
        return drained

    def _flush_at_end(self) -> None:
        """Flush when a server ends. If the collector does not answer, the later shutdown waits only briefly."""
        before = self._signals()
        self._gave_up = not self.force_flush(self.config.shutdown_timeout_s)
        # Items dropped during this flush are lost too: no later export will carry their count.
        lost = {
            signal: count
            for signal, now in self._signals().items()
            if (count := now["queued"] + now["dropped"] - before[signal]["dropped"])
        }
        if self._gave_up and lost:  # a server that its signal kills runs no code after this
            _logger.warning("telemetry was not delivered at the end: %s", lost)

    def _signals(self) -> dict[str, dict[str, Any]]:
        return self._providers.status() if self._providers is not None else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self.shutdown()

    def _start(self) -> None:
        """Patch the process: logging, globals, exit. It runs after building, so that a failed build changes nothing."""
        if self._providers is None:
            return
        self._problems.extend(self._providers.problems)
        self._install_logging(self._providers)
        self._end_with_children()
        atexit.register(self._end_process)
        self._undo.append(lambda: atexit.unregister(self._end_process))
        self._undo.append(install_propagator(self.config, self._masker, self._problems))
        for problem in self._problems:
            _logger.warning(problem)
        for problem in self._providers.install_globals():
            self._say(problem)
        self._undo.append(self._providers.restore_globals)

    def _end_with_children(self) -> None:
        """End telemetry with children of ``multiprocessing``: they skip atexit, but run their own finalizers."""
        multiprocessing.util.register_after_fork(self, Telemetry._begin_child)
        if multiprocessing.parent_process() is not None:
            self._end_with_process()

    def _begin_child(self) -> None:
        if not self._closed:
            self._end_with_process()
            if self._logging is not None:
                self._logging.guard_process()

    def _end_with_process(self) -> None:
        finalizer = multiprocessing.util.Finalize(None, self._end_child, exitpriority=0)
        self.on_shutdown(finalizer.cancel)
        termination = Termination(self._end_child, self.config.shutdown_timeout_s)
        termination.install()
        self.on_shutdown(termination.put_back)

    def _install_logging(self, providers: Providers) -> None:
        settings = LogSettings(
            service=self._masker.text(self.config.service_name),
            environment=self._masker.text(self.config.environment),
            silent=not self.config.log_to_stdout,
            sdk_level=LEVEL_NUMBERS[self.config.sdk_log_level],
        )
        handler = TelemetryHandler(
            self._masker,
            make_settings(settings, self.config.log_format),
            providers.logger_provider,
            self._count_error,
        )
        self._log_handler = handler
        self._logging = LoggingInstallation(handler, LEVEL_NUMBERS[self.config.log_level])
        self._logging.install()
        if settings.sdk_level < logging.WARNING:
            self.on_shutdown(set_sdk_level(settings.sdk_level))

    def _look_past_logging(self) -> list[str]:
        """Return the libraries that write to the console past logging, and warn of each once."""
        found = list(past_logging()) if self._providers is not None else []
        for problem in found:
            if problem not in self._warned:
                self._warned.add(problem)
                _logger.warning(problem)
        return found

    def _count_masked(self, rule: str, count: int) -> None:
        if (metrics := getattr(self, "_metrics", None)) is not None:
            metrics.masked(rule, count)

    def _count_dropped(self, signal: str, reason: str, count: int) -> None:
        self._metrics.dropped(signal, reason, count)
        if _DROP_WARNING.is_due():
            _logger.warning("telemetry was dropped: %d %s (%s)", count, signal, reason)

    def _count_error(self, component: str) -> None:
        self._metrics.error(component)


@dataclass(slots=True)
class _OnceAMinute:
    last_s: float = -60.0

    def is_due(self) -> bool:
        now_s = time.monotonic()
        if now_s - self.last_s < 60:
            return False
        self.last_s = now_s
        return True


_DROP_WARNING: Final = _OnceAMinute()


def setup_telemetry(app: Any = None, engine: Any = None, *, config: TelemetryConfig | None = None) -> Telemetry:
    """
    Configure traces, metrics and logs of this process and return their handle.

    Call it once at the start of the application. A second call with the same configuration returns the same handle
    and instruments the given *app* and *engine*.

    Args:
        app: A FastAPI application to instrument. `Telemetry.instrument_app` takes further ones.
        engine: A SQLAlchemy engine, sync or async, to instrument. `Telemetry.instrument_engine` takes further ones.
        config: Settings; default: from the environment.

    Raises:
        ConfigError: If an argument has a wrong type, or telemetry already runs with another configuration.
            (`TelemetryConfig` itself raises for wrong arguments; a wrong variable never raises.)
    """
    if problems := list(_wrong_arguments(app, engine, config)):
        raise ConfigError(problems)
    wanted = config if config is not None else TelemetryConfig()
    with HANDLE.lock:
        telemetry = HANDLE.running
        if telemetry is None:
            telemetry = run(Telemetry(wanted))
        elif telemetry.config != wanted and not telemetry._recording:  # noqa: SLF001
            raise ConfigError([_difference(telemetry.config, wanted)])
    if app is not None:
        telemetry.instrument_app(app)
    if engine is not None:
        telemetry.instrument_engine(engine)
    return telemetry


def _wrong_arguments(app: Any, engine: Any, config: object) -> Iterator[str]:
    if app is not None and not hasattr(app, "build_middleware_stack"):
        yield f"app must be a FastAPI application, got {type(app).__name__}."
    if engine is not None and not hasattr(getattr(engine, "sync_engine", engine), "pool"):
        yield f"engine must be a SQLAlchemy engine, sync or async, got {type(engine).__name__}."
    if config is not None and not isinstance(config, TelemetryConfig):
        yield f"config must be a TelemetryConfig, got {type(config).__name__}."


def run(telemetry: Telemetry) -> Telemetry:
    """Make *telemetry* the running one of this process. The caller has checked that none runs."""
    telemetry._start()  # noqa: SLF001 - the two belong together
    HANDLE.running = telemetry
    return telemetry


def _difference(running: TelemetryConfig, wanted: TelemetryConfig) -> str:
    names = [
        spec.name
        for spec in dataclasses.fields(TelemetryConfig)
        if spec.compare and getattr(running, spec.name) != getattr(wanted, spec.name)
    ]
    return (
        f"setup_telemetry() already runs with other settings ({', '.join(names)}); "
        "use the handle it returned, or call its shutdown() first."
    )
