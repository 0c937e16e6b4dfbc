"""The real backends without Docker: the programs and configuration files of compose, on loopback."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack import gates, queue_folder, vendor_files
from whatsself_otel.stack.addresses import HOST, Addresses
from whatsself_otel.stack.alerting import EXTERNAL_URL, AlertingConfig, render, rules_for, without_hours, write_folder
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.files import collector_base, shipped
from whatsself_otel.stack.native import BUILT, COLLECTOR, FOUND, LOKI, TEMPO, find_binary, need_binary
from whatsself_otel.stack.paths import data_dir, locked
from whatsself_otel.stack.scaling import divide, faster, faster_rules
from whatsself_otel.stack.supervisor import Limits, Process, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from whatsself_otel.stack.vendor_files import Vendor

_BACKENDS: Final = 0
_COLLECTOR: Final = 1
_COLLECTOR_NAME: Final = "collector"
_INTERVAL_MS: Final = 15_000
"""Between two scrapes, and between two evaluations, as `prometheus.yml` ships them."""
_LEAST_MS: Final = 500
"""The same in a simulation, at least, at any speed: scrapes and rules need time even where time runs faster."""
_FLUSH: Final = "exporters::otlp_http/prometheus::sending_queue::batch::flush_timeout"

# Some backends trace themselves, to whatever OTEL_* names or to port 4317, which is the collector's; and Jaeger then
# takes 10 s to stop.
_UNTRACED: Final = {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_TRACES_EXPORTER": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """Programs, addresses and folders of a stack."""

    data: Path = field(default_factory=data_dir)
    """Folder for the programs' data and logs."""
    addresses: Addresses = field(default_factory=Addresses.from_environment)
    loki: bool | None = None
    """Whether Loki runs beside VictoriaLogs; None: if its program is found."""
    tempo: bool | None = None
    """Whether Tempo runs beside Jaeger; None: if its program is found."""
    vendors: tuple[str, ...] = ()
    """Further files of ``collector/vendors``, by name."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """Variables ``OTELCOL_BIN``, ``LOKI_BIN``, ``TEMPO_BIN`` and so on."""
    only: tuple[str, ...] = ()
    """Names of the programs to run; empty means all."""
    speed: float = 1.0
    """Divisor of every duration in rules and routes, for simulations; at least 1."""


class Stack(Supervisor):
    """
    Collector, Prometheus, VictoriaLogs, Jaeger and Alertmanager; Loki and Tempo too if their programs are found.

        with Stack(StackConfig(data=folder, addresses=Addresses.free())) as stack:
            ...  # send to stack.addresses.otlp_http
            stack.restart("victorialogs")

    Raises:
        CommandError: A program is missing, a port is taken, or another stack uses the same folder.
    """

    def __init__(
        self,
        config: StackConfig | None = None,
        *,
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.config = config or StackConfig()
        self._lock: AbstractContextManager[bool] | None = None
        super().__init__(_processes(self.config), logs=logs(self.config.data), limits=limits, say=say)

    @property
    def addresses(self) -> Addresses:
        """Addresses of the programs."""
        return self.config.addresses

    def start(self) -> None:
        """Write the files that depend on ports, start every program and wait until it is ready."""
        self._take_folder()
        try:
            write_prometheus_config(self.config, runs=self.processes)
            for warning in write_alertmanager_config(self.config):
                self._say(warning)
            super().start()
        except BaseException:
            self._release_folder()
            raise

    def _spawn(self, process: Process, *, append: bool = False) -> None:
        if process.name == _COLLECTOR_NAME:
            queue_folder.check_free(_queue(self.config))
            gates.clear(gates.folder(_queue(self.config)))
        super()._spawn(process, append=append)

    def stop(self) -> None:
        """Stop every program, the collector first, and unlock the folder."""
        try:
            super().stop()
        finally:
            self._release_folder()

    def _take_folder(self) -> None:
        lock = locked(lock_file(self.config.data))
        if not lock.__enter__():
            raise CommandError(
                f"Another stack runs with the data folder {self.config.data}. "
                "Stop it with `whatsself-otel stack down`, or choose another folder with --data."
            )
        self._lock = lock

    def _release_folder(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            # Sockets lie outside the data folder, where their paths are short.
            shutil.rmtree(gates.folder(_queue(self.config)), ignore_errors=True)
            lock.__exit__(None, None, None)


def lock_file(data: Path) -> Path:
    """Return the file that is locked while a stack uses *data*."""
    return data / "stack.lock"


def logs(data: Path) -> Path:
    """Return the folder of the programs' logs."""
    return data / "logs"


