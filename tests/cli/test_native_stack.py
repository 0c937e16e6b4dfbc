"""What the native stack runs, seen without running it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from whatsself_otel.cli.addresses import PORTS, Addresses
from whatsself_otel.cli.errors import CommandError
from whatsself_otel.cli.native import BUILT, variable
from whatsself_otel.cli.native_stack import Stack, StackConfig, lock_file, write_prometheus_config
from whatsself_otel.cli.paths import locked


@pytest.fixture
def config(tmp_path: Path) -> StackConfig:
    """Every program named by its variable; the files are never run here."""
    environ = {"PATH": "", "WHATSSELF_OTEL_CACHE": str(tmp_path)}
    for name in (*BUILT, "tempo"):
        (tmp_path / name).write_text("", "utf-8")
        environ[variable(name)] = str(tmp_path / name)
    return StackConfig(data=tmp_path / "data", addresses=Addresses.free(), environ=environ)


def _without_tempo(config: StackConfig) -> StackConfig:
    return StackConfig(data=config.data, addresses=config.addresses, environ=config.environ, tempo=False)


def _vendors(stack: Stack) -> list[str]:
    return [Path(word).stem for word in stack.processes["collector"].command if "/vendors/" in Path(word).as_posix()]


class TestTraceStores:
    """Jaeger always, Tempo too when it is there."""

    def test_both_get_the_traces_when_tempo_is_found(self, config: StackConfig) -> None:
        stack = Stack(config)
        environment = stack.processes["collector"].environment

        assert _vendors(stack) == ["local", "jaeger"]
        assert environment["TEMPO_OTLP_ENDPOINT"] == config.addresses.at("TEMPO_OTLP_PORT")
        assert environment["JAEGER_OTLP_ENDPOINT"] == config.addresses.at("JAEGER_OTLP_PORT")

    def test_without_tempo_its_exporter_sends_to_jaeger_once(self, config: StackConfig) -> None:
        stack = Stack(_without_tempo(config))

        assert "tempo" not in stack.processes
        assert _vendors(stack) == ["local"]
        assert stack.processes["collector"].environment["TEMPO_OTLP_ENDPOINT"] == config.addresses.at(
            "JAEGER_OTLP_PORT"
        )

    def test_tempo_asked_for_and_not_found_is_an_error(self, config: StackConfig) -> None:
        environ = {name: value for name, value in config.environ.items() if name != "TEMPO_BIN"}

        with pytest.raises(CommandError, match=r"tempo is not on this machine\. Download it"):
            Stack(StackConfig(data=config.data, environ=environ, tempo=True))


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
        stack = Stack(StackConfig(data=config.data, environ=config.environ, tempo=False, vendors=("debug",)))

        assert _vendors(stack) == ["local", "debug"]

    def test_a_vendor_without_its_variable_is_an_error_before_anything_starts(self, config: StackConfig) -> None:
        with pytest.raises(CommandError, match="honeycomb: HONEYCOMB_API_KEY is not set"):
            Stack(StackConfig(data=config.data, environ=config.environ, vendors=("honeycomb",)))


class TestPrometheusConfig:
    """Targets at this stack's ports."""

    def test_targets_are_this_stacks(self, config: StackConfig) -> None:
        write_prometheus_config(config, tempo=True)

        targets = config.data / "config" / "prometheus" / "targets"
        assert (targets / "loki.yml").read_text("utf-8") == f'- targets: ["{config.addresses.at("LOKI_HTTP_PORT")}"]\n'
        assert (targets / "tempo.yml").read_text(
            "utf-8"
        ) == f'- targets: ["{config.addresses.at("TEMPO_HTTP_PORT")}"]\n'

    def test_tempo_is_no_target_when_it_does_not_run(self, config: StackConfig) -> None:
        write_prometheus_config(config, tempo=False)

        assert (config.data / "config" / "prometheus" / "targets" / "tempo.yml").read_text("utf-8") == "[]\n"

    def test_every_shipped_target_is_written_again(self, config: StackConfig) -> None:
        write_prometheus_config(config, tempo=True)

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
