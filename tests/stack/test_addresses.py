"""Ports by default, by environment, and any free ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rows import for_each

from whatsself_otel.stack.addresses import PORTS, Addresses
from whatsself_otel.stack.errors import CommandError

ROOT = Path(__file__).parent.parent.parent


class TestFromEnvironment:
    """Defaults, overridden one by one."""

    def test_defaults_are_the_documented_ports(self) -> None:
        assert Addresses.from_environment({}).ports == PORTS

    def test_a_variable_moves_one_port(self) -> None:
        addresses = Addresses.from_environment({"PROMETHEUS_PORT": "19090"})

        assert addresses.prometheus == "http://127.0.0.1:19090"
        assert addresses.loki == "http://127.0.0.1:3100"

    @for_each("value", ["0", "65536", "-1", "http", "٣١٠٠", "3100 "])
    def test_what_is_no_port_is_an_error_that_names_the_variable(self, value: str) -> None:
        with pytest.raises(CommandError, match="LOKI_HTTP_PORT must be a port number from 1 to 65535, got "):
            Addresses.from_environment({"LOKI_HTTP_PORT": value})

    def test_two_variables_with_one_port_are_an_error_that_names_both(self) -> None:
        with pytest.raises(CommandError, match="LOKI_HTTP_PORT and PROMETHEUS_PORT are both 9090"):
            Addresses.from_environment({"LOKI_HTTP_PORT": "9090"})


class TestFree:
    """For a stack beside another one."""

    def test_every_port_is_another(self) -> None:
        ports = Addresses.free().ports

        assert list(ports) == list(PORTS)
        assert len(set(ports.values())) == len(PORTS)


class TestFiles:
    """The shipped files read the same variables with the same defaults."""

    @for_each("path", ["collector/config.yaml", "backends/loki/loki.yaml", "backends/tempo/tempo.yaml"])
    def test_every_port_of_a_file_is_known_here(self, path: str) -> None:
        read = re.findall(r"\$\{(?:env:)?([A-Z_]+_PORT):-(\d+)\}", (ROOT / path).read_text("utf-8"))

        assert read
        assert {name: int(default) for name, default in read}.items() <= PORTS.items()