def collector_arguments(vendors: Sequence[Vendor]) -> list[str]:
    """Return the ``--config`` list: the base, then one file a vendor, and its gate."""
    return [f"--config={path}" for path in (*collector_base(), *gates.files(vendors))]


def _processes(config: StackConfig) -> list[Process]:
    makers: dict[str, Callable[[StackConfig], Process]] = {
        "prometheus": _prometheus,
        "victorialogs": _victorialogs,
        "jaeger": _jaeger,
        "alertmanager": _alertmanager,
        LOKI: _loki,
        TEMPO: _tempo,
        _COLLECTOR_NAME: _collector,
    }
    wanted = [name for name in makers if _runs(config, name)]
    for name in BUILT:
        if (_COLLECTOR_NAME if name == COLLECTOR else name) in wanted:
            need_binary(name, config.environ)
    return [makers[name](config) for name in wanted]


def _runs(config: StackConfig, name: str) -> bool:
    if config.only and name not in config.only:
        return False
    return name not in FOUND or _is_found(config, name, wanted=config.loki if name == LOKI else config.tempo)


def _is_found(config: StackConfig, name: str, *, wanted: bool | None) -> bool:
    if wanted is None:
        return find_binary(name, config.environ) is not None
    if wanted:
        need_binary(name, config.environ)
    return wanted


def _program(config: StackConfig, name: str) -> str:
    return str(need_binary(name, config.environ).resolve())


def _ports(config: StackConfig, *variables: str) -> dict[str, int]:
    return {variable: config.addresses.ports[variable] for variable in variables}


_PIPELINES: Final = {LOKI: "logs/loki", TEMPO: "traces/tempo"}
"""The pipeline in the vendor file ``local`` for each program that may be missing here."""


def _queue(config: StackConfig) -> Path:
    return config.data / "queue"


def _collector(config: StackConfig) -> Process:
    at = config.addresses.at
    stores = [name for name in ("victorialogs", "jaeger") if _runs(config, name)]
    loaded = [vendor_files.load(name) for name in dict.fromkeys(("local", *stores, *config.vendors))]
    vendor_files.check(loaded, config.environ)
    return Process(
        name=_COLLECTOR_NAME,
        command=[
            _program(config, COLLECTOR),
            *collector_arguments(loaded),
            # Left alone, the exporter of a store that does not run would fill its queue for nobody.
            *(
                f"--config=yaml:service::pipelines::{pipeline}::exporters: [nop]"
                for name, pipeline in _PIPELINES.items()
                if not _runs(config, name)
            ),
            *([] if config.speed == 1 else [f"--config=yaml:{_FLUSH}: {divide('5s', config.speed)}"]),
        ],
        ready_url=config.addresses.collector_health,
        ports=_ports(config, "OTELCOL_GRPC_PORT", "OTELCOL_HTTP_PORT", "OTELCOL_HEALTH_PORT", "OTELCOL_METRICS_PORT"),
        environment=vendor_files.variables(loaded, config.environ)
        | config.addresses.environment
        | {
            "JAEGER_OTLP_ENDPOINT": at("JAEGER_OTLP_PORT"),
            "TEMPO_OTLP_ENDPOINT": at("TEMPO_OTLP_PORT"),
            "PROMETHEUS_OTLP_ENDPOINT": f"{config.addresses.prometheus}/api/v1/otlp",
            "VICTORIALOGS_OTLP_ENDPOINT": f"{config.addresses.victorialogs}/insert/opentelemetry",
            "LOKI_OTLP_ENDPOINT": f"{config.addresses.loki}/otlp",
            "OTELCOL_QUEUE_DIR": str(_queue(config)),
            gates.VARIABLE: str(gates.folder(_queue(config))),
        },
        stage=_COLLECTOR,
    )


