"""``whatsself-otel rules build``: the rules for other people's Prometheus, with their own thresholds and names."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli.terminal import print_json, show
from whatsself_otel.stack.errors import MISSING, WRONG_USE, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMS: Final = ("plain", "operator", "mimir")
_SET: Final = "change a setting; repeatable"

_EXAMPLES: Final = """\
examples:
  whatsself-otel rules build --output rules
  whatsself-otel rules build --set service=shop-bot --set queue.stuck_for=10m --set expected.sessions=main,second
  whatsself-otel rules build --form operator --output k8s      # PrometheusRule, for the Prometheus operator
  whatsself-otel rules build --form mimir --output mimir       # for mimirtool rules load
  whatsself-otel rules settings                                # what --set may change, and its values
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``rules``."""
    parser = subparsers.add_parser(
        "rules",
        help="make alerting rules with your own thresholds",
        description="Makes the rules from their one source, which is part of this installation.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="write the rules", description="Writes the rules into a folder.")
    build.add_argument("--form", choices=FORMS, default="plain", help="rule files, PrometheusRule or Mimir's ruler")
    build.add_argument("--output", type=Path, default=Path("rules"), help="folder to write into (default: rules)")
    settings = actions.add_parser("settings", help="show what can be set", description="Shows each setting's value.")
    for action, run in ((build, _build), (settings, _settings)):
        action.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_SET)
        action.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        action.set_defaults(run=run)


def _build(arguments: argparse.Namespace) -> int:
    yaml, source = _changed_source(arguments.set)
    files = importlib.import_module("whatsself_otel.operations.rules").rule_files(source)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (arguments.output / name).write_text(in_form(arguments.form, name, text, yaml), "utf-8")
    paths = [str(arguments.output / name) for name in files]
    if arguments.json:
        print_json("rules-build", form=arguments.form, files=paths)
    else:
        show("\n".join(paths))
    return 0


def _settings(arguments: argparse.Namespace) -> int:
    yaml, source = _changed_source(arguments.set)
    if arguments.json:
        print_json("rules-settings", settings=source.values)
    else:
        show(yaml.safe_dump(source.values, sort_keys=False, allow_unicode=True).rstrip())
    return 0


def _changed_source(given: Sequence[str]) -> tuple[Any, Any]:
    """Return the YAML library, and the source with the settings that were *given* as ``KEY=VALUE``."""
    try:
        yaml = importlib.import_module("yaml")
        model = importlib.import_module("whatsself_otel.operations.model")
    except ImportError as error:
        raise CommandError("rules reads YAML: pip install pyyaml", status=MISSING) from error
    source = model.Source.load()
    for each in given:
        key, is_set, value = each.partition("=")
        _change(source, key, value if is_set else None, yaml)
    return yaml, source


def _change(source: Any, key: str, text: str | None, yaml: Any) -> None:
    """Put *text* in place of the value of *key*, as the same kind of value."""
    *path, last = key.split(".")
    values: Any = source.values
    for part in path:
        values = values.get(part) if isinstance(values, dict) else None
    if text is None or not isinstance(values, dict) or last not in values or isinstance(values[last], dict):
        raise CommandError(f"--set takes KEY=VALUE with a key of `rules settings`, got {key!r}.", status=WRONG_USE)
    old = values[last]
    new: Any = [name for name in text.split(",") if name] if isinstance(old, list) else yaml.safe_load(text)
    if isinstance(old, int | float) != isinstance(new, int | float):
        raise CommandError(f"{key} must be like {old!r}, got {text!r}.", status=WRONG_USE)
    values[last] = new if isinstance(new, list | int | float) else text
    if key == "service":
        source.service = text


def in_form(form: str, name: str, text: str, yaml: Any) -> str:
    """Return the rule file *name* as *form* wants it."""
    if form == "plain":
        return text
    groups: Mapping[str, Any] = yaml.safe_load(text)
    label = name.removesuffix(".yml")
    whole = (
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"whatsself-{label}", "labels": {"app.kubernetes.io/name": "whatsself"}},
            "spec": groups,
        }
        if form == "operator"
        else {"namespace": f"whatsself-{label}", **groups}
    )
    return str(yaml.safe_dump(whole, sort_keys=False, width=10_000, allow_unicode=True))
