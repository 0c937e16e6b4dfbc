"""
Writes docs/vendors.md from the headers of collector/vendors.

    python tools/generate_vendors.py            # write
    python tools/generate_vendors.py --check    # exit 1 if the page is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import table, write_or_check

from whatsself_otel.stack import vendor_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.stack.vendor_files import Vendor

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "vendors.md"

INTRO: Final = """\
# Vendors

<!-- Generated from the headers of `collector/vendors` by `tools/generate_vendors.py`; do not edit. -->

A backend is one file of `collector/vendors`; the application does not change. Any number of them at once:

```sh
whatsself-otel vendors list
whatsself-otel vendors show honeycomb
whatsself-otel collector run --vendor local --vendor honeycomb
```

A vendor that is away costs the others nothing. Its queue takes what comes, 256 MB by `OTELCOL_QUEUE_BYTES`; when that
is full, what comes is dropped for this vendor alone, counted and alerted on. `local` makes its sender wait instead. In
each file's header it is `full: drop` or `full: refuse`; [how](../collector/README.md).

In containers they stand beside Prometheus, Loki and Tempo: `OTELCOL_VENDORS=honeycomb,datadog`, here or in `.env`, with
the variables of their files. A secret may lie in a file of the folder `OTELCOL_SECRETS_DIR`, which user 10001 must be
able to read: `HONEYCOMB_API_KEY_FILE=/run/secrets/otelcol/honeycomb`. `OTELCOL_SAMPLING=true`, `OTELCOL_SECURE=true`
and `OTELCOL_OWN_LOG=false` are the switches of the command line. A variable that is missing stops the start: `docker
compose logs otelcol-config` names it. `stack up --docker --vendor honeycomb` does the same, with files of this machine.
`docker compose up otelcol` starts no backend of its own: what is meant for them waits.

A required variable may also stand in a file: `NAME_FILE=path` instead of `NAME=value`. One that is missing, empty or
still a placeholder is named before anything starts. Vendors' own servers [were not tried](unproven.md). A backend
without a file here: `otlp`, or a file of your own, as [examples/second_vendor.yaml](../examples/second_vendor.yaml);
[how the files fit together](../collector/README.md).
"""


_FULL: Final = {
    "drop": "drops and counts beside other backends; alone, the sender waits",
    "refuse": "the sender waits",
}


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def overview(vendors: Sequence[Vendor]) -> str:
    """Return the table of all vendors."""
    rows = [(f"[{each.name}](#{each.name})", ", ".join(each.signals), _code(each.requires)) for each in vendors]
    return table(("File", "Takes", "Needs"), rows)


def section(vendor: Vendor) -> str:
    """Return all about one vendor."""
    optional = [f"`{name}`" + (f" = `{default}`" if default else "") for name, default in vendor.optional.items()]
    sources = ", ".join(f"<{address.strip()}>" for address in vendor.facts["source"].split(","))
    rows = [
        ("takes", ", ".join(vendor.signals)),
        ("needs", _code(vendor.requires)),
        ("may have", ", ".join(optional) or "none"),
        ("temporality", vendor.facts["temporality"]),
        ("when its queue is full", _FULL[vendor.full]),
        *([("lacking in the native build", _code(vendor.lacking))] if vendor.lacking else []),
        ("limits", vendor.facts["limits"]),
        ("compared with", f"{sources} ({vendor.facts['checked']})"),
    ]
    notes = "\n".join(vendor.notes).strip()
    return f"## {vendor.name}\n\n{vendor.summary}\n\n{table(('', ''), rows)}\n" + (f"\n{notes}\n" if notes else "")


def page(vendors: Sequence[Vendor]) -> str:
    """Return the whole page."""
    return "\n".join([INTRO, overview(vendors), "", *(section(vendor) for vendor in vendors)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it."""
    vendors = [vendor_files.load(name) for name in vendor_files.names()]
    return write_or_check(__doc__, {PAGE: page(vendors)}, arguments)


if __name__ == "__main__":
    sys.exit(main())
