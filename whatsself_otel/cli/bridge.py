"""``whatsself-otel bridge``: a gateway's webhooks, observed and passed on as they came."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.arguments import number, url, whole
from whatsself_otel.cli.terminal import print_json, say
from whatsself_otel.demo.requirements import install_command
from whatsself_otel.errors import ConfigError
from whatsself_otel.stack.errors import MISSING, WRONG_USE, CommandError
from whatsself_otel.stack.paths import locked
from whatsself_otel.whatsapp.detect import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whatsself_otel.bridge.config import BridgeConfig
    from whatsself_otel.bridge.polling import Poll

LOCK_NAME: Final = "bridge.lock"
_MIB: Final = 1024 * 1024
_EXAMPLES: Final = """\
A route is PATH=PROVIDER or PATH=PROVIDER@URL; the longest path that fits takes a request. The path of the request is
kept, and added to that of the target's URL. A gateway to ask is PROVIDER=URL or PROVIDER=URL,KEY_FILE. Health:
GET /-/health. Telemetry leaves as the OTEL_* and WHATSSELF_OTEL_* variables say; secrets of providers are
WHATSSELF_OTEL_WHATSAPP_*_FILE.

examples:
  whatsself-otel bridge --provider evolution
  whatsself-otel bridge --provider evolution --forward http://127.0.0.1:5678 --queue queue
  whatsself-otel bridge --route /webhook/waha=waha@http://127.0.0.1:5678 --route /meta=cloud_api
  whatsself-otel bridge --poll waha=http://127.0.0.1:3000,waha-key.txt
  whatsself-otel bridge --listen 0.0.0.0:8085 --provider waha --token-file bridge-token.txt
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``bridge``."""
    parser = subparsers.add_parser(
        "bridge",
        help="metrics, traces and logs from a gateway's webhooks, without any code",
        description="Takes the webhooks of WhatsApp gateways, records what they tell, and passes them on unchanged.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listen", default="127.0.0.1:8085", metavar="HOST:PORT", help="default: 127.0.0.1:8085")
    parser.add_argument("--provider", choices=PROVIDERS, help="whose webhooks come; default: as their shape tells")
    parser.add_argument("--forward", type=url, metavar="URL", help="where they go on to; default: nowhere")
    parser.add_argument("--route", action="append", default=[], metavar="ROUTE", help="one path; repeatable")
    parser.add_argument("--queue", type=Path, metavar="DIR", help="keep what the target cannot take, and deliver later")
    parser.add_argument("--queue-max-size", type=whole(1), default=1024, metavar="MIB", help="of it (default: 1024)")
    parser.add_argument("--queue-max-age", type=number(0.01), default=72.0, metavar="HOURS", help="in it (default: 72)")
    parser.add_argument("--token-file", type=Path, help="gateways show what it holds, in X-Bridge-Token or the path")
    parser.add_argument("--verify-token-file", type=Path, help="what Meta shows when the webhook is registered")
    parser.add_argument("--public-url", type=url, metavar="URL", help="by which Twilio reaches the bridge")
    parser.add_argument("--poll", action="append", default=[], metavar="GATEWAY", help="ask it for its sessions")
    parser.add_argument("--poll-interval", type=number(0.1), default=30.0, metavar="S", help="then again (default: 30)")
    parser.add_argument("--max-body", type=whole(1, 1024), default=64, metavar="MIB", help="longest body (default: 64)")
    parser.add_argument("--timeout", type=number(0.1, 600), default=10.0, metavar="S", help="of patience (default: 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the address, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the bridge until a signal ends it."""
    if importlib.util.find_spec("aiohttp") is None:
        raise CommandError(f"The bridge needs aiohttp. Run: {install_command('bridge')}", status=MISSING)
    try:
        config, polls = _config(arguments), _polls(arguments)
        with _only_one(config.queue):
            asyncio.run(_serve(config, polls, is_json=arguments.json))
    except ConfigError as error:
        raise CommandError(" ".join(error.problems), status=WRONG_USE) from error
    except OSError as error:
        raise CommandError(f"The bridge cannot start: {error}. Is another one running?") from error
    return 0


@contextlib.contextmanager
def _only_one(queue: Path | None) -> Iterator[None]:
    """Keep other bridges from the queue: two would deliver everything twice."""
    if queue is None:
        yield
        return
    with locked(queue / LOCK_NAME) as is_ours:
        if not is_ours:
            raise CommandError(f"Another bridge uses the queue {queue}: give each a folder of its own.")
        yield


async def _serve(config: BridgeConfig, polls: Sequence[Poll], *, is_json: bool) -> None:
    from whatsself_otel.bridge.server import Bridge
    from whatsself_otel.setup import setup_telemetry

    with setup_telemetry() as telemetry, _stop_event() as stop:
        async with Bridge(config, telemetry, polls) as bridge:
            address = f"http://{config.host}:{bridge.port}"
            say(f"Listening on {address}", aside=True)
            if is_json:
                print_json("bridge", address=address)
            await stop.wait()


@contextlib.contextmanager
def _stop_event() -> Iterator[asyncio.Event]:
    """Yield an event that SIGTERM or Ctrl-C sets, so that open requests are answered first."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def end(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _config(arguments: argparse.Namespace) -> BridgeConfig:
    from whatsself_otel.bridge.config import ANY, BridgeConfig, Route

    host, _, port = arguments.listen.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError([f"--listen must be HOST:PORT, got {arguments.listen!r}."])
    routes = [Route.parse(text) for text in arguments.route]
    if arguments.provider or arguments.forward or not routes:
        routes.append(Route(provider=arguments.provider or ANY, forward=arguments.forward))
    return BridgeConfig(
        host=host.strip("[]"),
        port=int(port),
        routes=tuple(routes),
        queue=arguments.queue,
        queue_max_bytes=arguments.queue_max_size * _MIB,
        queue_max_age_s=arguments.queue_max_age * 3600,
        token=_secret(arguments.token_file, "--token-file"),
        verify_token=_secret(arguments.verify_token_file, "--verify-token-file"),
        public_url=arguments.public_url,
        max_body_bytes=arguments.max_body * _MIB,
        forward_timeout_s=arguments.timeout,
    )


def _polls(arguments: argparse.Namespace) -> list[Poll]:
    from whatsself_otel.bridge.polling import Poll

    def read_key(file: Path) -> str:
        return (_secret(file, "--poll") or b"").decode()

    return [Poll.parse(given, read_key, arguments.poll_interval) for given in arguments.poll]


def _secret(path: Path | None, option: str) -> bytes | None:
    if path is None:
        return None
    try:
        found = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError([f"the file of {option} cannot be read ({error.strerror})."]) from error
    if not found:
        raise ConfigError([f"the file of {option} is empty: write a long random text into it."])
    return found
