"""Run the command line as ``python -m whatsself_otel.cli``."""

from __future__ import annotations

import sys

from whatsself_otel.cli import main

if __name__ == "__main__":
    sys.exit(main())
