"""The vendor files that send by OTLP over gRPC, to a real receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from binaries import run_collector
from otlp_sink import Sink, run_sink
from test_vendor_switch import PATHS, send_as_the_application, wait_for_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from binaries import Collector

pytestmark = pytest.mark.collector

TOKEN_WANTED = (
    "extensions: {bearertokenauth/next: {token: next-1}}",
    "receivers::otlp::protocols::grpc::auth::authenticator: bearertokenauth/next",
)
"""A next hop that asks for a token, as a gateway of others may."""
FILES = {"otlp-grpc": "OTLP_GRPC", "elastic-self-managed": "EDOT_GRPC"}
"""Vendor file -> how its variables begin."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    with run_sink() as running_sink:
        yield running_sink


@pytest.mark.parametrize("name", FILES)
class TestNextHop:
    """A collector that asks for a token stands for the server: its receiver is the one that EDOT and others have."""

    def test_gets_every_signal_with_the_token(self, name: str, sink: Sink) -> None:
        with next_hop(sink) as hop, run_collector(name, environ=sent_to(name, hop.grpc_address, "next-1")) as ours:
            send_as_the_application(ours.http_url)
            sink.wait_for(lambda sink: {each.path for each in sink.received} == PATHS)

        assert sink.logs()[0].body == "sent"

    def test_refuses_another_token_and_tells_it_to_nobody(self, name: str, sink: Sink, tmp_path: Path) -> None:
        with (
            next_hop(sink) as hop,
            run_collector(name, environ=sent_to(name, hop.grpc_address, "other-1"), folder=tmp_path) as ours,
        ):
            send_as_the_application(ours.http_url)
            wait_for_text(ours.log, "Unauthenticated")
            said = ours.log.read_text()

        assert sink.received == []
        assert "other-1" not in said

    def test_speaks_tls_unless_told_otherwise(self, name: str, sink: Sink, tmp_path: Path) -> None:
        with next_hop(sink) as hop:
            environ = sent_to(name, hop.grpc_address, "next-1")
            del environ[f"{FILES[name]}_INSECURE"]
            with run_collector(name, environ=environ, folder=tmp_path) as ours:
                send_as_the_application(ours.http_url)
                wait_for_text(ours.log, "authentication handshake failed")

        assert sink.received == []


def next_hop(sink: Sink) -> AbstractContextManager[Collector]:
    extensions = "[health_check, file_storage/queue, bearertokenauth/next]"
    environ = {"OTLP_ENDPOINT": sink.url, "OTELCOL_EXTENSIONS": extensions}
    return run_collector("otlp", environ=environ, settings=TOKEN_WANTED)


def sent_to(name: str, address: str, token: str) -> dict[str, str]:
    """Return the variables of *name* for a plain server at *address* that wants *token*."""
    prefix = FILES[name]
    return {
        f"{prefix}_ENDPOINT": address,
        f"{prefix}_INSECURE": "true",
        f"{prefix}_HEADERS": f'{{authorization: "Bearer {token}"}}',
    }