def _prometheus(config: StackConfig) -> Process:
    return Process(
        name="prometheus",
        command=[
            _program(config, "prometheus"),
            f"--config.file={_prometheus_folder(config) / 'prometheus.yml'}",
            f"--storage.tsdb.path={config.data / 'prometheus'}",
            f"--web.listen-address={config.addresses.at('PROMETHEUS_PORT')}",
            "--web.enable-otlp-receiver",
            # Tempo's counts of calls between services come by it.
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage",
            # So long a value is shown after its last sample: the default of 5 minutes.
            *([] if config.speed == 1 else [f"--query.lookback-delta={divide('5m', config.speed)}"]),
        ],
        ready_url=f"{config.addresses.prometheus}/-/ready",
        ports=_ports(config, "PROMETHEUS_PORT"),
        environment=_UNTRACED,
        # Where waits are short, the collector's start would be long enough to count as its absence.
        stage=_BACKENDS if config.speed == 1 else _COLLECTOR + 1,
    )


def _prometheus_folder(config: StackConfig) -> Path:
    return config.data / "config" / "prometheus"


def write_prometheus_config(config: StackConfig, *, runs: Collection[str]) -> None:
    """
    Copy ``backends/prometheus`` beside the data, with this stack's ports: Prometheus reads no variables.

    Args:
        config: The stack's.
        runs: Names of the programs that run. A target that does not run would be an alert that never ends.
    """
    folder = _prometheus_folder(config)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(shipped("backends/prometheus"), folder)
    targets = {
        "otelcol": "OTELCOL_METRICS_PORT",
        "prometheus": "PROMETHEUS_PORT",
        "alertmanager": "ALERTMANAGER_PORT",
        "victorialogs": "VICTORIALOGS_PORT",
        "loki": "LOKI_HTTP_PORT",
        "tempo": "TEMPO_HTTP_PORT",
    }
    for name, variable in targets.items():
        is_run = (_COLLECTOR_NAME if name == "otelcol" else name) in runs
        listed = f'- targets: ["{config.addresses.at(variable)}"]' if is_run else "[]"
        (folder / "targets" / f"{name}.yml").write_text(f"{listed}\n", "utf-8")
    service = config.environ.get("OTEL_SERVICE_NAME") or "whatsself"
    for rules in (folder / "rules").glob("*.yml"):
        text = rules_for(rules.read_text("utf-8"), service)
        rules.write_text(text if config.speed == 1 else faster_rules(text, config.speed), "utf-8")
    if config.speed != 1:
        main = folder / "prometheus.yml"
        text = faster(main.read_text("utf-8"), config.speed)
        # The same for both, as shipped: a rule that asks for three looks at the collector means three scrapes.
        interval_ms = max(round(_INTERVAL_MS / config.speed), _LEAST_MS)
        main.write_text(re.sub(r"(scrape|evaluation)_interval: \S+", rf"\1_interval: {interval_ms}ms", text), "utf-8")


def _alertmanager_folder(config: StackConfig) -> Path:
    return config.data / "config" / "alertmanager"


def write_alertmanager_config(config: StackConfig) -> list[str]:
    """
    Write Alertmanager's configuration beside the data, with the receivers that the variables name; return warnings.

    Raises:
        CommandError: A receiver is switched on and the file of its secret is missing or empty.
    """
    alerting = AlertingConfig.from_environment(config.environ)
    text = render(alerting)
    if config.speed != 1:
        # Played days and nights are not ours: nobody's working hours are waited for.
        text = faster(without_hours(text), config.speed)
    folder = _alertmanager_folder(config)
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(folder, text, alerting)
    return list(alerting.warnings())


def _victorialogs(config: StackConfig) -> Process:
    return Process(
        name="victorialogs",
        command=[
            _program(config, "victorialogs"),
            f"-httpListenAddr={config.addresses.at('VICTORIALOGS_PORT')}",
            f"-storageDataPath={config.data / 'victorialogs'}",
            *victorialogs_flags(config.environ),
        ],
        ready_url=f"{config.addresses.victorialogs}/health",
        ports=_ports(config, "VICTORIALOGS_PORT"),
        environment=_UNTRACED,
        stage=_BACKENDS,
    )


def victorialogs_flags(environ: Mapping[str, str]) -> list[str]:
    """Return the flags of VictoriaLogs besides its addresses and folder; it reads no configuration file."""
    return [
        # Personal data is kept no longer than needed (LGPD art. 15 and 16).
        f"-retentionPeriod={environ.get('VICTORIALOGS_RETENTION') or '30d'}",
        # It answers before what it took is on disk, which takes up to three times this: docs/delivery.md.
        "-inmemoryDataFlushInterval=1s",
        # Lets the lines of one contact be deleted.
        "-delete.enable",
        # By default it takes 60 % of the machine's memory for its caches.
        "-memory.allowedBytes=256MiB",
        # By default any page in a browser may read the logs.
        "-http.disableCORS",
        "-loggerLevel=WARN",
    ]


