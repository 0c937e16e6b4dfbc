"""
Write backends/grafana/dashboards: Classic JSON for Grafana's file provisioning, in English and in Portuguese.

    python tools/generate_dashboards.py [--check]
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from dashboards.files import files
from pages import write_or_check

from whatsself_otel.operations.model import ROOT, Source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDER: Final = ROOT / "backends" / "grafana" / "dashboards"


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files, or check them."""
    texts = {folder / name: text for name, text in files(Source.load()).items()}
    return write_or_check(__doc__, texts, arguments)


if __name__ == "__main__":
    sys.exit(main())
