"""The ``collector`` command, with the real collector where it is needed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whatsself_otel.cli import main
from whatsself_otel.cli.addresses import Addresses
from whatsself_otel.cli.native import COLLECTOR, find_binary
from whatsself_otel.cli.supervisor import answers

needs_collector = pytest.mark.skipif(
    find_binary(COLLECTOR) is None, reason="the collector is not built (`make native`) and OTELCOL_BIN is not set"
)


class TestVariables:
    """Nothing starts with a variable missing."""

    @pytest.mark.parametrize("action", ["validate", "print", "run"])
    @pytest.mark.parametrize(("value", "wanted"), [(None, "is not set"), ("", "is empty"), ("changeme", "placeholder")])
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

    def test_a_missing_program_is_status_3(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_CACHE", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("OTELCOL_BIN", raising=False)

        assert main(["collector", "validate"]) == 3
        assert "otelcol-whatsself is not on this machine" in capsys.readouterr().err


@needs_collector
@pytest.mark.collector
class TestRealCollector:
    """The program itself."""

    def test_validates_several_vendors_together(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["collector", "validate", "--vendor", "local", "--vendor", "jaeger"]) == 0
        assert "The configuration is valid." in capfd.readouterr().out

    def test_what_is_invalid_is_status_1_with_the_collectors_words(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "bad.yaml").write_text("exporters: {no_such_exporter: {}}\n", "utf-8")

        assert main(["collector", "validate", "--config", str(tmp_path / "bad.yaml")]) == 1
        assert "no_such_exporter" in capfd.readouterr().err

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
