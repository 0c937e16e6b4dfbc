"""
Writes collector/gates: one file before each vendor file whose header says ``full: drop``.

    python tools/generate_gates.py            # write
    python tools/generate_gates.py --check    # exit 1 if a file is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml
from pages import write_or_check

from whatsself_otel.stack import vendor_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.stack.vendor_files import Vendor

FOLDER: Final = Path(__file__).resolve().parent.parent / "collector" / "gates"
SOCKET: Final = "${env:OTELCOL_GATE_DIR:-/tmp}"
GATE: Final = """\
# The gate before NAME: when its queue is full, what comes is dropped here and counted, and no other backend waits.
# Generated from collector/vendors/NAME.yaml by tools/generate_gates.py; do not edit. collector/README.md says why.

receivers:
  otlp/NAME_gate:
    protocols:
      grpc:
        # A file, not a port: nobody but this user can send past the masking.
        endpoint: "SOCKET/NAME.sock"
        transport: unix
        max_recv_msg_size_mib: 32

exporters:
  otlp_grpc/NAME_gate:
    endpoint: "unix://SOCKET/NAME.sock"
    compression: none
    tls: {insecure: true}
    wait_for_ready: true
    # A full queue refuses at once, a busy machine or a start answers late: that is no reason to drop anything.
    timeout: 5s
    # What is refused for so long is dropped: with 64 consumers of 0.5 MB, 5 MB a second.
    sending_queue:
      storage: file_storage/queue
      sizer: bytes
      queue_size: 67108864
      num_consumers: 64
      batch: {flush_timeout: 100ms, min_size: 500000, max_size: 2000000}
    retry_on_failure: {initial_interval: 500ms, max_interval: 2s, max_elapsed_time: 6s}

service:
  pipelines:
"""


def gate(vendor: Vendor) -> str:
    """Return the file of the gate before *vendor*, whose own file stays as it is."""
    pipelines = yaml.safe_load(vendor.path.read_text("utf-8"))["service"]["pipelines"]
    lines = []
    for name, pipeline in pipelines.items():
        signal, _, own = name.partition("/")
        (forward,) = pipeline["receivers"]
        gated = f"{{receivers: [{forward}], exporters: [otlp_grpc/{vendor.name}_gate]}}"
        lines += [f"    {signal}/{own}_gate: {gated}", f"    {name}: {{receivers: [otlp/{vendor.name}_gate]}}"]
    return GATE.replace("NAME", vendor.name).replace("SOCKET", SOCKET) + "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    vendors = [vendor_files.load(name) for name in vendor_files.names()]
    pages = {FOLDER / f"{vendor.name}.yaml": gate(vendor) for vendor in vendors if vendor.full == "drop"}
    return write_or_check(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
