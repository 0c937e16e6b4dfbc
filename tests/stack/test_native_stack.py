"""The native stack's programs, checked without running them."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from whatsself_otel.stack.addresses import PORTS, Addresses
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native import BUILT, FOUND, variable
from whatsself_otel.stack.native_stack import Stack, StackConfig, lock_file, write_prometheus_config
from whatsself_otel.stack.paths import locked


@pytest.fixture
def config(tmp_path: Path) -> StackConfig:
    """Every program named by its variable; the files are never run here."""
    environ = {"PATH": "", "WHATSSELF_OTEL_CACHE": str(tmp_path)}
    for name in (*BUILT, *FOUND):
        (tmp_path / name).write_text("", "utf-8")
        environ[variable(name)] = str(tmp_path / name)
    return StackConfig(data=tmp_path / "data", addresses=Addresses.free(), environ=environ)


def _vendors(stack: Stack) -> list[str]:
    return [Path(word).stem for word in stack.processes["collector"].command if "/vendors/" in Path(word).as_posix()]


def _ends_in_nothing(stack: Stack) -> list[str]:
    """Return the pipelines whose exporter was taken away."""
    told = " ".join(stack.processes["collector"].command)
    return re.findall(r"pipelines::(\S+)::exporters: \[nop\]", told)


class TestStores:
    """VictoriaLogs and Jaeger always, Loki and Tempo too where they are found."""

    def test_all_four_are_sent_to_when_all_are_found(self, config: StackConfig) -> None:
        stack = Stack(config)
        environment = stack.processes["collector"].environment

        assert {"loki", "tempo", "victorialogs", "jaeger"} <= set(stack.processes)
        assert _vendors(stack) == ["local", "victorialogs", "jaeger"]
        assert _ends_in_nothing(stack) == []
        assert environment["LOKI_OTLP_ENDPOINT"] == f"{config.addresses.loki}/otlp"
        assert environment["VICTORIALOGS_OTLP_ENDPOINT"] == f"{config.addresses.victorialogs}/insert/opentelemetry"
        assert environment["TEMPO_OTLP_ENDPOINT"] == config.addresses.at("TEMPO_OTLP_PORT")
        assert environment["JAEGER_OTLP_ENDPOINT"] == config.addresses.at("JAEGER_OTLP_PORT")

    @pytest.mark.parametrize(("name", "pipeline"), [("loki", "logs/loki"), ("tempo", "traces/tempo")])
    def test_one_that_does_not_run_has_no_exporter_that_would_fill_its_queue(
        self, config: StackConfig, name: str, pipeline: str
    ) -> None:
        without: dict[str, Any] = {name: False}
        stack = Stack(dataclasses.replace(config, **without))

        assert name not in stack.processes
        assert _ends_in_nothing(stack) == [pipeline]

    @pytest.mark.parametrize("name", FOUND)
    def test_asked_for_and_not_found_is_an_error(self, config: StackConfig, name: str) -> None:
        wanted: dict[str, Any] = {name: True}
        wanted["environ"] = {key: value for key, value in config.environ.items() if key != variable(name)}

        with pytest.raises(CommandError, match=rf"{name} is not on this machine\. Download it"):
            Stack(dataclasses.replace(config, **wanted))

    def test_a_program_that_is_not_wanted_has_no_vendor_file(self, config: StackConfig) -> None:
        stack = Stack(dataclasses.replace(config, only=("collector", "prometheus", "alertmanager")))

        assert _vendors(stack) == ["local"]
        assert _ends_in_nothing(stack) == ["logs/loki", "traces/tempo"]


class TestVictoriaLogs:
    """Flags of VictoriaLogs."""

    def test_keeps_30_days_lets_a_contact_be_deleted_and_is_bounded(self, config: StackConfig) -> None:
        told = Stack(config).processes["victorialogs"].command

        assert {
            "-retentionPeriod=30d",
            "-delete.enable",
            "-inmemoryDataFlushInterval=1s",
            "-memory.allowedBytes=256MiB",
        } <= set(told)

    def test_its_retention_has_a_variable(self, config: StackConfig) -> None:
        environ = {**config.environ, "VICTORIALOGS_RETENTION": "7d"}

        assert (
            "-retentionPeriod=7d"
            in Stack(dataclasses.replace(config, environ=environ)).processes["victorialogs"].command
        )


class TestProcesses:
    """The commands."""

    def test_every_port_belongs_to_one_program(self, config: StackConfig) -> None:
        used = list(itertools.chain(*(process.ports for process in Stack(config).processes.values())))

        assert sorted(used) == sorted(PORTS)

    def test_every_port_reaches_its_program(self, config: StackConfig) -> None:
        for process in Stack(config).processes.values():
            told = " ".join([*process.command, *(f"{name}={value}" for name, value in process.environment.items())])
            assert [port for port in process.ports.values() if str(port) not in told] == []

    def test_everything_is_written_below_the_data_folder(self, config: StackConfig) -> None:
        stack = Stack(config)
        folders = {
            name: str(config.data) in " ".join([*process.command, *process.environment.values()])
            for name, process in stack.processes.items()
        }

        assert folders == dict.fromkeys(stack.processes, True)

    def test_no_backend_sends_traces_of_its_own(self, config: StackConfig) -> None:
        samplers = {
            name: process.environment.get("OTEL_TRACES_SAMPLER")
            for name, process in Stack(config).processes.items()
            if name != "collector"
        }

        assert samplers == dict.fromkeys(samplers, "always_off")

    def test_the_collector_starts_last(self, config: StackConfig) -> None:
        stages = {name: process.stage for name, process in Stack(config).processes.items()}

        assert {name for name, stage in stages.items() if stage == max(stages.values())} == {"collector"}

    def test_more_vendors_are_more_files(self, config: StackConfig) -> None:
        stack = Stack(dataclasses.replace(config, vendors=("debug",)))

        assert _vendors(stack) == ["local", "victorialogs", "jaeger", "debug"]

    def test_a_vendor_without_its_variable_is_an_error_before_anything_starts(self, config: StackConfig) -> None:
        with pytest.raises(CommandError, match="honeycomb: HONEYCOMB_API_KEY is not set"):
            Stack(StackConfig(data=config.data, environ=config.environ, vendors=("honeycomb",)))


class TestPrometheusConfig:
    """Targets at this stack's ports."""

    def test_targets_are_this_stacks(self, config: StackConfig) -> None:
        write_prometheus_config(config, runs=Stack(config).processes)

        targets = config.data / "config" / "prometheus" / "targets"
        for name, port in (
            ("loki", "LOKI_HTTP_PORT"),
            ("victorialogs", "VICTORIALOGS_PORT"),
            ("tempo", "TEMPO_HTTP_PORT"),
        ):
            assert (targets / f"{name}.yml").read_text("utf-8") == f'- targets: ["{config.addresses.at(port)}"]\n'

    @pytest.mark.parametrize("name", ["loki", "tempo", "otelcol"])
    def test_what_does_not_run_is_no_target(self, config: StackConfig, name: str) -> None:
        write_prometheus_config(config, runs={"prometheus", "victorialogs"})

        assert (config.data / "config" / "prometheus" / "targets" / f"{name}.yml").read_text("utf-8") == "[]\n"

    def test_every_shipped_target_is_written_again(self, config: StackConfig) -> None:
        write_prometheus_config(config, runs=Stack(config).processes)

        written = (config.data / "config" / "prometheus" / "targets").glob("*.yml")
        default = re.compile(rf"127\.0\.0\.1:({'|'.join(map(str, PORTS.values()))})\b")
        assert [path.name for path in written if default.search(path.read_text("utf-8"))] == []


class TestFolder:
    """One stack a data folder."""

    def test_a_second_stack_in_the_same_folder_is_refused(self, config: StackConfig) -> None:
        with (
            locked(lock_file(config.data)),
            pytest.raises(CommandError, match=r"Another stack runs with the data folder .*stack down"),
        ):
            Stack(config).start()