def _loki(config: StackConfig) -> Process:
    return Process(
        name=LOKI,
        command=[
            _program(config, LOKI),
            f"-config.file={shipped('backends/loki/loki.yaml')}",
            "-config.expand-env=true",
        ],
        ready_url=f"{config.addresses.loki}/ready",
        ports=_ports(config, "LOKI_HTTP_PORT", "LOKI_GRPC_PORT"),
        environment=_UNTRACED | config.addresses.environment | {"LOKI_DATA": str(config.data / "loki")},
        stage=_BACKENDS,
    )


def _tempo(config: StackConfig) -> Process:
    return Process(
        name=TEMPO,
        command=[
            _program(config, TEMPO),
            f"-config.file={shipped('backends/tempo/tempo.yaml')}",
            "-config.expand-env=true",
        ],
        ready_url=f"{config.addresses.tempo}/ready",
        ports=_ports(config, "TEMPO_HTTP_PORT", "TEMPO_GRPC_PORT", "TEMPO_OTLP_PORT"),
        environment=_UNTRACED
        | config.addresses.environment
        | {"TEMPO_DATA": str(config.data / "tempo"), "TEMPO_PROMETHEUS_URL": config.addresses.prometheus},
        stage=_BACKENDS,
    )


# Its other listeners cannot be switched off; nothing uses them, so each takes any free port.
_JAEGER_UNUSED: Final = (
    "collector.otlp.http",
    "collector.grpc-server",
    "collector.http-server",
    "query.grpc-server",
    "http-server",
    "processor.jaeger-binary.server",
    "processor.jaeger-compact.server",
    "processor.zipkin-compact.server",
)


def _jaeger(config: StackConfig) -> Process:
    at = config.addresses.at
    return Process(
        name="jaeger",
        command=[
            _program(config, "jaeger"),
            f"--collector.otlp.grpc.host-port={at('JAEGER_OTLP_PORT')}",
            f"--query.http-server.host-port={at('JAEGER_QUERY_PORT')}",
            f"--admin.http.host-port={at('JAEGER_ADMIN_PORT')}",
            *(
                f"--{listener}{'-' if listener.endswith('.server') else '.'}host-port={HOST}:0"
                for listener in _JAEGER_UNUSED
            ),
            # It takes spans before it stores them, and past this queue's room (2000 by default) it drops them unsaid;
            # after an outage the collector sends more than that at once (jaeger v1.62.0, pkg/queue/bounded_queue.go).
            "--collector.queue-size=50000",
            # On disk: in memory, its default, a restart would lose every trace.
            "--badger.ephemeral=false",
            f"--badger.directory-key={config.data / 'jaeger' / 'keys'}",
            f"--badger.directory-value={config.data / 'jaeger' / 'values'}",
            "--badger.span-store-ttl=336h",
            "--log-level=warn",
        ],
        ready_url=f"http://{at('JAEGER_ADMIN_PORT')}",
        ports=_ports(config, "JAEGER_QUERY_PORT", "JAEGER_OTLP_PORT", "JAEGER_ADMIN_PORT"),
        environment=_UNTRACED | {"SPAN_STORAGE_TYPE": "badger"},
        stage=_BACKENDS,
    )


def _alertmanager(config: StackConfig) -> Process:
    return Process(
        name="alertmanager",
        command=[
            _program(config, "alertmanager"),
            f"--config.file={_alertmanager_folder(config) / 'alertmanager.yml'}",
            f"--storage.path={config.data / 'alertmanager'}",
            f"--web.listen-address={config.addresses.at('ALERTMANAGER_PORT')}",
            # Without it, links in messages name the machine, which answers on loopback only.
            f"--web.external-url={config.environ.get(EXTERNAL_URL) or config.addresses.alertmanager}",
            "--cluster.listen-address=",
        ],
        ready_url=f"{config.addresses.alertmanager}/-/ready",
        ports=_ports(config, "ALERTMANAGER_PORT"),
        environment=_UNTRACED,
        stage=_BACKENDS,
    )
