"""``whatsself-otel session``: retire a number, so that it pages nobody."""

from __future__ import annotations

import argparse
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli.arguments import url
from whatsself_otel.cli.terminal import print_json, say
from whatsself_otel.masking import Masker
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import WRONG_USE, CommandError
from whatsself_otel.stack.store_http import SourceError, ask, get_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STORE: Final = "Alertmanager"
_AUTHOR: Final = "whatsself-otel session retire"
"""Author of these silences; people's own have another one."""
_YEARS: Final = timedelta(days=3650)
"""Alertmanager has no silence without an end."""
_LABELS: Final = {"session": "session", "job": "job", "environment": "deployment_environment_name"}
_EXAMPLES: Final = """\
examples:
  whatsself-otel session retire shop-2
  whatsself-otel session retire shop-2 --service shop-bot --environment production
  whatsself-otel session list
  whatsself-otel session restore shop-2

The command tells the running Alertmanager by its API, and Alertmanager remembers that over a restart. The application
need not be stopped or changed. Its code can do the same by telemetry.metrics.session_retired(session=...).
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``session`` and its own commands."""
    parser = subparsers.add_parser(
        "session",
        help="retire a number that was given up: it pages nobody any more",
        description="Silences every alert of one session in the running Alertmanager, or takes that back.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    for name, told, run in (
        ("retire", "its alerts reach nobody any more", _retire),
        ("restore", "its alerts reach people again", _restore),
        ("list", "what is retired", _list),
    ):
        action = actions.add_parser(name, help=told)
        if name != "list":
            action.add_argument("name", help="the session, as alerts and dashboards show it")
            action.add_argument("--service", help="of the session (default: OTEL_SERVICE_NAME, else whatsself)")
            action.add_argument("--environment", default="", help="of the session (default: every one)")
        action.add_argument("--json", action="store_true", help="for machines")
        action.add_argument("--url", type=url, help="address of Alertmanager (default: the native stack's)")
        action.set_defaults(run=run)


def _retire(arguments: argparse.Namespace) -> int:
    wanted = _matchers(arguments)
    if any(_same(each, wanted) for each in _retired(arguments)):
        return _tell(arguments, f"{arguments.name} is retired already.")
    now = datetime.now(UTC)
    silence = {
        "matchers": wanted,
        "startsAt": now.isoformat(),
        "endsAt": (now + _YEARS).isoformat(),
        "createdBy": _AUTHOR,
        "comment": f"Session {arguments.name} was given up.",
    }
    _ask(arguments, "silences", "POST", silence)
    return _tell(
        arguments,
        f"{arguments.name} is retired. Its alerts are sent no more, and neither are the ends of earlier alerts.\n"
        f"To take it back: whatsself-otel session restore {arguments.name}",
    )


def _restore(arguments: argparse.Namespace) -> int:
    wanted = _matchers(arguments)
    found = [each["id"] for each in _retired(arguments) if _same(each, wanted)]
    if not found:
        raise CommandError(f"{arguments.name} is not retired. See: whatsself-otel session list", status=WRONG_USE)
    for each in found:
        _ask(arguments, f"silence/{each}", "DELETE")
    return _tell(arguments, f"{arguments.name} is no longer retired: people are told of it again.")


def _list(arguments: argparse.Namespace) -> int:
    lines = (" ".join(f"{name}={value}" for name, value in each.items() if value) for each in _rows(arguments))
    return _tell(arguments, "\n".join(lines) or "No session is retired.")


def _tell(arguments: argparse.Namespace, words: str) -> int:
    if arguments.json:
        print_json("session", retired=_rows(arguments))
    else:
        say(words)
    return 0


def _rows(arguments: argparse.Namespace) -> list[dict[str, str]]:
    rows = []
    for silence in _retired(arguments):
        values = {each["name"]: each["value"] for each in silence["matchers"]}
        rows.append({name: values.get(label, "") for name, label in _LABELS.items()})
    return sorted(rows, key=lambda row: tuple(row.values()))


def _matchers(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what selects every alert of the session, and of no other one."""
    name, shown = arguments.name, Masker().identifier(arguments.name)
    if not name or shown != name:
        msg = f"NAME must be a session as alerts show it, which no number is, got {shown!r}. Take it from an alert."
        raise CommandError(msg, status=WRONG_USE)
    service = arguments.service or os.environ.get("OTEL_SERVICE_NAME") or "whatsself"
    return list(_matches({"session": name, "job": service, "deployment_environment_name": arguments.environment}))


def _matches(labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, value in labels.items():
        # A service in a namespace has the job namespace/name.
        is_job = name == "job"
        if value:
            text = f"(.+/)?{re.escape(value)}" if is_job else value
            yield {"name": name, "value": text, "isRegex": is_job, "isEqual": True}


def _retired(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    try:
        found = get_json(_STORE, _address(arguments, "silences"))
    except SourceError as error:
        raise _unreached(error) from error
    silences = found if isinstance(found, list) else []
    return [each for each in silences if each["createdBy"] == _AUTHOR and each["status"]["state"] == "active"]


def _same(silence: Mapping[str, Any], wanted: list[dict[str, Any]]) -> bool:
    def key(matchers: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(each["name"], each["value"]) for each in matchers}

    return key(silence["matchers"]) == key(wanted)


def _ask(arguments: argparse.Namespace, path: str, method: str, content: object = None) -> None:
    body = None if content is None else json.dumps(content).encode()
    try:
        ask(_STORE, _address(arguments, path), method, body)
    except SourceError as error:
        raise _unreached(error) from error


def _address(arguments: argparse.Namespace, path: str) -> str:
    base: str = arguments.url or Addresses.from_environment().alertmanager
    return f"{base.rstrip('/')}/api/v2/{path}"


def _unreached(error: SourceError) -> CommandError:
    return CommandError(f"{error} Name it with --url.")
