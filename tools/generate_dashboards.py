"""
Write backends/grafana/dashboards: Classic JSON for Grafana's file provisioning, in English and in Portuguese.

    python tools/generate_dashboards.py [--check]
    python tools/generate_dashboards.py --victorialogs DIR    # into DIR, with the lines of logs from VictoriaLogs
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dashboards.files import files
from dashboards.model import Store
from pages import write_or_check

from whatsself_otel.operations.model import ROOT, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = ROOT / "backends" / "grafana" / "dashboards"


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files, or check them."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--victorialogs"] and len(given) == 2:
        folder = Path(given[1])
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files(Source.load(), logs=Store.VICTORIALOGS).items():
            (folder / name).write_text(text, "utf-8")
        return 0
    texts = {folder / name: text for name, text in files(Source.load()).items()}
    return write_or_check(__doc__, texts, arguments)


if __name__ == "__main__":
    sys.exit(main())
