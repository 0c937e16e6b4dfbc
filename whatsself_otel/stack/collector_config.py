"""
The collector's configuration as one file, for containers, whose image has neither a shell nor this command line.

    python -m whatsself_otel.stack.collector_config FOLDER     # writes otelcol.json there: docker-compose.yml
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.stack import gates, soundness, vendor_files
from whatsself_otel.stack.errors import WRONG_USE, CommandError
from whatsself_otel.stack.files import collector_base

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whatsself_otel.stack.vendor_files import Vendor

VENDORS: Final = "OTELCOL_VENDORS"
"""Names of files in ``collector/vendors`` beside ``local``, parted by commas."""
OVERLAYS: Final = {"OTELCOL_SECURE": "secure", "OTELCOL_SAMPLING": "sampling", "OTELCOL_OWN_LOG": "own-log"}
"""Variable -> file of ``collector``. The collector's own log is on by default, and excludes ``secure``."""
FILE: Final = "otelcol.json"
SECRETS: Final = "secrets"


def chosen(environ: Mapping[str, str] = os.environ) -> list[Vendor]:
    """
    Return the files that the variables ask for, besides the base.

    Raises:
        CommandError: A name is not known, a variable is missing, or the files cannot be right together.
    """
    named = re.split(r"[\s,]+", f"local,{environ.get(VENDORS, '')},{environ.get('OTELCOL_VENDOR', '')}")
    vendors = [vendor_files.load(name) for name in dict.fromkeys(filter(None, named))]
    wanted = {name: _is_on(environ, variable) for variable, name in OVERLAYS.items()}
    if wanted["own-log"] is None:
        wanted["own-log"] = not wanted["secure"]
    if wanted["own-log"] and wanted["secure"]:
        raise CommandError("OTELCOL_OWN_LOG and OTELCOL_SECURE do not go together. Unset one.", status=WRONG_USE)
    vendors += [vendor_files.overlay(name) for name, is_wanted in wanted.items() if is_wanted]
    vendor_files.check(vendors, environ)
    if wrong := list(soundness.contradictions(vendors, (), sampling=bool(wanted["sampling"]), environ=environ)):
        raise CommandError("\n".join(wrong), status=WRONG_USE)
    return vendors


def _is_on(environ: Mapping[str, str], variable: str) -> bool | None:
    value = environ.get(variable, "").strip().lower()
    if value not in {"", "true", "false"}:
        raise CommandError(f"{variable} is neither true nor false.", status=WRONG_USE)
    return value == "true" if value else None


def secrets(vendors: Sequence[Vendor], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the values of *vendors* from files, without line ends: the collector would put those into a header."""
    names = {name for vendor in vendors for name in (*vendor.requires, *vendor.optional)}
    found = {name: vendor_files.value_of(name, environ) for name in sorted(names - environ.keys())}
    # The collector expands what it reads from a file once more.
    return {name: value.replace("$", "$$") for name, value in found.items() if value is not None}


def render(vendors: Sequence[Vendor], secret_files: Mapping[str, str]) -> str:
    """
    Return the base and *vendors* merged, as the collector merges them.

    Args:
        vendors: Every file beside the base.
        secret_files: Variable -> where the collector finds its value, for those that stand in a file.
    """
    import yaml  # of the extra [viewer]

    merged: dict[str, Any] = {}
    for path in (*collector_base(), *gates.files(vendors)):
        merged = merge(merged, yaml.safe_load(path.read_text("utf-8")))
    text = json.dumps(merged, indent=1)
    for name, file in secret_files.items():
        text = re.sub(rf"\$\{{env:{name}(:-[^}}]*)?\}}", f"${{file:{file}}}", text)
    if added := [name for vendor in vendors for name in vendor.extensions]:
        text = text.replace("file_storage/queue]}", ", ".join(("file_storage/queue", *added)) + "]}")
    return text


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return *second* over *first*: maps are merged deeply, everything else is replaced, as in the collector."""
    merged = dict(first)
    for key, value in second.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the configuration from the variables. Return 2 if they are incomplete, with the problem on stderr."""
    parser = argparse.ArgumentParser(prog="python -m whatsself_otel.stack.collector_config", description=__doc__)
    parser.add_argument("folder", type=Path, help=f"where {FILE} goes")
    parser.add_argument("--seen-as", type=Path, metavar="FOLDER", help="where the collector sees it; default: there")
    options = parser.parse_args(arguments)
    try:
        vendors = chosen()
        found = secrets(vendors)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    seen = (options.seen_as or options.folder) / SECRETS
    text = render(vendors, {name: str(seen / name) for name in found})
    _write_secrets(options.folder / SECRETS, found)
    (options.folder / FILE).write_text(text, "utf-8")
    return 0


def _write_secrets(folder: Path, found: Mapping[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for name, value in found.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(value, "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
