"""The ``collector`` command, with the real collector where it is needed."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from binaries import ROOT, run_collector
from rows import for_each

from whatsself_otel.cli import main
from whatsself_otel.stack import gates, queue_folder, vendor_files
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.native import COLLECTOR, find_binary
from whatsself_otel.stack.supervisor import answers

BUILDER = yaml.safe_load((ROOT / "collector/builder.yaml").read_text("utf-8"))

needs_collector = pytest.mark.skipif(
    find_binary(COLLECTOR) is None, reason="the collector is not built (`make native`) and OTELCOL_BIN is not set"
)


class TestVariables:
    """Nothing starts with a variable missing."""

    @for_each("action", ["validate", "print", "run"])
    @for_each("value, wanted", [(None, "is not set"), ("", "is empty"), ("changeme", "placeholder")])
    def test_a_missing_empty_or_placeholder_variable_is_status_2_and_named(
        self,
        action: str,
        value: str | None,
        wanted: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.delenv("HONEYCOMB_API_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("HONEYCOMB_API_KEY", value)

        assert main(["collector", action, "--vendor", "local", "--vendor", "honeycomb"]) == 2
        said = capsys.readouterr().err
        assert "honeycomb: HONEYCOMB_API_KEY" in said
        assert wanted in said

    def test_a_config_file_that_is_not_there_is_status_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--config", "no-such.yaml"]) == 2
        assert "No such file: no-such.yaml" in capsys.readouterr().err

    def test_a_file_of_scale_that_is_not_there_is_status_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--scale", "kafka"]) == 2
        consumers, producers = "kafka-consumer, kafka-consumer-secure", "kafka-producer, kafka-producer-secure"
        assert f"There are: agent, agent-delta, gateway, {consumers}, {producers}." in capsys.readouterr().err

    def test_a_file_of_scale_asks_for_its_variables(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("KAFKA_BROKERS", raising=False)

        assert main(["collector", "validate", "--scale", "kafka-producer"]) == 2
        assert "kafka-producer: KAFKA_BROKERS is not set" in capsys.readouterr().err

    def test_its_own_log_and_secure_is_status_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--own-log", "--secure"]) == 2
        assert "Leave one of them away." in capsys.readouterr().err

    def test_a_missing_program_is_status_3(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_CACHE", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("OTELCOL_BIN", raising=False)

        assert main(["collector", "validate"]) == 3
        assert "otelcol-whatsself is not on this machine" in capsys.readouterr().err


class TestBackends:
    """The collector's arguments with one backend, with several, and with none."""

    @for_each("more", [[], ["--sampling"], ["--source", "pino"], ["--scale", "gateway"]])
    def test_without_one_it_would_keep_nothing_and_is_status_2(
        self, more: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("OTELCOL_TLS_CERT_FILE", "OTELCOL_TLS_KEY_FILE", "OTELCOL_TLS_CLIENT_CA_FILE", "PINO_LOG_FILES"):
            (tmp_path / name).write_text("x", "utf-8")
            monkeypatch.setenv(name, str(tmp_path / name))

        assert main(["collector", "run", *more]) == 2
        assert "Without a vendor the collector would answer 200 and keep nothing." in capsys.readouterr().err

    @for_each(
        "names, expected",
        [
            (["debug"], []),
            (["local", "debug"], ["debug"]),
            (["debug", "file"], ["debug", "file"]),
            (["local", "jaeger", "victorialogs"], []),
        ],
    )
    def test_a_vendor_that_drops_stands_behind_a_gate_beside_others(
        self, names: list[str], expected: list[str]
    ) -> None:
        files = gates.files([vendor_files.load(name) for name in names])

        assert [path.stem for path in files if path.parent.name == "gates"] == expected
        assert [path.stem for path in files if path.parent.name == "vendors"] == names

    def test_a_gate_comes_after_its_vendor_whose_list_it_replaces(self) -> None:
        files = gates.files([vendor_files.load("debug"), vendor_files.load("local")])

        assert [f"{path.parent.name}/{path.stem}" for path in files] == [
            "vendors/debug",
            "gates/debug",
            "vendors/local",
        ]


@pytest.mark.skipif(sys.platform == "win32", reason="a script plays Docker's part")
class TestPorts:
    """A port that is taken, or none, is one sentence with the variable that changes it, as from ``stack up``."""

    @pytest.fixture(autouse=True)
    def _program(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name, value in Addresses.free().environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTELCOL_BIN", sys.executable)
        monkeypatch.setenv("OTELCOL_QUEUE_DIR", str(tmp_path / "queue"))

    @for_each("variable", ["OTELCOL_HTTP_PORT", "OTELCOL_HEALTH_PORT"])
    def test_that_is_taken_is_named_before_the_collector_starts(
        self, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            monkeypatch.setenv(variable, str(port))

            assert main(["collector", "run", "--vendor", "debug"]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"whatsself-otel: Port {port}, which collector needs, is taken by another program. ")
        assert said.err.endswith(f"Stop that program, or set {variable} to a free port.\n")

    @for_each("words", ["collector run --vendor debug", "stack up --native"])
    @for_each("value", ["99999", "abc", "0"])
    def test_that_is_none_is_wrong_use(
        self, words: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("whatsself_otel.stack.native.ensure_built", lambda: pytest.fail("programs were looked for"))
        monkeypatch.setenv("OTELCOL_HTTP_PORT", value)

        assert main(words.split()) == 2
        said = f"OTELCOL_HTTP_PORT must be a port number from 1 to 65535, got {value!r}."
        assert capsys.readouterr() == ("", f"whatsself-otel: {said}\n")


class TestContainer:
    """The official image; no Docker engine is at hand, so that a script shows what Docker would be asked."""

    @pytest.fixture(autouse=True)
    def docker(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', "utf-8")
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("WHATSSELF_OTEL_DATA", str(tmp_path / "data"))

    def test_gets_the_files_the_queue_and_the_names_of_variables_never_their_values(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HONEYCOMB_API_KEY", "hcaik_01j")

        assert main(["collector", "validate", "--vendor", "honeycomb", "--container"]) == 0
        said = capfd.readouterr().out.splitlines()
        assert "--env=HONEYCOMB_API_KEY" in said
        assert f"otel/opentelemetry-collector-contrib:{BUILDER['dist']['version']}" in said
        assert not any("hcaik_01j" in word for word in said)
        configs = [word.removeprefix("--config=") for word in said if word.startswith("--config=")]
        read = [word.removeprefix("--volume=").split(":")[0] for word in said if word.startswith("--volume=")]
        assert all(any(Path(config).is_relative_to(folder) for folder in read) for config in configs)

    def test_a_vendor_that_the_native_build_cannot_run_is_status_3_and_says_how_it_can(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "otelcol-whatsself").write_text("", "utf-8")
        monkeypatch.setenv("OTELCOL_BIN", str(tmp_path / "otelcol-whatsself"))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "shop-1")

        assert main(["collector", "run", "--vendor", "google-cloud"]) == 3
        assert "the native build lacks googleclientauth: use --container" in capsys.readouterr().err

    def test_starts_the_extensions_of_a_vendor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OTELCOL_EXTENSIONS", raising=False)
        environ = {"GOOGLE_CLOUD_PROJECT": "shop-1"}

        started = vendor_files.variables([vendor_files.load("google-cloud")], environ)["OTELCOL_EXTENSIONS"]

        assert yaml.safe_load(started) == ["health_check", "file_storage/queue", "googleclientauth/google-cloud"]


@needs_collector
@pytest.mark.collector
class TestRealCollector:
    """The program itself."""

    def test_validates_several_vendors_together(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--vendor", "local", "--vendor", "jaeger"]) == 0
        assert "The configuration is valid." in capfd.readouterr().out

    def test_takes_both_changes_of_the_base(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("OTELCOL_TLS_CERT_FILE", "OTELCOL_TLS_KEY_FILE", "OTELCOL_TOKEN_FILE"):
            (tmp_path / name).write_text("x", "utf-8")
            monkeypatch.setenv(name, str(tmp_path / name))

        assert main(["collector", "validate", "--vendor", "local", "--secure", "--sampling"]) == 0
        assert "The configuration is valid." in capfd.readouterr().out

    @pytest.mark.parametrize("name", ["gateway", "kafka-consumer", "kafka-producer"])
    def test_takes_a_file_of_scale(
        self, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for variable in ("OTELCOL_TLS_CERT_FILE", "OTELCOL_TLS_KEY_FILE", "OTELCOL_TLS_CLIENT_CA_FILE"):
            (tmp_path / variable).write_text("x", "utf-8")
            monkeypatch.setenv(variable, str(tmp_path / variable))
        monkeypatch.setenv("KAFKA_BROKERS", "[127.0.0.1:9092]")

        assert main(["collector", "validate", "--vendor", "local", "--scale", name]) == 0
        assert "The configuration is valid." in capfd.readouterr().out

    def test_takes_its_own_log(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--vendor", "local", "--own-log"]) == 0
        assert "The configuration is valid." in capfd.readouterr().out

    def test_secure_without_its_files_is_status_2_and_names_each(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--secure"]) == 2
        assert "secure: OTELCOL_TOKEN_FILE is not set. Set it.\n" in capfd.readouterr().err

    def test_what_is_invalid_is_status_1_with_the_collectors_words(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "bad.yaml").write_text("exporters: {no_such_exporter: {}}\n", "utf-8")

        assert main(["collector", "validate", "--config", str(tmp_path / "bad.yaml")]) == 1
        assert "no_such_exporter" in capfd.readouterr().err

    @pytest.mark.parametrize("words", [[], ["--secure", "--sampling"], ["--scale", "kafka-consumer"]])
    def test_one_portable_file_keeps_its_variables_and_is_valid(
        self, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        vendors = ["--vendor", "local", "--vendor", "honeycomb"]
        assert main(["collector", "print", "--portable", *vendors, *words]) == 0
        text = capfd.readouterr().out
        (tmp_path / "one.yaml").write_text(text)

        for name in ("HONEYCOMB_API_KEY", "OTELCOL_TLS_CERT_FILE", "OTELCOL_TLS_KEY_FILE", "OTELCOL_TOKEN_FILE"):
            monkeypatch.setenv(name, __file__)
        monkeypatch.setenv("KAFKA_BROKERS", "[kafka:9092]")
        judged = subprocess.run(
            [str(find_binary(COLLECTOR)), "validate", f"--config={tmp_path / 'one.yaml'}"],
            capture_output=True,
            text=True,
            check=False,
        )

        assert "${env:HONEYCOMB_API_KEY}" in text
        assert not re.search(r"^\s*[^ ]+: [&*]\w", text, re.MULTILINE)
        assert (judged.returncode, judged.stderr) == (0, "")

    def test_the_portable_file_means_what_the_files_mean(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("HONEYCOMB_API_KEY", "OTELCOL_QUEUE_DIR", gates.VARIABLE):
            monkeypatch.setenv(name, "some")
        words = ["--vendor", "honeycomb", "--vendor", "local", "--sampling"]
        assert main(["collector", "print", "--json", *words]) == 0
        expected = json.loads(capfd.readouterr().out)
        assert main(["collector", "print", "--portable", *words]) == 0
        (tmp_path / "one.yaml").write_text(capfd.readouterr().out)

        command = [str(find_binary(COLLECTOR)), "print-config", "--format=json", f"--config={tmp_path / 'one.yaml'}"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

        assert json.loads(printed) == expected

    def test_print_hides_secrets(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("HONEYCOMB_API_KEY", "hcaik_01j")

        assert main(["collector", "print", "--vendor", "honeycomb"]) == 0
        printed = capfd.readouterr().out
        assert "x-honeycomb-team" in printed
        assert "hcaik_01j" not in printed

    @pytest.mark.parametrize("value", ["a$b", "a$$b", "a${b}c", "$", "a$1"])
    def test_a_value_with_dollars_arrives_as_it_is(
        self, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        # An endpoint is not hidden when printed; a key is.
        (tmp_path / "seen.yaml").write_text('exporters: {file: {path: "/x/${env:DD_API_KEY}"}}\n', "utf-8")
        monkeypatch.setenv("DD_API_KEY", value)

        main(["collector", "print", "--vendor", "datadog", "--config", str(tmp_path / "seen.yaml")])

        assert f"path: /x/{value}\n" in capfd.readouterr().out

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
    def test_a_second_one_with_the_same_queues_is_told_so_in_one_sentence(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("OTELCOL_QUEUE_DIR", str(tmp_path / "queue"))
        with run_collector("local", folder=tmp_path):
            assert main(["collector", "run", "--vendor", "local"]) == 1

        assert f"Another collector uses the queues in {tmp_path / 'queue'}." in capsys.readouterr().err
        queue_folder.check_free(tmp_path / "queue")

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
    def test_runs_until_told_to_stop_and_ends_well(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        addresses = Addresses.free()
        for name, value in {**addresses.environment, "WHATSSELF_OTEL_DATA": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "whatsself_otel.cli", "collector", "run", "--vendor", "debug"]
        with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as collector:
            deadline = time.monotonic() + 30
            while not answers(addresses.collector_health):
                assert time.monotonic() < deadline, (tmp_path / "log").read_text("utf-8")
                time.sleep(0.1)
            collector.send_signal(signal.SIGTERM)

        assert collector.returncode == 0
        assert (tmp_path / "log").read_text("utf-8").startswith("Collector: base, debug. Ctrl-C stops it.\n")
